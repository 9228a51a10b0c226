"""One line about a round on a terminal, while somebody waits."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import anyio

from poller.deliver.stderr import say
from poller.present.catalogue import ENGLISH
from poller.present.terminal import ASCII, UNICODE, cells, cut, traits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from poller.present.words import Words
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
        waiting: Callable[[], Sequence[str]] = tuple,
        words: Words = ENGLISH,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``total`` and ``waiting`` are asked at every drawing.

        Args:
            total: How many accounts there are; None while that is unknown.
            waiting: What is waited for, at length and in short; nothing where nothing is.
            words: The language.
            stream: The terminal; standard error without one.
            clock: Tells monotonic seconds.
        """
        self._total = total
        self._waiting = waiting
        self._words = words
        self._stream = sys.stderr if stream is None else stream
        marks = UNICODE if traits(self._stream, os.environ).unicode else ASCII
        self._between = f" {marks.dot} "
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
        words, total, passed_s = self._words, self._total(), self._clock() - self._begun_at
        done = words.done.format(count=self._done) if total is None else f"{self._done}/{total}"
        failed = [words.failed.format(count=self._failed)] if self._failed else []
        last = self._waiting()
        if not last and total is not None and self._done and passed_s >= _ESTIMATE_AFTER_S:
            left_s = passed_s / self._done * (total - self._done)
            last = (words.left.format(span=self._length(left_s)),)
        line, most = "", self._width() - 1
        for end in last or (self._length(passed_s),):
            for middle in (failed, []):
                line = self._between.join([done, *middle, end])
                if cells(line) <= most:
                    return line
        return cut(line, most, "")

    def _length(self, seconds: float) -> str:
        if seconds < _LONG_S:
            return f"{seconds:.0f}{self._words.seconds}"
        return f"{seconds / 60:.0f}{self._words.minutes}"

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
