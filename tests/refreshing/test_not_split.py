"""From the request to the saved tokens nothing comes between: no signal, deadline or reader."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from poller.simulator.server import serve
from tests.refreshing.kill import UNMEASURED
from tests.refreshing.logins import (
    is_alive,
    login,
    outcome,
    polled,
    refresh_token,
    store,
    surroundings,
    tokens,
)
from tests.running import ended, started

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
async def test_a_signal_waits_for_the_answer_to_be_on_disk(
    tmp_path: Path, number: signal.Signals, times: int
) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-2200ms")
    async with serve() as simulator:
        words = ("--refresh", "--chatgpt-url", simulator.url)
        env = surroundings(tmp_path, simulator)
        async with started(*words, cwd=tmp_path, env=env, command=UNMEASURED) as running:
            await simulator.logins.reached(1)
            for _ in range(times):
                running.send_signal(number)
                await anyio.sleep(0.05)
            told = await ended(running)
        assert told.code == 128 + number
        assert is_alive(simulator, path, "alice")
        assert refresh_token("alice", fault="slow-2200ms") not in path.read_text()
        if times == 1:
            assert told.kinds == {"alice": "cancelled"}
            assert told.by_account["alice"]["refreshed"] is True


async def test_the_runs_deadline_waits_for_the_answer_to_be_on_disk(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-400ms")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, deadline_s=0.1))["alice"]
        assert is_alive(simulator, path, "alice")
    assert outcome(report) == ("deadline", True)


async def test_the_accounts_deadline_waits_for_the_answer_to_be_on_disk(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-400ms")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, account_deadline_s=0.2))["alice"]
        assert is_alive(simulator, path, "alice")
    assert report.refreshed


async def test_a_reader_that_goes_away_waits_for_the_answer_to_be_on_disk(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-800ms")
    async with serve() as simulator:
        words = ("--refresh", "--chatgpt-url", simulator.url)
        env = surroundings(tmp_path, simulator)
        async with started(*words, cwd=tmp_path, env=env) as running:
            await simulator.logins.reached(1)
            assert running.stdout is not None
            running.stdout._transport.close()  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                assert await running.wait() == 141
        assert is_alive(simulator, path, "alice")


class Leaving:
    """A program that is being stopped."""

    def hold(self) -> bool:
        return False

    def release(self) -> None:
        raise AssertionError


async def test_no_refresh_begins_once_the_program_is_leaving(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    async with serve() as simulator:
        report = await polled(tmp_path, simulator, renewing={"exit_guard": Leaving()})
        assert simulator.logins.requests == 0
    assert outcome(report["alice"]) == ("cancelled", False)


async def test_no_copy_is_updated_once_the_program_is_leaving(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    copy = store(tmp_path / "copies", "copy", path.read_bytes())
    async with serve() as simulator:
        await polled(tmp_path, simulator)
        how = {"renewing": {"exit_guard": Leaving()}}
        report = (await polled(tmp_path, simulator, str(copy), **how))["copy"]
    assert outcome(report) == ("cancelled", False)
    assert tokens(copy)["refresh_token"] == refresh_token("alice")


async def test_a_copy_that_changes_meanwhile_gets_its_tokens_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path / "account", "alice")
    copy = store(tmp_path / "copies", "copy", path.read_bytes())
    async with serve() as simulator:
        await polled(tmp_path, simulator)

        class Meddling:
            def hold(self) -> bool:
                copy.write_bytes(login("bob"))
                return True

            def release(self) -> None:
                pass

        how = {"renewing": {"exit_guard": Meddling()}}
        report = (await polled(tmp_path, simulator, str(copy), **how))["copy"]
    assert outcome(report) == ("refresh_unsaved", False)
    assert tokens(copy)["refresh_token"] == refresh_token("bob")
