"""A window in a table: a bar, the percentage that is left, and the reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.present.shares import LITTLE_PERCENT, share
from poller.present.table import DIM, GREEN, PLAIN, RED, YELLOW
from poller.present.terminal import cells, padded

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.present.table import Line, Piece
    from poller.present.terminal import Marks
    from poller.values import Window

PERCENT = 4
"""Cells of ``100%``."""
_PLENTY_PERCENT = 50


@dataclass(frozen=True, slots=True)
class Form:
    """How much of a window is shown; in cells, 0 for nothing."""

    bar: int
    reset: int
    frees: int
    """Of the sign after a reset that ends a block."""

    @property
    def lead(self) -> int:
        """Cells before the percentage."""
        return self.bar + 1 if self.bar else 0

    @property
    def width(self) -> int:
        """All its cells."""
        return self.lead + PERCENT + (1 + self.reset + self.frees if self.reset else 0)


class WindowCells:
    """Draws the windows of one column; what was drawn once is kept."""

    def __init__(self, form: Form, marks: Marks, moment: Callable[[float], str]) -> None:
        self._form, self._marks, self._moment = form, marks, moment
        self._figures: dict[float | None, Piece] = {}
        self._resets: dict[int | None, str] = {}

    def drawn(self, window: Window, width: int, *, frees: bool) -> Line:
        """Return a window in ``width`` cells; ``frees`` where its reset ends a block."""
        percent = window.remaining_percent
        figure = self._figures.get(percent)
        if figure is None:
            figure = self._figures[percent] = self._figure(percent)
        form, rest = self._form, width - self._form.lead - PERCENT
        if not form.reset:
            return [figure, (" " * rest, PLAIN)] if rest else [figure]
        minute = None if window.reset_at is None else window.reset_at // 60
        reset = self._resets.get(minute)
        if reset is None:
            reset = self._resets[minute] = self._reset(window.reset_at, rest)
        if frees and form.frees:
            mark = padded(f" {self._marks.frees}", form.frees)
            start = len(reset) - (rest - 1 - form.reset)
            reset = reset[:start] + mark + reset[start + form.frees :]
        return [figure, (reset, PLAIN)]

    def absent(self, sign: str, width: int) -> Line:
        """Return what stands where an account has no such window."""
        return [(padded(" " * self._form.lead + sign.rjust(PERCENT), width), DIM)]

    def _figure(self, percent: float | None) -> Piece:
        if percent is None:
            return " " * self._form.lead + "?".rjust(PERCENT), PLAIN
        told = f"{share(percent, of=100)}%".rjust(PERCENT)
        return self._bar(percent) + told, style_of(percent)

    def _bar(self, percent: float) -> str:
        if not self._form.bar:
            return ""
        parts = len(self._marks.parts)
        full, part = divmod(share(percent, of=self._form.bar * parts), parts)
        bar = self._marks.full * full + self._marks.parts[part].strip()
        return bar.ljust(self._form.lead)

    def _reset(self, at: int | None, width: int) -> str:
        told = self._marks.none if at is None else self._moment(at)
        return padded(" " * (1 + self._form.reset - cells(told)) + told, width)


def style_of(percent: float) -> str:
    """Return the colour of how much is left."""
    if percent >= _PLENTY_PERCENT:
        return GREEN
    return YELLOW if percent >= LITTLE_PERCENT else RED
