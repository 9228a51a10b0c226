"""The rows of the usage table: what is kept, in which order, and which window goes where."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from poller.insight.standing import USUAL_LENGTHS_S
from poller.present.shares import LITTLE_PERCENT
from poller.present.terminal import cut_middle
from poller.text import printable
from poller.values import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poller.present.words import Words
    from poller.values import Forecast, Limit, Usage

_LONGEST = 40
"""Characters of a plan or a reason that are kept: text from outside may be any length."""
_LIMIT_NAME = 30
"""Cells of an extra limit's name that are shown."""
_MAIN = ("five_hour", "weekly", "monthly")
"""Windows that matter most; of the others the one that more accounts have."""
SPEND_LIMIT = "spend_limit"
"""What a spend limit is called where it stands among the windows of its account."""


class State(IntEnum):
    """Whether an account can be used, in the order of the rows."""

    ON_PLAN = 0
    ON_CREDITS = 1
    UNKNOWN = 2
    BLOCKED = 3


@dataclass(frozen=True, slots=True)
class Row:
    """What the table keeps of one answer."""

    account: str
    plan: str | None
    state: State
    windows: tuple[Window, ...]
    """Its own, and its spend limit where that matters."""
    shape: tuple[str, ...]
    """Their names: one tuple for all rows that have the same."""
    usable_at: int | None
    """Unix seconds."""
    limited_by: str | None
    balance: str | None
    """Of the credits that it lives on; empty where they are unlimited."""
    spend_left: str | None
    """Of a spend limit that tells no percentage."""
    extra_limits: tuple[Limit, ...]
    forecast: Mapping[str, Forecast] | None = None
    """By window, where a history tells."""

    @property
    def used_up(self) -> bool:
        """Whether one of its extra limits is exhausted."""
        return any(map(is_used_up, self.extra_limits))


def row_of(
    account: str,
    usage: Usage,
    places: Places,
    forecast: Mapping[str, Forecast] | None = None,
) -> Row:
    """Return what the table keeps of a usage; ``places`` notes its windows."""
    spend, windows = _spend_limit(usage), usage.windows
    if spend is not None:
        windows = (*windows, spend)
    balance = spend_left = None
    if usage.credits is not None and (usage.on_credits or not windows):
        balance = "" if usage.credits.unlimited else usage.credits.balance
    if spend is None and usage.spend_limit is not None and not windows:
        spend_left = usage.spend_limit.remaining
    return Row(
        account,
        _kept(usage.plan),
        _state(usage),
        windows,
        places.noted(windows),
        usage.usable_at,
        _kept(usage.limited_by),
        _kept(balance),
        _kept(spend_left),
        usage.extra_limits,
        forecast or None,
    )


def is_used_up(limit: Limit) -> bool:
    """Tell whether nothing is left of an extra limit."""
    return limit.usable is False or any(w.remaining_percent == 0 for w in limit.windows)


def limit_name(limit: Limit, words: Words, mark: str) -> str:
    """Return what an extra limit is called; ``mark`` stands where something is cut out."""
    name = limit.name or limit.feature or words.other
    return cut_middle(printable(words.windows.get(name, name)), _LIMIT_NAME, mark)


def note_of(row: Row, words: Words) -> str:
    """Return what the windows do not tell: credits, an amount, a reason."""
    if row.state is State.ON_CREDITS:
        if row.balance is None:
            return words.on_credits
        if not row.balance:
            return words.unlimited
        return words.on_credits_left.format(balance=row.balance)
    if row.state is State.BLOCKED:
        if row.limited_by in (None, "unknown", *row.shape):
            return ""
        if row.limited_by == SPEND_LIMIT:
            return words.spent
        by = row.limited_by or ""
        return words.blocked_by.format(reason=words.reasons.get(by) or words.window(by))
    if row.spend_left:
        return words.spend_left.format(amount=row.spend_left)
    return words.credits_unlimited if row.balance == "" else ""


def _state(usage: Usage) -> State:
    if usage.usable is None:
        return State.UNKNOWN
    if not usage.usable:
        return State.BLOCKED
    return State.ON_CREDITS if usage.on_credits else State.ON_PLAN


def _spend_limit(usage: Usage) -> Window | None:
    """Return the spend limit as a window, where it matters and has a figure."""
    spend = usage.spend_limit
    if spend is None or spend.remaining_percent is None:
        return None
    matters = (
        not usage.windows
        or usage.limited_by == SPEND_LIMIT
        or usage.on_credits
        or spend.remaining_percent < LITTLE_PERCENT
    )
    return Window(SPEND_LIMIT, spend.remaining_percent, None, spend.reset_at) if matters else None


