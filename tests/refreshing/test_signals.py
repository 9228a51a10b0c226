"""A signal at any step of a refresh: it is finished, or nothing was sent."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.refreshing.logins import is_alive, refresh, sent_twice, store, surroundings
from tests.running import ended, started

if TYPE_CHECKING:
    from pathlib import Path

    from poller.simulator.server import Simulator
    from tests.running import Ended

pytestmark = pytest.mark.anyio

DRIVER = """
import importlib, os, sys
number, times, room, owner, name = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
place = importlib.import_module(room)
place = getattr(place, owner) if owner else place
step = getattr(place, name)
def signalled(*args, **how):
    for _ in range(times):
        os.kill(os.getpid(), number)
    return step(*args, **how)
setattr(place, name, signalled)
sys.argv[1:] = sys.argv[6:]
from poller.__main__ import entry
entry()
"""
"""Runs the program, which gets a signal just before a step."""

STEPS = {
    "reading under the lock": ("poller.renewal.renewals", "", "read_regular"),
    "reserving": ("poller.renewal.renewals", "", "reserve"),
    "noting that it is sent": ("poller.renewal.ledger", "TokenEntry", "write"),
    "writing the draft": ("poller.renewal.saving", "Draft", "write_unsynced"),
    "replacing the file": ("poller.renewal.spending", "", "replace_file"),
    "using the new tokens": ("poller.renewal.spending", "Spending", "_renewed"),
}
CAUGHT = [signal.SIGINT, signal.SIGTERM]
ALSO_CAUGHT = [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]


async def signalled(tmp_path: Path, simulator: Simulator, step: str, *arguments: str) -> Ended:
    """Run the program, with so many signals just before a step."""
    env = surroundings(tmp_path, simulator)
    clean = ("env", "-u", "COVERAGE_PROCESS_CONFIG", "-u", "COVERAGE_PROCESS_START")
    driver = (*clean, sys.executable, "-c", DRIVER, *arguments, *STEPS[step])
    words = ("--refresh", "--chatgpt-url", simulator.url)
    async with started(*words, cwd=tmp_path, env=env, command=driver) as running:
        return await ended(running)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("number", "times"),
    [
        *((each, 1) for each in CAUGHT),
        (signal.SIGTERM, 2),
        *((each, 1) for each in ALSO_CAUGHT),
    ],
)
async def test_a_signal_at_any_step_splits_nothing(
    tmp_path: Path, number: signal.Signals, times: int, step: str
) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.read_bytes()
    async with serve() as simulator:
        told = await signalled(tmp_path, simulator, step, str(int(number)), str(times))
        assert told.code == 128 + number
        if simulator.logins.requests:
            assert is_alive(simulator, path, "alice")
        else:
            assert path.read_bytes() == before
        assert (await refresh(tmp_path, simulator)).kinds == {"alice": None}
        assert is_alive(simulator, path, "alice")
        assert sent_twice(simulator) == {}


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("reserving", None),
        ("writing the draft", "refresh_unknown"),  # the one instant at which a login is lost
        ("replacing the file", None),
        ("using the new tokens", None),
    ],
)
async def test_what_a_kill_leaves_is_mended_by_the_next_run(
    tmp_path: Path, step: str, kind: str | None
) -> None:
    path = store(tmp_path / "account", "alice")
    async with serve() as simulator:
        told = await signalled(tmp_path, simulator, step, str(int(signal.SIGKILL)), "1")
        assert told.code == -signal.SIGKILL
        assert (await refresh(tmp_path, simulator)).kinds == {"alice": kind}
        assert is_alive(simulator, path, "alice") == (kind is None)
        assert simulator.logins.requests == 1
