"""Rounds that never stop, against a real server on loopback."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson
import pytest

import poller
from poller.authfiles.find import in_memory
from poller.polling import rounds as rounds_module
from poller.polling.plan import MOST_S
from poller.simulator.clock import SpedUpClock
from poller.simulator.server import Simulator, serve
from poller.values import FailureKind, Report, Snapshot
from tests.running import LONGEST_S, account, numbered, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from poller.polling.rounds import Rounds
    from poller.simulator.accounts import MadeUpAccount

pytestmark = pytest.mark.anyio

LATE_S = 3000.0
"""Seconds of a clock at 5,000 times the speed that a busy machine may be late."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CODEX_HOME", raising=False)


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked for all the time."""
    monkeypatch.setattr(rounds_module, "_FILES_EVERY_S", 0.02)
    monkeypatch.setattr(rounds_module, "_LOOK_S", 0.02)


@asynccontextmanager
async def going(
    *accounts: str, clock: SpedUpClock | None = None, fault: str | None = None, **settings: Any
) -> AsyncIterator[tuple[Simulator, Rounds]]:
    """Serve and watch what lies in ``account``."""
    lives_on = clock or SpedUpClock(time.time())
    async with (
        asyncio.timeout(LONGEST_S),
        serve(live=clock is not None, fault=fault, clock=lives_on) as up,
        poller.rounds(
            accounts, poller.Settings(chatgpt_url=up.url, **settings), clock=lives_on
        ) as stream,
    ):
        yield up, stream


async def until_snapshot(stream: Rounds) -> tuple[list[Report], Snapshot]:
    reports: list[Report] = []
    async for came in stream.each():
        if isinstance(came, Snapshot):
            return reports, came
        reports.append(came)
    raise AssertionError("rounds never end")


async def until_report(stream: Rounds, **wanted: object) -> Report:
    async for came in stream.each():
        if isinstance(came, Report) and all(
            getattr(came, name) == value for name, value in wanted.items()
        ):
            return came
    raise AssertionError("rounds never end")


def names(*accounts: str) -> list[MadeUpAccount]:
    return [account(name) for name in accounts]


async def test_every_round_asks_everybody_once_over_kept_connections(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(4))
    async with going(every=0.2) as (simulator, stream):
        rounds = [await until_snapshot(stream) for _ in range(3)]

    for number, (reports, snapshot) in enumerate(rounds, 1):
        assert sorted(report.account for report in reports) == [f"n{i:04d}" for i in range(4)]
        assert {report.round for report in reports} == {number}
        assert (snapshot.accounts, snapshot.ok, snapshot.requests) == (4, 4, 4)
        assert sorted(map(id, snapshot.reports)) == sorted(map(id, reports))
    assert simulator.counts.requests == 12
    assert len(simulator.counts.connections) <= 4


async def test_iterating_gives_whole_rounds(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    async with going(every=0.05) as (_, stream):
        first = await anext(stream)
        second = await anext(aiter(stream))

    assert [report.round for report in first.reports] == [1, 1]
    assert min(report.round or 0 for report in second.reports) == 2
    assert first.ended_at <= second.started_at


async def test_the_plan_asks_one_after_the_other_and_nobody_twice_a_minute(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(6))
    clock = SpedUpClock(time.time(), speed=8_000)
    asked: dict[str, list[float]] = {}
    ends: list[float] = []
    async with going(clock=clock) as (_, stream):
        await until_snapshot(stream)
        async for came in stream.each():
            if isinstance(came, Report):
                asked.setdefault(came.account, []).append(came.observed_at)
                ends.append(came.observed_at)
                if len(ends) == 40:
                    break

    assert all(later - at > 1.5 for at, later in pairwise(ends))
    for times in asked.values():
        assert all(later - at >= 60 for at, later in pairwise(times))


@pytest.mark.usefixtures("_looks_often")
async def test_new_accounts_join_at_the_current_number_and_gone_ones_leave(tmp_path: Path) -> None:
    folder = write(tmp_path / "account", *names("stays", "goes"))
    async with going(every=0.1) as (_, stream):
        await until_report(stream, account="stays", round=3)
        write(folder, account("new"))
        joined = await until_report(stream, account="new")
        (folder / "goes.auth.json").unlink()
        while "goes" in stream.accounts:
            await until_snapshot(stream)
        reports, snapshot = await until_snapshot(stream)

    assert joined.ok
    assert joined.round is not None
    assert joined.round >= 3
    assert [report.account for report in snapshot.reports] == ["stays", "new"]
    assert {report.account for report in reports} == {"stays", "new"}


async def test_an_account_leaves_silently_where_its_turn_finds_the_file_gone_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "account", *names("stays", "goes"))
    file, elsewhere = folder / "goes.auth.json", tmp_path / "elsewhere"
    async with going(every=0.1) as (_, stream):
        await until_snapshot(stream)
        file.rename(elsewhere)
        while "goes" in stream.accounts:
            reports, _ = await until_snapshot(stream)
            assert all(report.ok for report in reports)
        elsewhere.rename(file)
        monkeypatch.setattr(rounds_module, "_FILES_EVERY_S", 0.02)
        back = await until_report(stream, account="goes")

    assert back.ok


@pytest.mark.usefixtures("_looks_often")
async def test_a_named_account_whose_file_is_gone_stays_as_missing(tmp_path: Path) -> None:
    folder = write(tmp_path / "account", *names("named", "team-1", "team-2"))
    async with going("named", "team-*", every=0.05) as (_, stream):
        await until_snapshot(stream)
        for file in folder.iterdir():
            file.unlink()
        missing = await until_report(stream, account="named", ok=False)
        while len(stream.accounts) > 1:
            await until_snapshot(stream)
        write(folder, *names("named"))
        back = await until_report(stream, account="named", ok=True)

    assert missing.failure is not None
    assert missing.failure.kind is FailureKind.FILE_MISSING
    assert back.round is not None


@pytest.mark.usefixtures("_looks_often")
@pytest.mark.parametrize("every", [60.0, "auto"])
async def test_an_expired_login_is_left_alone_until_its_file_changes(
    tmp_path: Path, every: float | str
) -> None:
    folder = write(tmp_path / "account", account("old", "~401-token_revoked"))
    clock = SpedUpClock(time.time(), speed=2_000)
    async with going(clock=clock, every=every) as (simulator, stream):
        first, _ = await until_snapshot(stream)
        reports, _ = await until_snapshot(stream)
        assert (reports[0].attempts, reports[0].elapsed_s, reports[0].round) == (0, None, 2)
        assert reports[0].failure == first[0].failure
        asked = simulator.counts.requests
        renewed = account("old")
        (folder / "old.auth.json").write_bytes(renewed.auth_file)
        healed = await until_report(stream, ok=True)

    assert first[0].attempts == asked
    assert healed.account == "old"


async def test_a_plan_repeats_the_failure_of_an_expired_login_in_every_round(
    tmp_path: Path,
) -> None:
    write(tmp_path / "account", *names("a", "b"), account("old", lives_s=-1_000_000))
    clock = SpedUpClock(time.time(), speed=20_000)
    async with going(clock=clock, budget=10_000.0) as (_, stream):
        await until_snapshot(stream)
        reports, snapshot = await until_snapshot(stream)

    repeated = [report for report in reports if report.account == "old"]
    assert [(report.round, report.attempts) for report in repeated] == [(2, 0)]
    assert (snapshot.accounts, snapshot.ok) == (3, 2)


async def test_a_plan_of_logins_that_all_expired_repeats_them_every_hour(tmp_path: Path) -> None:
    write(tmp_path / "account", account("old", lives_s=-1_000_000))
    clock = SpedUpClock(time.time(), speed=20_000)
    async with going(clock=clock) as (_, stream):
        first, _ = await until_snapshot(stream)
        second, _ = await until_snapshot(stream)
        assert stream.asks_next_at is None
        assert stream.ask_now() is None

    assert second[0].observed_at - first[0].observed_at >= MOST_S
    assert second[0].round == 2


class SetClock(SpedUpClock):
    """A clock that people set."""

    ahead_s = 0.0

    def time(self) -> float:
        return self.steady() + SetClock.ahead_s

    def steady(self) -> float:
        return SpedUpClock.time(self)


@pytest.mark.parametrize("ahead_s", [-10 * 86_400, -7200, 7200, 10 * 86_400])
async def test_a_clock_that_is_set_and_set_again_keeps_nobody_from_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    write(tmp_path / "account", *names("a", "b", "c"))
    clock, asked = SetClock(time.time(), speed=5000), list[float]()
    async with going(clock=clock) as (_, stream):
        for ahead in (0.0, ahead_s, 0.0):
            monkeypatch.setattr(SetClock, "ahead_s", ahead)
            for _ in range(3):
                await until_snapshot(stream)
                asked.append(clock.steady())
    assert max(after - before for before, after in pairwise(asked)) < 2 * 3600 + LATE_S


async def test_a_clock_set_back_keeps_no_expired_login_from_being_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "account", account("old", lives_s=-20 * 86_400))
    clock = SetClock(time.time(), speed=20_000)
    async with going(clock=clock) as (_, stream):
        await until_snapshot(stream)
        monkeypatch.setattr(SetClock, "ahead_s", -10 * 86_400.0)
        reports, _ = await until_snapshot(stream)
    assert [(report.round, report.attempts) for report in reports] == [(2, 0)]


@pytest.mark.usefixtures("_looks_often")
@pytest.mark.parametrize("how", [{}, {"every": 0.05}], ids=["auto", "every"])
async def test_a_login_that_had_expired_by_a_clock_that_was_ahead_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    write(tmp_path / "account", account("alice"))
    monkeypatch.setattr(SetClock, "ahead_s", 20 * 365 * 86_400.0)
    async with going(clock=SetClock(time.time(), speed=600), **how) as (_, stream):
        expired = await until_report(stream)
        monkeypatch.setattr(SetClock, "ahead_s", 0.0)
        await until_report(stream, account="alice", ok=True)
    assert expired.failure is not None
    assert expired.failure.kind is FailureKind.TOKEN_EXPIRED


@pytest.mark.usefixtures("_looks_often")
async def test_a_file_that_comes_to_hold_several_accounts_has_all_of_them_asked(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "account", *names("one"))
    async with going(every=0.1) as (_, stream):
        await until_snapshot(stream)
        path = folder / "one.auth.json"
        path.write_bytes(several("x", "y"))
        await until_report(stream, account="one:y", ok=True)
        await until_snapshot(stream)
        assert sorted(stream.accounts) == ["one:x", "one:y"]
        path.write_bytes(several("x", "z"))
        await until_report(stream, account="one:z", ok=True)
        await until_snapshot(stream)
        reports, _ = await until_snapshot(stream)
        assert sorted(report.account for report in reports) == ["one:x", "one:z"]


def several(*logins: str) -> bytes:
    """Return a file of the shape that holds several accounts by name."""
    profiles: dict[str, object] = {}
    for login in logins:
        made = account(login)
        tokens = orjson.loads(made.auth_file)["tokens"]
        profiles[login] = {
            "type": "oauth",
            "provider": "openai-codex",
            "access": tokens["access_token"],
            "refresh": tokens["refresh_token"],
            "accountId": tokens["account_id"],
            "expires": int((time.time() + 86_400) * 1000),
        }
    return orjson.dumps({"version": 1, "profiles": profiles})


async def test_a_dead_upstream_is_asked_by_single_probes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poller.polling.breaker.OPENS_AFTER", 12)
    write(tmp_path / "account", *numbered(12))
    async with going(every=0.1, fault="503", retries=0, patience_s=0.001) as (simulator, stream):
        await until_report(stream, round=2)
        asked = simulator.counts.requests
        reports: list[Report] = []
        while len(reports) < 24:
            came, _ = await until_snapshot(stream)
            reports += came
        assert stream.dead_since
        assert simulator.counts.requests <= asked + 1
        kinds = {report.failure.kind for report in reports if report.failure}
        assert FailureKind.CIRCUIT_OPEN in kinds

        simulator.fault = None
        breaker = stream._upstream.health.breaker
        breaker._probe_at = 0.0
        await until_report(stream, ok=True)
        assert not stream.dead_since
        snapshot = await anext(stream)
        while snapshot.ok < 12:
            snapshot = await anext(stream)


async def test_rounds_pause_and_go_on(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    async with going(every=0.05) as (simulator, stream):
        await until_snapshot(stream)
        stream.pause(paused=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await until_snapshot(stream)
        asked = simulator.counts.requests
        assert stream.asks_next_at is None
        stream.pause(paused=False)
        await until_snapshot(stream)
        assert simulator.counts.requests > asked


async def test_asking_now_waits_for_the_minute_since_the_last_request(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    clock = SpedUpClock(time.time(), speed=500)
    async with going(clock=clock, every=100_000.0) as (_, stream):
        first, _ = await until_snapshot(stream)
        may = stream.ask_now()
        assert may is not None
        assert may == pytest.approx(first[0].observed_at + 60, abs=1)
        next_at = stream.asks_next_at
        assert next_at is not None
        assert next_at == pytest.approx(may, abs=30)
        second, _ = await until_snapshot(stream)

    assert {report.round for report in second} == {2}
    assert all(report.observed_at >= may for report in second)


async def test_a_list_of_files_is_read_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "somewhere", *names("a", "b"))
    (tmp_path / "list").write_text("".join(f"{path}\n" for path in sorted(folder.iterdir())))
    async with going(every=0.05, files_from=str(tmp_path / "list")) as (_, stream):
        await until_snapshot(stream)
        reports, _ = await until_snapshot(stream)

    assert sorted(report.account for report in reports) == ["a", "b"]


async def test_files_given_as_objects_are_asked_again_and_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "somewhere", *names("a"))
    async with asyncio.timeout(LONGEST_S), serve() as up:
        asked = poller.Settings(chatgpt_url=up.url, every=0.05)
        content = (folder / "a.auth.json").read_bytes()
        async with poller.rounds(in_memory([("a", content)]), asked) as stream:
            await until_snapshot(stream)
            reports, _ = await until_snapshot(stream)

    assert [report.account for report in reports] == ["a"]


async def test_nothing_to_poll_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(poller.UsageError):
        async with poller.rounds(["nobody"]):
            raise AssertionError("it has begun")


async def test_an_error_of_the_reader_is_raised_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(1))

    async def read() -> None:
        async with going(every=5.0) as (_, stream):
            await until_snapshot(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()


async def test_a_slow_reader_slows_the_polling(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(3))
    async with going(every=0.002) as (simulator, _):
        before = -1
        while before != simulator.counts.requests:
            before = simulator.counts.requests
            await asyncio.sleep(0.2)

    assert before < 120


@pytest.mark.usefixtures("_looks_often")
async def test_a_folder_that_cannot_be_listed_costs_no_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "account", *numbered(2))

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    async with going(every=0.05) as (_, stream):
        await until_snapshot(stream)
        monkeypatch.setattr("poller.polling.files.find", fails)
        while "cannot look for auth files" not in caplog.text:
            _, snapshot = await until_snapshot(stream)

    assert snapshot.ok == 2
