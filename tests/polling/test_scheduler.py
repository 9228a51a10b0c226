"""Many accounts at once, in this process, against the simulator."""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from poller.polling import breaker, policy
from poller.settings import Settings
from poller.simulator.server import Simulator, serve
from poller.upstream.transport_errors import TransportError, TransportErrorKind
from poller.values import Failure, FailureKind
from tests.running import account, kind_of, made_up, numbered, one_round, polled, streamed

if TYPE_CHECKING:
    from poller.values import Credential, Report, Response

pytestmark = pytest.mark.anyio

STOPPED = Failure(FailureKind.CANCELLED, "stopped", "run again")


def starts_s(simulator: Simulator) -> list[float]:
    """Return when each request arrived, from the first on."""
    seen = sorted(at for each in simulator.stats().accounts.values() for at in each.started_at_s)
    return [at - seen[0] for at in seen]


def waits_s(simulator: Simulator, account_id: str) -> list[float]:
    """Return the seconds between an account's attempts, as the server saw them."""
    seen = simulator.stats().accounts[account_id].started_at_s
    return [after - before for before, after in pairwise(seen)]


def counted(simulator: Simulator, reports: dict[str, Report]) -> bool:
    """Tell whether every account counts as many attempts as the server does."""
    stats = simulator.stats().accounts
    told = {f"acct-{name}": report.attempts for name, report in reports.items()}
    seen = {name.partition("~")[0]: each.attempts for name, each in stats.items()}
    return {name: count for name, count in told.items() if count} == seen


def is_spared(report: Report) -> bool:
    return kind_of(report) == "circuit_open" and "--patience" in str(report.failure)


# As many at once as asked for, and no more


@pytest.mark.parametrize("concurrency", [1, 7])
async def test_no_more_requests_are_in_flight_than_asked_for(concurrency: int) -> None:
    async with serve(latency_s=0.01) as simulator:
        reports = await polled(simulator.url, numbered(30), concurrency=concurrency)

        assert all(report.ok and report.attempts == 1 for report in reports.values())
        assert simulator.stats().most_in_flight == concurrency
        assert simulator.stats().requests == 30


async def test_many_are_in_flight_only_once_the_upstream_has_answered() -> None:
    async with serve(latency_s=0.2) as simulator:
        reports = await polled(simulator.url, numbered(250), concurrency=100)

        assert all(report.ok for report in reports.values())
        assert 64 < simulator.stats().most_in_flight <= 100
        assert sum(at < 0.15 for at in starts_s(simulator)) <= 64


async def test_no_more_are_in_flight_while_accounts_are_retried() -> None:
    accounts = [*numbered(15, "~503x1"), *numbered(15, "~resetx1", start=15)]
    async with serve(latency_s=0.01) as simulator:
        reports = await polled(simulator.url, accounts, concurrency=4)

        assert {kind_of(report) for report in reports.values()} == {None}
        assert {report.attempts for report in reports.values()} == {2}
        assert simulator.stats().most_in_flight == 4
        assert counted(simulator, reports)


async def test_no_more_requests_start_in_a_second_than_asked_for() -> None:
    async with serve() as simulator:
        await polled(simulator.url, numbered(12), rate=20)

        starts = starts_s(simulator)
        assert all(at >= index / 20 - 0.015 for index, at in enumerate(starts))
        assert starts[-1] < 11 / 20 + 0.3


async def test_whatever_asks_again_keeps_to_the_rate() -> None:
    accounts = [*numbered(4, "~402"), *numbered(3, "~401@reused", start=4), account("z", "~500")]
    async with serve() as simulator:
        reports = await polled(simulator.url, accounts, rate=20, concurrency=1, retries=1)

        assert len(starts_s(simulator)) >= len(accounts) + 3 + 1 + 1
        assert counted(simulator, reports)
        assert all(at >= index / 20 - 0.015 for index, at in enumerate(starts_s(simulator)))


# Retries


async def test_a_slot_is_free_while_an_account_waits_to_retry() -> None:
    accounts = [account("late", "~503-after-1x1"), *numbered(5)]
    async with serve() as simulator:
        reports = await polled(simulator.url, accounts, concurrency=1)

        assert list(reports)[-1] == "late"
        assert {report.attempts for report in reports.values()} == {1, 2}
        assert all(report.ok for report in reports.values())


async def test_a_retry_after_is_that_accounts_wait() -> None:
    accounts = [account("seconds", "~429-after-2x1"), account("date", "~503-after-date-2x1")]
    async with serve() as simulator:
        reports = await polled(simulator.url, [*accounts, account("none")])

        assert all(report.ok for report in reports.values())
        assert 2.0 <= waits_s(simulator, "acct-seconds~429-after-2x1")[0] <= 2.5
        assert 2.0 <= waits_s(simulator, "acct-date~503-after-date-2x1")[0] <= 3.0
        elapsed_s = reports["seconds"].elapsed_s
        assert elapsed_s is not None
        assert 2.0 <= elapsed_s < 3.0


