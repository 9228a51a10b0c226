"""Rounds are handed over and written, whoever else holds the file."""

# ruff: noqa: ASYNC240 - the files are small, and nobody else waits for the loop

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from poller.history import writer
from poller.history.database import HistoryUnusable
from poller.history.store import open_history
from tests.history.made_up import (
    AT,
    LONGEST_S,
    is_whole,
    record,
    report,
    rows,
    settled,
    snapshot,
    spans,
    until,
    wide,
)
from tests.running import ROOT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def lock_held_elsewhere(path: Path) -> AsyncIterator[None]:
    """Hold the write lock in another process."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), stdin=pipe, stdout=pipe
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        await holder.communicate(b"")


async def test_rounds_are_written_before_leaving(path: Path) -> None:
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append) as history:
        for number in range(5):
            at = AT + 300 * number
            history.record([report(at=at)], snapshot=snapshot(at))
        assert history.trouble is None
    assert spans(path) == [(0, 1200, 5, 40)]
    assert rows(path, "SELECT count(*), sum(requests) FROM round") == [(5, 5)]
    assert said == []
    assert sorted(os.listdir(path.parent)) == ["history.db"]


async def test_the_default_file_lies_in_the_users_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with open_history() as history:
        history.record([report()])
    assert history.path.endswith(os.path.join("poller", "history.db"))
    assert spans(tmp_path / os.path.relpath(history.path, tmp_path)) == [(0, 0, 1, 40)]


async def test_a_caller_who_is_cancelled_loses_no_round(path: Path) -> None:
    async def recording() -> None:
        async with open_history(str(path)) as history:
            history.record(wide(500, at=AT))
            await asyncio.Event().wait()

    task = asyncio.create_task(recording())
    await until(path.exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(path, "SELECT count(*) FROM span") == [(1000,)]


async def test_a_lock_held_elsewhere_delays_rounds_and_costs_none(path: Path) -> None:
    record(path, [report()])
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append) as history:
        async with lock_held_elsewhere(path):
            for number in range(1, 4):
                history.record([report(at=AT + 300 * number)])
            with pytest.raises(HistoryUnusable, match="another program has it locked"):
                await settled(history)
        await until(lambda: spans(path) == [(0, 900, 4, 40)])
    assert said == []


async def test_a_lock_that_stays_is_told_when_leaving_within_the_deadline(path: Path) -> None:
    record(path, [report()])
    said: list[str] = []
    async with lock_held_elsewhere(path):
        async with open_history(str(path), on_trouble=said.append, close_within_s=0.5) as history:
            history.record([report(at=AT + 300)])
            left_at = time.monotonic()
        assert time.monotonic() - left_at < 3
    (sentence,) = said
    assert sentence == f"history {path}: another program has it locked: end that program"
    assert is_whole(path)


async def test_a_lock_held_for_long_is_one_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_LOCKED_TOLD_AFTER_S", 0.6)
    record(path, [report()])
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append) as history:
        async with lock_held_elsewhere(path):
            history.record([report(at=AT + 300)])
            await until(lambda: history.trouble)
            for number in range(2, 6):
                history.record([report(at=AT + 300 * number)])
            with pytest.raises(HistoryUnusable):
                await settled(history)
        await until(lambda: history.trouble is None)
    assert said == [f"history {path}: another program has it locked: end that program"]
    assert spans(path) == [(0, 1500, 6, 40)]


async def test_a_row_that_cannot_be_stored_is_told_and_holds_up_no_other(path: Path) -> None:
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append) as history:
        history.record([report()])
        await settled(history)
        history.record([report(at=AT + 300, name="\ud800")])
        history.record([report(at=AT + 600)])
    bug = "a bug in this program (UnicodeEncodeError): please report it with this line"
    assert said == [f"history {path}: {bug}"]
    assert spans(path) == [(0, 600, 2, 40)]


async def test_a_machine_out_of_threads_costs_only_the_history(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    said: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", start)
    async with open_history(str(path), on_trouble=said.append) as history:
        history.record([report()])
        with pytest.raises(HistoryUnusable, match="closed"):
            await settled(history)
    assert said == [f"history {path}: this machine is out of threads: nothing is recorded"]
    assert not path.exists()


async def test_a_disk_that_hangs_holds_nobody_for_longer_than_the_deadline(path: Path) -> None:
    said: list[str] = []
    answers = threading.Event()
    async with open_history(str(path), on_trouble=said.append, close_within_s=0.1) as history:
        hanging = asyncio.create_task(history.transact(lambda _: answers.wait(LONGEST_S)))
        await asyncio.sleep(0)
        history.record([report()])
        left_at = time.monotonic()
    assert time.monotonic() - left_at < 5
    assert said == [f"history {path}: its disk does not answer: the last polls are not in it"]
    answers.set()
    assert await hanging is True


async def test_what_cannot_be_written_is_kept_up_to_a_bound(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 500)
    async with open_history(str(path), close_within_s=LONGEST_S) as history:
        for number in range(25):
            history.record(wide(1000, at=AT + 300 * number))
        history.record([report(at=AT + 300 * 25)])
        await until(lambda: history.reports_lost == 6000)
        path.unlink()
        history.record([])
        await until(lambda: history.trouble is None)
    assert rows(path, "SELECT sum(polls) FROM state") == [(19_001,)]


async def test_a_transaction_sees_what_was_recorded_before_and_is_undone_where_it_fails(
    path: Path,
) -> None:
    def insert(connection: sqlite3.Connection) -> int:
        connection.execute(
            "INSERT INTO alert_state (rule, account_id, change) VALUES ('low', 1, 'low')"
        )
        (count,) = connection.execute("SELECT count(*) FROM span").fetchone()
        return int(count)

    def fail(connection: sqlite3.Connection) -> None:
        insert(connection)
        raise KeyError("a mistake of the caller's")

    async with open_history(str(path)) as history:
        history.record([report()])
        with pytest.raises(KeyError):
            await history.transact(fail)
        assert await history.transact(insert) == 1
        assert history.trouble is None
    with pytest.raises(HistoryUnusable, match="closed"):
        await history.transact(insert)
    assert rows(path, "SELECT rule FROM alert_state") == [("low",)]


async def test_two_processes_write_at_once_and_no_round_is_lost(path: Path) -> None:
    rounds = 40
    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.history.kill", "write", str(path)),
            *(name, str(rounds)),
            cwd=ROOT,
        )
        for name in ("alice", "bob")
    ]
    assert [await process.wait() for process in writers] == [0, 0]
    assert is_whole(path)
    found = rows(
        path, "SELECT label, sum(polls) FROM state JOIN account ON id = account_id GROUP BY 1"
    )
    assert found == [("alice", rounds), ("bob", rounds)]


async def test_the_loop_is_not_held_while_a_wide_round_is_written(path: Path) -> None:
    """The bound is loose: the machine may be shared, and other processes hold us as well."""
    lags: list[float] = []

    async def tick() -> None:
        while True:
            at = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - at - 0.001)

    async with open_history(str(path)) as history:
        ticking = asyncio.create_task(tick())
        handed_over = []
        for number in range(10):
            reports = wide(1000, at=AT + 300 * number, number=number)
            await asyncio.sleep(0)
            at = time.perf_counter()
            history.record(reports)
            handed_over.append(time.perf_counter() - at)
            await settled(history)
        ticking.cancel()
    assert sorted(handed_over)[5] < 0.001
    assert sorted(lags)[int(len(lags) * 0.9)] < 0.01
