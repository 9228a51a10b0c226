"""The table of a listing: what the files say, one account a row."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from poller.present.layout import BOLD, DIM, LITTLE, NONE, PLAIN, within
from poller.present.painting import SCREENFUL, drawn
from poller.present.terminal import ASCII, UNICODE, cells, cutter, padded
from poller.present.times import Clock, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from poller.present.layout import Line
    from poller.present.terminal import Marks
    from poller.values import FileEntry

_GAP = "  "
_COLUMNS = ("email", "file", "plan", "expires", "refresh", "mode")
_EXPIRES_AT = "expires at"
"""The width of ``expires`` where it tells the moment, too."""
_NAME, _NAME_LEAST = 24, 6
"""Cells a name keeps before columns that matter go, and after."""
_STATUS_LEAST = 18
_HINT_LEAST = 20
_SOON_S = 86_400
"""A token that expires within a day is pointed out."""


class ListTable:
    """Collect entries, then draw them; ``timezone`` None means local time."""

    def __init__(self, timezone: tzinfo | None = None) -> None:
        self._timezone = timezone
        self._entries: list[FileEntry] = []

    def add(self, entry: FileEntry) -> None:
        """Keep an entry."""
        self._entries.append(entry)

    def render(self, *, width: int | None, color: bool, unicode: bool, now: float) -> Iterator[str]:
        """Yield the table in pieces, lines ended, in input order.

        Args:
            width: Cells that no line is wider than; None for no bound, as into a pipe.
            color: Whether to colour it; only a screenful is.
            unicode: Whether to draw signs beyond ASCII.
            now: Unix seconds.
        """
        self._entries.sort(key=lambda entry: entry.position)
        teller = _Teller(Clock(self._timezone, now=now), now)
        layout = _Layout(self._entries, teller, UNICODE if unicode else ASCII, width=width)
        return drawn(layout.lines(), color=color and len(self._entries) <= SCREENFUL)

    def summary(self, now: float) -> str:
        """Return one line: how many can be polled, and what to look at; ``now`` is Unix seconds."""
        failed = sum(entry.failure is not None for entry in self._entries)
        told = f"{len(self._entries) - failed} can be polled, {failed} cannot"
        if exposed := sum(bool(entry.readable_by_others) for entry in self._entries):
            told += f"; {exposed} can be read by others: chmod 600"
        expiring = (
            (entry.expires_at, entry.account)
            for entry in self._entries
            if entry.failure is None and entry.expires_at is not None
        )
        following = min(expiring, default=None)
        if following is None:
            return told
        at, account = following
        return f"{told}; next token expires in {span(max(0.0, at - now))}: {account}"


class _Teller:
    """The words and the style of each cell."""

    def __init__(self, clock: Clock, now: float) -> None:
        self.zone = clock.zone
        self._clock, self._now = clock, now

    def cell(self, entry: FileEntry, column: str, *, moment: bool) -> tuple[str | None, str]:
        """Return what a cell says, None for nothing; ``moment`` for when a token expires."""
        if column == "expires":
            return self._expiry(entry, moment=moment)
        if column == "mode":
            told = None if entry.mode is None else f"{entry.mode:04o}"
            return told, LITTLE if entry.readable_by_others else PLAIN
        if column == "refresh":
            return self._refresh(entry), PLAIN
        if column == "email":
            return entry.identity.email, PLAIN
        return (entry.plan if column == "plan" else entry.shape), PLAIN

    def _refresh(self, entry: FileEntry) -> str | None:
        if entry.refresh in (None, "in_place", "no_refresh_token"):
            return {None: None, False: "no", True: "yes"}[entry.has_refresh_token]
        return entry.refresh

    def _expiry(self, entry: FileEntry, *, moment: bool) -> tuple[str | None, str]:
        if entry.expires_at is None:
            return None, PLAIN
        left_s = entry.expires_at - self._now
        if left_s <= 0:
            return f"{span(-left_s)} ago", NONE
        at = f" · {self._clock.text(entry.expires_at)}" if moment else ""
        return f"{span(left_s)}{at}", LITTLE if left_s < _SOON_S else PLAIN


@dataclass(frozen=True, slots=True)
class _Shape:
    """How much is shown."""

    columns: frozenset[str]
    moment: bool = True
    """Whether it is told when a token expires, besides in how long."""
    name: int | None = None
    """Cells that names may be cut to; None for not at all."""


def _giving_way(columns: frozenset[str]) -> Iterator[_Shape]:
    """Yield shapes from all there is down to what nobody can do without."""
    yield (shape := _Shape(columns))
    yield (shape := replace(shape, moment=False))
    for column in ("file", "mode", "refresh"):
        yield (shape := replace(shape, columns=shape.columns - {column}))
    yield (shape := replace(shape, name=_NAME))
    for column in ("email", "plan", "expires"):
        yield (shape := replace(shape, columns=shape.columns - {column}))
    yield replace(shape, name=_NAME_LEAST)


class _Layout:
    """Lay entries out within a width; ``width`` None cuts nothing."""

    def __init__(
        self, entries: Sequence[FileEntry], teller: _Teller, marks: Marks, *, width: int | None
    ) -> None:
        self._entries, self._teller, self._marks, self._width = entries, teller, marks, width
        self._widest = self._measured()
        self._shape = self._fitting()
        self._columns = [name for name in _COLUMNS if name in self._shape.columns]
        self._account = self._account_width()

    def lines(self) -> Iterator[Line]:
        """Yield the heading, then a line for each entry."""
        heading = f"what the files say, nobody was asked; times in {self._teller.zone}"
        if self._room(cells(heading)) < 0:
            heading = f"times in {self._teller.zone}"
        yield self._within([(heading, DIM)])
        titles = [padded("account", self._account)]
        titles += [padded(name, self._cells_of(name, self._shape)) for name in self._columns]
        yield self._within([(_GAP.join([*titles, "status"]), BOLD)])
        name = cutter((entry.account for entry in self._entries), self._account, self._marks.cut)
        for entry in self._entries:
            yield self._line(entry, name(entry.account))

    def _line(self, entry: FileEntry, name: str) -> Line:
        line: Line = [(padded(name, self._account), PLAIN)]
        taken = self._account
        for column in self._columns:
            text, style = self._teller.cell(entry, column, moment=self._shape.moment)
            width = self._cells_of(column, self._shape)
            shown = (self._marks.none, DIM) if text is None else (self._plain(text), style)
            line.append((_GAP + padded(shown[0], width), shown[1]))
            taken += len(_GAP) + width
        return self._within([*line, *self._told(entry, taken)])

    def _told(self, entry: FileEntry, taken: int) -> Line:
        """Return the status, and a failure's hint where there is room to say a thing."""
        reason = _GAP + _status(entry)
        if entry.failure is None:
            return [(reason, PLAIN)]
        hint = f" {self._marks.dot} {entry.failure.hint}"
        enough = self._room(taken + cells(reason)) >= min(cells(hint), _HINT_LEAST)
        return [(reason, NONE), (hint if enough else "", DIM)]

    def _measured(self) -> dict[str, int]:
        """Return the widest cell of each column that says anything, title included."""
        widest: dict[str, int] = {}
        for entry in self._entries:
            for column, moment in (*((name, False) for name in _COLUMNS), ("expires", True)):
                text, _ = self._teller.cell(entry, column, moment=moment)
                if text is not None:
                    key = _EXPIRES_AT if moment else column
                    widest[key] = max(widest.get(key, cells(column)), cells(self._plain(text)))
        widest["status"] = max(map(cells, ("status", *map(_status, self._entries))))
        widest["account"] = max(map(cells, ("account", *(e.account for e in self._entries))))
        return widest

    def _fitting(self) -> _Shape:
        """Return the first shape that is narrow enough, or else the last."""
        shape = _Shape(frozenset())
        for shape in _giving_way(frozenset(self._widest) & {*_COLUMNS}):
            if self._room(self._beside(shape) + self._account_in(shape)) >= 0:
                break
        return shape

    def _cells_of(self, column: str, shape: _Shape) -> int:
        return self._widest[_EXPIRES_AT if column == "expires" and shape.moment else column]

    def _beside(self, shape: _Shape) -> int:
        """Return the cells that everything but the account takes."""
        columns = sum(len(_GAP) + self._cells_of(name, shape) for name in shape.columns)
        return columns + len(_GAP) + min(self._widest["status"], _STATUS_LEAST)

    def _account_in(self, shape: _Shape) -> int:
        longest = self._widest["account"]
        return longest if shape.name is None else min(shape.name, longest)

    def _account_width(self) -> int:
        least = self._account_in(self._shape)
        if self._width is None:
            return least
        left = self._width - self._beside(self._shape)
        return max(least, min(left, self._widest["account"]))

    def _plain(self, text: str) -> str:
        return text if self._marks is UNICODE else text.replace(UNICODE.dot, self._marks.dot)

    def _room(self, taken: int) -> float:
        return math.inf if self._width is None else self._width - taken

    def _within(self, line: Line) -> Line:
        return within(line, self._width, self._marks.cut)


def _status(entry: FileEntry) -> str:
    if entry.failure is not None:
        return f"failed: {entry.failure.kind.value}"
    if entry.same_login_as is not None:
        return f"same login as {entry.same_login_as}"
    if entry.same_account_as is not None:
        return f"same account as {entry.same_account_as}"
    return "ok"
