"""The rows of the usage table, drawn in one language and one width."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from poller.present.forecast_cell import forecast_texts
from poller.present.table import DIM, GREEN, PLAIN, RED, YELLOW, Column, Table, name_column, wrapped
from poller.present.terminal import cells, cut, cut_middle, padded, right
from poller.present.usage_rows import State, is_used_up, limit_name, note_of
from poller.present.window_cells import PERCENT, Form, WindowCells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poller.present.table import Line, Piece
    from poller.present.terminal import Marks
    from poller.present.times import Clock
    from poller.present.usage_rows import Places, Row
    from poller.present.words import Words
    from poller.values import Limit, Window

_MARKED = 5
"""Accounts that are named where an extra limit is used up."""

# Cells of each form of a column, and its priority: the lowest gives way first. Names: table.py.
_PLAN, _PLAN_CUT, _PLAN_GONE = 5, 10, 40
_BARS, _BAR_PRIORITIES = (8, 6, 4, 0), (20, 30, 50)
_NOTES_CUT, _NOTES_GONE = 25, 90
_RESET_CUT, _RESET_GONE = 70, 80
_FORECAST_CUT, _FORECAST_GONE = 15, 55
_WINDOW_GONE = 100


@dataclass(frozen=True, slots=True)
class _Shown:
    """One line of the table."""

    sign: Piece
    name: str
    plan: str
    windows: tuple[Window | None, ...]
    """By column."""
    freed_in: int = -1
    """The column whose reset frees a blocked account; -1 for none."""
    note: str = ""
    """What else there is to say of an account."""
    short_note: str = ""
    """The same in fewer cells, where that can be."""
    note_in: int = -1
    """The column without a window that the note stands in; -1 for the last of all."""
    forecast: tuple[str, str] = "", ""
    """At length and in short."""
    is_account: bool = True
    account: str = ""
    """The label, whatever its name is cut to."""


class UsageLines:
    """Draws rows that are in order already."""

    def __init__(  # noqa: PLR0913 - what a table is drawn from, each named
        self,
        rows: Sequence[Row],
        places: Places,
        *,
        words: Words,
        clock: Clock,
        marks: Marks,
        extra: bool,
        width: int,
        beside: Sequence[Column[str]] = (),
    ) -> None:
        """``beside`` are further columns; they draw an account by its label."""
        self._rows, self._places = rows, places
        self._words, self._clock, self._marks, self._extra = words, clock, marks, extra
        self._terminal_width, self._beside = width, beside
        usable, unknown, blocked, _ = words.states
        self._signs: dict[State, Piece] = {
            State.ON_PLAN: (marks.usable or usable, GREEN),
            State.ON_CREDITS: (marks.usable or usable, YELLOW),
            State.UNKNOWN: (marks.unknown or unknown, YELLOW),
            State.BLOCKED: (marks.blocked or blocked, RED),
        }
        self._sign_width = 1 + max(cells(sign) for sign, _ in self._signs.values())
        self._table = Table(self._columns(), width=width)
        self.width = self._table.width
        """Cells of the table."""

    def all(self) -> Iterator[Line]:
        """Yield titles and rows, and a sentence about extra limits that are used up."""
        if not self._rows:
            return
        yield self.titles()
        marked: list[str] = []
        for row in self._rows:
            if row.used_up and not self._extra:
                marked.append(row.account)
            yield from self.of(row)
        if marked:
            yield from self._used_up(marked)

    def titles(self) -> Line:
        """Return the line of titles."""
        return self._table.titles()

    def of(self, row: Row) -> Iterator[Line]:
        """Yield the lines of one of the rows."""
        for shown in self._shown(row):
            if not shown.note:
                yield self._table.line(shown)
            else:
                yield from self._with_note(shown)

    # Rows

    def _shown(self, row: Row) -> Iterator[_Shown]:
        """Yield an account's line, and those beneath it."""
        columns, rest = self._places.of(row.shape)
        windows = tuple([row.windows[index] if index >= 0 else None for index in columns])
        freed_in = -1
        if row.state is State.BLOCKED and row.limited_by in row.shape:
            index = row.shape.index(row.limited_by)
            freed_in = columns.index(index) if index in columns else -1
        yield _Shown(
            self._signs[row.state],
            self._name(row),
            row.plan or self._marks.none,
            windows,
            freed_in,
            note_of(row, self._words),
            self._short_note(row),
            forecast=forecast_texts(row.forecast, row.windows, self._words, self._clock),
            account=row.account,
        )
        for index in rest:
            window = row.windows[index]
            yield self._beneath(self._words.window(window.name), window)
        if self._extra:
            for limit in row.extra_limits:
                yield from self._of_limit(limit)

    def _of_limit(self, limit: Limit) -> Iterator[_Shown]:
        title = limit_name(limit, self._words, self._marks.cut)
        columns, rest = self._places.of(tuple([window.name for window in limit.windows]))
        windows = [limit.windows[index] if index >= 0 else None for index in columns]
        yield self._beneath(title, *windows, used_up=is_used_up(limit))
        for index in rest:
            window = limit.windows[index]
            yield self._beneath(f"{title} {self._words.window(window.name)}", window)

    def _beneath(self, name: str, *windows: Window | None, used_up: bool = False) -> _Shown:
        """Return a line beneath an account; a window alone stands in the last column."""
        columns = len(self._places.columns)
        windows = (None,) * (columns - len(windows)) + windows[:columns]
        return _Shown(
            self._signs[State.BLOCKED] if used_up else ("", PLAIN),
            f"{self._marks.beneath} {name}",
            "",
            windows,
            is_account=False,
        )

    def _name(self, row: Row) -> str:
        marked = row.used_up and not self._extra
        return f"{row.account} {self._marks.used_up}" if marked else row.account

    def _short_note(self, row: Row) -> str:
        if row.state is not State.ON_CREDITS or not row.balance:
            return ""
        return self._words.on_credits_short.format(balance=row.balance)

    def _with_note(self, shown: _Shown) -> Iterator[Line]:
        """Yield a line with its note: at its end, in a column without a window, or below."""
        if shown.note in self._ending(shown, self._table.room):
            yield self._table.line(shown)
            return
        for place, name in enumerate(self._places.columns):
            room = self._table.width_of(name)
            notes = [note for note in (shown.note, shown.short_note) if 0 < cells(note) <= room]
            if shown.windows[place] is None and notes:
                yield self._table.line(replace(shown, note=notes[0], note_in=place))
                return
        yield self._table.line(shown)
        indent = " " * (self._sign_width + 2)
        for line in wrapped(shown.note, max(1, self._terminal_width - len(indent)), indent=0):
            yield [(indent, PLAIN), (line, PLAIN)]

    def _used_up(self, accounts: list[str]) -> Iterator[Line]:
        words, count = self._words, len(accounts)
        names = words.comma.join(accounts[:_MARKED])
        if count > _MARKED:
            names += words.more.format(count=count - _MARKED, total=count)
        told = words.extra_used_up.format(names=names).replace("→", self._marks.leads_to)
        for line in wrapped(f"{self._marks.used_up} {told}", self._terminal_width, indent=2):
            yield [(line, PLAIN)]

    # Columns

    def _columns(self) -> list[Column[_Shown]]:
        windows = [
            self._window_column(place, *resets) for place, resets in enumerate(self._resets())
        ]
        columns = [self._account_column(), self._plan_column(), *windows]
        forecast = self._forecast_column()
        beside = map(_by_label, self._beside)
        return [*columns, *([forecast] if forecast else []), *beside, self._notes_column()]

    def _account_column(self) -> Column[_Shown]:
        widths: list[int] = []
        for row in self._rows:
            if row.extra_limits or self._places.of(row.shape)[1]:
                widths += [cells(shown.name) for shown in self._shown(row)]
            else:
                widths.append(cells(row.account))
        return name_column(self._words.account, widths, self._name_cell, lead=self._sign_width)

    def _plan_column(self) -> Column[_Shown]:
        title = self._words.plan
        widest = max((cells(row.plan or "") for row in self._rows), default=0)
        widest = max(widest, cells(title))
        short = Column(title, min(widest, _PLAN), self._plan_cell, _PLAN_GONE)
        return Column(title, widest, self._plan_cell, _PLAN_CUT, short)

    def _window_column(
        self, place: int, reset: int, short_reset: int, frees: int
    ) -> Column[_Shown]:
        """Return a column of all it can show, then with less and less of it."""
        name = self._places.columns[place]
        least_needed_first = self._places.needed.index(name)
        forms = [Form(bar, reset, frees) for bar in _BARS]
        forms += [Form(0, short_reset, frees), Form(0, 0, 0)]
        priorities = [
            *(*_BAR_PRIORITIES, _RESET_CUT),
            *(_RESET_GONE - least_needed_first, _WINDOW_GONE - least_needed_first),
        ]
        column: Column[_Shown] | None = None
        for form, priority in zip(reversed(forms), reversed(priorities), strict=True):
            is_short = form.reset != reset
            drawing = WindowCells(
                form, self._marks, self._clock.short if is_short else self._clock.text
            )
            title = self._title(place, form.width)
            if not form.bar:
                title = right(title, PERCENT)
            column = Column(
                title,
                max(form.width, cells(title)),
                partial(self._window_cell, place, drawing),
                priority,
                column,
                name=name,
            )
        assert column is not None  # noqa: S101 - there are forms
        return column

    def _title(self, place: int, width: int) -> str:
        words, columns, guests = self._words, self._places.columns, self._places.guests
        if guests and place == len(columns) - 1:
            other = words.window(guests[0]) if len(guests) == 1 else words.other
            title = words.either.format(one=words.window(columns[place]), other=other)
            if cells(title) <= width:
                return title
        title = words.window(columns[place])
        return title if cells(title) <= width else words.window(columns[place], short=True)

    def _forecast_column(self) -> Column[_Shown] | None:
        """Return the column of forecasts; None where there are none."""
        told = [
            forecast_texts(row.forecast, row.windows, self._words, self._clock)
            for row in self._rows
            if row.forecast
        ]
        wide, short = (max((cells(one[place]) for one in told), default=0) for place in (0, 1))
        if not wide:
            return None
        title = cells(self._words.forecast)
        less = Column(self._words.forecast, max(short, title), self._forecast_cell, _FORECAST_GONE)
        if max(wide, title) == max(short, title):
            return less
        return Column(
            self._words.forecast, max(wide, title), self._forecast_cell, _FORECAST_CUT, less
        )

    def _notes_column(self) -> Column[_Shown]:
        words, guests = self._words, self._places.guests
        short = max((cells(words.window(name, short=True)) for name in guests), default=0)
        full = max((cells(words.window(name)) for name in guests), default=0)
        for row in self._rows:
            if row.state is not State.ON_PLAN or not row.windows:
                full = max(full, cells(note_of(row, words)))
        nothing = Column("", 0, self._ending_cell)
        least = Column("", short, self._ending_cell, _NOTES_GONE, nothing)
        return Column("", full, self._ending_cell, _NOTES_CUT, least)

    def _resets(self) -> list[tuple[int, int, int]]:
        """Return for each column the cells of its resets, in short, and of the sign after them."""
        seen: list[dict[int, int]] = [{} for _ in self._places.columns]
        frees = [0] * len(seen)
        for row in self._rows:
            has_more = row.state is State.BLOCKED or self._extra or self._places.of(row.shape)[1]
            if not has_more:  # nearly all: without the detour it takes a third of the time
                for minutes, index in zip(seen, self._places.of(row.shape)[0], strict=True):
                    at = row.windows[index].reset_at if index >= 0 else None
                    if at is not None:
                        minutes[at // 60] = at
                continue
            for shown in self._shown(row):
                for minutes, window in zip(seen, shown.windows, strict=True):
                    if window is not None and window.reset_at is not None:
                        minutes[window.reset_at // 60] = window.reset_at
                if shown.freed_in >= 0:
                    frees[shown.freed_in] = 1 + cells(self._marks.frees)
        return [
            (
                max((cells(self._clock.text(at)) for at in minutes.values()), default=0),
                max((cells(self._clock.short(at)) for at in minutes.values()), default=0),
                free,
            )
            for minutes, free in zip(seen, frees, strict=True)
        ]

    # Cells

    def _name_cell(self, shown: _Shown, width: int) -> Line:
        sign, style = shown.sign
        room = width - self._sign_width
        name = padded(cut_middle(shown.name, room, self._marks.cut), room)
        return [
            (padded(sign, self._sign_width), style),
            (name, PLAIN if shown.is_account else DIM),
        ]

    def _plan_cell(self, shown: _Shown, width: int) -> Line:
        return [(padded(cut(shown.plan, width, self._marks.cut), width), PLAIN)]

    def _window_cell(self, place: int, drawing: WindowCells, shown: _Shown, width: int) -> Line:
        window = shown.windows[place]
        if window is not None:
            return drawing.drawn(window, width, frees=shown.freed_in == place)
        if shown.note_in == place:
            return [(padded(shown.note, width), PLAIN)]
        return drawing.absent(self._marks.none if shown.is_account else "", width)

    def _forecast_cell(self, shown: _Shown, width: int) -> Line:
        told = next((told for told in shown.forecast if cells(told) <= width), "")
        return [(padded(told, width), PLAIN)]

    def _ending_cell(self, shown: _Shown, width: int) -> Line:
        return [(self._ending(shown, width), PLAIN)]

    def _ending(self, shown: _Shown, room: int) -> str:
        """Return the name of a guest in the last column and the note, as there is room."""
        names = [""]
        guest = shown.windows[-1] if shown.windows and shown.is_account else None
        if guest is not None and guest.name != self._places.columns[-1]:
            names = [self._words.window(guest.name), self._words.window(guest.name, short=True)]
        elif not shown.note:
            return ""
        for note in (shown.note, ""):
            for name in names:
                told = self._words.clause.join(filter(None, (name, note)))
                if cells(told) <= room:
                    return told
        return ""


def _by_label(column: Column[str]) -> Column[_Shown]:
    """Return a column that is drawn by label, for lines of the table."""

    def cell(shown: _Shown, width: int) -> Line:
        return column.cell(shown.account, width) if shown.account else [(" " * width, PLAIN)]

    shorter = None if column.shorter is None else _by_label(column.shorter)
    return Column(column.title, column.width, cell, column.priority, shorter)
