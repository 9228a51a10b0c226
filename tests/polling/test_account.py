"""One account's attempts: what is asked again, and whose answer counts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from poller.authfiles.find import find
from poller.polling.account import Attempts
from poller.polling.feed import AccountFeed
from poller.polling.in_flight import InFlight
from poller.polling.policy import Pace
from poller.settings import Settings
from poller.simulator.accounts import MadeUpAccount
from poller.simulator.server import Simulator, serve
from poller.text import KnownTokens
from poller.upstream.transport_errors import TransportError, TransportErrorKind
from poller.values import Credential, Failure, FailureKind, Response, Retry, Usage
from tests.running import account, kind_of, made_up, numbered, one_round, polled, write

if TYPE_CHECKING:
    from pathlib import Path

    from poller.values import Report

pytestmark = pytest.mark.anyio

# Whose answer is it


def used(report: Report) -> list[float | None]:
    assert report.usage is not None
    return [window.used_percent for window in report.usage.windows]


def pinned(name: str, percent: int, fault: str = "", **more: Any) -> MadeUpAccount:
    """Return an account of which ``percent`` of its one window is used."""
    return account(name, f"+weekly_only:{percent}{fault}", **more)


async def in_turn(simulator: Simulator, *accounts: MadeUpAccount, **more: Any) -> dict[str, Report]:
    """InFlight one after the other, so that every connection is used again."""
    return await polled(simulator.url, accounts, concurrency=1, **more)


async def test_answers_that_prove_themselves_are_asked_for_once() -> None:
    async with serve() as simulator:
        reports = await in_turn(simulator, *numbered(5))

        assert [report.attempts for report in reports.values()] == [1] * 5
        assert simulator.stats().connections_opened == 1


async def test_an_upstream_without_identity_is_asked_over_fresh_connections() -> None:
    async with serve(fault="anonymous") as simulator:
        reports = await in_turn(simulator, *numbered(5))

        assert all(report.ok for report in reports.values())
        assert [report.attempts for report in reports.values()] == [1] * 5
        assert simulator.stats().connections_opened == 5


async def test_an_anonymous_answer_over_a_reused_connection_is_asked_for_again() -> None:
    async with serve() as simulator:
        reports = await in_turn(
            simulator, account("a"), pinned("b", 20, "~anonymous"), account("c"), account("d")
        )

        assert [reports[name].attempts for name in "abcd"] == [1, 2, 1, 1]
        assert used(reports["b"]) == [20]
        assert simulator.stats().connections_opened == 4


@pytest.mark.parametrize("retries", [0, 2])
async def test_a_strangers_figures_are_never_shown(retries: int) -> None:
    async with serve() as simulator:
        reports = await in_turn(
            simulator, pinned("a", 10), pinned("b", 20, "~stranger"), retries=retries
        )

        failure = reports["b"].failure
        assert used(reports["a"]) == [10]
        assert failure is not None
        assert failure.kind is FailureKind.IDENTITY_MISMATCH
        assert reports["b"].usage is None
        assert reports["b"].identity.user_id == "user-b"
        assert reports["b"].attempts == 2


async def test_a_strangers_answer_over_a_fresh_connection_is_asked_for_once_more() -> None:
    async with serve() as simulator:
        reports = await in_turn(
            simulator, pinned("a", 10, "~strangerx1"), pinned("b", 20, "~strangerx1")
        )

        assert (used(reports["a"]), used(reports["b"])) == ([10], [20])
        assert [reports[name].attempts for name in "ab"] == [2, 2]


async def test_a_wrong_answer_over_a_reused_connection_ends_keeping_them() -> None:
    async with serve() as simulator:
        reports = await in_turn(
            simulator,
            pinned("a", 10),
            pinned("b", 20, "~stranger@reused"),
            pinned("c", 30),
            pinned("d", 40, "~stranger@reused"),
            retries=0,
        )

        assert [used(reports[name]) for name in "abcd"] == [[10], [20], [30], [40]]
        assert [reports[name].attempts for name in "abcd"] == [1, 2, 1, 1]
        assert simulator.stats().connections_opened == 4


@pytest.mark.parametrize("fault", ["402", "403", "401-token_revoked", "302", "list", "big"])
async def test_a_final_refusal_over_a_reused_connection_is_asked_for_again(fault: str) -> None:
    async with serve() as simulator:
        reports = await in_turn(
            simulator, account("a"), account("b", f"~{fault}@reused"), account("c"), retries=0
        )

        assert all(report.ok for report in reports.values())
        assert reports["b"].attempts == 2


async def test_a_refusal_that_stays_over_a_fresh_connection_counts() -> None:
    async with serve() as simulator:
        reports = await in_turn(simulator, account("a"), account("b", "~402"), account("c"))

        assert kind_of(reports["b"]) == "payment_required"
        assert [reports[name].attempts for name in "abc"] == [1, 2, 1]
        assert simulator.stats().connections_opened == 2


@pytest.mark.parametrize("fault", ["goodbye", "reset@reused", "close@reused"])
async def test_a_kept_connection_that_died_is_no_fault_of_its_account(fault: str) -> None:
    async with serve() as simulator:
        accounts = [account(f"n{index}", f"~{fault}") for index in range(4)]
        reports = await in_turn(simulator, *accounts, retries=0)

        assert all(report.ok for report in reports.values())
        asked = sum(report.attempts for report in reports.values())
        assert simulator.stats().requests <= asked


async def test_surplus_answers_never_reach_the_wrong_account() -> None:
    members = [
        account(f"n{index}", f"+weekly_only:{index}", user_id=f"user-{index}")
        for index in range(1, 60)
    ]
    async with serve(surplus=True) as simulator:
        reports = await polled(simulator.url, members, concurrency=4)

        assert {name: used(report) for name, report in reports.items()} == {
            one.name: [float(one.name[1:])] for one in members
        }


async def test_members_of_a_team_are_told_apart_by_their_user() -> None:
    team = [
        MadeUpAccount(name, f"user-{name}", "acct-team", one.email, "team", one.auth_file)
        for name in "abc"
        for one in [account(name, plan="team")]
    ]
    figures = {f"user-{name}": {"plan_type": name} for name in "abc"}
    async with serve(figures=figures, surplus=True) as simulator:
        reports = await in_turn(simulator, *team)

        usages = [report.usage for report in reports.values()]
        assert [usage and usage.plan for usage in usages] == [*"abc"]


async def test_a_report_completes_the_answers_identity_with_the_credentials() -> None:
    figures = {"user-a": {"email": None, "account_id": None}}
    async with serve(figures=figures) as simulator:
        reports = await in_turn(simulator, account("a"))

        identity = reports["a"].identity
        assert (identity.user_id, identity.account_id) == ("user-a", "acct-a")
        assert identity.email == "a@example.com"


# A token that was renewed meanwhile


async def from_files(simulator: Simulator, folder: Path, **settings: Any) -> list[Report]:
    asked = Settings(chatgpt_url=simulator.url, account_dirs=(str(folder),), **settings)
    files = find(asked, environ={}, cwd=str(folder))
    async with (
        one_round(files, asked) as reports,
    ):
        return [report async for report in reports]


@pytest.mark.parametrize("code", ["", "-token_expired"])
async def test_a_newer_token_in_the_file_is_used_after_a_refusal(tmp_path: Path, code: str) -> None:
    old, new = (account("a", f"~401{code}x1", lives_s=life) for life in (1_000, 2_000))
    folder = write(tmp_path / "f", old)
    async with serve(latency_s=0.1) as simulator:
        task = asyncio.create_task(from_files(simulator, folder, retries=0))
        await simulator.reached(1)
        write(folder, new)
        (report,) = await task

        sent = dict(simulator.stats().accounts[old.account_id].headers)["Authorization"]
        assert report.ok
        assert (report.attempts, simulator.stats().requests) == (2, 2)
        assert sent.removeprefix("Bearer ").encode() in new.auth_file
        assert new.auth_file != old.auth_file


async def test_the_file_is_read_again_once_and_then_the_refusal_stands(tmp_path: Path) -> None:
    old, new = (account("a", "~401-token_revoked", lives_s=life) for life in (1_000, 2_000))
    folder = write(tmp_path / "f", old)
    async with serve(latency_s=0.1) as simulator:
        task = asyncio.create_task(from_files(simulator, folder))
        await simulator.reached(1)
        write(folder, new)
        (report,) = await task

        assert (kind_of(report), report.attempts) == ("unauthorized", 2)
        assert simulator.stats().requests == 2


@pytest.mark.parametrize("now", [b"", b"{}", None])
async def test_a_file_that_tells_no_other_token_changes_nothing(
    tmp_path: Path, now: bytes | None
) -> None:
    one = account("a", "~401-token_revoked")
    folder = write(tmp_path / "f", one)
    async with serve(latency_s=0.05) as simulator:
        task = asyncio.create_task(from_files(simulator, folder))
        await simulator.reached(1)
        if now is not None:
            (folder / "a.auth.json").write_bytes(now)
        (report,) = await task

        assert (kind_of(report), report.attempts) == ("unauthorized", 1)


# What a report tells


async def test_an_answer_is_kept_only_where_it_is_asked_for() -> None:
    async with serve() as simulator:
        without = (await in_turn(simulator, account("a")))["a"]
        kept = (await in_turn(simulator, account("a"), raw_json=True))["a"]

    assert (without.raw, without.headers) == (None, None)
    assert isinstance(kept.raw, dict)
    assert kept.raw["plan_type"] == "plus"


async def test_the_status_is_that_of_the_last_answer() -> None:
    async with serve() as simulator:
        reports = await in_turn(
            simulator,
            account("a", "~503"),
            account("b", "~cut"),
            account("c", "~reset"),
            account("d", lives_s=-1_000),
            retries=0,
        )

    assert {name: report.http_status for name, report in reports.items()} == {
        "a": 503,
        "b": 200,
        "c": None,
        "d": None,
    }
    assert reports["d"].elapsed_s is None
    assert reports["a"].elapsed_s is not None


# On its own: a far side that does as it is told


class Told:
    """Answers with what it is given, in turn."""

    clock_offset_s: float | None = None

    def __init__(self, *answers: Response | TransportError | Exception) -> None:
        self.answers = list(answers)
        self.fresh: list[bool] = []
        self.keeps = True

    def stop_keeping(self) -> None:
        self.keeps = False

    async def fetch(
        self, credential: Credential, *, timeout_s: float, fresh: bool = False
    ) -> Response | TransportError:
        self.fresh.append(fresh)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def a_poll(retries: int = 2) -> InFlight:
    one = account("a")
    taken = await AccountFeed(made_up([one])).next()
    assert taken is not None
    return InFlight(taken, retries)


REUSED = Response(200, (), b'{"plan_type": "plus"}', reused=True)


async def test_a_bug_of_ours_is_one_accounts_failure_and_does_not_show_its_text() -> None:
    poll = await a_poll()
    attempts = Attempts(Told(RuntimeError("secret")), Settings(), tokens=KnownTokens())
    outcome = await attempts.attempt(poll)
    report = attempts.conclude(poll, outcome)

    assert report.failure is not None
    assert report.failure.kind is FailureKind.INTERNAL
    assert "RuntimeError" in report.failure.message
    assert "secret" not in str(report.failure)
    assert report.attempts == 1


async def test_a_bug_while_proving_is_one_accounts_failure_too() -> None:
    poll = await a_poll()
    poll.needs_confirmation = True
    outcome = await Attempts(
        Told(RuntimeError("secret")), Settings(), tokens=KnownTokens()
    ).confirm(poll, Usage())

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.INTERNAL


async def test_what_is_proven_is_not_asked_for_again() -> None:
    poll = await a_poll()
    usage = Usage(plan="plus")
    told = Told()

    assert await Attempts(told, Settings(), tokens=KnownTokens()).confirm(poll, usage) is usage
    assert told.fresh == []


async def test_a_failure_that_may_be_retried_is_proven_only_where_it_ends_the_account() -> None:
    poll = await a_poll()
    attempts = Attempts(
        told := Told(Response(503, (), b"", reused=True), REUSED), Settings(), tokens=KnownTokens()
    )
    outcome = await attempts.attempt(poll)

    assert isinstance(outcome, Failure)
    assert outcome.retry_now is Retry.TRANSIENT
    assert poll.needs_confirmation
    assert isinstance(await attempts.confirm(poll, outcome), Usage)
    assert told.fresh == [False, True]
    assert told.keeps  # a 503 that healed is no proof of a swap


async def test_an_account_past_its_deadline_is_asked_no_more() -> None:
    poll = await a_poll()
    poll.started_at = time.monotonic() - 100
    outcome = await Attempts(told := Told(), Settings(), tokens=KnownTokens()).attempt(poll)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.DEADLINE
    assert told.fresh == []


async def test_a_place_in_the_pace_is_not_waited_for_past_the_deadline() -> None:
    poll = await a_poll()
    poll.started_at = time.monotonic()
    pace = Pace(0.01)
    pace.wait_s(now=time.monotonic())
    attempts = Attempts(
        told := Told(), Settings(account_deadline_s=0.05), tokens=KnownTokens(), pace=pace
    )
    outcome = await attempts.attempt(poll)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.DEADLINE
    assert told.fresh == []


async def test_waiting_for_the_pace_is_not_charged_to_the_account() -> None:
    poll = await a_poll()
    pace = Pace(10)
    pace.wait_s(now=time.monotonic())
    attempts = Attempts(
        Told(REUSED, REUSED), Settings(account_deadline_s=0.05), tokens=KnownTokens(), pace=pace
    )
    await attempts.attempt(poll)

    assert poll.requests_sent == 1


async def test_an_account_without_a_credential_is_a_bug_of_ours() -> None:
    poll = await a_poll()
    poll.credential = None
    outcome = await Attempts(Told(), Settings(), tokens=KnownTokens()).attempt(poll)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.INTERNAL


async def test_a_timeout_before_the_deadline_is_a_timeout() -> None:
    poll = await a_poll()
    told = Told(TransportError(TransportErrorKind.TIMEOUT))
    outcome = await Attempts(told, Settings(), tokens=KnownTokens()).attempt(poll)

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.TIMEOUT


async def test_malformed_http_over_a_reused_connection_is_asked_for_again() -> None:
    poll = await a_poll(retries=0)
    told = Told(
        TransportError(TransportErrorKind.MALFORMED, reused=True),
        Response(200, (), b'{"plan_type": "plus"}'),
    )
    outcome = await Attempts(told, Settings(), tokens=KnownTokens()).attempt(poll)

    assert isinstance(outcome, Usage)
    assert told.fresh == [False, True]
    assert poll.requests_sent == 2
