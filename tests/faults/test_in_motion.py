"""Faults that take more than an account id: files that change, waits that all must keep."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from poller.simulator.accounts import auth_file
from poller.simulator.server import serve
from tests import running
from tests.faults import program
from tests.faults.watching import CAN_WATCH, watched

if TYPE_CHECKING:
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount
    from poller.simulator.counting import Stats

_MARKS = "\x1b[31mred\u202eevil.auth.json"


async def polled(folder: Path, url: str, *flags: str) -> program.Ended:
    asked = ("--account-dir", str(folder), "--chatgpt-url", url)
    return await program.ended(program.poller(*asked, *flags), cwd=folder.parent)


def counted(folder: Path, *flags: str) -> tuple[program.Ended, Stats]:
    async def run() -> tuple[program.Ended, Stats]:
        async with serve() as simulator:
            return await polled(folder, simulator.url, *flags), simulator.stats()

    return asyncio.run(run())


def test_a_login_renewed_meanwhile_is_sent_again_with_the_new_token(tmp_path: Path) -> None:
    old = running.account("renewed", "~401-token_expiredx1")
    new = auth_file(user_id=old.user_id, account_id=old.account_id, email=old.email, expires_at=4e9)
    folder = running.write(tmp_path / "account", old, *running.numbered(6))

    async def run() -> tuple[program.Ended, Stats]:
        # The answers take so long that the file is new before any of them has come.
        async with serve(latency_s=0.5) as simulator:
            polling = asyncio.create_task(polled(folder, simulator.url))
            await simulator.reached(7)
            (folder / "renewed.auth.json").write_bytes(new)
            return await polling, simulator.stats()

    ended, stats = asyncio.run(run())
    record = next(one for one in ended.records if one["account"] == "renewed")
    assert (ended.code, record["ok"], record["attempts"]) == (0, True, 2)
    assert stats.accounts[old.account_id].attempts == 2


@pytest.mark.skipif(not CAN_WATCH, reason="needs inotify")
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_file_that_is_being_written_is_read_again(tmp_path: Path, keep: float) -> None:
    one = running.account("half")
    folder = running.write(tmp_path / "account", one, *running.numbered(6))
    path = folder / "half.auth.json"
    path.write_bytes(one.auth_file[: int(len(one.auth_file) * keep)])

    async def run() -> program.Ended:
        async with serve() as simulator:
            with watched(folder) as seen:
                polling = asyncio.create_task(polled(folder, simulator.url))
                await seen.until("opened", path.name)
                # Written beside and moved over: this reader must not meet it half again.
                (tmp_path / "whole").write_bytes(one.auth_file)
                os.replace(tmp_path / "whole", path)
                return await polling

    records = {record["account"]: record for record in asyncio.run(run()).records}
    assert len(records) == 7
    assert [record["ok"] for record in records.values()] == [True] * 7


def test_a_file_that_others_can_read_is_said_once(tmp_path: Path) -> None:
    folder = running.write(tmp_path / "account", *running.numbered(8))
    for path in folder.iterdir():
        path.chmod(0o644)
    ended, _ = counted(folder)
    assert ended.code == 0
    assert ended.stderr.count(b"chmod 600") == 1


@pytest.mark.parametrize("flags", [("--format", "table"), ("--raw-json", "--raw-headers")])
def test_marks_and_echoes_reach_no_terminal(tmp_path: Path, flags: tuple[str, ...]) -> None:
    odd = [running.account(name, f"~{name}") for name in ("marks", "echo", "echo-401", "cookie")]
    folder = running.write(tmp_path / "account", *odd, *running.numbered(6))
    (folder / "marks.auth.json").rename(folder / _MARKS)
    ended, _ = counted(folder, *flags)
    assert ended.code == 3
    assert all(char.isprintable() or char == "\n" for char in ended.said)
    assert not program.leaks(ended.said, _secret_of(odd))
    assert "session=secret" not in ended.said


def _secret_of(accounts: list[MadeUpAccount]) -> frozenset[str]:
    return program.pieces(token for one in accounts for token in program.tokens(one.auth_file))


def test_the_retries_of_a_run_stay_within_its_budget(tmp_path: Path) -> None:
    # Every fifth, so that the breaker sees no outage. One that fails over a kept connection
    # is asked once more to prove whose answer it was, outside of the budget.
    names = [f"n{index:03d}" for index in range(400)]
    accounts = [running.account(name, "~503" if name[-1] in "05" else "") for name in names]
    folder = running.write(tmp_path / "account", *accounts)
    ended, stats = counted(folder)
    assert [record["ok"] for record in ended.records].count(True) == 320
    assert 80 < stats.requests - 400 <= 20 + 400 / 4 + 80
    assert sum(record["attempts"] for record in ended.records) == stats.requests


def test_three_that_are_asked_to_wait_make_all_wait(tmp_path: Path) -> None:
    waiting = [running.account(f"a{index}", "~429-after-2x1") for index in range(3)]
    folder = running.write(tmp_path / "account", *waiting, *running.numbered(40))
    ended, stats = counted(folder, "--concurrency", "2")
    assert ended.code == 0
    starts = sorted(at for account in stats.accounts.values() for at in account.started_at_s)
    gaps = [after - before for before, after in pairwise(starts)]
    assert max(gaps) >= 1.95
    assert gaps.index(max(gaps)) < 6
