"""The one table engine: which columns fit and how wide, and lines painted for a terminal.

It knows no accounts: a column draws a row's cell, and says what stands in its place where
the terminal is too narrow.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from poller.present.terminal import cells, cut, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from poller.present.times import Clock
    from poller.present.words import Words

Row = TypeVar("Row")
Piece = tuple[str, str]
"""A text and its style."""
Line = list[Piece]

# Parameters of the escape sequence that selects a graphic rendition (ECMA-48): colours are
# the terminal's own, so they fit its theme.
PLAIN, BOLD, DIM = "", "1", "2"
RED, GREEN, YELLOW = "31", "32", "33"

GAP = 2
"""Cells between two columns."""
NEVER = math.inf
"""The priority of a column that never gives way."""
_NAMES = (24, 16, 12, 8)
"""Cells that names are cut to, one after the other."""
NAME_PRIORITIES = (5, 60, 75, 85)
"""Of names longer than most, then of all that are longer than the next of these cells."""
_BETWEEN = (" " * GAP, PLAIN)
_LINES_AT_ONCE = 500
"""Lines that are text at the same time: a long table as one text takes as much as its rows."""
_CLOSING = "\u3001\u3002\uff0c\uff1a\uff1b\uff09"
"""Chinese punctuation that may not begin a line."""
_WORDS = re.compile(
    r"(?:(?:\u2192|->) )?"  # an arrow begins a line rather than ends one
    rf"(?:[\u2e80-\uffff][{_CLOSING}\s]*|[^\s\u2e80-\uffff]+[{_CLOSING}\s]*|\s+)"
)
"""What a line is broken between: words, and each Chinese character."""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column in one of its forms; widths in cells."""

    title: str
    width: int
    """Of its cells. The last column takes whatever is left of a line instead."""
    cell: Callable[[Row, int], Line]
    """Draws a row's cell in exactly so many cells; the last column's in no more than these."""
    priority: float = NEVER
    """Where the columns do not fit, all that have the lowest give way together."""
    shorter: Column[Row] | None = None
    """What stands in its place then; None for nothing."""
    grows_to: int = 0
    """Cells that it would like to have of those that are left over."""
    name: str = ""
    """What it is asked for by, whatever form it has."""


class Table(Generic[Row]):
    """Columns as far as they fit into ``width`` cells."""

    def __init__(self, columns: Sequence[Column[Row]], *, width: int) -> None:
        self._terminal_width = width
        self._columns = _fitted(columns, width)
        self._widths = _grown(self._columns, width)
        taken = sum(self._widths) + GAP * (len(self._widths) - 1)
        self._fits = taken <= width
        self.width = min(width, taken)
        """Cells of its lines, where the last column needs no more than it asked for."""
        self.room = max(0, width - taken + self._widths[-1])
        """Cells that the last column has."""
        cells_of = [column.cell for column in self._columns]
        self._inner = list(zip(cells_of[:-1], self._widths, strict=False))
        self._end = cells_of[-1]

    def width_of(self, name: str) -> int:
        """Return the cells of the column of that name; 0 where it is not shown."""
        pairs = zip(self._columns, self._widths, strict=True)
        return next((width for column, width in pairs if column.name == name), 0)

    def titles(self) -> Line:
        """Return the line of titles."""
        pairs = zip(self._columns, self._widths, strict=True)
        titles = [padded(cut(column.title, width, ""), width) for column, width in pairs]
        return self._within([((" " * GAP).join(titles), BOLD)])

    def line(self, row: Row) -> Line:
        """Return a row's line."""
        line: Line = []
        for cell, width in self._inner:
            line += cell(row, width)
            line.append(_BETWEEN)
        line += self._end(row, self.room)
        return line if self._fits else self._within(line)

    def _within(self, line: Line) -> Line:
        return within(line, self._terminal_width)


