"""Where `poller poll` writes, and what it asks of the accounts."""

from __future__ import annotations

import csv
import json
import os
import signal
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.running import account, numbered, record_of, run, started, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_csv_has_a_row_for_each_window(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"), account("bob", "~402"))
    async with serve() as simulator:
        done = await run("--format", "csv", "--chatgpt-url", simulator.url, cwd=tmp_path)
    rows = list(csv.DictReader(StringIO(done.out.decode(), newline="")))
    assert [(row["account"], row["window"], row["error_kind"]) for row in rows] == [
        ("alice", "five_hour", ""),
        ("alice", "weekly", ""),
        ("bob", "", "payment_required"),
    ] or rows[0]["account"] == "bob"
    assert done.code == 3


async def test_metrics_are_those_of_one_round(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"), account("bob", "~402"))
    async with serve() as simulator:
        done = await run("--format", "prometheus", "--chatgpt-url", simulator.url, cwd=tmp_path)
    lines = done.out.decode().splitlines()
    assert done.code == 3
    assert 'poller_window_used_ratio{account="alice",window="five_hour"} 0.42' in lines
    assert 'poller_account_failure{account="bob",kind="payment_required"} 1.0' in lines
    assert 'poller_pool_accounts{state="failed"} 1.0' in lines
    assert not [line for line in lines if "_total" in line]


@pytest.mark.parametrize("format_", ["auto", "jsonl", "csv", "table", "prometheus"])
async def test_an_output_file_is_replaced_once_it_is_whole(tmp_path: Path, format_: str) -> None:
    write(tmp_path / "account", *numbered(3))
    (tmp_path / "out").write_text("old")
    async with serve() as simulator:
        done = await run(
            *("--output", "out", "--format", format_, "--chatgpt-url", simulator.url),
            cwd=tmp_path,
        )
    assert (done.code, done.out) == (0, b"")
    text = (tmp_path / "out").read_text()
    assert all(f"n000{number}" in text for number in range(3))
    if format_ in ("auto", "jsonl"):
        assert len([record_of(line) for line in text.splitlines()]) == 3
    assert sorted(os.listdir(tmp_path)) == ["account", "out"]


async def test_after_a_signal_the_old_output_stays(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "~hang"))
    (tmp_path / "out").write_text("old")
    async with (
        serve() as simulator,
        started("--output", "out", "--chatgpt-url", simulator.url, cwd=tmp_path) as running,
    ):
        await simulator.reached(1)
        running.send_signal(signal.SIGTERM)
        assert await running.wait() == 143
    assert (tmp_path / "out").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["account", "out"]


async def test_an_output_that_cannot_be_written_is_said_before_anybody_is_asked(
    tmp_path: Path,
) -> None:
    write(tmp_path / "account", account("alice"))
    async with serve() as simulator:
        done = await run("--output", "no/out", "--chatgpt-url", simulator.url, cwd=tmp_path)
        assert simulator.stats().requests == 0
    assert done.code == 74
    assert "--output no/out: cannot be written (no such file or directory)" in done.err


@pytest.mark.parametrize(("need", "code"), [("1", 0), ("2", 0), ("3", 4)])
async def test_so_many_accounts_have_to_be_usable(tmp_path: Path, need: str, code: int) -> None:
    blocked = account("blocked", "+five_hour_exhausted")
    write(tmp_path / "account", *numbered(2), blocked)
    async with serve() as simulator:
        done = await run("--need", need, "--chatgpt-url", simulator.url, cwd=tmp_path)
    usable = [record["usable"] for record in done.by_account.values()]
    assert usable.count(True) == 2
    assert done.code == code


async def test_records_name_the_machine_they_come_from(tmp_path: Path) -> None:
    done = await run("--demo", "2", "--machine", "mac-mini", cwd=tmp_path)
    assert {json.loads(line)["machine"] for line in done.out.splitlines()} == {"mac-mini"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
async def test_other_signals_that_would_kill_leave_every_account_its_record(
    tmp_path: Path, number: signal.Signals
) -> None:
    write(tmp_path / "account", account("alice", "~hang"), account("bob", "~hang"))
    async with (
        serve() as simulator,
        started("--chatgpt-url", simulator.url, cwd=tmp_path) as running,
    ):
        await simulator.reached(2)
        running.send_signal(number)
        assert running.stdout is not None
        lines = (await running.stdout.read()).splitlines()
        assert await running.wait() == 128 + number
    kinds = {record_of(line)["error"]["kind"] for line in lines}
    assert (len(lines), kinds) == (2, {"cancelled"})
