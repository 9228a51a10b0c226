"""What stands in the cells of a table, and what gives way where it is too wide."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from poller.present.rows import FULL, SHORT, TERSE, status
from poller.present.terminal import Marks, cells, cut, cutter, padded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from poller.present.rows import Column, Row
    from poller.present.times import Clock

Line = list[tuple[str, str]]
"""Pieces of text, each with its style; one line on the screen."""

PLAIN, BOLD, DIM = "", "bold", "dim"
PLENTY, LITTLE, NONE = "color(28)", "color(130)", "color(160)"
"""Green, orange and red of the 256 that keep a contrast of 4 on white and on black."""
_PLENTY_PERCENT, _LITTLE_PERCENT = 50, 20

_GAP = "  "
_PERCENT = 4
"""Cells of ``100%``."""
_NAME, _NAME_SHORT, _NAME_LEAST = 24, 12, 6
"""Cells a name keeps before resets go, before windows go, and whatever happens."""
_HINT_LEAST = 20
_MAIN = 2
"""Windows that matter most: five hours and the week where there are such."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of a table is shown."""

    bar: int
    """Cells of a bar."""
    bars: int
    """How many windows have a bar, the ones that matter most first."""
    status: int
    plan: bool
    resets: int
    """How many windows tell their reset, likewise."""
    windows: int
    """How many windows are shown at all, likewise."""
    name: int | None = None
    """Cells that names of accounts may be cut to; None for not at all."""


def _giving_way(windows: int, *, bars: bool) -> Iterator[Shape]:
    """Yield shapes from all there is down to what nobody can do without.

    Hints of failures are not in it: they have what room is left anyway.
    """
    main = min(windows, _MAIN)
    shape = Shape(8, windows if bars else 0, FULL, plan=True, resets=windows, windows=windows)
    yield shape
    yield (shape := replace(shape, bar=4))
    yield (shape := replace(shape, status=SHORT))
    yield (shape := replace(shape, plan=False))
    yield (shape := replace(shape, resets=main))
    yield (shape := replace(shape, bars=min(shape.bars, main)))
    yield (shape := replace(shape, bars=0))
    yield (shape := replace(shape, name=_NAME))
    yield (shape := replace(shape, status=TERSE))
    for resets in range(main - 1, -1, -1):
        yield (shape := replace(shape, resets=resets))
    yield (shape := replace(shape, name=_NAME_SHORT))
    for count in range(windows - 1, 0, -1):
        yield (shape := replace(shape, windows=count))
    yield replace(shape, name=_NAME_LEAST)


class _Widths:
    """The widest cell of each kind, over all rows."""

    def __init__(self, rows: Iterable[Row], columns: Sequence[Column], clock: Clock) -> None:
        self.account = cells("account")
        self.plan = cells("plan")
        self.resets = dict.fromkeys((column.place for column in columns), 0)
        self.status = [cells("status")] * 3
        self.failed = [0] * 3
        for row in rows:
            self._see(row, clock)

    def _see(self, row: Row, clock: Clock) -> None:
        self.account = max(self.account, cells(row.account))
        self.plan = max(self.plan, cells(row.plan or ""))
        for column, (_, reset_at) in row.windows().items():
            if reset_at is not None:
                self.resets[column] = max(self.resets[column], len(clock.text(reset_at)))
        widest = self.status if row.kind is None else self.failed
        for form in (FULL, SHORT, TERSE):
            widest[form] = max(widest[form], cells(status(row, form, clock)))


class _Frame(NamedTuple):
    """How one window's column is laid out; widths in cells."""

    place: int
    title: str
    bar: int
    """0 for none."""
    told: bool
    """Whether the reset is told."""
    after: int
    """Cells after the percentage, the blank before the reset included."""

    @property
    def lead(self) -> int:
        """Cells before the percentage."""
        return self.bar + 1 if self.bar else 0

    @property
    def width(self) -> int:
        """All its cells."""
        return self.lead + _PERCENT + self.after


