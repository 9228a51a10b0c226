"""Every told reset ahead, and what comes back with them hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.insight.pool import NO_WEIGHTS, left, members_of, runs_dry
from poller.insight.series import JITTER_S
from poller.insight.standing import begun, distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.pool import DryRange
    from poller.insight.standing import Standing
    from poller.values import Usage, Window

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class ToldReset:
    """One window's reset ahead."""

    at: int
    """Unix seconds."""
    account: str
    key: str | None
    window: str
    returns_percent: float | None
    """What was used of it at the last answer; None where that is not known."""
    frees: bool
    """Whether the account can be used again by it, and could not before."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What comes back within one hour (Unix seconds)."""

    since: float
    until: float
    returns: Mapping[str, float]
    """Whole windows by name, by weight. Five hours that the week blocks do not come back."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is ahead of the pool."""

    resets: tuple[ToldReset, ...]
    """The soonest first."""
    hours: tuple[Hour, ...]
    dry: DryRange


def timeline(
    accounts: Iterable[Standing],
    *,
    now: float,
    hours: int = 24,
    rates: Mapping[str, Mapping[str, float]],
    weights: Mapping[str, float] = NO_WEIGHTS,
) -> Timeline:
    """Return the resets within so many hours, what they bring, and when the pool runs dry.

    Args:
        accounts: What is known of each. Dead logins are left out; an old answer's resets
            still count.
        now: Unix seconds.
        hours: How far to look.
        rates: Percent an hour that is burnt now, by account and window.
        weights: By plan, 1 where there is none.
    """
    given = distinct(accounts)
    until = now + hours * _HOUR_S
    resets = [reset for one in given for reset in _resets(one, now, until)]
    resets.sort(key=lambda reset: (reset.at, reset.account, reset.window))
    members = members_of(given, now=now, weights=weights)
    edges = [now + hour * _HOUR_S for hour in range(hours + 1)]
    # What is unknown counts as full already: it is not known to come back.
    amounts = [left(members, at, full=True) for at in edges]
    came = tuple(
        Hour(since, until, {name: after[name] - before[name] for name in after})
        for since, until, before, after in zip(edges, edges[1:], amounts, amounts[1:], strict=False)
    )
    dry = runs_dry(given, rates=rates, now=now, weights=weights, within_s=hours * _HOUR_S)
    return Timeline(tuple(resets), came, dry)


def _resets(one: Standing, now: float, until: float) -> Iterable[ToldReset]:
    usage = one.usage
    if usage is None or one.dead:
        return
    for window in usage.windows:
        at, percent = window.reset_at, window.used_percent
        # Of a window that has not begun the end slides along: nothing is told.
        if at is not None and now < at <= until and begun(window, now) and percent != 0:
            frees = _frees(usage, window, at)
            yield ToldReset(at, one.account, one.key, window.name, percent, frees)


def _frees(usage: Usage, window: Window, at: int) -> bool:
    if usage.usable is not False or usage.usable_at is None or window.name != usage.limited_by:
        return False
    return abs(at - usage.usable_at) <= JITTER_S
