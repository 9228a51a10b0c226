"""The table of ``poller history``: a curve a window, its lowest, use a day, resets."""

from __future__ import annotations

from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from poller.insight.past import lows
from poller.present.catalogue import words_of
from poller.present.history_words import history_words_of
from poller.present.shares import share
from poller.present.sparkline import sparkline
from poller.present.table import (
    BOLD,
    DIM,
    NEVER,
    PLAIN,
    Column,
    Table,
    drawn,
    heading,
    name_column,
    within,
    wrapped,
)
from poller.present.terminal import ASCII, UNICODE, cells, cut_middle, padded, right
from poller.present.times import Clock, rough_span
from poller.present.window_cells import PERCENT, style_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from poller.insight.past import WindowPast
    from poller.present.table import Line, Piece

    Draw = Callable[["_Row"], Piece]
    Tell = Callable[["_Row"], str]

_CURVE_LEAST, _CURVE_MOST = 12, 56
_MOMENT_GONE, _PER_DAY_GONE, _RESETS_GONE = 10, 20, 30
"""What gives way first where the terminal is narrow: the lowest. Names: table.py."""
_KB = 1000


class Extent(NamedTuple):
    """What there is in all."""

    path: str
    """Printable."""
    size_bytes: int
    since: float | None
    """Unix seconds; None where there is nothing."""


class _Row(NamedTuple):
    account: str
    """Empty but in an account's first row."""
    window: str
    past: WindowPast


class HistoryTable:
    """Draw what the windows of accounts were like."""

    def __init__(
        self,
        pasts: Mapping[str, Mapping[str, WindowPast]],
        *,
        over: tuple[float, float],
        timezone: tzinfo | None = None,
        language: str = "en",
        unicode: bool = True,
    ) -> None:
        """``pasts`` by account and window; ``over`` is since when and until now (Unix seconds)."""
        self._since, self._now = over
        self._words = words_of(language, unicode=unicode)
        self._own = history_words_of(self._words.language)
        self._marks = UNICODE if unicode else ASCII
        self._clock = Clock(timezone, now=self._now, words=self._words)
        self._unicode = unicode
        self._rows = [
            _Row("" if number else account, self._words.window(name, short=True), past)
            for account, windows in pasts.items()
            for number, (name, past) in enumerate(windows.items())
        ]
        self._accounts = list(pasts)
        self._silent = [account for account, windows in pasts.items() if not windows]

    def render(self, recorded: Extent, *, width: int, color: bool) -> Iterator[str]:
        """Yield the table in pieces, lines ended, none wider than ``width`` cells."""
        table = Table(self._columns(), width=width)
        words, own = self._words, self._own
        count = words.counted(words.accounts, len(self._accounts))
        title = f"{own.title} {self._marks.dot} {count}"
        top = heading(title, words, self._clock, width=width, right_of=table.width)
        rows = [table.titles(), *map(table.line, self._rows)] if self._rows else []
        return drawn(chain(top, rows, self._under(recorded, width)), color=color)

    def _under(self, recorded: Extent, width: int) -> Iterator[Line]:
        if not self._rows:
            yield within([(self._own.nothing, PLAIN)], width)
        if self._silent and self._rows:
            names = self._words.comma.join(self._silent)
            for line in wrapped(self._own.no_figures.format(names=names), width, indent=2):
                yield [(line, PLAIN)]
        if recorded.since is not None:
            at = self._clock.text(recorded.since)
            size = size_text(recorded.size_bytes)
            told = self._own.file.format(since=at, path=recorded.path, size=size)
            yield from ([(line, DIM)] for line in wrapped(told, width, indent=2))

    def _columns(self) -> list[Column[_Row]]:
        own, words = self._own, self._words
        span = rough_span(self._now - self._since, words)
        title = own.left.format(span=span)
        least = max(_CURVE_LEAST, cells(title))
        return [
            name_column(words.account, map(cells, self._accounts), self._name, lead=0),
            self._text(own.window, lambda row: (row.window, PLAIN)),
            Column(title, least, self._curve, grows_to=_CURVE_MOST),
            self._lowest(),
            self._number(own.per_day, self._per_day, _PER_DAY_GONE),
            self._number(own.resets, lambda row: str(row.past.resets), _RESETS_GONE),
            self._number(own.ran_out, lambda row: str(row.past.ran_out or self._marks.none)),
        ]

    def _name(self, row: _Row, width: int) -> Line:
        return [(padded(cut_middle(row.account, width, self._marks.cut), width), BOLD)]

    def _text(self, title: str, draw: Draw) -> Column[_Row]:
        width = max([cells(title), *(cells(draw(row)[0]) for row in self._rows)])

        def cell(row: _Row, width: int) -> Line:
            text, style = draw(row)
            return [(padded(text, width), style)]

        return Column(title, width, cell)

    def _number(self, title: str, draw: Tell, priority: float = NEVER) -> Column[_Row]:
        width = max([cells(title), *(cells(draw(row)) for row in self._rows)])

        def cell(row: _Row, width: int) -> Line:
            text = draw(row)
            return [(right(text, width), PLAIN)]

        return Column(right(title, width), width, cell, priority)

    def _curve(self, row: _Row, width: int) -> Line:
        least = lows(row.past.steps, since=self._since, until=self._now, count=width)
        signs = sparkline(least, unicode=self._unicode)
        styles = (PLAIN if percent is None else style_of(percent) for percent in least)
        pairs = groupby(zip(styles, signs, strict=True), key=itemgetter(0))
        return [("".join(sign for _, sign in same), style) for style, same in pairs]

    def _lowest(self) -> Column[_Row]:
        short = self._text(self._own.lowest, self._figure)
        whole = self._text(self._own.lowest, self._figure_and_moment)
        return Column(whole.title, whole.width, whole.cell, _MOMENT_GONE, short)

    def _figure(self, row: _Row) -> Piece:
        left = row.past.lowest.remaining_percent
        return f"{share(left, of=100)}%".rjust(PERCENT), style_of(left)

    def _figure_and_moment(self, row: _Row) -> Piece:
        text, style = self._figure(row)
        return f"{text} {self._clock.short(row.past.lowest.since)}", style

    def _per_day(self, row: _Row) -> str:
        used = row.past.percent_per_day
        return self._marks.none if used is None else f"{round(used)}%"


def size_text(size: int) -> str:
    """Return a size in MB, or in kB where it is small."""
    return f"{size / _KB**2:.1f} MB" if size >= _KB**2 / 2 else f"{size / _KB:.0f} kB"
