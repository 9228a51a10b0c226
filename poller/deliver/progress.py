"""One line about a round on a terminal, while somebody waits."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import anyio

from poller.deliver.stderr import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from poller.values import Report

_BEFORE_S = 0.3
"""Before the first drawing: a round that is over by then needs none."""
_BETWEEN_S = 0.25
_ESTIMATE_AFTER_S = 2.0
"""Before the time that is left is told: an earlier guess would jump about."""
_LONG_S = 120
"""From here on minutes are told."""
_CLEAR = "\r\x1b[K"


class Progress:
    """Tells how many accounts are done, how many failed, how long yet, and what is waited for.

    Draws on ``stream``, a terminal; a clock redraws it, also while nothing arrives.
    """

    def __init__(
        self,
        *,
        total: Callable[[], int | None] = lambda: None,
        waiting: Callable[[], str | None] = lambda: None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``total`` and ``waiting`` are asked at every drawing; None means unknown, nothing."""
        self._total = total
        self._waiting = waiting
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._begun_at = clock()
        self._done = self._failed = 0
        self._shown = ""
        self._over = False

    async def run(self) -> None:
        """Draw now and then, until cancelled."""
        await anyio.sleep(_BEFORE_S)
        while True:
            self.draw()
            await anyio.sleep(_BETWEEN_S)

    def advance(self, report: Report) -> None:
        """Count ``report``."""
        self._done += 1
        self._failed += not report.ok

    def draw(self) -> None:
        """Draw the line as it is now; does nothing after :meth:`stop`."""
        line = self._line()
        if not self._over and line != self._shown:
            self._write(f"{_CLEAR}{line}")
            self._shown = line

    def say(self, line: str) -> None:
        """Write a line of words above this one."""
        shown, self._shown = self._shown, ""
        if shown:
            self._write(_CLEAR)
        say(line)

    def stop(self) -> None:
        """Take the line off the screen; harmless any number of times."""
        self._over = True
        if self._shown:
            self._write(_CLEAR)
        self._shown = ""

    def _line(self) -> str:
        total, passed_s = self._total(), self._clock() - self._begun_at
        told = [f"{self._done} done" if total is None else f"{self._done}/{total}"]
        if self._failed:
            told.append(f"{self._failed} failed")
        waiting = self._waiting()
        if waiting is not None:
            told.append(waiting)
        elif total is not None and self._done and passed_s >= _ESTIMATE_AFTER_S:
            left_s = passed_s / self._done * (total - self._done)
            told.append(f"{_length(left_s)} left")
        else:
            told.append(_length(passed_s))
        return " · ".join(told)[: self._width() - 1]

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # a terminal that went away
            self._over = True


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _LONG_S else f"{seconds / 60:.0f} min"
