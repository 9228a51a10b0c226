"""The table of a poll: what is left of each account's quota, and when it resets."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from poller.present.catalogue import words_of
from poller.present.sentences import Failures
from poller.present.table import drawn, heading
from poller.present.terminal import ASCII, UNICODE
from poller.present.times import Clock
from poller.present.usage_lines import UsageLines
from poller.present.usage_rows import Places, Row, ordered, row_of
from poller.present.usage_summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from poller.values import Report


_ALONE = 80
"""Cells of the heading where there are no rows under it."""


class UsageTable:
    """Collect reports, then draw them; ``timezone`` None means local time.

    Holds some 400 bytes a row besides the account's name, and some 150 more while it is
    drawn.
    """

    def __init__(
        self, timezone: tzinfo | None = None, *, extra: bool = False, language: str = "en"
    ) -> None:
        """Begin a table.

        Args:
            timezone: Of the times in it.
            extra: Whether extra limits have rows of their own.
            language: ``en`` or ``zh``.
        """
        self._timezone, self._extra, self._language = timezone, extra, language
        self._rows: list[Row] = []
        self._failures = Failures()
        self._places = Places()

    def add(self, report: Report) -> None:
        """Keep what the table shows of ``report``."""
        if report.failure is not None:
            self._failures.add(
                report.account,
                report.failure,
                status=report.http_status,
                expires_at=report.expires_at,
            )
        elif report.usage is not None:
            self._rows.append(row_of(report.account, report.usage, self._places))

    def render(self, *, width: int, color: bool, unicode: bool, now: float) -> Iterator[str]:
        """Yield the table in pieces, lines ended: rows, failures, and the line that sums up.

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
        self._places.settle()
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
        return drawn(chain((top,), rows.all(), under, (last,)), color=color)