@pytest.mark.parametrize(
    ("ending", "kind", "attempts"),
    [
        ("~500", "server_error", 3),
        ("~reset", "connection_lost", 3),
        ("~cut", "connection_lost", 3),
        ("~404", "not_found", 2),
        ("~401", "unauthorized", 2),
        ("~garbage", "protocol", 2),
        ("~not-json", "invalid_response", 2),
        ("~list", "invalid_response", 1),
        ("~402", "payment_required", 1),
        ("~edge", "edge_blocked", 1),
        ("~302", "redirect", 1),
        ("~big", "invalid_response", 1),
        ("~429-after-31", "rate_limited", 1),
    ],
)
async def test_each_failure_is_asked_again_as_often_as_it_is_worth(
    ending: str, kind: str, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poller.polling.retry._transient", lambda _: 0.01)
    async with serve() as simulator:
        reports = await polled(simulator.url, [account("one", ending), account("two")])

        assert (kind_of(reports["one"]), reports["one"].attempts) == (kind, attempts)
        assert reports["two"].ok
        assert counted(simulator, reports)


async def test_without_retries_every_account_is_asked_once() -> None:
    accounts = [account(fault, f"~{fault}") for fault in ("503", "reset", "429", "404", "hang")]
    async with serve(latency_s=0.1) as simulator:  # so that no connection is used again
        reports = await polled(simulator.url, accounts, retries=0, timeout_s=0.5)

        assert {report.attempts for report in reports.values()} == {1}
        assert kind_of(reports["hang"]) == "timeout"
        assert counted(simulator, reports)


async def test_a_wait_past_the_accounts_deadline_is_not_begun() -> None:
    async with serve() as simulator:
        reports = await polled(
            simulator.url, [account("one", "~503-after-5x1")], account_deadline_s=2.0
        )

        assert kind_of(reports["one"]) == "server_error"
        assert reports["one"].elapsed_s is not None
        assert reports["one"].elapsed_s < 1.0
        assert "wait 5 s" in str(reports["one"].failure)


async def test_the_accounts_deadline_cuts_a_request() -> None:
    async with serve() as simulator:
        reports = await polled(simulator.url, [account("one", "~hang")], account_deadline_s=0.3)

        assert kind_of(reports["one"]) == "deadline"
        assert reports["one"].attempts == 1
        assert reports["one"].elapsed_s is not None
        assert 0.3 <= reports["one"].elapsed_s < 0.8


async def test_retries_over_the_whole_run_stay_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poller.polling.retry._transient", lambda _: 0.0)
    failing = [account(f"f{index}", "~500") for index in range(40)]
    accounts = [one for pair in zip(failing, numbered(40), strict=True) for one in pair]
    anonymous = account("first", "~anonymous")  # no connection is kept: nothing else is asked twice
    async with serve() as simulator:
        reports = await polled(simulator.url, [anonymous, *accounts], concurrency=1)

        assert 81 + 20 < simulator.stats().requests <= 81 + 20 + 81 / 4 + 1
        assert counted(simulator, reports)
        assert sum(report.ok for report in reports.values()) == 41


async def test_accounts_that_wait_to_retry_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "OPENS_AFTER", 1_000)
    accounts = [account("first"), *numbered(100, "~503-after-30")]
    async with serve() as simulator:
        async with streamed(simulator.url, accounts, concurrency=4) as reports:
            assert (await anext(reports)).ok
            monkeypatch.setattr(policy, "RETRY_AFTER_LIMIT_S", 30.0)
            await simulator.reached(3)
            reports.stop(STOPPED)
            left = [report async for report in reports]

        assert len(left) == 100
        assert simulator.stats().requests <= 64 + 4


# Pauses, and a dead upstream


async def test_three_retry_afters_pause_all_new_starts() -> None:
    accounts = [*numbered(3, "~429-after-1x1"), *numbered(5, start=3)]
    async with serve() as simulator:
        reports = await polled(simulator.url, accounts, concurrency=1)

        assert all(report.ok for report in reports.values())
        assert all(at < 0.5 or at >= 1.0 for at in starts_s(simulator))
        assert sum(at < 0.5 for at in starts_s(simulator)) == 3


async def test_three_that_asked_too_often_pause_all_also_among_others() -> None:
    accounts = numbered(60)
    for index in (5, 15, 25):
        accounts[index] = account(f"n{index:04d}", "~429-after-1x1")
    async with serve() as simulator:
        reports = await polled(simulator.url, accounts, concurrency=1)

        assert all(report.ok for report in reports.values())
        starts = starts_s(simulator)
        assert starts[26] - starts[25] > 0.95