def name_column(
    title: str, widths: Iterable[int], cell: Callable[[Row, int], Line], *, lead: int
) -> Column[Row]:
    """Return a column of names, cut before anything else where they are unusually long.

    ``widths`` are those of all names, ``lead`` the cells of a sign before each.
    """
    ordered = sorted((cells(title), *widths))
    longest, usual = ordered[-1], ordered[(len(ordered) - 1) * 3 // 4]
    first = min(longest, _NAMES[0])
    second = min(first, max(usual, _NAMES[2]))
    forms = [first, second, *(min(second, most) for most in _NAMES[1:])]
    column: Column[Row] | None = None
    for width, priority in zip(forms[::-1], (NEVER, *NAME_PRIORITIES[::-1]), strict=True):
        column = Column(
            " " * lead + title, lead + width, cell, priority, column, grows_to=lead + longest
        )
    assert column is not None  # noqa: S101 - there are forms
    return column


def _taken(columns: Iterable[Column[Row]]) -> int:
    return sum(column.width + GAP for column in columns) - GAP


def _fitted(columns: Sequence[Column[Row]], width: int) -> list[Column[Row]]:
    shown = list(columns)
    while _taken(shown) > width:
        lowest = min(column.priority for column in shown)
        if lowest == NEVER:
            break
        forms = (column.shorter if column.priority == lowest else column for column in shown)
        shown = [form for form in forms if form is not None]
    return shown


def _grown(columns: Sequence[Column[Row]], width: int) -> list[int]:
    """Return the columns' widths; the rightmost grows first, so names, on the left, last."""
    left = width - _taken(columns)
    widths: list[int] = []
    for column in reversed(columns):
        more = max(0, min(left, column.grows_to - column.width))
        left -= more
        widths.append(column.width + more)
    return widths[::-1]


def heading(title: str, words: Words, clock: Clock, *, width: int, right_of: int) -> list[Line]:
    """Return what stands above the titles: what this is, and on its right, or below, the zone.

    ``right_of`` is the width of the table under it.
    """
    zone = words.zone.format(zone=clock.zone)
    with_now = words.now_and_zone.format(now=clock.now, zone=clock.zone)
    for right in (with_now, zone):
        if cells(title) + GAP + cells(right) <= width:
            blank = min(width, max(right_of, cells(title) + GAP + cells(right)))
            blank -= cells(title) + cells(right)
            return [[(title, BOLD), (" " * blank, PLAIN), (right, DIM)]]
    return [within([(title, BOLD)], width), within([(zone, DIM)], width)]


def within(line: Line, width: int, mark: str = "") -> Line:
    """Return the line, cut where it is wider than ``width`` cells."""
    kept: Line = []
    for text, style in line:
        kept.append((cut(text, width, mark), style))
        width -= cells(text)
        if width <= 0:
            break
    return kept


def wrapped(text: str, width: int, *, indent: int) -> Iterator[str]:
    """Break a sentence into lines of ``width`` cells, those after the first indented.

    A word that is wider than a line, as a path may be, goes on in the next.
    """
    line, taken, indent = "", 0, min(indent, width // 3)
    for word in _WORDS.findall(text):
        size = cells(word.rstrip())
        if taken > indent and taken + size > width:
            if line.strip():
                yield line.rstrip()
            line, taken = " " * indent, indent
        while taken + cells(word.rstrip()) > width and (head := cut(word, width - taken, "")):
            yield line + head
            line, taken, word = " " * indent, indent, word.removeprefix(head)  # noqa: PLW2901
        line += cut(word, width - taken, "") if taken + cells(word.rstrip()) > width else word
        taken += cells(word)
    if line.strip():
        yield line.rstrip()


def painted(line: Line, *, color: bool) -> str:
    """Return one line as text, without an end."""
    return (_painted if color else _plain)(line)[:-1]


def drawn(lines: Iterable[Line], *, color: bool) -> Iterator[str]:
    """Yield lines as text, each ended, some hundred at a time."""
    texts = map(_painted if color else _plain, lines)
    while piece := "".join(islice(texts, _LINES_AT_ONCE)):
        yield piece


def _plain(line: Line) -> str:
    return "".join([text for text, _ in line]).rstrip() + "\n"


def _painted(line: Line) -> str:
    end = len(line)
    while end and not line[end - 1][0].strip():
        end -= 1
    if not end:
        return "\n"
    text, style = line[end - 1]
    pieces = [*line[: end - 1], (text.rstrip(), style)]
    painted = [f"\x1b[{style}m{text}\x1b[0m" if style and text else text for text, style in pieces]
    return "".join(painted) + "\n"
