"""What stands in the cells of a table, and what gives way where it is too wide."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from poller.output.terminal import Marks, cells, cut, cutter, padded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from poller.output.times import Clock

Line = list[tuple[str, str]]
"""Pieces of text, each with its style; one line on the screen."""

PLAIN, BOLD, DIM = "", "bold", "dim"
PLENTY, LITTLE, NONE = "color(28)", "color(130)", "color(160)"
"""Green, orange and red of the 256 that keep a contrast of 4 on white and on black."""
_PLENTY_PERCENT, _LITTLE_PERCENT = 50, 20

FULL, SHORT, TERSE = 0, 1, 2
"""How much the status says."""

_GAP = "  "
_PERCENT = 4
"""Cells of ``100%``."""
_NAME = 24
"""Cells a name keeps before columns that matter go."""
_NAME_LEAST = 6
_HINT_LEAST = 20
_MAIN = 2
"""Windows that matter most: five hours and the week where there are such."""
_TITLES = {"five_hour": "5h", "weekly": "week", "monthly": "month"}
_REASONS = {"five_hour": "5h", "spend_limit": "spend limit"}

LEFT = struct.Struct("<Hdd")
"""One window of a row: its column, percent left, Unix seconds of its reset; NaN for unknown."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a table keeps of one report."""

    account: str
    plan: str | None
    left: bytes
    """Its windows, ``LEFT`` each: objects would take five times the memory."""
    usable: bool | None
    limited_by: str | None
    by_window: bool
    """Whether what blocks it is one of its windows."""
    usable_at: int | None
    """Unix seconds."""
    note: str | None
    """What else an account that can be used has to tell: credits, a spend limit."""
    kind: str | None
    """Of its failure; None where it answered."""
    hint: str | None

    def windows(self) -> dict[int, tuple[float | None, float | None]]:
        """Return percent left and reset (Unix seconds) by column."""
        return {
            column: (_known(percent), _known(resets_at))
            for column, percent, resets_at in LEFT.iter_unpack(self.left)
        }


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


class Column(NamedTuple):
    """A window that some account has."""

    place: int
    """As in ``Row.left``."""
    name: str
    """As in the records."""

    @property
    def title(self) -> str:
        """Its name over the table: ``5h``, ``week``, ``month 2``, ``15m``."""
        base, _, number = self.name.rpartition("_")
        if base in _TITLES and number.isdecimal():
            return f"{_TITLES[base]} {number}"
        return _TITLES.get(self.name, self.name)


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
    yield (shape := replace(shape, resets=min(windows, 1)))
    for count in range(windows - 1, main - 1, -1):
        yield (shape := replace(shape, windows=count))
    yield (shape := replace(shape, resets=0))
    yield (shape := replace(shape, windows=min(windows, 1)))
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
        for column, (_, resets_at) in row.windows().items():
            if resets_at is not None:
                self.resets[column] = max(self.resets[column], len(clock.text(resets_at)))
        widest = self.status if row.kind is None else self.failed
        for form in (FULL, SHORT, TERSE):
            widest[form] = max(widest[form], cells(_status(row, form, clock)))


def _status(row: Row, form: int, clock: Clock) -> str:
    """Return what a row's account is good for; a failure's hint is not in it."""
    if row.kind is not None:
        return row.kind if form == TERSE else f"failed: {row.kind}"
    if row.usable is None:
        return "unknown"
    if row.usable:
        return _usable(row, form)
    return _blocked(row, form, clock)


def _usable(row: Row, form: int) -> str:
    if row.note is None or form == TERSE:
        return "ok"
    return row.note.partition(":")[0] if form == SHORT else row.note


def _blocked(row: Row, form: int, clock: Clock) -> str:
    """Return what blocks it and how long; in short only what the windows do not tell."""
    reason = _REASONS.get(row.limited_by or "", row.limited_by)
    until = "" if row.usable_at is None else f" until {clock.text(row.usable_at)}"
    if form == TERSE or (form == SHORT and row.by_window):
        return "blocked"
    by = "" if form == SHORT or reason in (None, "unknown") else f" by {reason}"
    return f"blocked{by}{until}"


