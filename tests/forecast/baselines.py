"""What is said without a model, to see what a model is worth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.forecast.judging import BASE_RATE, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.forecast.judging import Forecasts
    from tests.forecast.weeks import Line, Truth

_SMOOTHING = 0.4
_CLOSE_S = 60


@dataclass(slots=True)
class _Seen:
    used: float
    reset_at: float | None
    length: float
    at: float
    rate: float | None = None
    """Percent a second, smoothed over samples."""


def naive(seen: _Seen) -> float:
    """Burn on as since the window's start."""
    elapsed = seen.at - ((seen.reset_at or seen.at) - seen.length)
    return seen.used / max(elapsed, _CLOSE_S)


def ewma(seen: _Seen) -> float:
    """Burn on as in the last samples."""
    return seen.rate or 0.0


def baseline(lines: Iterable[Line], rate: Callable[[Any], float]) -> Forecasts:
    """Say yes or no, by a straight line at the given rate (percent a second)."""
    forecasts: Forecasts = {}
    accounts: defaultdict[str, dict[str, _Seen]] = defaultdict(dict)
    for line in lines:
        windows = accounts[line["account"]]
        if line["type"] == "sample":
            accounts[line["account"]] = dict(_advance(windows, line))
        elif line["type"] == "ask":
            now = line["t"]
            for name, seen in windows.items():
                if seen.reset_at is None or seen.reset_at <= now or seen.used <= 0:
                    continue
                per_s = rate(seen)
                empty = now + (100 - seen.used) / per_s if per_s > 0 else float("inf")
                at = min(empty, seen.reset_at)
                forecasts[line["id"], name] = Said(float(empty < seen.reset_at), at, at, at)
    return forecasts


def _advance(windows: dict[str, _Seen], line: Line) -> Iterator[tuple[str, _Seen]]:
    for name, told in line["windows"].items():
        came = _Seen(told["used_percent"], told["reset_at"], told["window_seconds"], line["t"])
        was = windows.get(name)
        if was is not None and came.at > was.at and came.used >= was.used:
            lately = (came.used - was.used) / (came.at - was.at)
            smoothed = lately if was.rate is None else was.rate
            came.rate = _SMOOTHING * lately + (1 - _SMOOTHING) * smoothed
        yield name, came


def climatology(truth: Iterable[Truth]) -> Forecasts:
    """Say what happens on average, knowing nothing."""
    return {(each.id, each.window): Said(BASE_RATE[each.window]) for each in truth}
