"""What all accounts have left together, when that runs dry, and what comes back first.

Amounts are in whole windows: an account of weight 1 with 42 percent left has 0.42 of one.
What nobody knows makes a range: lower with the unknown windows empty, upper with them full.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf, isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.insight.standing import begun, distinct, length_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.standing import Standing
    from poller.values import Usage, Window

WEEK_S = 7 * 86_400.0
"""How far ahead a pool is followed."""

NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})
_HOUR_S = 3600.0
_NOTHING = 1e-9
"""Hours that are only the rounding of a float: 4 µs."""
_STEPS, _STEPS_AN_ACCOUNT = 2000, 100
"""A bound for windows of seconds. An account takes about four steps a week, one alone whose
window is 15 minutes long some 1,300."""


@dataclass(frozen=True, slots=True)
class Share:
    """What is left of one kind of window, in whole windows."""

    lower: float
    """With the unknown ones empty."""
    upper: float
    """With the unknown ones full."""
    of: float
    """How many there are: the accounts that have it, by weight."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The accounts by state, and what they have left."""

    usable: int
    """On their plan."""
    on_credits: int
    unknown: int
    """Nothing tells, or the answer is older than an hour."""
    blocked: int
    failed: int
    """By the latest report; figures of the last hour count all the same."""
    windows: Mapping[str, Share]
    """By name, the shortest first."""

    @property
    def accounts(self) -> int:
        """How many there are in all."""
        return self.usable + self.on_credits + self.unknown + self.blocked + self.failed


@dataclass(frozen=True, slots=True)
class Outage:
    """A time from which no account of the pool can be used."""

    at: float
    """Unix seconds."""
    back_at: float | None
    """When the first account can be used again; None where no reset is told."""
    account: str | None
    """Which one that is."""
    window: str | None
    """Whose reset brings it back; None where none does."""


@dataclass(frozen=True, slots=True)
class DryRange:
    """When the pool runs dry; None where it does not, as far as it is followed."""

    soonest: Outage | None
    """With the unknown windows empty, as a rule."""
    latest: Outage | None
    """With the unknown windows full, likewise."""


@dataclass(frozen=True, slots=True)
class Member:
    """An account that counts in the pool's windows."""

    account: str
    weight: float
    windows: tuple[Window, ...]
    """Also those that it only has because most others have them."""
    known: bool
    """Whether their figures still count."""
    blocked_until: float
    """Unix seconds: what blocks it that is none of its windows; ``-inf`` for nothing."""
    sure: bool
    """Whether it is known to be no window: one without a figure may be what blocks."""


def pool(
    accounts: Iterable[Standing], *, now: float, weights: Mapping[str, float] = NO_WEIGHTS
) -> Pool:
    """Return how many accounts can be used, and what they have left.

    ``now`` is in Unix seconds; ``weights`` by plan, 1 where there is none.
    """
    given = distinct(accounts)
    states = Counter(_state(one, now) for one in given)
    members = members_of(given, now=now, weights=weights)
    lower, upper = (left(members, now, full=full) for full in (False, True))
    of: dict[str, float] = {}
    for member in members:
        for window in member.windows:
            of[window.name] = of.get(window.name, 0.0) + member.weight
    windows = {name: Share(lower[name], upper[name], of[name]) for name in lower}
    return Pool(
        usable=states["usable"],
        on_credits=states["on_credits"],
        unknown=states["unknown"],
        blocked=states["blocked"],
        failed=states["failed"],
        windows=windows,
    )


def _state(one: Standing, now: float) -> str:
    usage = one.usage
    if one.report.failure is not None:
        return "failed"
    if usage is None or usage.usable is None or not one.fresh(now):
        return "unknown"
    if usage.usable:
        return "on_credits" if usage.on_credits else "usable"
    # What blocked it has passed since: it can probably be used, and the next answer tells.
    return "unknown" if usage.usable_at is not None and usage.usable_at <= now else "blocked"


def members_of(
    accounts: Iterable[Standing], *, now: float, weights: Mapping[str, float] = NO_WEIGHTS
) -> list[Member]:
    """Return the accounts that count: neither dead logins nor those that never answered.

    An account whose windows are unknown gets those that more than half of the others have.
    """
    members: list[Member] = []
    for one in distinct(accounts):
        usage = one.usage
        if usage is None or one.dead:
            continue
        weight = weights.get(usage.plan or "", 1.0)
        windows = tuple(sorted(usage.windows, key=_by_length))
        # Credits or a spend limit alone are no windows.
        if (windows or usage.usable is None) and isfinite(weight) and weight > 0:
            until = _blocked_until(usage)
            told = not usage.on_credits and usage.limited_by != "unknown"
            sure = told or all(window.remaining_percent is not None for window in windows)
            members.append(Member(one.account, weight, windows, one.fresh(now), until, sure))
    usual = _usual_windows(members)
    return [member if member.windows else replace(member, windows=usual) for member in members]


