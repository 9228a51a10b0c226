"""The live table: what a screen of so many lines shows of the accounts at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.insight.pool import pool
from poller.present.catalogue import words_of
from poller.present.live_words import live_words
from poller.present.sentences import Failures
from poller.present.shares import LITTLE_PERCENT
from poller.present.sparkline import sparkline
from poller.present.table import (
    BOLD,
    DIM,
    GAP,
    PLAIN,
    YELLOW,
    Column,
    heading,
    painted,
    within,
    wrapped,
)
from poller.present.terminal import ASCII, UNICODE, cells, cut, padded
from poller.present.times import Clock
from poller.present.usage_lines import UsageLines
from poller.present.usage_rows import Places, State, ordered, row_of
from poller.present.usage_summary import POOL_OF, summary, together
from poller.values import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from poller.insight.standing import Standing
    from poller.present.table import Line
    from poller.present.usage_rows import Row
    from poller.values import Forecast

CHANGED_FOR_S = 60.0
"""How long a change is marked."""
_SPARK_WIDTH = 16
_SPARK_GONE, _MARK_GONE = 2, 65
_LINES_OF_ALL, _LINES_OF_POOL = 6, 9
"""Lines of a screen from which on the summary, and the pool, have one."""
_CHANGED, _DOUBTED = "•", "≠"
_ASCII_SIGNS = MappingProxyType({_CHANGED: "+", _DOUBTED: "!", UNICODE.used_up: ASCII.used_up})
_NOTHING = Usage()
_FAILURES_SHARE = 3
"""Failures take a third of the lines at most."""


@dataclass(frozen=True, slots=True)
class LiveAccount:
    """One account, as the live table shows it."""

    standing: Standing
    forecasts: Mapping[str, Forecast]
    """By window."""
    trail: Sequence[int | None] = ()
    """Percent left in the last hours, oldest first; None where nobody looked."""
    changed_at: float = -math.inf
    """Unix seconds."""


@dataclass(slots=True)
class Viewing:
    """What the keys have chosen to see."""

    top: int = 0
    """The first account that is shown, counted from 0."""
    sort: int = 0
    """Place in ``LiveWords.sorts``."""
    reversed: bool = False
    filter: str = ""
    typing: bool = False
    """Whether the filter is being typed."""
    attention: bool = False
    """Whether only what needs attention is shown."""
    help: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A screen."""

    lines: list[str]
    """As many as there is room for, painted, without ends."""
    page: int
    """Accounts that are shown of those that would be."""
    last_top: int
    """The largest ``top`` that leaves no line empty."""


@dataclass(slots=True)
class _Kept:
    """What answered and what failed, of some accounts."""

    rows: list[Row] = field(default_factory=list["Row"])
    failures: Failures = field(default_factory=Failures)