def _kept(text: str | None) -> str | None:
    """Return the text as it is kept: safe, short, and once for all rows that have it."""
    return None if text is None else sys.intern(printable(text[:_LONGEST]))


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in the table's order: usable, best first; unknown; blocked."""
    return sorted(rows, key=_rank)


def _rank(row: Row) -> tuple[int, float, float, float, str]:
    if row.state is State.BLOCKED:
        return row.state, _last(row.usable_at), 0, 0, row.account
    five_hour = week = None
    least: float | None = None
    for window in row.windows:
        percent = window.remaining_percent
        if window.name == SPEND_LIMIT or percent is None:
            continue
        least = percent if least is None else min(least, percent)
    for window in row.windows:
        if window.name == "five_hour":
            five_hour = window
        elif window.name == "weekly":
            week = window
    return (
        row.state,
        _most(five_hour.remaining_percent if five_hour else least),
        _most(week.remaining_percent if week else least),
        _last(week.reset_at if week else None),
        row.account,
    )


def _most(percent: float | None) -> float:
    return math.inf if percent is None else 100 - percent


def _last(at: float | None) -> float:
    return math.inf if at is None else at


class Places:
    """Which windows have a column, and where those of one account stand.

    A window has a column where half of the accounts have it, or where too many of those
    who have it would need a second row. The last column takes one other window of an
    account that has not got the column's own.
    """

    def __init__(self) -> None:
        self._shapes: Counter[tuple[str, ...]] = Counter()
        self._same: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._lengths_s: dict[str, float] = {}
        self._found: dict[tuple[str, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self.columns: tuple[str, ...] = ()
        """Names of windows, the shortest first."""
        self.needed: tuple[str, ...] = ()
        """The same, those that matter most first."""
        self.guests: tuple[str, ...] = ()
        """Other windows that stand in the last column, too."""

    def noted(self, windows: Sequence[Window]) -> tuple[str, ...]:
        """Note which windows an account has; return their names."""
        names = tuple([window.name for window in windows])
        names = self._same.setdefault(names, names)
        self._shapes[names] += 1
        for window in windows:
            if window.name not in self._lengths_s:
                known_s = USUAL_LENGTHS_S.get(window.name, window.window_seconds)
                self._lengths_s[window.name] = math.inf if known_s is None else known_s
        return names

    def settle(self, extra: Iterable[Row] = ()) -> None:
        """Decide which windows have a column.

        ``extra`` are rows whose extra limits are shown, too: where no account has windows of
        its own, theirs have columns.
        """
        if not any(self._shapes):
            for row in extra:
                for limit in row.extra_limits:
                    self.noted(limit.windows)
        shapes = {shape: count for shape, count in self._shapes.items() if shape}
        total = sum(shapes.values())
        counts: Counter[str] = Counter()
        for shape, count in shapes.items():
            counts.update(dict.fromkeys(shape, count))
        names = sorted(counts, key=lambda name: (_place(name), -counts[name], name))
        own = [name for name in names if 2 * counts[name] >= total]
        own = own or sorted(names, key=lambda name: -counts[name])[:1]
        while crowd := self._crowded(shapes, own, total):
            own.append(crowd)
        self.needed = tuple(name for name in names if name in own)
        self.columns = tuple(sorted(own, key=lambda name: (self._lengths_s[name], name)))
        self._found = {}
        places = {shape: self.of(shape) for shape in shapes}
        last = len(self.columns) - 1
        guests = {
            shape[index]
            for shape, (columns, _) in places.items()
            if (index := columns[last]) >= 0 and shape[index] != self.columns[last]
        }
        self.guests = tuple(name for name in names if name in guests)

    def of(self, names: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the index of the window in each column, -1 for none, and those of the rest."""
        found = self._found.get(names)
        if found is None:
            indexes = {name: index for index, name in enumerate(names)}
            columns = [indexes.pop(column, -1) for column in self.columns]
            if columns and columns[-1] < 0 and indexes:
                columns[-1] = indexes.pop(min(indexes, key=_place))
            found = self._found[names] = (tuple(columns), tuple(indexes.values()))
        return found

    def _crowded(
        self, shapes: dict[tuple[str, ...], int], own: list[str], total: int
    ) -> str | None:
        """Return a window without a column that makes a quarter need a second row."""
        last = max(own, key=lambda name: (self._lengths_s[name], name), default="")
        crowded: Counter[str] = Counter()
        for shape, count in shapes.items():
            others = [name for name in shape if name not in own]
            if last in shape or len(others) > 1:
                crowded.update(dict.fromkeys(others, count))
        for name, count in crowded.most_common(1):
            if 4 * count >= total:
                return name
        return None


def _place(name: str) -> int:
    return _MAIN.index(name) if name in _MAIN else len(_MAIN)
