"""Quotas that fill with use: windows, spend limits and credits, as arithmetic.

A window begins with its first use and resets after its whole length; between its reset
and the next use it has not begun. All times are whole Unix seconds but where a window
fills up.
"""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FULL_PERCENT = 100.0
CREDITS_PER_POINT = 2.0


@dataclass(frozen=True, slots=True)
class Meter:
    """One window or spend limit of an account."""

    length_s: int
    """Seconds; 0 for a calendar month in UTC."""
    percent_per_point: float
    blocks: bool = True
    """Whether the account is blocked while this is full."""

    def reset_after(self, at: float) -> int:
        """Return the Unix second at which a cycle that begins at ``at`` resets."""
        return int(at) + self.length_s if self.length_s else month_after(at)


def month_of(at: float) -> int:
    """Return the Unix second at which the calendar month of ``at`` began, in UTC."""
    date = time.gmtime(at)
    return calendar.timegm((date.tm_year, date.tm_mon, 1, 0, 0, 0))


def month_after(at: float) -> int:
    """Return the Unix second at which the next calendar month begins, in UTC."""
    return month_of(month_of(at) + 32 * 86_400)


@dataclass(slots=True)
class Level:
    """How full an account's meters are."""

    used: list[float]
    """Percent, by meter."""
    reset_at: list[int]
    """Unix seconds, by meter; in the past where the window has not begun."""
    credits: float = 0.0
    """Those left; they carry on where a window is full."""

    def copy(self) -> Level:
        """Return a copy that can change on its own."""
        return replace(self, used=self.used[:], reset_at=self.reset_at[:])

    def used_at(self, meter: int, at: float) -> float:
        """Return the percentage used: 0 where the cycle is over at ``at``."""
        return self.used[meter] if self.reset_at[meter] > at else 0.0

    def clear(self, meters: Iterable[int]) -> None:
        """Reset some meters early."""
        for meter in meters:
            self.used[meter], self.reset_at[meter] = 0.0, 0


def empty_level(meters: tuple[Meter, ...], *, credits_left: float = 0.0) -> Level:
    """Return the level at which nothing has begun."""
    return Level([0.0] * len(meters), [0] * len(meters), credits_left)


def use(
    meters: tuple[Meter, ...], level: Level, *, start_at: int, end_at: float, points_per_hour: float
) -> None:
    """Fill ``level`` by steady use from ``start_at`` to ``end_at``.

    While a blocking meter is full nothing is used, unless there are credits: then these
    are spent and the meters stand still. The same ``start_at`` with a later ``end_at``
    never tells less use in a cycle, because every step before the last is the same.
    """
    at: float = start_at
    while at < end_at:
        full = [
            level.reset_at[i]
            for i, meter in enumerate(meters)
            if meter.blocks and level.used_at(i, at) >= FULL_PERCENT
        ]
        if not full:
            at = _use_plan(meters, level, at=at, end_at=end_at, points_per_s=points_per_hour / 3600)
        elif level.credits > 0:
            per_s = points_per_hour * CREDITS_PER_POINT / 3600
            at = _spend(level, at=at, end_at=min(end_at, *full), credits_per_s=per_s)
        else:
            at = max(full)


def _use_plan(
    meters: tuple[Meter, ...], level: Level, *, at: float, end_at: float, points_per_s: float
) -> float:
    """Fill the meters until one resets or is full; return when that is."""
    step_end = end_at
    fills_at: list[float] = []
    for i, meter in enumerate(meters):
        if level.reset_at[i] <= at:
            level.used[i], level.reset_at[i] = 0.0, meter.reset_after(at)
        left = FULL_PERCENT - level.used[i]
        fills_at.append(at + left / (meter.percent_per_point * points_per_s))
        step_end = min(step_end, level.reset_at[i])
        if left > 0:
            step_end = min(step_end, fills_at[i])
    for i, meter in enumerate(meters):
        if fills_at[i] <= step_end:  # exactly full: rounding must not leave a rest
            level.used[i] = FULL_PERCENT
        else:
            used = level.used[i] + meter.percent_per_point * points_per_s * (step_end - at)
            level.used[i] = min(FULL_PERCENT, used)
    return step_end


def _spend(level: Level, *, at: float, end_at: float, credits_per_s: float) -> float:
    """Spend credits until they are gone; return when that is, at most ``end_at``."""
    gone_at = at + level.credits / credits_per_s
    if gone_at <= end_at:
        level.credits = 0.0
        return gone_at
    level.credits -= credits_per_s * (end_at - at)
    return end_at