@pytest.mark.parametrize("fault", ["503", "reset", "edge", "404"])
async def test_a_dead_upstream_is_left_alone_and_every_account_said_so(fault: str) -> None:
    async with serve(fault=fault) as simulator:
        reports = await polled(simulator.url, numbered(300), patience_s=1.0)

        kinds = [kind_of(report) for report in reports.values()]
        assert simulator.stats().requests < 200
        assert sum(map(is_spared, reports.values())) >= 300 - 64
        assert set(kinds) == {"circuit_open", str(kind_of(reports["n0000"]))}
        assert counted(simulator, reports)
        assert {report.attempts for report in reports.values() if is_spared(report)} == {0}


async def test_a_bad_certificate_is_enough_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    class Untrusted:
        asked = 0
        clock_offset_s: float | None = None

        def stop_keeping(self) -> None:
            raise AssertionError

        async def fetch(self, credential: Credential, **_: Any) -> Response | TransportError:
            self.asked += 1
            return TransportError(TransportErrorKind.TLS, "made up")

    client = Untrusted()
    settings = Settings(concurrency=1, patience_s=0.1)
    async with one_round(made_up(numbered(20)), settings, client=client) as reports:
        kinds = [kind_of(report) async for report in reports]

    assert kinds == ["tls"] * 3 + ["circuit_open"] * 17
    assert client.asked == 3


async def test_a_probe_finds_out_that_the_upstream_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PROBE_WAITS_S", (0.2, 0.2, 0.2))
    async with serve(fault="reset") as simulator:
        async with streamed(simulator.url, numbered(100), concurrency=4, retries=0) as reports:
            came = [await anext(reports) for _ in range(30)]
            simulator.fault = None
            came += [report async for report in reports]

        assert len(came) == 100
        assert 30 <= sum(kind_of(report) == "connection_lost" for report in came) < 40
        assert sum(report.ok for report in came) > 60


async def test_a_probe_passes_over_files_that_hold_no_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breaker, "PROBE_WAITS_S", (0.1,))
    monkeypatch.setattr(breaker, "PROBE_WAIT_LIMIT_S", 0.1)
    dead = numbered(30)
    expired = [account(f"x{index}", lives_s=-1_000) for index in range(40)]
    async with serve(fault="reset") as simulator:
        reports = await polled(simulator.url, [*dead, *expired], concurrency=1, retries=0)

        assert [kind_of(reports[one.name]) for one in expired] == ["token_expired"] * 40
        assert simulator.stats().requests == 30


async def test_failures_of_accounts_open_nothing() -> None:
    accounts = [*numbered(40, "~402"), *numbered(5, start=40)]
    async with serve() as simulator:
        reports = await polled(simulator.url, accounts, patience_s=0.1)

        assert [kind_of(report) for report in reports.values()].count(None) == 5
        assert "circuit_open" not in {kind_of(report) for report in reports.values()}


async def test_a_dead_upstream_costs_few_requests_at_any_concurrency() -> None:
    async with serve(fault="503", latency_s=0.05) as simulator:
        reports = await polled(simulator.url, numbered(400), concurrency=256, patience_s=0.5)

        assert simulator.stats().requests < 200
        assert sum(map(is_spared, reports.values())) >= 300


async def test_a_pause_holds_also_those_that_wait_for_a_slot_when_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poller.polling.retry._transient", lambda _: 0.4)
    accounts = [*numbered(20, "~503x1"), *numbered(3, "~429-after-1x1", start=20)]
    async with serve() as simulator:
        task = asyncio.create_task(polled(simulator.url, accounts, concurrency=1))
        await simulator.reached(22)
        simulator.latency_s = 0.8  # meanwhile all retries come to wait for the slot
        await simulator.reached(23)
        simulator.latency_s = 0.0
        reports = await task

        assert all(report.ok for report in reports.values())
        starts = starts_s(simulator)
        assert not [at for at in starts if starts[22] < at < starts[22] + 0.8 + 1.0 - 0.05]


# Ends


async def test_a_stop_gives_every_account_left_its_report() -> None:
    accounts = [account("fast"), account("slow", "~hang"), *numbered(50)]
    async with serve() as simulator:
        async with streamed(simulator.url, accounts, concurrency=1) as reports:
            fast = await anext(reports)
            await simulator.reached(2)
            reports.stop(STOPPED)
            left = {report.account: report async for report in reports}

        assert fast.ok
        assert len(left) == 51
        assert {report.failure for report in left.values()} == {STOPPED}
        assert (left["slow"].attempts, left["n0000"].attempts) == (1, 0)
        assert left["n0000"].elapsed_s is None
        assert simulator.stats().requests == 2