def _by_length(window: Window) -> tuple[float, str]:
    """Order windows, those of one length by name: accounts tell them in any order."""
    return length_s(window), window.name


def _usual_windows(members: list[Member]) -> tuple[Window, ...]:
    """Return what more than half of those that have windows have, without figures."""
    windows = sorted((window for one in members for window in one.windows), key=_by_length)
    named = {window.name: window for window in windows}
    counts = Counter(window.name for window in windows)
    others = sum(1 for member in members if member.windows)
    usual = [
        replace(window, remaining_percent=None, reset_at=None, started=None)
        for name, window in named.items()
        if 2 * counts[name] > others
    ]
    return tuple(sorted(usual, key=_by_length))


def _blocked_until(usage: Usage) -> float:
    """Return until when something else than a window blocks the plan; ``-inf`` for nothing."""
    blocking = any(window.remaining_percent == 0 for window in usage.windows)
    if usage.on_credits:  # the plan is used up, whatever its windows say
        return -inf if blocking else inf
    if usage.usable is not False:
        return -inf
    limit = usage.spend_limit
    by_window = blocking or usage.limited_by in {window.name for window in usage.windows}
    if by_window and not (limit and limit.remaining_percent == 0):
        return -inf
    return inf if usage.usable_at is None else usage.usable_at


def left(members: Iterable[Member], at: float, *, full: bool) -> dict[str, float]:
    """Return what is left at ``at`` if nothing is used until then, in whole windows by name.

    ``full``: with unknown windows full; else empty. A window whose reset has passed since
    the answer is as it was in the one case, and full in the other.
    """
    amounts: dict[str, tuple[float, float]] = {}
    for member in members:
        blocked = _blocked_at(member, at, full=full) > at
        # From the longest on: one that is used up blocks all that are shorter.
        spent_s = inf if blocked else -inf
        for window in reversed(member.windows):
            percent, length = _percent(member, window, at, full=full), length_s(window)
            amount = 0.0 if length < spent_s else percent / 100 * member.weight
            if percent <= 0:
                spent_s = max(spent_s, length)
            _, before = amounts.get(window.name, (0.0, 0.0))
            amounts[window.name] = length, before + amount
    ordered = sorted(amounts.items(), key=lambda item: (item[1][0], item[0]))
    return {name: amount for name, (_, amount) in ordered}


def _blocked_at(member: Member, at: float, *, full: bool) -> float:
    """Return until when it is blocked; a block that should be over may still be there."""
    until = member.blocked_until
    if full:
        return until if member.known and member.sure else -inf
    return inf if -inf < until <= at else until


def _percent(member: Member, window: Window, at: float, *, full: bool) -> float:
    percent = window.remaining_percent
    if not member.known or percent is None:
        return 100.0 if full else 0.0
    return 100.0 if full and window.reset_at is not None and window.reset_at <= at else percent


# When it runs dry


@dataclass(slots=True)
class _Level:
    """One window while it is drained."""

    window: Window
    percent: float
    reset_at: float | None
    """None while it has not begun; inf where its end is not told."""
    per_hour: float
    """Percent an hour while its account is in use."""


@dataclass(slots=True)
class _Tank:
    """One account while the pool is drained."""

    account: str
    levels: list[_Level]
    blocked_until: float

    def free_at(self, at: float) -> tuple[float, str | None]:
        """Return from when on it can be used, ``at`` if it can, and the window that frees it."""
        free_at, name = max(at, self.blocked_until), None
        for level in self.levels:
            if level.reset_at is not None and level.reset_at <= at:
                level.percent, level.reset_at = 100.0, None
            if level.percent <= 0:
                reset_at = inf if level.reset_at is None else level.reset_at
                if reset_at >= free_at:
                    free_at, name = reset_at, level.window.name
        return free_at, name

    def resets_at(self) -> float:
        """Return when the first of its windows that has begun is reset."""
        return min((x.reset_at for x in self.levels if x.reset_at is not None), default=inf)

    def use(self, at: float, until: float) -> float:
        """Drain it to its first end or reset, ``until`` at most; return when that is."""
        empty_at = until
        drained = [level for level in self.levels if level.per_hour > 0]
        for level in drained:
            if level.reset_at is None:
                level.reset_at = at + (length_s(level.window) or inf)
            empty_at = min(empty_at, at + level.percent / level.per_hour * _HOUR_S)
        end = min(empty_at, self.resets_at())
        for level in drained:
            # Not a hair may stay of what is empty: it would be drained again and again.
            hours = (end - at) / _HOUR_S
            percent = level.percent - level.per_hour * hours
            level.percent = percent if percent > _NOTHING * level.per_hour else 0.0
        return end


