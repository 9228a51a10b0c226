"""Which account to use now, and whether enough of them can be used.

Only what an answer said counts here: unknown is not enough.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from poller.insight.standing import STALE_S, begun, distinct, length_s
from poller.values import WILL_RUN_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.standing import Standing
    from poller.values import FailureKind, Forecast, Usage, Window


ENOUGH_PERCENT = 10.0
"""What the account to use has left at least in every window, unless something else is asked."""


class Strategy(StrEnum):
    """By what the account is chosen."""

    RESET_FIRST = "reset-first"
    """What would be lost soonest is used first."""
    HEADROOM = "headroom"
    """Most left."""


class Tier(StrEnum):
    """What an account is used on; the first that has an account is taken."""

    PLAN = "plan"
    NO_WINDOWS = "no_windows"
    """It can be used, and no window says how much is left."""
    CREDITS = "credits"
    """It costs money."""


class Obstacle(StrEnum):
    """Why an account is not chosen."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    """Nothing tells whether it can be used, or what is left, or the answer is old."""
    BLOCKED = "blocked"
    TOO_LITTLE = "too_little"
    """Less is left than was asked for."""
    RUNS_OUT = "runs_out"
    """It is forecast to run out within the time that was asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an account has to promise."""

    min_remaining: float = 0.0
    """Percent that is left in its windows. On credits 0 is left."""
    for_s: float | None = None
    """Seconds for which no window is forecast to run out; None asks nothing."""
    forecasts: Mapping[str, Mapping[str, Forecast]] = field(
        default_factory=dict[str, "Mapping[str, Forecast]"]
    )
    """By account and window. An account without one is not forecast to run out."""
    within_s: float = STALE_S
    """An answer that is older says nothing."""

    def runs_out(self, account: str, now: float) -> bool:
        """Whether the account is forecast to run out too soon; ``now`` in Unix seconds."""
        if self.for_s is None:
            return False
        until = now + self.for_s
        return any(_runs_out_by(one, until) for one in self.forecasts.get(account, {}).values())


@dataclass(frozen=True, slots=True)
class Choice:
    """The account to use now, and what the reason is made of."""

    account: str
    key: str | None
    strategy: Strategy
    tier: Tier
    windows: tuple[Window, ...]
    """With what is left of each."""
    resets_first: Window | None
    """The window whose reset decided; None where it was not decided by one."""
    candidates: int
    """How many accounts of the tier could have been chosen, this one included."""


@dataclass(frozen=True, slots=True)
class NoChoice:
    """Why there is no account to use."""

    obstacles: Mapping[Obstacle, int]
    """How many accounts each keeps out; empty where there is no account."""
    back_at: int | None
    """When the first blocked account can be used again; Unix seconds, None if unknown."""
    back_account: str | None
    """Which one that is."""


def choose(
    accounts: Iterable[Standing],
    wanted: Wanted,
    *,
    now: float,
    strategy: Strategy = Strategy.RESET_FIRST,
) -> Choice | NoChoice:
    """Return the account to use now, or why there is none; ``now`` is in Unix seconds.

    ``wanted`` binds accounts on their plan. Those without windows, then those on credits
    are taken where there is no such account.
    """
    candidates: dict[Tier, list[tuple[Standing, Usage]]] = {tier: [] for tier in Tier}
    obstacles: Counter[Obstacle] = Counter()
    blocked: list[tuple[int, str]] = []
    for one in distinct(accounts):
        usage = one.usage
        obstacle = _obstacle(one, wanted, now)
        if obstacle is Obstacle.BLOCKED and usage is not None and usage.usable_at is not None:
            blocked.append((usage.usable_at, one.account))
        if usage is not None and obstacle is None:
            tier = _tier(usage)
            if tier is Tier.PLAN:
                obstacle = _shortfall(usage.windows, wanted.min_remaining, now)
                if obstacle is None and wanted.runs_out(one.account, now):
                    obstacle = Obstacle.RUNS_OUT
            if obstacle is None:
                candidates[tier].append((one, usage))
        if obstacle is not None:
            obstacles[obstacle] += 1
    for tier, found in candidates.items():
        if found:
            one, usage = min(found, key=lambda pair: _order(*pair, strategy=strategy, now=now))
            first = None
            if tier is Tier.PLAN and strategy is Strategy.RESET_FIRST:
                first = _resets_first(usage, now)
            return Choice(one.account, one.key, strategy, tier, usage.windows, first, len(found))
    back_at, account = min(blocked, default=(None, None))
    return NoChoice(dict(obstacles), back_at, account)


def _obstacle(one: Standing, wanted: Wanted, now: float) -> Obstacle | None:
    usage = one.usage
    if one.report.failure is not None:
        return Obstacle.FAILED
    if usage is None or usage.usable is None or not one.fresh(now, within_s=wanted.within_s):
        return Obstacle.UNKNOWN
    if usage.usable:
        return None
    # What blocked it has passed since: the next answer tells.
    passed = usage.usable_at is not None and usage.usable_at <= now
    return Obstacle.UNKNOWN if passed else Obstacle.BLOCKED


def _tier(usage: Usage) -> Tier:
    if usage.on_credits:
        return Tier.CREDITS
    return Tier.PLAN if usage.windows else Tier.NO_WINDOWS


def _shortfall(windows: Iterable[Window], percent: float, now: float) -> Obstacle | None:
    """Return what is wrong with the windows if each has to have ``percent`` left."""
    unknown = False
    for window in windows:
        figure = window.remaining_percent
        if figure is None:
            unknown = True
        elif figure < percent:
            if window.reset_at is None or window.reset_at > now:
                return Obstacle.TOO_LITTLE
            unknown = True  # it was reset since
    return Obstacle.UNKNOWN if unknown else None


def _runs_out_by(forecast: Forecast, at: float) -> bool:
    chance, likely = forecast.runs_out_chance, forecast.runs_out_at
    if chance is None:  # a window of which only the pace is told
        return forecast.empty_at_pace is not None and forecast.empty_at_pace <= at
    return chance >= WILL_RUN_OUT and likely is not None and likely <= at


def _order(
    one: Standing, usage: Usage, *, strategy: Strategy, now: float
) -> tuple[float, float, float, str]:
    least = usage.remaining_percent or 0.0
    rank, reset_at = _reset_rank(usage, now)
    if strategy is Strategy.HEADROOM:
        return -least, rank, reset_at, one.account
    return rank, reset_at, -least, one.account


def _reset_rank(usage: Usage, now: float) -> tuple[int, float]:
    """Return what reset-first sorts by: weeks by reset, then accounts without a week.

    A week that has not begun comes last: it loses nothing by waiting.
    """
    first = _resets_first(usage, now)
    if first is None or first.reset_at is None:
        return 2, inf
    return (0 if first.name == "weekly" else 1), first.reset_at


def _resets_first(usage: Usage, now: float) -> Window | None:
    """Return the week, or else the longest window, if its reset is ahead."""
    weeks = [window for window in usage.windows if window.name == "weekly"]
    longest = max(weeks or usage.windows, key=length_s, default=None)
    if longest is None or longest.reset_at is None or longest.reset_at <= now:
        return None
    return longest if begun(longest, now) else None


# guard


@dataclass(frozen=True, slots=True)
class Count:
    """How many accounts are good enough."""

    good: int
    unknown: int
    """Those that failed included."""
    needed: int
    failures: tuple[FailureKind, ...]
    """Of those that failed. Without any, it was the upstream that did not tell."""

    @property
    def enough(self) -> bool | None:
        """Whether enough are good; None where it cannot be told."""
        if self.good >= self.needed:
            return True
        return False if self.good + self.unknown < self.needed else None


def count(
    accounts: Iterable[Standing],
    wanted: Wanted,
    *,
    now: float,
    window: str | None = None,
    need: int = 1,
) -> Count:
    """Return how many accounts can be used, and promise what is wanted.

    What is wanted is wanted of the window named so; of every one where None, or where an
    account lacks it. ``now`` is in Unix seconds; ``need`` is how many have to be good.
    """
    good = unknown = 0
    failures: list[FailureKind] = []
    for one in distinct(accounts):
        if one.report.failure is not None:
            failures.append(one.report.failure.kind)
        verdict = _good(one, wanted, now, window)
        if verdict is None:
            unknown += 1
        elif verdict:
            good += 1
    return Count(good, unknown, need, tuple(failures))


def _good(one: Standing, wanted: Wanted, now: float, name: str | None) -> bool | None:
    """Return whether an account promises what is wanted; None where nothing tells."""
    usage, obstacle, percent = one.usage, _obstacle(one, wanted, now), wanted.min_remaining
    if obstacle is Obstacle.BLOCKED:
        return False
    if usage is None or obstacle is Obstacle.FAILED or not one.fresh(now, within_s=wanted.within_s):
        return None
    if usage.on_credits:
        return percent <= 0
    windows = [window for window in usage.windows if window.name == name] or usage.windows
    shortfall = _shortfall(windows, percent, now)
    if shortfall is Obstacle.TOO_LITTLE or wanted.runs_out(one.account, now):
        return False
    known = obstacle is None and (shortfall is None or percent <= 0)
    return True if known else None