class Layout:
    """Lay rows out within a width: the same for every painter.

    ``columns`` stand in the order they are shown in, ``needed`` has their places with
    those that matter most first. ``width`` None cuts nothing.
    """

    def __init__(  # noqa: PLR0913 - what a table is drawn from, each named
        self,
        rows: Sequence[Row],
        columns: Sequence[Column],
        *,
        needed: Sequence[int],
        clock: Clock,
        marks: Marks,
        width: int | None,
        bars: bool,
    ) -> None:
        self._clock, self._marks, self._width = clock, marks, width
        self._columns, self._needed = columns, needed
        self._widths = _Widths(rows, columns, clock)
        self._shape = self._fitting(bars=bars)
        self._frames = self._framed(self._shape)
        self._account = self._account_width()
        self._name = cutter((row.account for row in rows), self._account, marks.cut)

    def heading(self) -> list[Line]:
        """Return the line that names the time zone and the line of titles."""
        titles = [padded("account", self._account)]
        if self._shape.plan:
            titles.append(padded("plan", self._widths.plan))
        titles += [padded(frame.title, frame.width) for frame in self._frames]
        titles.append("status")
        zone = f"what is left and when it resets, times in {self._clock.zone}"
        if self._width is not None and cells(zone) > self._width:
            zone = f"times in {self._clock.zone}"
        return [self._within([(zone, DIM)]), self._within([(_GAP.join(titles), BOLD)])]

    def line(self, row: Row) -> Line:
        """Return one row; the reason of a failure starts where the windows would."""
        line: Line = [(padded(self._name(row.account), self._account), PLAIN)]
        taken = self._account
        if self._shape.plan:
            line.append((_GAP + padded(row.plan or self._marks.none, self._widths.plan), PLAIN))
            taken += len(_GAP) + self._widths.plan
        if row.kind is not None:
            return self._within([*line, *self._failed(row, taken)])
        windows = row.windows()
        for frame in self._frames:
            line += self._window(frame, windows.get(frame.place))
            taken += len(_GAP) + frame.width
        words = _GAP + self._words(row, taken)
        line.append((words, NONE if row.usable is False else PLAIN))
        return self._within(line) if self._room(taken) < cells(words) else line

    def _fitting(self, *, bars: bool) -> Shape:
        """Return the first shape that is narrow enough, or else the last."""
        shapes = _giving_way(len(self._columns), bars=bars)
        shape = next(shapes)
        while self._room(self._account_in(shape) + self._beside(shape)) < 0:
            following = next(shapes, None)
            if following is None:
                break
            shape = following
        return shape

    def _account_in(self, shape: Shape) -> int:
        widest = self._widths.account
        return widest if shape.name is None else min(shape.name, widest)

    def _beside(self, shape: Shape) -> int:
        """Return the cells that everything but the account takes."""
        plan = len(_GAP) + self._widths.plan if shape.plan else 0
        windows = sum(len(_GAP) + frame.width for frame in self._framed(shape))
        answered = windows + self._widths.status[shape.status]
        return plan + len(_GAP) + max(answered, self._widths.failed[shape.status])

    def _account_width(self) -> int:
        """Return the cells that names have: all they need, or what the others leave."""
        least = self._account_in(self._shape)
        if self._width is None:
            return least
        left = self._width - self._beside(self._shape)
        return min(max(least, min(left, self._widths.account)), self._width)

    def _framed(self, shape: Shape) -> list[_Frame]:
        kept = set(self._needed[: shape.windows])
        return [self._frame(column, shape) for column in self._columns if column.place in kept]

    def _frame(self, column: Column, shape: Shape) -> _Frame:
        bar = shape.bar if column.place in self._needed[: shape.bars] else 0
        widest = self._widths.resets[column.place]
        told = widest > 0 and column.place in self._needed[: shape.resets]
        # without a bar before them the title stands over the percentages, right-aligned
        title = column.title if bar else column.title.rjust(_PERCENT)
        frame = _Frame(column.place, title, bar, told, after=1 + widest if told else 0)
        return frame._replace(after=frame.after + max(0, cells(title) - frame.width))

    def _window(
        self, frame: _Frame, window: tuple[float | None, float | None] | None
    ) -> Iterator[tuple[str, str]]:
        """Yield one cell: the bar, the percentage, the reset."""
        if window is None:
            nothing = " " * frame.lead + self._marks.none.rjust(_PERCENT)
            yield f"{_GAP}{nothing}{' ' * frame.after}", DIM
            return
        percent, reset_at = window
        style = _style(percent)
        yield _GAP, PLAIN
        if frame.bar:
            yield from self._bar(percent, frame.bar, style)
        yield ("?" if percent is None else f"{_whole(percent)}%").rjust(_PERCENT), style
        reset = "?" if reset_at is None else self._clock.text(reset_at)
        yield (f" {reset}" if frame.told else "").ljust(frame.after), PLAIN

    def _bar(self, percent: float | None, width: int, style: str) -> Iterator[tuple[str, str]]:
        if percent is None:
            yield " " * (width + 1), PLAIN
            return
        full = _whole(percent, of=width)
        yield self._marks.full * full, style
        yield f"{self._marks.empty * (width - full)} ", DIM

    def _failed(self, row: Row, taken: int) -> Line:
        """Return why there are no figures, and the hint where there is room to say a thing."""
        reason = _GAP + self._words(row, taken)
        hint = f" {self._marks.dot} {row.hint}" if row.hint else ""
        enough = self._room(taken + len(reason)) >= min(cells(hint), _HINT_LEAST)
        return [(reason, NONE), (hint if enough else "", DIM)]

    def _words(self, row: Row, taken: int) -> str:
        """Return the status in the longest words that this row has room for."""
        room = self._room(taken + len(_GAP))
        for form in range(FULL, self._shape.status):
            words = status(row, form, self._clock)
            if cells(words) <= room:
                return words
        return status(row, self._shape.status, self._clock)

    def _room(self, taken: int) -> float:
        return math.inf if self._width is None else self._width - taken

    def _within(self, line: Line) -> Line:
        return within(line, self._width, self._marks.cut)


def within(line: Line, width: int | None, mark: str) -> Line:
    """Return the line, cut where it is wider than ``width`` cells; None cuts nothing."""
    if width is None:
        return line
    kept: Line = []
    for text, style in line:
        kept.append((cut(text, width, mark), style))
        width -= cells(text)
        if width <= 0:
            break
    return kept


def _whole(percent: float, *, of: int = 100) -> int:
    """Return a share of ``of``: only nothing is none, only everything is all."""
    share = round(percent * of / 100)
    if 0 < percent < 100:
        return min(max(share, 1), of - 1)
    return share


def _style(percent: float | None) -> str:
    if percent is None:
        return PLAIN
    if percent >= _PLENTY_PERCENT:
        return PLENTY
    return LITTLE if percent >= _LITTLE_PERCENT else NONE