class Layout:
    """Lay rows out within a width: the same for every painter.

    ``columns`` stand in the order they are shown in, ``needed`` has their indexes with
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
        self._widths = _Widths(rows, columns, clock)
        self._needed = needed
        self._shape = self._fitting(columns, bars=bars)
        self._columns = self._shown(columns, self._shape)
        self._account = self._account_width()
        self._name = cutter((row.account for row in rows), self._account, marks.cut)

    def heading(self) -> list[Line]:
        """Return the line that names the time zone and the line of titles."""
        titles: Line = [(padded("account", self._account), BOLD)]
        if self._shape.plan:
            titles.append((_GAP + padded("plan", self._widths.plan), BOLD))
        for column in self._columns:
            width = self._window_width(column, self._shape)
            titles.append((_GAP + padded(self._title(column, self._shape), width), BOLD))
        titles.append((f"{_GAP}status", BOLD))
        zone = f"what is left and when it resets, times in {self._clock.zone}"
        if self._width is not None and cells(zone) > self._width:
            zone = f"times in {self._clock.zone}"
        return [self._within([(zone, DIM)]), self._within(titles)]

    def line(self, row: Row) -> Line:
        """Return one row; the reason of a failure starts where the windows would."""
        line: Line = [(padded(self._name(row.account), self._account), PLAIN)]
        if self._shape.plan:
            line.append((_GAP + padded(row.plan or self._marks.none, self._widths.plan), PLAIN))
        if row.kind is not None:
            return self._within([*line, *self._failed(row, after=line)])
        windows = row.windows()
        for column in self._columns:
            line += self._window(column, windows.get(column.place))
        status = _GAP + self._longest_status(row, after=line)
        line.append((status, NONE if row.usable is False else PLAIN))
        return self._within(line)

    def _fitting(self, columns: Sequence[Column], *, bars: bool) -> Shape:
        shapes = _giving_way(len(columns), bars=bars)
        shape = next(shapes)
        while self._width is not None and self._total(columns, shape) > self._width:
            following = next(shapes, None)
            if following is None:
                break
            shape = following
        return shape

    def _total(self, columns: Sequence[Column], shape: Shape) -> int:
        name = self._widths.account if shape.name is None else shape.name
        before = min(name, self._widths.account)
        if shape.plan:
            before += len(_GAP) + self._widths.plan
        after = len(_GAP) + self._widths.status[shape.status]
        for column in self._shown(columns, shape):
            after += len(_GAP) + self._window_width(column, shape)
        return before + max(after, len(_GAP) + self._widths.failed[shape.status])

    def _account_width(self) -> int:
        if self._width is None or self._shape.name is None:
            return self._widths.account
        others = self._total(self._columns, self._shape) - min(
            self._shape.name, self._widths.account
        )
        return max(min(self._widths.account, self._width - others), min(_NAME_LEAST, self._width))

    def _shown(self, columns: Sequence[Column], shape: Shape) -> list[Column]:
        kept = set(self._needed[: shape.windows])
        return [column for column in columns if column.place in kept]

    def _reset_width(self, column: Column, shape: Shape) -> int:
        tells = column.place in self._needed[: shape.resets]
        return self._widths.resets[column.place] if tells else 0

    def _bar_width(self, column: Column, shape: Shape) -> int:
        return shape.bar if column.place in self._needed[: shape.bars] else 0

    def _window_width(self, column: Column, shape: Shape) -> int:
        bar, reset = self._bar_width(column, shape), self._reset_width(column, shape)
        inner = (bar + 1 if bar else 0) + _PERCENT + (1 + reset if reset else 0)
        return max(cells(self._title(column, shape)), inner)

    def _title(self, column: Column, shape: Shape) -> str:
        """Return the title, set over the percentages where no bar stands before them."""
        return column.title if self._bar_width(column, shape) else column.title.rjust(_PERCENT)

    def _window(
        self, column: Column, window: tuple[float | None, float | None] | None
    ) -> Iterator[tuple[str, str]]:
        """Yield one cell: the bar, the percentage, the reset."""
        bar = self._bar_width(column, self._shape)
        reset = self._window_width(column, self._shape) - (bar + 1 if bar else 0) - _PERCENT
        yield _GAP, PLAIN
        if window is None:
            yield (" " * (bar + 1) if bar else "") + self._marks.none.rjust(_PERCENT), DIM
            yield " " * reset, PLAIN
            return
        percent, resets_at = window
        style = _style(percent)
        if bar:
            yield from self._bar(percent, bar, style)
        yield ("?" if percent is None else f"{_whole(percent)}%").rjust(_PERCENT), style
        yield self._reset(column, resets_at).ljust(reset), PLAIN

    def _bar(self, percent: float | None, width: int, style: str) -> Iterator[tuple[str, str]]:
        if percent is None:
            yield " " * (width + 1), PLAIN
            return
        full = _whole(percent, of=width)
        yield self._marks.full * full, style
        yield f"{self._marks.empty * (width - full)} ", DIM

    def _reset(self, column: Column, resets_at: float | None) -> str:
        if not self._reset_width(column, self._shape):
            return ""
        return f" {'?' if resets_at is None else self._clock.text(resets_at)}"

    def _failed(self, row: Row, *, after: Line) -> Line:
        """Return why there are no figures, and the hint where there is room to say a thing."""
        reason = (_GAP + self._longest_status(row, after=after), NONE)
        hint = f" {self._marks.dot} {row.hint}" if row.hint else ""
        enough = self._room([*after, reason]) >= min(cells(hint), _HINT_LEAST)
        return [reason, (hint if enough else "", DIM)]

    def _longest_status(self, row: Row, *, after: Line) -> str:
        """Return the status in the longest words that this row has room for."""
        room = self._room(after) - len(_GAP)
        for form in range(FULL, self._shape.status):
            status = _status(row, form, self._clock)
            if cells(status) <= room:
                return status
        return _status(row, self._shape.status, self._clock)

    def _room(self, line: Line) -> float:
        """Return how many cells are left after ``line``."""
        return math.inf if self._width is None else self._width - sum(cells(t) for t, _ in line)

    def _within(self, line: Line) -> Line:
        """Return the line cut where it is too wide even so."""
        if self._width is None:
            return line
        kept: Line = []
        room = self._width
        for text, style in line:
            kept.append((cut(text, room, self._marks.cut), style))
            room -= cells(text)
            if room <= 0:
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
