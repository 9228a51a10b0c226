"""``poller watch`` into a pipe: the real program against a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from poller.commands.invented import week
from poller.simulator.server import Simulator, serve
from tests.running import UNMEASURED, account, ended, numbered, record_of, run, started, write

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

OFTEN = ("--every", "0.2")


@asynccontextmanager
async def watching(
    tmp_path: Path, *options: str, fault: str | None = None, **how: Any
) -> AsyncIterator[tuple[Simulator, Process]]:
    async with (
        serve(fault=fault) as simulator,
        started("watch", "--chatgpt-url", simulator.url, *options, cwd=tmp_path, **how) as running,
    ):
        yield simulator, running


async def next_record(running: Process) -> dict[str, Any]:
    assert running.stdout is not None
    return record_of(await running.stdout.readline())


async def test_each_record_says_its_round_and_the_run_ends_after_the_last(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(3))
    async with watching(tmp_path, *OFTEN, "--rounds", "3") as (simulator, running):
        done = await ended(running)

    assert (done.code, done.err) == (0, "")
    rounds = [(record["round"], record["account"]) for record in done.records]
    assert sorted(rounds) == [(n, f"n{i:04d}") for n in (1, 2, 3) for i in range(3)]
    assert simulator.counts.requests == 9


async def test_the_exit_code_is_that_of_the_last_round(tmp_path: Path) -> None:
    # The first is slow: over its connection, once that is idle, a 503 would be asked again.
    write(tmp_path / "account", account("a", "~slow-300ms"), account("b", "~503x1"))
    options = ("--retries", "0", *OFTEN, "--rounds")
    async with watching(tmp_path, *options, "1") as (_, running):
        assert (await ended(running)).code == 3
    async with watching(tmp_path, *options, "2") as (_, running):
        assert (await ended(running)).code == 0
    async with watching(tmp_path, *options, "2", "--need", "3") as (_, running):
        done = await ended(running)
    assert done.code == 4
    assert "2" in done.err


async def test_the_first_change_ends_the_run_with_its_record_written(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    options = (*OFTEN, "--until-change", "--retries", "0")
    async with watching(tmp_path, *options) as (simulator, running):
        for _ in range(4):
            assert (await next_record(running))["ok"]
        simulator.fault = "402"
        done = await ended(running)

    assert done.code == 0
    kinds = [record["error"] and record["error"]["kind"] for record in done.records]
    assert kinds[-1] == "payment_required"
    assert set(kinds[:-1]) <= {None}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
async def test_a_signal_ends_it_without_cancelled_records(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    write(tmp_path / "account", *numbered(3))
    async with watching(tmp_path, *OFTEN, "--timeout", "9", env=UNMEASURED) as (simulator, running):
        for _ in range(4):
            await next_record(running)
        simulator.fault = "hang"
        asked = simulator.counts.requests
        await simulator.reached(asked + 1)
        running.send_signal(number)
        done = await ended(running)

    assert done.code == code
    assert all(record["ok"] for record in done.records)


async def test_it_ends_when_its_reader_has_gone(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    async with watching(tmp_path, "--every", "1h") as (_, running):
        await next_record(running)
        assert running.stdout is not None
        running.stdout._transport.close()  # type: ignore[attr-defined]
        assert await running.wait() == 141


async def test_a_table_a_round_goes_into_a_pipe_where_one_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    options = (*OFTEN, "--rounds", "2", "--format", "table")
    async with watching(tmp_path, *options) as (_, running):
        done = await ended(running)

    assert done.out.decode().count("Codex quota") == 2
    assert done.out.decode().count("n0001") == 2
    assert b"\x1b" not in done.out


async def test_rounds_are_recorded_unless_told_not_to(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    file = tmp_path / "history.db"
    options = (*OFTEN, "--rounds", "3", "--history", str(file))
    async with watching(tmp_path, *options, "--no-history") as (_, running):
        await ended(running)
    assert not file.exists()
    async with watching(tmp_path, *options) as (_, running):
        await ended(running)

    with sqlite3.connect(file) as history:
        assert history.execute("SELECT count(*) FROM account").fetchone() == (2,)
        rounds = history.execute("SELECT accounts, ok, requests FROM round ORDER BY id").fetchall()
        polls = history.execute("SELECT sum(polls) FROM state").fetchone()
    assert rounds == [(2, 2, 2)] * 3
    assert polls == (6,)


async def test_the_status_file_holds_the_line_of_status(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    options = (*OFTEN, "--rounds", "2", "--status-file", "status")
    async with watching(tmp_path, *options, "--no-history") as (_, running):
        await ended(running)

    line = (tmp_path / "status").read_text()
    assert line.startswith("codex 2/2 ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_status_file_that_nobody_keeps_any_more_tells_no_figures(
    tmp_path: Path, number: signal.Signals
) -> None:
    write(tmp_path / "account", *numbered(2))
    options = (*OFTEN, "--status-file", "status", "--no-history")
    async with watching(tmp_path, *options) as (_, running):
        await until_file(tmp_path / "status", "codex 2/2 ")
        running.send_signal(number)
        done = await ended(running)
    assert (done.code, done.err) == (128 + number, "")
    assert (tmp_path / "status").read_text() == "codex ?\n"


async def test_figures_in_the_status_file_get_old_where_nothing_new_comes(tmp_path: Path) -> None:
    options = ("--demo", "2", "--demo-speed", "10000", "--every", "7d", "--status-file", "status")
    async with started("watch", *options, cwd=tmp_path) as running:
        await until_file(tmp_path / "status", "codex 2/2 ")
        await until_file(tmp_path / "status", "codex ? 2h")
        running.terminate()
        await ended(running)
    assert (tmp_path / "status").read_text() == "codex ?\n"


async def until_file(path: Path, begins: str) -> None:
    async with asyncio.timeout(20):
        while not (path.exists() and path.read_text().startswith(begins)):  # noqa: ASYNC110, ASYNC240 - a small file, which tells nobody
            await asyncio.sleep(0.02)


async def test_a_demo_lives_on_its_own_clock_and_writes_nothing(tmp_path: Path) -> None:
    done = await run(
        *("watch", "--demo", "4", "--demo-speed", "3000", "--rounds", "2"), cwd=tmp_path
    )

    assert done.code == 0
    times = [record["observed_at"] for record in done.records]
    assert times == sorted(times)
    assert {record["account"] for record in done.records} >= {"work", "team-lead"}
    assert os.listdir(tmp_path) == []


async def test_a_demo_that_records_into_a_file_begins_with_a_week(tmp_path: Path) -> None:
    options = ("--demo", "1", "--history", "h.db", "--rounds", "1", "--format", "jsonl")
    done = await run("watch", *options, cwd=tmp_path)
    again = await run("watch", *options, cwd=tmp_path)

    assert (done.code, again.code) == (0, 0)
    with sqlite3.connect(tmp_path / "h.db") as history:
        (since, until), polls = (
            history.execute("SELECT min(since), max(until) FROM state").fetchone(),
            history.execute("SELECT sum(polls) FROM state").fetchone()[0],
        )
    assert until - since > 6 * 86_400
    assert polls == len(list(week(1, now=until))) + 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--every", "30s"), "--every: expected auto, or 60 s or more, got 30 s"),
        (("--every", "sometimes"), "--every: expected auto, or a time"),
        (("--demo-speed", "2"), "--demo-speed: does nothing without --demo"),
        (("nobody",), "nobody"),
        (("--format", "csv"), "--format"),
    ],
)
async def test_what_cannot_be_done_is_said(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    write(tmp_path / "account", *numbered(1))
    done = await run("watch", *options, cwd=tmp_path)

    assert done.code == 64
    assert said in done.err
    assert done.out == b""


async def test_where_there_is_nothing_to_watch_nothing_is_written(tmp_path: Path) -> None:
    done = await run("watch", cwd=tmp_path)

    assert done.code == 64
    assert os.listdir(tmp_path) == []


async def test_a_history_that_cannot_be_written_costs_no_record(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(2))
    (tmp_path / "broken.db").write_text("this is no database " * 100)
    options = (*OFTEN, "--rounds", "2", "--history", "broken.db")
    async with watching(tmp_path, *options) as (_, running):
        done = await ended(running)

    assert done.code == 0
    assert len(done.records) == 4
    assert done.err.count("broken.db") == 1
