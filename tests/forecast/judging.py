"""How good forecasts were: chances against what came, times against when it came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeAlias

from tests.forecast.weeks import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE_RATE = {"five_hour": 0.04, "weekly": 0.17}
"""What counts as said where nothing was: how often windows run out."""
LEADS_H = {
    "five_hour": ((0.5, 0.125), (1, 0.125), (3, 0.125)),
    "weekly": ((6, 0.5), (24, 1), (72, 2)),
}
"""Hours before a window ran out, and how far around them, at which times are compared."""
_WARNED = 0.25
_WARNED_BEFORE_S = 15 * 60


@dataclass(frozen=True, slots=True)
class Said:
    """What a forecast said of one window: a chance, and when (Unix seconds)."""

    chance: float
    at: float | None = None
    since: float | None = None
    until: float | None = None


Forecasts: TypeAlias = "dict[tuple[int, str], Said]"


@dataclass(frozen=True, slots=True)
class Figures:
    """How good the forecasts of one kind of window were."""

    asks: int
    brier: float
    """Mean squared error of the chance."""
    calibration_error: float
    """Mean gap between chance and frequency, over tenths."""
    covered: float
    """How many 80 percent intervals held the time, where the chance was half or more."""
    warned: float
    """Of how many exhaustions some forecast said 25 percent or more, 15 minutes before."""
    precision: float
    """How many of the forecasts of 25 percent or more came true."""
    errors_h: tuple[float, ...]
    """Median errors of when, at the leads."""


def figures(forecasts: Forecasts, truth: Iterable[Truth], window: str) -> Figures:
    """Compare; NaN stands where there was nothing to compare."""
    pairs = [
        (forecasts.get((each.id, window)) or Said(BASE_RATE[window]), each)
        for each in truth
        if each.window == window
    ]
    came = [(said, each, each.out_at) for said, each in pairs if each.out_at is not None]
    tenths: dict[int, list[float]] = {}
    for said, each in pairs:
        tenths.setdefault(min(9, int(said.chance * 10)), []).append(said.chance - each.runs_out)
    best: dict[tuple[str, float], float] = {}
    for said, each, out_at in came:
        if out_at - each.at >= _WARNED_BEFORE_S:
            cycle = each.account, out_at
            best[cycle] = max(best.get(cycle, 0.0), said.chance)
    return Figures(
        asks=len(pairs),
        brier=_mean((said.chance - each.runs_out) ** 2 for said, each in pairs),
        calibration_error=sum(abs(sum(gaps)) for gaps in tenths.values()) / max(1, len(pairs)),
        covered=_mean(
            (said.since or 0) <= out_at <= (said.until or 0)
            for said, _, out_at in came
            if said.chance >= 0.5
        ),
        warned=_mean(chance >= _WARNED for chance in best.values()),
        precision=_mean(each.runs_out for said, each in pairs if said.chance >= _WARNED),
        errors_h=tuple(
            _median(
                abs(said.at - out_at) / 3600
                for said, each, out_at in came
                if said.at is not None and abs((out_at - each.at) / 3600 - lead) <= around
            )
            for lead, around in LEADS_H[window]
        ),
    )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fmean(listed) if listed else float("nan")


def _median(values: Iterable[float]) -> float:
    listed = list(values)
    return median(listed) if listed else float("nan")


def read_truth(path: str) -> list[Truth]:
    """Read a truth file of the judge's format."""
    with open(path, encoding="utf-8") as lines:
        return [
            Truth(
                row["id"], row["account"], row["window"], row["t"], row["reset"],
                bool(row["out"]), row["ex"], row["age_h"],
            )
            for row in map(json.loads, lines)
            if row["window"] in BASE_RATE
        ]  # fmt: skip
