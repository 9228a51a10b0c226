"""What is ahead of the pool: a table for people, JSON Lines for scripts."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from poller.present.answer_words import answer_words_of
from poller.present.record import line_of, utc
from poller.present.shares import amount, share
from poller.present.table import (
    GREEN,
    NEVER,
    PLAIN,
    Column,
    Table,
    drawn,
    heading,
    name_column,
    wrapped,
)
from poller.present.terminal import cells, cut_middle, padded, right
from poller.present.usage_summary import together
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poller.insight.pool import Pool
    from poller.insight.timeline import Hour, Timeline, ToldReset
    from poller.present.page_texts import Teller
    from poller.present.sentences import Failures
    from poller.present.table import Line
    from poller.present.terminal import Marks

_LEAST = 0.05
"""Whole windows: less is told as 0."""
_PERCENT = 5
_MARK_GONE, _DATE_GONE, _RETURNS_GONE = 10, 70, 90
"""When these give way, among the names (``NAME_PRIORITIES``)."""


def timeline_lines(timeline: Timeline) -> Iterator[bytes]:
    """Yield one line of JSON for each told reset, the soonest first."""
    for reset in timeline.resets:
        yield line_of(
            {
                "at": utc(reset.at),
                "account": reset.account,
                "key": reset.key,
                "window": reset.window,
                "returns_percent": reset.returns_percent,
                "frees": reset.frees,
            }
        )


class TimelineTable:
    """The resets ahead, what they bring hour by hour, and when the pool runs dry."""

    def __init__(
        self,
        timeline: Timeline,
        pool: Pool,
        *,
        pace_known: bool,
        teller: Teller,
        marks: Marks,
    ) -> None:
        """``pace_known``: whether a history tells what is burnt now."""
        self._timeline, self._pool, self._pace_known = timeline, pool, pace_known
        self._teller, self._marks = teller, marks
        self._words = answer_words_of(teller.words.language)

    def render(self, failures: Failures, *, width: int, color: bool) -> Iterator[str]:
        """Yield the table in pieces, lines ended; no line is wider than ``width`` cells.

        ``failures`` stand under it: of these accounts nothing, or nothing new, is known.
        """
        teller, resets = self._teller, self._timeline.resets
        columns = self._columns()
        table = Table(columns, width=width)
        hours = len(self._timeline.hours)
        title = teller.page.counted(self._words.ahead, hours)
        top = heading(title, teller.words, teller.clock, width=width, right_of=table.width)
        body: Iterable[Line] = chain([table.titles()], map(table.line, resets))
        if not resets:
            body = ([(line, PLAIN)] for line in wrapped(self._words.no_resets, width, indent=0))
        under = failures.lines(teller.words, self._marks, now=teller.now, width=width)
        lines = chain(top, body, self._hours(width), [[]], under, self._end(width))
        return drawn(lines, color=color)

    def _columns(self) -> list[Column[ToldReset]]:
        words, teller = self._words, self._teller
        resets = self._timeline.resets
        windows = [cells(self._window(reset)) for reset in resets]
        window = max([cells(words.window), *windows])
        names = [cells(printable(reset.account)) for reset in resets]
        frees = cells(f"{self._marks.frees} {words.frees}")
        back = max(cells(words.returns), _PERCENT)
        no_mark: Column[ToldReset] = Column("", 0, _nothing)
        return [
            self._when(teller.clock.text, _DATE_GONE, self._when(teller.clock.short)),
            name_column(teller.words.account, names, self._name, lead=0),
            Column(words.window, window, self._window_cell),
            Column(right(words.returns, back), back, self._returns, _RETURNS_GONE),
            Column("", frees, self._frees, _MARK_GONE, no_mark),
        ]

    def _window(self, reset: ToldReset) -> str:
        return printable(self._teller.words.window(reset.window))

    def _when(
        self,
        told: Callable[[float], str],
        priority: float = NEVER,
        shorter: Column[ToldReset] | None = None,
    ) -> Column[ToldReset]:
        times = [told(reset.at) for reset in self._timeline.resets]
        width = max(map(cells, (self._words.at, *times)))

        def cell(reset: ToldReset, width: int) -> Line:
            return [(padded(told(reset.at), width), PLAIN)]

        return Column(self._words.at, width, cell, priority, shorter)

    def _name(self, reset: ToldReset, width: int) -> Line:
        name = cut_middle(printable(reset.account), width, self._marks.cut)
        return [(padded(name, width), PLAIN)]

    def _window_cell(self, reset: ToldReset, width: int) -> Line:
        return [(padded(self._window(reset), width), PLAIN)]

    def _returns(self, reset: ToldReset, width: int) -> Line:
        percent = reset.returns_percent
        told = "?" if percent is None else f"{share(percent, of=100)}%"
        return [(right(told, width), PLAIN)]

    def _frees(self, reset: ToldReset, width: int) -> Line:
        told = f"{self._marks.frees} {self._words.frees}"
        return [(told, GREEN)] if reset.frees and cells(told) <= width else []

    # The pool

    def _hours(self, width: int) -> Iterator[Line]:
        came = [hour for hour in self._timeline.hours if any(map(_is_told, hour.returns.values()))]
        names = [
            name
            for name in self._pool.windows
            if any(_is_told(hour.returns.get(name, 0)) for hour in came)
        ]
        if not came:
            return
        starts = [cells(self._teller.at(hour.since)) for hour in came]
        first = max(cells(self._words.hour), *starts)
        columns: list[Column[Hour]] = [Column(self._words.hour, first, self._start)]
        for place, name in enumerate(names):
            title = printable(self._teller.words.window(name))
            wide = max(cells(title), _PERCENT)
            columns.append(Column(right(title, wide), wide, partial(self._comes, name), -place))
        columns.append(Column("", 0, _nothing))
        table = Table(columns, width=width)
        yield []
        yield table.titles()
        yield from map(table.line, came)

    def _start(self, hour: Hour, width: int) -> Line:
        return [(padded(self._teller.at(hour.since), width), PLAIN)]

    def _comes(self, name: str, hour: Hour, width: int) -> Line:
        windows = hour.returns.get(name, 0.0)
        told = f"+{amount(windows)}" if _is_told(windows) else self._marks.none
        return [(right(told, width), PLAIN)]

    def _end(self, width: int) -> Iterator[Line]:
        teller, words, dry = self._teller, self._teller.words, self._timeline.dry
        if self._pool.windows:
            yield together(self._pool, words, marks=self._marks, width=width)
        if dry.soonest is not None:
            sentence = teller.dry(dry)
        elif self._pace_known:
            hours = len(self._timeline.hours)
            sentence = teller.page.counted(self._words.not_dry, hours)
        else:
            sentence = self._words.no_pace
        for line in wrapped(sentence, width, indent=0):
            yield [(line, PLAIN)]


def _is_told(windows: float) -> bool:
    return windows >= _LEAST


def _nothing(_row: object, _width: int) -> Line:
    return []
