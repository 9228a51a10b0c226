"""The table of a poll: what is left of each account's quota, and when it resets."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from poller.insight.pool import NO_WEIGHTS, pool
from poller.insight.standing import standing
from poller.present.catalogue import words_of
from poller.present.sentences import IN_PLACE, Failures
from poller.present.table import drawn, heading
from poller.present.terminal import ASCII, UNICODE
from poller.present.times import Clock
from poller.present.usage_lines import UsageLines
from poller.present.usage_rows import Places, Row, ordered, row_of
from poller.present.usage_summary import POOL_OF, summary, together

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from poller.insight.standing import Standing
    from poller.present.table import Line
    from poller.present.terminal import Marks
    from poller.present.words import Words
    from poller.values import Report

_ALONE = 80
"""Cells of the heading where there are no rows under it."""
_POOLED = 10_000
"""Accounts that are told together at most; of more it would take as much memory as all rows."""


class UsageTable:
    """Collect reports, then draw them; ``timezone`` None means local time.

    Holds some 400 bytes a row besides the account's name, and some 150 more while it is
    drawn.
    """

    def __init__(
        self,
        timezone: tzinfo | None = None,
        *,
        extra: bool = False,
        language: str = "en",
        weights: Mapping[str, float] = NO_WEIGHTS,
    ) -> None:
        """Begin a table.

        Args:
            timezone: Of the times in it.
            extra: Whether extra limits have rows of their own.
            language: ``en`` or ``zh``.
            weights: What a window counts where all are told together, by plan; else 1.
        """
        self._timezone, self._extra, self._language = timezone, extra, language
        self._weights = weights
        self._rows: list[Row] = []
        self._failures = Failures()
        self._places = Places()
        self._standings: list[Standing] = []

    def add(self, report: Report, *, refresh: str | None = IN_PLACE) -> None:
        """Keep what the table shows of ``report``; ``refresh`` as ``Failures.add`` has it."""
        if len(self._standings) <= _POOLED:
            self._standings.append(standing(report))
        if report.failure is not None:
            self._failures.add_report(report, refresh=refresh)
        elif report.usage is not None:
            self._rows.append(row_of(report.account, report.usage, self._places, report.forecast))

    def render(self, *, width: int, color: bool, unicode: bool, now: float) -> Iterator[str]:
        """Yield the table in pieces, lines ended: rows, failures, and what sums up.

        Args:
            width: Cells that no line is wider than.
            color: Whether to paint it.
            unicode: Whether to draw bars and other signs beyond ASCII; names are shown as
                they are.
            now: Unix seconds; tells today's resets from later ones.
        """
        words, marks = words_of(self._language, unicode=unicode), UNICODE if unicode else ASCII
        count = len(self._rows) + self._failures.failed + self._failures.not_asked
        if not count:
            return iter((f"{words.no_accounts}\n",))
        clock = Clock(self._timezone, now=now, words=words)
        self._places.settle(self._rows if self._extra else ())
        self._rows = ordered(self._rows)
        rows = UsageLines(
            self._rows,
            self._places,
            words=words,
            clock=clock,
            marks=marks,
            extra=self._extra,
            width=width,
        )
        title = f"{words.quota} {marks.dot} {words.counted(words.accounts, count)}"
        top = heading(
            title, words, clock, width=width, right_of=rows.width if self._rows else _ALONE
        )
        under = self._failures.lines(words, marks, now=now, width=width)
        last = summary(self._rows, self._failures, words, clock, marks=marks, now=now, width=width)
        lines = chain(top, rows.all(), under, self._together(words, marks, now, width), (last,))
        return drawn(lines, color=color)

    def _together(self, words: Words, marks: Marks, now: float, width: int) -> Iterator[Line]:
        if not POOL_OF <= len(self._standings) <= _POOLED:
            return
        line = together(
            pool(self._standings, now=now, weights=self._weights), words, marks=marks, width=width
        )
        if line[0][0]:
            yield line
