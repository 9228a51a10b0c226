"""What must not be split holds off the process's end, for a while."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BEFORE = """
import os, signal, sys, time
import poller.process.signals as room
room._LEAVE_WITHIN_S, room._HOLDS_WITHIN_S = 0.3, 3.0
interrupts = room.Interrupts(os._exit)
hold, release = interrupts.hold, interrupts.release
def say(*words): print(*words, flush=True)
def stop(): os.kill(os.getpid(), signal.SIGTERM)
def wait(s):
    until = time.monotonic() + s
    while time.monotonic() < until: time.sleep(0.01)
"""


END = """
os._exit(0)  # not by way of an interpreter that takes its handlers down first
"""


def told(script: str) -> tuple[list[str], int]:
    ended = subprocess.run(
        [sys.executable, "-c", BEFORE + script + END],
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=20,
        check=False,
    )
    assert ended.stderr == b""
    return ended.stdout.decode().split(), ended.returncode


@pytest.mark.parametrize(
    ("script", "said"),
    [
        # Held: not ended in the usual time, then it has that time to leave well.
        ("say(interrupts.hold()); stop(); wait(0.6); say('still')", ["True", "still"]),
        (
            "interrupts.hold(); stop(); wait(0.6); interrupts.release(); say('freed'); wait(9)",
            ["freed"],
        ),
        # A second signal waits for the release, and ends it there.
        (
            "interrupts.hold(); stop(); stop(); say('held'); interrupts.release(); say('never')",
            ["held"],
        ),
        # Two holds: the last release counts.
        (
            "hold(); hold(); stop(); stop(); release(); say('one'); release(); say('never')",
            ["one"],
        ),
        # A hold without end is ended.
        ("interrupts.hold(); stop(); wait(9); say('never')", []),
        # Not held: as ever.
        ("stop(); wait(9); say('never')", []),
        ("stop(); stop(); say('never')", []),
    ],
)
def test_a_hold_puts_the_end_off(script: str, said: list[str]) -> None:
    expected = 0 if said[-1:] == ["still"] else 143
    assert told(script) == (said, expected)


def test_no_hold_begins_once_the_process_is_leaving() -> None:
    assert told("stop(); say(interrupts.hold())") == (["False"], 0)
