"""A progress bar on standard error, while somebody waits."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    import rich.progress

    from poller.values import Report

_BETWEEN_S = 0.1
"""Between two drawings; one takes a millisecond or two."""
_GREEN = "green"
"""The terminal's own."""
_BEFORE_S = 0.3
"""Before the first drawing, unless told to start: a run that is over by then needs no bar."""
_BAR, _TOLD = 40, 36
"""Cells of the bar at most, and of the figures before it."""


class Progress:
    """Show how many accounts are done, how many failed, and the time it has taken.

    Draws on ``stream`` (a terminal: the caller sees to that) at most ten times a second,
    from ``advance()`` and ``refresh()``: there is no thread. Nothing is imported or drawn
    before ``start()``, or one of the others 0.3 s after the beginning. What is written to
    ``sys.stderr`` meanwhile appears above the bar; the cursor is never hidden, so no
    way out can leave it so.
    """

    def __init__(
        self,
        total: int | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._begun_at = clock()
        self._drawn_at = self._begun_at
        self._done = 0
        self._failed = 0
        self._over = False
        self._bar: rich.progress.Progress | None = None

    def start(self) -> None:
        """Draw the bar; a second time, and after ``stop()``, does nothing."""
        if self._bar is not None or self._over:
            return
        self._bar = _bar(self._stream, self._total, self._told())
        self._bar.start()
        self._bar.console.show_cursor(show=True)
        self._draw(self._bar)

    def advance(self, report: Report) -> None:
        """Count ``report``."""
        self._done += 1
        self._failed += not report.ok
        self.refresh()

    def expect(self, total: int | None) -> None:
        """Set how many reports there will be; None while that is not known."""
        self._total = total

    def refresh(self) -> None:
        """Draw what is new, where the last drawing, or the beginning, is long enough ago."""
        if self._bar is None:
            if self._clock() - self._begun_at >= _BEFORE_S:
                self.start()
        elif self._clock() - self._drawn_at >= _BETWEEN_S:
            self._draw(self._bar)

    def stop(self) -> None:
        """Take the bar off the screen; harmless at any time, any number of times."""
        self._over = True
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def _draw(self, bar: rich.progress.Progress) -> None:
        self._drawn_at = self._clock()
        (task,) = bar.task_ids
        bar.update(task, total=self._total, completed=self._done, description=self._told())
        bar.refresh()

    def _told(self) -> str:
        done = f"{self._done} done" if self._total is None else f"{self._done}/{self._total}"
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{done}{failed}, {self._clock() - self._begun_at:.0f} s"


def _bar(stream: TextIO, total: int | None, told: str) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=stream)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(
            max(4, min(_BAR, console.width - _TOLD)),
            style="dim",
            complete_style=_GREEN,
            finished_style=_GREEN,
            pulse_style=_GREEN,
        ),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
    )
    bar.add_task(told, total=total)
    return bar
