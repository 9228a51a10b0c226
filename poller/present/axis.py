"""A time axis for charts: where a moment stands on it, and the times written under it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

    from poller.present.words import Words

DAY_S = 86_400.0
_HOUR_S = 3600.0
_SHORTEST_S = 60.0
_EARLIEST_AT, _LATEST_AT = DAY_S, 250_000_000_000.0
"""Unix seconds that every time zone can show with a margin: years 1970 to 9892."""
_MOST_LABELS = 5.5
"""For so many, each with what is between them, there is room on a phone."""
_STEPS_H = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2880)
"""How far apart labels may stand."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One time under the axis."""

    at: float
    """Unix seconds."""
    label: str
    """``18:00``; the date at midnight."""
    is_day: bool


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time, drawn from left to right; made by :func:`axis_of`."""

    since: float
    until: float
    now: float
    """Unix seconds."""
    ticks: tuple[Tick, ...]

    def share(self, at: float) -> float:
        """Return where a moment stands, 0-1; outside of the axis, at its nearer end."""
        return min(1.0, max(0.0, (at - self.since) / (self.until - self.since)))


def axis_of(
    *, since: float, until: float, now: float, timezone: tzinfo | None, words: Words
) -> Axis:
    """Return the axis from ``since`` to ``until`` (Unix seconds), whatever they are.

    ``timezone`` None is local time.
    """
    since = _bounded(since)
    until = max(_bounded(until), since + _SHORTEST_S)
    step_h = next(
        (hours for hours in _STEPS_H if (until - since) / _HOUR_S / hours <= _MOST_LABELS),
        _STEPS_H[-1],
    )
    ticks = _ticks(since, until, step_h, timezone, words)
    return Axis(since, until, _bounded(now), tuple(ticks))


def _bounded(at: float) -> float:
    return min(_LATEST_AT, max(_EARLIEST_AT, at)) if isfinite(at) else _EARLIEST_AT


def _ticks(
    since: float, until: float, step_h: int, timezone: tzinfo | None, words: Words
) -> list[Tick]:
    # Counted in wall time from a midnight, so that labels are round on both sides of a
    # change of the clocks.
    local = datetime.fromtimestamp(since, UTC).astimezone(timezone)
    wall = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    ticks: list[Tick] = []
    for number in range(int((until - since) / _HOUR_S / step_h) + 26 // min(step_h, 24) + 1):
        moment = wall + timedelta(hours=number * step_h)
        at = moment.replace(tzinfo=timezone).timestamp()
        if not since <= at <= until or len(ticks) > _MOST_LABELS:
            continue
        is_day = moment.hour == 0
        if is_day:
            month = words.months[moment.month - 1]
            label = words.short_date.format(day=moment.day, month=month, number=moment.month)
        else:
            label = f"{moment.hour:02}:00"
        ticks.append(Tick(at, label, is_day))
    return ticks
