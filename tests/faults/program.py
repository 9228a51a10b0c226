"""Run the real program as a process of its own, and say how it ended and what it took."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

DEVELOPER = ("-X", "dev")
"""Of the interpreter: asyncio's own checks, and every warning it can give."""
_GIVEN_UP_AFTER_S = 120.0


@dataclass(frozen=True)
class Ended:
    """A run of the program that is over."""

    code: int
    stdout: bytes
    stderr: bytes
    started_at: float
    """Unix seconds."""
    wall_s: float
    cpu_s: float
    peak_bytes: int

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Its records in order, each valid."""
        return [running.record_of(line) for line in self.stdout.splitlines()]

    @property
    def said(self) -> str:
        """All that it wrote, wherever."""
        return (self.stdout + b"\n" + self.stderr).decode()


def poller(*args: str, python: Sequence[str] = (), module: str = "poller") -> list[str]:
    """Return the command that runs the program with these arguments."""
    return [sys.executable, *python, "-m", module, *args]


async def ended(command: Sequence[str], *, cwd: Path, **environment: str) -> Ended:
    """Run ``command`` to its end beside the server on this event loop."""
    return await asyncio.to_thread(_run, command, cwd, environment)


def _run(command: Sequence[str], cwd: Path, environment: dict[str, str]) -> Ended:
    # Into files: wait4, which alone tells memory and time of one child, reads no pipes.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started_at, start = time.time(), time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=running.environment(cwd, environment),
        )
        watchdog = threading.Timer(_GIVEN_UP_AFTER_S, os.kill, (process.pid, 9))
        watchdog.start()
        _, status, used = os.wait4(process.pid, 0)
        watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - start
        stdout.seek(0)
        stderr.seek(0)
        return Ended(
            process.returncode,
            stdout.read(),
            stderr.read(),
            started_at,
            wall_s,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )


def pieces(secrets: Iterable[str], *, length: int = 12) -> frozenset[str]:
    """Return every run of so many characters that one of the secrets holds."""
    return frozenset(piece for secret in secrets for piece in _pieces(secret, length))


def _pieces(text: str, length: int) -> Iterator[str]:
    return (text[start : start + length] for start in range(len(text) - length + 1))


def leaks(text: str, secret: frozenset[str]) -> list[str]:
    """Return the pieces of a secret that ``text`` holds, in order, the first few."""
    length = len(next(iter(secret)))
    return [piece for piece in _pieces(text, length) if piece in secret][:5]
