"""The table: a small row per report, put in order and drawn at the end."""

from __future__ import annotations

import math
import struct
import sys
from itertools import chain
from typing import TYPE_CHECKING

from poller.present.layout import Layout
from poller.present.painting import SCREENFUL, drawn
from poller.present.rows import LEFT, Column, Row
from poller.present.terminal import ASCII, UNICODE, Traits, traits
from poller.present.times import Clock, span
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from poller.values import Report, Usage, Window

__all__ = ["Table", "Traits", "traits"]

_LONGEST = 40
"""Characters of a plan or a reason that are kept: text from outside may be any length."""
_LENGTHS_S = {"five_hour": 18_000, "weekly": 604_800, "monthly": 2_592_000}
_NEEDED = ("five_hour", "weekly", "monthly")
"""Windows that matter most; of the others the one that more accounts have."""
_ENDLESS = math.inf
_RANK = struct.Struct(">Bddd")
"""Its bytes are in the order of its numbers, as long as none is negative."""


class Table:
    """Collect reports, then draw them; ``timezone`` None means local time.

    Holds some 200 bytes a row besides the account's name, whatever the report held, and
    some 100 more while it is drawn.
    """

    def __init__(self, timezone: tzinfo | None = None) -> None:
        self._timezone = timezone
        self._rows: list[Row] = []
        self._names: dict[str, int] = {}
        self._lengths_s: list[float] = []
        self._counts: list[int] = []

    def add(self, report: Report) -> None:
        """Keep what the table shows of ``report``."""
        usage, failure = report.usage, report.failure
        self._rows.append(
            Row(
                account=report.account,
                plan=_kept(usage.plan if usage else None),
                left=b"".join(map(self._left, usage.windows if usage else ())),
                usable=usage.usable if usage else None,
                limited_by=_kept(usage.limited_by if usage else None),
                by_window=usage is not None and _by_window(usage),
                usable_at=usage.usable_at if usage else None,
                note=_kept(_note(usage) if usage else None),
                kind=failure.kind.value if failure else None,
                hint=sys.intern(printable(failure.hint)) if failure else None,
            )
        )

    def render(self, *, width: int | None, color: bool, unicode: bool, now: float) -> Iterator[str]:
        """Yield the table in pieces, lines ended, best account first.

        Args:
            width: Cells that no line is wider than; None for no bound, as into a pipe.
            color: Whether to colour it; only a screenful is.
            unicode: Whether to draw bars and other signs beyond ASCII.
            now: Unix seconds; tells today's resets from later ones.
        """
        if not self._rows:
            return iter(("no accounts\n",))
        self._rows.sort(key=self._rank)
        screenful = len(self._rows) <= SCREENFUL
        layout = Layout(
            self._rows,
            self._columns(),
            needed=self._needed(),
            clock=Clock(self._timezone, now=now),
            marks=UNICODE if unicode else ASCII,
            width=width,
            bars=unicode and width is not None and screenful,
        )
        heading, rows = layout.heading(), map(layout.line, self._rows)
        return drawn(chain(heading, rows), color=color and screenful)

    def summary(self, now: float) -> str:
        """Return one line: how many can be used, are blocked, failed, and the next reset.

        ``now`` is in Unix seconds. A window that nothing was used of has no reset to wait
        for: the upstream moves it along with the clock.
        """
        usable, unknown, blocked, failed = map([_group(row) for row in self._rows].count, range(4))
        told = f"{usable} can be used, {blocked} blocked, {failed} failed"
        if unknown:
            told += f", {unknown} unknown"
        following = min(self._resets(after=now), default=None)
        if following is None:
            return told
        at, account, name = following
        clock = Clock(self._timezone, now=now)
        title = Column(0, name).title
        return f"{told}; next reset {clock.text(at)} in {span(at - now)}: {account} {title}"

    def _left(self, window: Window) -> bytes:
        column = self._names.setdefault(window.name, len(self._names))
        if column == len(self._lengths_s):
            self._lengths_s.append(_LENGTHS_S.get(window.name, window.window_seconds or _ENDLESS))
            self._counts.append(0)
        self._counts[column] += 1
        percent, reset_at = window.remaining_percent, window.reset_at
        return LEFT.pack(
            column,
            math.nan if percent is None else percent,
            math.nan if reset_at is None else reset_at,
        )

    def _columns(self) -> list[Column]:
        """Return the windows, the shortest first."""
        columns = [Column(index, name) for name, index in self._names.items()]
        return sorted(columns, key=lambda column: (self._lengths_s[column.place], column.name))

    def _needed(self) -> list[int]:
        main = [self._names[name] for name in _NEEDED if name in self._names]
        others = [column.place for column in self._columns() if column.place not in main]
        return [*main, *sorted(others, key=lambda index: -self._counts[index])]

    def _rank(self, row: Row) -> bytes:
        """Return what rows are sorted by: the contract's order, as bytes to be a third of it."""
        group, name = _group(row), row.account.encode("utf-8", "surrogatepass")
        if group == _BLOCKED:
            return _RANK.pack(group, _last(row.usable_at), 0, 0) + name
        if group == _FAILED:
            return _RANK.pack(group, 0, 0, 0) + f"{row.kind}\0".encode() + name
        windows = row.windows()
        known = [percent for percent, _ in windows.values() if percent is not None]
        least = (min(known, default=None), None)
        five_hour, _ = windows.get(self._names.get("five_hour", -1), least)
        week, reset_at = windows.get(self._names.get("weekly", -1), least)
        return _RANK.pack(group, _most(five_hour), _most(week), _last(reset_at)) + name

    def _resets(self, *, after: float) -> Iterable[tuple[float, str, str]]:
        names = list(self._names)
        for row in self._rows:
            for column, (percent, at) in row.windows().items():
                if at is not None and at > after and percent != 100:
                    yield at, row.account, names[column]


_USABLE, _UNKNOWN, _BLOCKED, _FAILED = range(4)


def _group(row: Row) -> int:
    if row.kind is not None:
        return _FAILED
    if row.usable is None:
        return _UNKNOWN
    return _USABLE if row.usable else _BLOCKED


def _most(percent: float | None) -> float:
    return _ENDLESS if percent is None else 100 - percent


def _last(at: float | None) -> float:
    return _ENDLESS if at is None else at


def _kept(text: str | None) -> str | None:
    """Return the text as it is kept: safe, short, and once for all rows that have it."""
    return None if text is None else sys.intern(printable(text[:_LONGEST]))


def _by_window(usage: Usage) -> bool:
    return any(window.name == usage.limited_by for window in usage.windows)


def _note(usage: Usage) -> str | None:
    """Return what more there is to say of an account that can be used; short before ``:``."""
    credit, spend = usage.credits, usage.spend_limit
    if usage.remaining_percent == 0 and credit and (credit.unlimited or credit.has_credits):
        left = "unlimited" if credit.unlimited else credit.balance
        return f"on credits: {left}" if left else "on credits"
    if spend is None:
        return None
    if spend.remaining_percent is not None:
        return f"ok: {spend.remaining_percent:.0f}% of spend limit left"
    return f"ok: {spend.remaining} of spend limit left" if spend.remaining else None
