"""`poller poll --record`: the round goes into the history, and never costs a record."""

from __future__ import annotations

import signal
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.history.made_up import is_whole, rows
from tests.running import UNMEASURED, account, ended, numbered, record_of, run, started, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ROUNDS = "SELECT accounts, ok FROM round"
LATEST = "SELECT account, window, used_percent FROM latest"


async def test_a_round_is_recorded_in_the_file_that_is_named(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"), account("bob", "~402"))
    async with serve() as simulator:
        for _ in range(2):
            done = await run(
                *("--history", "h.db", "--raw-json", "--chatgpt-url", simulator.url), cwd=tmp_path
            )
            assert (done.code, done.err, len(done.records)) == (3, "", 2)
    history = tmp_path / "h.db"
    assert history.stat().st_mode & 0o777 == 0o600
    assert rows(history, LATEST) == [("alice", "five_hour", 42.0), ("alice", "weekly", 5.0)]
    assert rows(history, "SELECT kind, polls FROM failure") == [("payment_required", 2)]
    assert rows(history, ROUNDS) == [(2, 1), (2, 1)]


@pytest.mark.skipif(sys.platform != "linux", reason="the folder for state is told by XDG")
async def test_record_means_your_own_history(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    async with serve() as simulator:
        url = "--chatgpt-url", simulator.url
        await run(*url, cwd=tmp_path, env=state)
        assert not (tmp_path / "state").exists()
        done = await run("--record", *url, cwd=tmp_path, env=state)
    assert (done.code, done.err) == (0, "")
    assert rows(tmp_path / "state/poller/history.db", ROUNDS) == [(1, 1)]


async def test_a_history_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(3))
    (tmp_path / "h.db").write_text("something else, and more than a hundred bytes of it\n" * 9)
    async with serve() as simulator:
        done = await run(
            *("--quiet", "--history", "h.db", "--chatgpt-url", simulator.url), cwd=tmp_path
        )
    assert (done.code, len(done.records)) == (0, 3)
    assert done.err == (
        "poller: history h.db: it is not a database: name another file, or move it away\n"
    )


async def test_a_lock_holds_up_the_end_for_seconds_and_no_record(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    other = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    async with (
        serve() as simulator,
        started("--history", "h.db", "--chatgpt-url", simulator.url, cwd=tmp_path) as running,
    ):
        assert running.stdout is not None
        assert record_of(await running.stdout.readline())["ok"]
        assert running.returncode is None
        done = await ended(running)
    assert done.code == 0
    assert done.err == ("poller: history h.db: another program has it locked: end that program\n")
    other.close()


async def test_what_was_answered_before_a_signal_is_recorded(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"), account("bob", "~hang"))
    async with (
        serve() as simulator,
        started(
            *("--history", "h.db", "--chatgpt-url", simulator.url), cwd=tmp_path, env=UNMEASURED
        ) as running,
    ):
        assert running.stdout is not None
        assert record_of(await running.stdout.readline())["account"] == "alice"
        running.send_signal(signal.SIGINT)
        done = await ended(running)
    assert (done.code, done.err) == (130, "")
    assert rows(tmp_path / "h.db", "SELECT label FROM account") == [("alice",)]
    assert rows(tmp_path / "h.db", ROUNDS) == []
    assert is_whole(tmp_path / "h.db")


async def test_the_demo_is_recorded_only_into_a_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[history]\nhistory = "mine.db"\n')
    refused = await run("--demo", "2", "--record", cwd=tmp_path)
    assert refused.code == 64
    assert refused.err == (
        "poller: --record: made-up accounts are never recorded among yours: "
        "name a file with --history\n"
    )
    done = await run("--demo", "2", "--config", "mine.toml", cwd=tmp_path)
    assert (done.code, (tmp_path / "mine.db").exists()) == (0, False)
    done = await run("--demo", "2", "--history", "demo.db", cwd=tmp_path)
    assert rows(tmp_path / "demo.db", "SELECT accounts FROM round") == [(2,)]


async def test_only_with_a_history_a_record_has_a_forecast(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"), account("bob", "~402"))
    async with serve() as simulator:
        url = "--chatgpt-url", simulator.url
        without = await run(*url, cwd=tmp_path)
        new = await run("--history", "h.db", *url, cwd=tmp_path)
    assert [one["forecast"] for one in without.records] == [None, None]
    # Of an account that was never seen before, there is nothing to say yet.
    assert new.by_account["alice"]["forecast"] == {}
    assert new.by_account["bob"]["forecast"] is None