async def test_a_stop_leaves_a_file_that_could_not_be_read_its_own_failure() -> None:
    accounts = [account("slow", "~hang"), account("old", lives_s=-1_000)]
    async with (
        serve() as simulator,
        streamed(simulator.url, accounts, concurrency=1) as reports,
    ):
        await simulator.reached(1)
        reports.stop(STOPPED)
        left = {report.account: kind_of(report) async for report in reports}

    assert left == {"slow": "cancelled", "old": "token_expired"}


async def test_a_stop_before_anything_began_reports_all() -> None:
    async with serve() as simulator:
        async with streamed(simulator.url, numbered(20)) as reports:
            reports.stop(STOPPED)
            left = [report async for report in reports]

        assert [report.failure for report in left] == [STOPPED] * 20
        assert simulator.stats().requests == 0


async def test_a_stop_loses_nothing_that_was_on_its_way_to_a_slow_reader() -> None:
    async with serve() as simulator:
        async with streamed(simulator.url, numbered(200)) as reports:
            await simulator.reached(72)  # 64 wait for the reader, 8 for a place among them
            reports.stop(STOPPED)
            came = [report async for report in reports]

        assert len({report.account for report in came}) == 200
        assert sum(report.attempts for report in came) == simulator.stats().requests


async def test_the_runs_deadline_ends_it() -> None:
    async with serve(fault="hang") as simulator:
        begun_at = time.monotonic()
        reports = await polled(simulator.url, numbered(20), concurrency=2, deadline_s=0.4)

        assert 0.4 <= time.monotonic() - begun_at < 1.5
        assert {kind_of(report) for report in reports.values()} == {"deadline"}
        assert simulator.stats().requests == 2


async def test_what_is_waited_for_ends_with_the_runs_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poller.polling.scheduler._SILENT_FROM_S", 0.0)
    async with (
        serve(fault="hang") as simulator,
        streamed(simulator.url, numbered(1), deadline_s=9.0) as reports,
    ):
        await simulator.reached(1)
        told = reports.waiting()
    assert told is not None
    assert 0 < told.patience_left_s <= 9.0


async def test_a_slow_reader_slows_the_polling() -> None:
    async with serve() as simulator:
        async with streamed(simulator.url, numbered(300), concurrency=4) as reports:
            first = await anext(reports)
            await simulator.reached(64)
            rest = [report async for report in reports]

        assert first.ok
        assert len(rest) == 299


async def test_leaving_early_cuts_what_is_under_way() -> None:
    async with serve(fault="hang") as simulator:
        async with streamed(simulator.url, numbered(20), concurrency=4):
            await simulator.reached(4)
        asked = simulator.stats().requests

    assert asked == 4


async def test_an_error_of_the_readers_comes_out_as_it_is() -> None:
    async def read_badly(url: str) -> None:
        async with streamed(url, numbered(20)) as reports:
            await anext(reports)
            raise LookupError("mine")

    async with serve() as simulator:
        with pytest.raises(LookupError, match="mine"):
            await read_badly(simulator.url)


async def test_cancelling_the_reader_leaves_nothing_behind() -> None:
    async with serve(fault="hang") as simulator:
        task = asyncio.create_task(polled(simulator.url, numbered(20), concurrency=4))
        await simulator.reached(4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert simulator.stats().requests == 4


# Notes, and what this machine has too little of


async def test_every_failed_attempt_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "poller")
    async with serve() as simulator:
        await polled(simulator.url, [account("one", "~503x1"), account("two")])

    assert caplog.messages == ["one: attempt 1: server_error: upstream error (503)"]


async def test_running_out_of_files_lowers_the_concurrency_and_the_run_goes_on() -> None:
    async with serve() as simulator:
        settings = Settings(chatgpt_url=simulator.url, concurrency=4)
        client = Scarce()
        files = made_up(numbered(40))
        async with (
            asyncio.timeout(20),
            one_round(files, settings, client=client) as reports,
        ):
            kinds = [kind_of(report) async for report in reports]

    assert kinds == [None] * 40
    assert client.most_later == 1


class Scarce:
    """A far side that runs out of files where more than one request is in flight."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.refused = 0
        self.most_later = 0
        self.clock_offset_s: float | None = None

    def stop_keeping(self) -> None:
        pass

    async def fetch(self, credential: Credential, **_: Any) -> Response | TransportError:
        from poller.values import Response

        self.in_flight += 1
        try:
            await asyncio.sleep(0)
            if self.in_flight > 1 and self.refused < 3:
                self.refused += 1
                return TransportError(TransportErrorKind.OUT_OF_RESOURCES, "made up")
            if self.refused == 3:
                self.most_later = max(self.most_later, self.in_flight)
            return Response(200, (), b'{"plan_type": "plus"}')
        finally:
            self.in_flight -= 1