def runs_dry(
    accounts: Iterable[Standing],
    *,
    rates: Mapping[str, Mapping[str, float]],
    now: float,
    weights: Mapping[str, float] = NO_WEIGHTS,
    within_s: float = WEEK_S,
) -> DryRange:
    """Return when no account can be used any more, if all go on as now.

    What is burnt now, by all together, is taken from one account after another, the soonest
    reset first; every reset that is told, or begins with that use, is seen.

    Args:
        accounts: What is known of each.
        rates: Percent an hour that is burnt now, by account and window.
        now: Unix seconds.
        weights: By plan, 1 where there is none.
        within_s: How far the pool is followed.
    """
    members = members_of(accounts, now=now, weights=weights)
    demand: dict[str, float] = {}
    for member in members:
        burnt = rates.get(member.account, {})
        for window in member.windows:
            rate = burnt.get(window.name, 0.0)
            if isfinite(rate) and rate > 0:
                demand[window.name] = demand.get(window.name, 0.0) + rate * member.weight
    outages = [
        _drain(_tanks(members, demand, now, full=full), now, now + within_s)
        for full in (False, True)
    ]
    # An account that is found full may be drained in another order, and all end sooner.
    soonest, latest = sorted(outages, key=lambda outage: inf if outage is None else outage.at)
    return DryRange(soonest, latest)


def _tanks(
    members: list[Member], demand: Mapping[str, float], now: float, *, full: bool
) -> list[_Tank]:
    tanks: list[_Tank] = []
    for member in sorted(members, key=lambda member: member.account):
        levels: list[_Level] = []
        for window in member.windows:
            percent = _percent(member, window, now, full=full)
            reset_at = _reset_at(window, percent, now)
            per_hour = demand.get(window.name, 0.0) / member.weight
            levels.append(_Level(window, percent, reset_at, per_hour))
        # How fast an account empties of whose windows none is burnt now, nobody knows.
        burns = not demand or any(level.per_hour > 0 for level in levels)
        if levels and (burns or full):
            tanks.append(_Tank(member.account, levels, _blocked_at(member, now, full=full)))
    return tanks


def _reset_at(window: Window, percent: float, now: float) -> float | None:
    if window.reset_at is not None and window.reset_at > now and begun(window, now):
        return window.reset_at
    # What has begun ends within its length, even where nobody tells when.
    return None if percent == 100 else now + (length_s(window) or inf)


def _drain(tanks: list[_Tank], now: float, until: float) -> Outage | None:
    """Follow the pool until it is dry; None where it is not before ``until``."""
    waiting: list[tuple[float, int, str | None]] = []
    """When which account can be used again, and the window that frees it."""
    ready: list[tuple[float, int]] = []
    """Accounts that can be used, the soonest reset first."""

    def place(number: int) -> None:
        free_at, window = tanks[number].free_at(at)
        if free_at > at:
            heappush(waiting, (free_at, number, window))
        else:
            heappush(ready, (tanks[number].resets_at(), number))

    at, steps = now, _STEPS + _STEPS_AN_ACCOUNT * len(tanks)
    for number in range(len(tanks)):
        place(number)
    while tanks and at < until and steps > 0:
        steps -= 1
        while waiting and waiting[0][0] <= at:
            place(heappop(waiting)[1])
        while ready and ready[0][0] <= at:  # its reset was the soonest, and has come
            place(heappop(ready)[1])
        if not ready:
            back_at, number, window = waiting[0]
            if back_at == inf:
                return Outage(at, None, None, None)
            return Outage(at, back_at, tanks[number].account, window)
        _, number = heappop(ready)
        # One that comes back may have to be drained first.
        back_at = waiting[0][0] if waiting else inf
        at = tanks[number].use(at, min(until, back_at))
        place(number)
    return None
