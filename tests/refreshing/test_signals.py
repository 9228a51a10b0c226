"""A signal at any step of a refresh: it is finished, or nothing was sent."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.refreshing.logins import (
    is_alive,
    outcome,
    polled,
    refresh,
    sent_twice,
    store,
    surroundings,
)
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
    "taking the file's lock": ("poller.renewal.renewals", "", "lock"),
    "reading under the lock": ("poller.renewal.renewals", "", "read_regular"),
    "taking the token's lock": ("poller.renewal.ledger", "", "lock"),
    "reserving in the ledger": ("poller.renewal.ledger", "TokenEntry", "reserve"),
    "reserving": ("poller.renewal.renewals", "", "reserve"),
    "from here on nothing may come between": ("poller.renewal.renewals", "_OneRenewal", "_unsplit"),
    "connecting": ("poller.renewal.endpoint", "TokenEndpoint", "refresh"),
    "noting that it is sent": ("poller.renewal.ledger", "TokenEntry", "write"),
    "reading the answer": ("poller.renewal.endpoint", "", "tokens_or_refusal"),
    "writing the draft": ("poller.renewal.saving", "Draft", "write_unsynced"),
    "noting the successor": ("poller.renewal.ledger", "TokenEntry", "sync"),
    "replacing the file": ("poller.renewal.spending", "", "replace_file"),
    "filling the draft": ("poller.renewal.saving", "", "_fill"),
    "restoring its mode": ("poller.renewal.saving", "", "_restore_mode"),
    "syncing the folder": ("poller.renewal.saving", "", "_sync_folder"),
    "using the new tokens": ("poller.renewal.spending", "Spending", "_renewed"),
}
"""In their order."""
CAUGHT = [signal.SIGINT, signal.SIGTERM]
LEFT_ALONE = {
    *("SIGKILL", "SIGSTOP"),  # nobody can catch them
    *("SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT"),  # a pause
    *("SIGCHLD", "SIGCLD", "SIGURG", "SIGWINCH", "SIGPIPE", "SIGXFSZ"),  # ignored
    *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGIOT", "SIGTRAP", "SIGSYS"),  # faults
    *("SIGRTMIN", "SIGRTMAX"),
}
ALSO_CAUGHT = [
    each for each in signal.Signals if each not in CAUGHT and each.name not in LEFT_ALONE
]
"""All there are, but for those."""


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
        assert outcome((await polled(tmp_path, simulator))["alice"])[0] is None
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
