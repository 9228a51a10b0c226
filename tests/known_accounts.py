"""Made-up answers and failures of accounts, as reports: read by the product's own normalizer."""

from __future__ import annotations

from typing import Any

from poller.insight.series import Look
from poller.insight.standing import Standing, standing
from poller.usage.normalizer import normalize
from poller.values import Failure, FailureKind, Report, Retry

NOW = 1_790_000_000.0
HOUR = 3600.0
LENGTHS = {"five_hour": 18_000, "weekly": 604_800, "monthly": 2_592_000}

Figures = tuple[float | None, float | None]
"""Used percent, and hours from the answer to the reset."""
FRESH = "not begun"


def answered(
    account: str,
    *,
    five: Figures | str | None = None,
    week: Figures | str | None = None,
    month: Figures | str | None = None,
    at: float = NOW,
    plan: str = "plus",
    key: str | None = None,
    allowed: bool | None = None,
    **payload: Any,
) -> Report:
    """Return the report of an account that answered ``at``; FRESH is a window not begun."""
    limits: dict[str, Any] = {}
    spent = False
    given = {"five_hour": five, "weekly": week, "monthly": month}
    for name, figures in given.items():
        if figures is None:
            continue
        length = LENGTHS[name]
        used, hours = (0, length / HOUR) if isinstance(figures, str) else figures
        limits[name] = {"limit_window_seconds": length, "used_percent": used}
        if hours is not None:
            limits[name]["reset_at"] = round(at + hours * HOUR)
        spent = spent or (used is not None and used >= 100)
    if allowed is not None or limits:
        limits["allowed"] = not spent if allowed is None else allowed
    usage = normalize({"plan_type": plan, "rate_limit": limits, **payload}, observed_at=at)
    return Report(0, account, f"account/{account}.auth.json", at, usage=usage, key=key)


def silent(
    account: str, *, at: float = NOW, plan: str = "business", key: str | None = None
) -> Report:
    """Return the report of an account whose answer tells nothing about its limits."""
    usage = normalize({"plan_type": plan, "rate_limit": None}, observed_at=at)
    return Report(0, account, f"account/{account}.auth.json", at, usage=usage, key=key)


def failed(
    account: str,
    kind: FailureKind = FailureKind.TIMEOUT,
    *,
    at: float = NOW,
    key: str | None = None,
) -> Report:
    """Return the report of an account that failed; credentials fail for good."""
    later = kind.exit_class not in (1, 3)
    failure = Failure(kind, "it failed", "try again", None, Retry.NEVER, may_work_later=later)
    return Report(0, account, f"account/{account}.auth.json", at, failure=failure, key=key)


def held(used: float, *, reset_at: float | None = None) -> Look:
    """Return a look of which another figure is believed than was told."""
    return Look(used, reset_at, held=True)


def after(first: Report, *later: Report) -> Standing:
    """Return what is known of one account after these reports."""
    known = standing(first)
    for report in later:
        known = standing(report, known)
    return known
