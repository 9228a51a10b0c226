"""Run one command and say what it cost: wall, CPU, memory, instructions."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).parents[2]
_LAUNCH = str(Path(__file__).with_name("launch.py"))
_GIVEN_UP_AFTER_S = 600.0
_INSTRUCTIONS = re.compile(r"I +refs: +([\d,]+)")
_VALGRIND = (
    "valgrind",
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command cost, of the whole process."""

    wall_s: float
    cpu_s: float
    """User and system time."""
    peak_bytes: int


class FailedRunError(Exception):
    """A command that was to be measured did not do its work."""


def server_core() -> str:
    """Return the core that servers run on, "" where this cannot be chosen."""
    cores = _cores()
    return str(cores[0]) if len(cores) > 1 else ""


def client_core() -> str:
    """Return the core that what is measured runs on, likewise."""
    cores = _cores()
    return str(cores[1]) if len(cores) > 1 else ""


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a clean environment: no proxies, no configuration, the same hashes each time."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    own = {"HOME": "/nonexistent", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    return kept | own | dict(more or {})


def cost(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command on the clients' core, its output to nowhere.

    Raises:
        FailedRunError: it did not end well.
    """
    launcher = [sys.executable, "-I", "-S", _LAUNCH, client_core()]
    spent = json.loads(_run([*launcher, *command], env).stdout)
    if spent["code"] != 0:
        raise FailedRunError(f"{command[0]} … exited with {spent['code']}")
    return Cost(spent["wall_s"], spent["cpu_s"], spent["peak_bytes"])


def instructions(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Count the instructions that a command executes, under cachegrind.

    Raises:
        FailedRunError: it did not end well.
    """
    ended = _run([*_VALGRIND, *command], env)
    counted = _INSTRUCTIONS.search(ended.stderr)
    if ended.returncode != 0 or counted is None:
        raise FailedRunError(f"{command[0]} … exited with {ended.returncode}:\n{ended.stderr}")
    return int(counted[1].replace(",", ""))


def _run(command: Sequence[str], env: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment(env),
        cwd="/",  # no configuration of whoever measures
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_GIVEN_UP_AFTER_S,
        check=False,
    )


def median(values: Iterable[float]) -> float:
    """Return the median; noise is never below what a run costs."""
    return statistics.median(values)
