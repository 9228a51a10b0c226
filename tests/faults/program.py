"""Run the real program as a process of its own, and say how it ended and what it took."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DEVELOPER = ("-X", "dev")
"""Of the interpreter: asyncio's own checks, and every warning it can give."""
_GIVEN_UP_AFTER_S = 600.0
_LAUNCH = Path(__file__).with_name("launch.py")


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
    with tempfile.NamedTemporaryFile() as report:
        launched = [sys.executable, "-IS", str(_LAUNCH), report.name, *command]
        started_at, start = time.time(), time.monotonic()
        with subprocess.Popen(
            launched,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=running.environment(cwd, environment),
            start_new_session=True,
        ) as process:
            watchdog = threading.Timer(_GIVEN_UP_AFTER_S, os.killpg, (process.pid, 9))
            watchdog.start()
            stdout, stderr = process.communicate()
            watchdog.cancel()
        wall_s = time.monotonic() - start
        cpu_s, peak_bytes = report.read().split()
        code = process.returncode
        return Ended(code, stdout, stderr, started_at, wall_s, float(cpu_s), int(peak_bytes))


def tokens(auth_file: bytes) -> tuple[str, ...]:
    """Return all that is secret in an auth file as the Codex CLI writes it."""
    held = json.loads(auth_file)["tokens"]
    return held["access_token"], held["refresh_token"], held["id_token"]


def pieces(secrets: Iterable[str], *, length: int = 12) -> frozenset[str]:
    """Return every run of so many characters that one of the secrets holds."""
    return frozenset(piece for secret in secrets for piece in _pieces(secret, length))


def _pieces(text: str, length: int) -> Iterator[str]:
    return (text[start : start + length] for start in range(len(text) - length + 1))


def leaks(text: str, secret: frozenset[str]) -> list[str]:
    """Return the pieces of a secret that ``text`` holds, in order, the first few."""
    length = len(next(iter(secret)))
    return [piece for piece in _pieces(text, length) if piece in secret][:5]
