"""What each kind of living account has, and how its payload tells it.

The names are those of ``payloads.SHAPES``, so that an account keeps its kind whether its
figures stand still or live.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.simulator.payloads import (
    FIVE_HOURS_S,
    PLAN_USED_UP,
    SPEND_LIMIT_REACHED,
    THIRTY_DAYS_S,
    WEEK_S,
    Payload,
    credits_part,
    limit_part,
    spark_part,
    spend_parts,
)
from poller.simulator.quota import FULL_PERCENT, Meter
from poller.simulator.seasons import Cycle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIVE_HOURS = Meter(FIVE_HOURS_S, percent_per_point=1.0)
_WEEK = Meter(WEEK_S, percent_per_point=0.16)
_MONTH = Meter(THIRTY_DAYS_S, percent_per_point=0.07)
_SPENDING = Meter(0, percent_per_point=0.04)
_SPARK = (
    Meter(FIVE_HOURS_S, percent_per_point=0.4, blocks=False),
    Meter(WEEK_S, percent_per_point=0.06, blocks=False),
)
_CODE_REVIEW = Meter(WEEK_S, percent_per_point=0.05, blocks=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """What an account's meters show at one time."""

    windows: tuple[Payload, ...]
    """Each meter as payloads write windows."""
    used: tuple[float, ...]
    """Exact percentages, by meter."""
    blocked: bool
    credits_left: float


@dataclass(frozen=True, slots=True)
class LivingShape:
    """One kind of account."""

    meters: tuple[Meter, ...]
    parts: Callable[[Shown], Payload]
    """Returns the parts of the payload that tell the meters."""
    cycle: Cycle = Cycle.FLEET
    intensity: float = 1.0
    """A factor of the person's use."""
    buys_credits: bool = False


def _plan(*slots: int) -> Callable[[Shown], Payload]:
    """Return what tells the plan's limit, its windows in the order of ``slots``."""

    def parts(shown: Shown) -> Payload:
        windows = (shown.windows[slot] for slot in slots)
        return {
            "rate_limit": limit_part(*windows, blocked=shown.blocked),
            "rate_limit_reached_type": PLAN_USED_UP if shown.blocked else None,
        }

    return parts


def _spark(shown: Shown) -> Payload:
    is_full = max(shown.used[2:]) >= FULL_PERCENT
    limit = limit_part(shown.windows[2], shown.windows[3], blocked=is_full)
    return {**_plan(0, 1)(shown), "additional_rate_limits": [spark_part(limit)]}


def _code_review(shown: Shown) -> Payload:
    limit = limit_part(shown.windows[2], blocked=shown.used[2] >= FULL_PERCENT)
    return {**_plan(0, 1)(shown), "code_review_rate_limit": limit}


def _on_credits(shown: Shown) -> Payload:
    balance = f"{shown.credits_left:.2f}"
    left = credits_part(balance, has_credits=shown.credits_left > 0)
    return {**_plan(0)(shown), "credits": left}


def _monthly(shown: Shown) -> Payload:
    return {**_plan(0)(shown), "credits": credits_part(None)}


def _spending(shown: Shown) -> Payload:
    parts = spend_parts(shown.used[0], shown.windows[0], reached=shown.blocked)
    return {**parts, "rate_limit_reached_type": SPEND_LIMIT_REACHED if shown.blocked else None}


def _no_limits(_shown: Shown) -> Payload:
    return {"credits": credits_part(None)}


_TWO = (_FIVE_HOURS, _WEEK)
_MONTHLY = LivingShape((_MONTH,), _monthly, Cycle.OWN_MONTHS)

LIVING_SHAPES: Mapping[str, LivingShape] = MappingProxyType(
    {
        "two_windows": LivingShape(_TWO, _plan(0, 1)),
        "fresh": LivingShape(_TWO, _plan(0, 1), intensity=0.3),
        "swapped": LivingShape(_TWO, _plan(1, 0)),
        "weekly_only": LivingShape((_WEEK,), _plan(0)),
        "monthly": _MONTHLY,
        "monthly_team": _MONTHLY,
        "exhausted": LivingShape(_TWO, _plan(0, 1), intensity=2.0),
        "exhausted_week": LivingShape(_TWO, _plan(0, 1), intensity=2.0),
        "on_credits": LivingShape((_WEEK,), _on_credits, intensity=2.5, buys_credits=True),
        "spend_limit": LivingShape((_SPENDING,), _spending, Cycle.CALENDAR),
        "spend_reached": LivingShape((_SPENDING,), _spending, Cycle.CALENDAR, intensity=3.0),
        "no_limits": LivingShape((), _no_limits, Cycle.CALENDAR),
        "spark": LivingShape((*_TWO, *_SPARK), _spark),
        "code_review": LivingShape((*_TWO, _CODE_REVIEW), _code_review),
    }
)