class LiveView:
    """Draws the live table."""

    def __init__(  # noqa: PLR0913 - how it looks, each named
        self,
        *,
        timezone: tzinfo | None,
        language: str,
        extra: bool,
        color: bool,
        unicode: bool,
        weights: Mapping[str, float],
    ) -> None:
        """``weights`` are the pool's, by plan."""
        self._timezone, self._extra, self._color = timezone, extra, color
        self._words = words_of(language, unicode=unicode)
        self._live = live_words(language)
        self._marks = UNICODE if unicode else ASCII
        self._unicode = unicode
        self._weights = weights

    def draw(  # noqa: PLR0913 - what is shown, and where, each named
        self,
        accounts: Sequence[LiveAccount],
        wanted: Viewing,
        *,
        said: str,
        now: float,
        width: int,
        height: int,
    ) -> Drawn:
        """Return the screen; ``said`` is what the last line says."""
        clock = Clock(self._timezone, now=now, words=self._words)
        if wanted.help:
            return Drawn(self._painted(self._help(width, height), width, height), 0, 0)
        places, everybody, seen = Places(), _Kept(), _Kept()
        for one in accounts:
            report = one.standing.report
            kept = (everybody, seen) if self._is_wanted(one, wanted) else (everybody,)
            if report.failure is not None:
                for some in kept:
                    some.failures.add_report(report)
            else:
                usage = one.standing.usage or _NOTHING
                row = row_of(report.account, usage, places, one.forecasts)
                for some in kept:
                    some.rows.append(row)
        places.settle(everybody.rows if self._extra else ())
        shown = self._sorted(seen.rows, wanted)
        table = UsageLines(
            shown,
            places,
            words=self._words,
            clock=clock,
            marks=self._marks,
            extra=self._extra,
            width=width,
            beside=self._columns({one.standing.account: one for one in accounts}, now),
        )
        failures = seen.failures.lines(self._words, self._marks, now=now, width=width)
        under = list(islice(failures, max(1, height // _FAILURES_SHARE)))
        last: list[Line] = []
        if height >= _LINES_OF_POOL:
            last += self._together(accounts, now, width)
        if height >= _LINES_OF_ALL:
            all_of = summary(
                *(everybody.rows, everybody.failures, self._words, clock),
                marks=self._marks,
                now=now,
                width=width,
            )
            last.append(all_of)
        room = max(1, height - 3 - len(under) - len(last))
        body, page, last_top = self._body(table, shown, wanted, room)
        title = self._title(len(accounts), len(shown), wanted, page, width=width)
        top = self._top(title, clock, width)
        titles = table.titles() if shown else []
        foot = self._foot(said, wanted, width)
        head = [top, titles, *body, *under, *last][: max(0, height - 1)]
        blank: list[Line] = [[]] * (height - 1 - len(head))
        return Drawn(self._painted([*head, *blank, foot], width, height), page, last_top)

    def _together(self, accounts: Sequence[LiveAccount], now: float, width: int) -> list[Line]:
        """Return the line of what all have left, if it is worth one."""
        if len(accounts) < POOL_OF:
            return []
        known = pool([one.standing for one in accounts], now=now, weights=self._weights)
        told = together(known, self._words, marks=self._marks, width=width)
        return [told] if told[0][0] else []

    def _body(
        self, table: UsageLines, rows: Sequence[Row], wanted: Viewing, room: int
    ) -> tuple[list[Line], int, int]:
        """Return the lines of the accounts in view, how many those are, and the last top."""
        if not rows:
            return [[(self._live.nothing_shown, DIM)]], 0, 0
        last_top, left = len(rows), room
        while last_top and (needs := len(list(table.of(rows[last_top - 1])))) <= left:
            left -= needs
            last_top -= 1
        last_top = min(last_top, len(rows) - 1)
        wanted.top = min(wanted.top, last_top)
        lines: list[Line] = []
        page = 0
        for row in rows[wanted.top :]:
            drawn = list(table.of(row))
            if lines and len(lines) + len(drawn) > room:
                break
            lines += drawn
            page += 1
        return lines[:room], page, last_top

    def _is_wanted(self, one: LiveAccount, wanted: Viewing) -> bool:
        usage = one.standing.usage
        text = wanted.filter.casefold()
        plan = "" if usage is None else usage.plan or ""
        if text and text not in one.standing.account.casefold() and text not in plan.casefold():
            return False
        if not wanted.attention or usage is None or one.standing.report.failure is not None:
            return True
        left = usage.remaining_percent
        little = left is not None and left < LITTLE_PERCENT
        return little or usage.usable is not True or bool(usage.on_credits) or _worst(one) >= 0.5

    def _sorted(self, rows: list[Row], wanted: Viewing) -> list[Row]:
        match wanted.sort:
            case 0:
                rows = ordered(rows)
            case 1:
                rows = sorted(rows, key=lambda row: row.account)
            case 2:
                rows = sorted(rows, key=_least_left)
            case _:
                rows = sorted(rows, key=_next_reset)
        return rows[::-1] if wanted.reversed else rows

    # Beside the table

    def _top(self, title: str, clock: Clock, width: int) -> Line:
        """Return the first line: what is shown, and as far as there is room, the time."""
        zone = self._words.zone.format(zone=clock.zone)
        if cells(title) + GAP + cells(zone) > width:
            return [(cut(title, width, self._marks.cut), BOLD)]
        return heading(title, self._words, clock, width=width, right_of=width)[0]

    def _title(self, total: int, shown: int, wanted: Viewing, page: int, *, width: int) -> str:
        live, words = self._live, self._words
        told = [words.quota, words.counted(words.accounts, total)]
        if page < shown:
            first = wanted.top + 1
            told.append(live.rows.format(first=first, last=wanted.top + page, total=shown))
        if wanted.sort or wanted.reversed:
            form = live.reversed if wanted.reversed else live.sorted_by
            told.append(form.format(sort=live.sorts[wanted.sort]))
        if wanted.filter and not wanted.typing:
            told.append(live.filtered.format(text=wanted.filter))
        if wanted.attention:
            told.append(live.attention)
        between = f" {self._marks.dot} "
        title = between.join(told)
        # What is in view matters more than what this is.
        return title if cells(title) <= width else between.join(told[1:])

    def _foot(self, said: str, wanted: Viewing, width: int) -> Line:
        if wanted.typing:
            return within([(self._live.typing.format(text=wanted.filter) + "_", BOLD)], width, "")
        keys = self._live.keys
        room = width - cells(keys) - 2
        if room < cells(said):
            return [(cut(said, width, self._marks.cut), PLAIN)]
        return [(padded(said, room + 2), PLAIN), (keys, DIM)]

    def _help(self, width: int, height: int) -> list[Line]:
        live = self._live
        lines: list[Line] = [within([(live.help_title, BOLD)], width), []]
        left = max(cells(keys) for keys, _ in live.help) + 2
        for keys, what in ((self._sign(keys), what) for keys, what in live.help):
            if left + 20 > width:
                lines += [within([(keys, BOLD)], width)]
                lines += [[(f"  {line}", PLAIN)] for line in wrapped(what, width - 2, indent=0)]
                continue
            first, *rest = wrapped(what, width - left, indent=0)
            lines.append([(padded(keys, left), BOLD), (first, PLAIN)])
            lines += [[(" " * left + line, PLAIN)] for line in rest]
        end = within([(live.help_end, DIM)], width)
        return [*lines, [], end] if len(lines) + 2 <= height else [*lines[: height - 1], end]

    def _painted(self, lines: Sequence[Line], width: int, height: int) -> list[str]:
        kept = [*lines[:height], *([[]] * (height - len(lines)))]
        return [painted(within(line, width), color=self._color) for line in kept]

    def _sign(self, sign: str) -> str:
        return sign if self._unicode else _ASCII_SIGNS.get(sign, sign)

    # Columns beside the windows

    def _columns(self, by_label: Mapping[str, LiveAccount], now: float) -> list[Column[str]]:
        def mark(label: str, width: int) -> Line:
            one = by_label[label]
            recent = 0 <= now - one.changed_at < CHANGED_FOR_S
            told = _DOUBTED if one.standing.unconfirmed else _CHANGED if recent else ""
            return [(padded(self._sign(told), width), YELLOW)]

        def spark(label: str, width: int) -> Line:
            return [(padded(_spark(by_label[label].trail, width), width), DIM)]

        columns = [Column("", 1, mark, _MARK_GONE)]
        trails = [one.trail for one in by_label.values()]
        if self._unicode and any(figure is not None for trail in trails for figure in trail):
            title = self._live.hours.format(hours=max(map(len, trails)) // 4)
            columns.append(Column(title, max(_SPARK_WIDTH, cells(title)), spark, _SPARK_GONE))
        return columns


def _worst(one: LiveAccount) -> float:
    return max((each.runs_out_chance or 0.0 for each in one.forecasts.values()), default=0.0)


def _least_left(row: Row) -> tuple[float, str]:
    known = [w.remaining_percent for w in row.windows if w.remaining_percent is not None]
    blocked = row.state is State.BLOCKED
    return -1.0 if blocked else min(known, default=math.inf), row.account


def _next_reset(row: Row) -> tuple[float, str]:
    resets = [
        w.reset_at for w in row.windows if w.reset_at is not None and w.remaining_percent != 100
    ]
    return min(resets, default=math.inf), row.account


def _spark(trail: Sequence[int | None], width: int) -> str:
    """Return the last figures as blocks, the least of those that share a cell; blanks for gaps."""
    cells_wide = min(width, _SPARK_WIDTH)
    per_cell = max(1, len(trail) // cells_wide)
    shared = (trail[start : start + per_cell] for start in range(0, len(trail), per_cell))
    return sparkline(
        min((figure for figure in figures if figure is not None), default=None)
        for figures in shared
    )
