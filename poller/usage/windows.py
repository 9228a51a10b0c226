"""Read the windows of a limit: how long each is, what is left of it and when it resets."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.usage.json_values import (
    EARLIEST_AT,
    LATEST_AT,
    mapping,
    moment_of,
    number_of,
    plausible,
)
from poller.values import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_FIVE_HOUR, _WEEKLY, _MONTHLY = 5 * _HOUR_S, 7 * _DAY_S, 30 * _DAY_S

CONTAINERS = ("rate_limit", "rate_limits")
"""Where a limit's windows are found."""
_SLOTS = MappingProxyType(
    {
        "primary_window": _FIVE_HOUR,
        "secondary_window": _WEEKLY,
        "tertiary_window": _MONTHLY,
        "five_hour": _FIVE_HOUR,
        "five_hour_limit": _FIVE_HOUR,
        "five_hour_rate_limit": _FIVE_HOUR,
        "primary": _FIVE_HOUR,
        "weekly": _WEEKLY,
        "weekly_limit": _WEEKLY,
        "weekly_rate_limit": _WEEKLY,
        "secondary": _WEEKLY,
        "monthly": _MONTHLY,
        "monthly_limit": _MONTHLY,
        "monthly_window": _MONTHLY,
    }
)
"""Where windows are found, and the length each stands for where it tells none."""
_SLOT_ORDER = tuple(_SLOTS).index
_USUAL = MappingProxyType(
    {_FIVE_HOUR: "five_hour", _WEEKLY: "weekly", _MONTHLY: "monthly", 2_628_000: "monthly"}
)
"""The lengths nearly every answer has; a year's twelfth is the other month."""
_NAMED = (
    ("five_hour", 4 * _HOUR_S, 6 * _HOUR_S),
    ("weekly", 6 * _DAY_S, 8 * _DAY_S),
    ("monthly", 25 * _DAY_S, 32 * _DAY_S),
)
_UNITS = (("d", _DAY_S), ("h", _HOUR_S), ("m", 60), ("s", 1))
_LENGTHS = (("limit_window_seconds", 1), ("window_seconds", 1), ("window_minutes", 60))
_LENGTH_LIMIT_S = 3650 * _DAY_S
WINDOWS_LIMIT = 32
"""Of one limit, in what others wrote; an answer has one for each slot at most."""
_NOT_BEGUN_WITHIN_S = 120
"""How far from its whole length the reset of a window that has not begun may be."""
_PERCENTAGES = ("percent_left", "remaining_percent", "used_percent")
_RESETS = ("reset_at", "resets_at", "reset_time_ms")


def container_of(of: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the object that holds a limit's windows; None where there is none."""
    for key in CONTAINERS:
        found = mapping(of.get(key))
        if found is not None:
            return found
    return None


def windows_of(container: Mapping[str, object], observed_at: float) -> tuple[Window, ...]:
    """Return the windows, shortest first; names that come again are numbered in slot order.

    There is one a slot at most. ``observed_at`` is Unix seconds.
    """
    slots = [slot for slot in container if slot in _SLOTS]
    if len(slots) > 1:
        slots.sort(key=_SLOT_ORDER)
    found: list[tuple[int, Window]] = []
    names: dict[str, int] = {}
    for slot in slots:
        figures = container[slot]
        if figures is None:
            continue
        slot_s = _SLOTS[slot]
        window = _window(figures, slot_s, observed_at)
        if window is None:
            continue
        count = names[window.name] = names.get(window.name, 0) + 1
        found.append(
            (window.window_seconds or slot_s, window if count == 1 else _again(window, count))
        )
    if len(found) > 1:
        found.sort(key=itemgetter(0))
    return tuple([window for _, window in found])


def _again(window: Window, count: int) -> Window:
    return replace(window, name=f"{window.name}_{count}")


def _window(value: object, slot_s: int, observed_at: float) -> Window | None:
    """Read a window, or the one that stands in it one level down as ``primary_window``."""
    figures = mapping(value)
    if figures is None:
        return None
    if "primary_window" in figures:
        inner = mapping(figures["primary_window"])
        window = None if inner is None else _window_of(inner, slot_s, observed_at)
        if window is not None:
            return window
    return _window_of(figures, slot_s, observed_at)


def _window_of(figures: Mapping[str, object], slot_s: int, observed_at: float) -> Window | None:
    # The way the upstream mostly writes them comes first, without a call: twice as fast.
    window_seconds = figures.get("limit_window_seconds")
    if type(window_seconds) is not int or not 0 <= window_seconds <= _LENGTH_LIMIT_S:
        window_seconds = _window_s(figures)
    if window_seconds == 0:  # how the upstream spells that there is no such window
        return None
    left_percent = remaining_percent(figures)
    reset_at = figures.get("reset_at")
    if type(reset_at) is not int or not EARLIEST_AT <= reset_at <= LATEST_AT:
        reset_at = resets_at(figures, observed_at)
    if window_seconds is None and left_percent is None and reset_at is None:
        return None
    started = _started(left_percent, window_seconds, reset_at, observed_at)
    return Window(_name(window_seconds or slot_s), left_percent, window_seconds, reset_at, started)


def _started(
    left_percent: float | None,
    window_seconds: int | None,
    reset_at: int | None,
    observed_at: float,
) -> bool | None:
    """Say whether a window has begun: until then its reset stays its whole length away."""
    if left_percent is not None and left_percent < 100:
        return True
    if window_seconds is None or reset_at is None:
        return None
    whole_length_away = abs(reset_at - observed_at - window_seconds) <= _NOT_BEGUN_WITHIN_S
    if left_percent is None and whole_length_away:
        return None
    return not whole_length_away


def _name(window_seconds: int) -> str:
    if window_seconds in _USUAL:
        return _USUAL[window_seconds]
    for name, least_s, most_s in _NAMED:
        if least_s <= window_seconds <= most_s:
            return name
    unit, unit_s = next(unit for unit in _UNITS if window_seconds % unit[1] == 0)
    return f"{window_seconds // unit_s}{unit}"


def _window_s(figures: Mapping[str, object]) -> int | None:
    for key, unit_s in _LENGTHS:
        value = figures.get(key)
        number = None if value is None else number_of(value)
        if number is not None and 0 <= number * unit_s <= _LENGTH_LIMIT_S:
            return round(number * unit_s)
    return None


def remaining_percent(figures: Mapping[str, object]) -> float | None:
    """Return what is left, 0-100; None where nothing tells."""
    used = figures.get("used_percent")
    is_alone = "percent_left" not in figures and "remaining_percent" not in figures
    if is_alone and type(used) is int and 0 <= used <= 100:  # as nearly all are told
        return float(100 - used)
    for key in _PERCENTAGES:
        value = figures.get(key)
        number = None if value is None else number_of(value)
        if number is None:
            continue
        left = 100 - number if key == "used_percent" else number
        left = 0.0 if left <= 0 else min(left, 100.0)
        return left if left.is_integer() else round(left, 6)
    return None


def resets_at(figures: Mapping[str, object], observed_at: float) -> int | None:
    """Return when it resets, in Unix seconds; None where nothing tells."""
    for key in _RESETS:
        value = figures.get(key)
        reset_at = None if value is None else moment_of(value)
        if reset_at is not None:
            return reset_at
    after_s = number_of(figures.get("reset_after_seconds"))
    return None if after_s is None or after_s < 0 else plausible(observed_at + after_s)
