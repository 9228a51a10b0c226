"""Run a plan against made-up people, and measure what it cost and how late it was."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from random import Random
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple, Protocol

from poller.usage.normalizer import normalize
from poller.values import Failure, FailureKind, Usage
from tests.plan.people import DAY_S, HOUR_S, MINUTE_S, MONDAY_AT, Life, Track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TROUBLE = Failure(FailureKind.SERVER_ERROR, "upstream error (503)", "", may_work_later=True)
_LOW_FROM_PERCENT = 80
"""Used: from above this on, less than 20 % is left."""


class Asks(Protocol):
    """What decides when to ask: the product's plan, or a fixed interval."""

    def add(self, account: str, now: float) -> None: ...
    def next(self, now: float) -> tuple[str, float] | None: ...
    def answered(self, account: str, usage: Usage, now: float) -> None: ...
    def failed(self, account: str, failure: Failure, now: float) -> None: ...


class FixedInterval:
    """What the plan is measured against: everybody every five minutes."""

    def __init__(self, interval_s: float = 300) -> None:
        self._interval_s = interval_s
        self._due: dict[str, float] = {}

    def add(self, account: str, now: float) -> None:
        self._due[account] = now + self._interval_s * len(self._due) / 40

    def next(self, now: float) -> tuple[str, float] | None:
        account = min(self._due, key=self._due.__getitem__)
        return account, self._due[account]

    def answered(self, account: str, usage: Usage, now: float) -> None:
        self._due[account] += self._interval_s

    def failed(self, account: str, failure: Failure, now: float) -> None:
        self._due[account] += self._interval_s


class Look(NamedTuple):
    """One answer, as it was learnt."""

    at: float
    blocked: bool
    windows: dict[str, tuple[float, int]]
    """Used percent, and the reset that was told, by window."""


@dataclass(slots=True)
class Run:
    """Everything that was asked and answered."""

    starts: list[float] = field(default_factory=list[float])
    of_account: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    looks: dict[str, list[Look]] = field(default_factory=dict[str, list[Look]])


def run(
    plan: Asks, lives: Sequence[Life], *, days: int, seed: int = 0, trouble: float = 0.004
) -> Run:
    """Ask as ``plan`` says, for ``days``; ``trouble`` is the share of requests that fail."""
    chance = Random(seed)
    by_name = {life.name: life for life in lives}
    now, end = MONDAY_AT + 2.0 * MINUTE_S, MONDAY_AT + days * DAY_S
    done = Run([], {name: [] for name in by_name}, {name: [] for name in by_name})
    for name in by_name:
        plan.add(name, now)
    while (turn := plan.next(now)) is not None:
        name, due = turn
        start = max(now, due)
        if start >= end:
            break
        done.starts.append(start)
        done.of_account[name].append(start)
        now = start + chance.uniform(0.15, 0.9)
        if chance.random() < trouble:
            plan.failed(name, TROUBLE, now)
            continue
        life = by_name[name]
        usage = normalize(life.payload(start), observed_at=start)
        assert usage is not None
        plan.answered(name, usage, now)
        windows = {
            window.name: (window.used_percent, window.reset_at)
            for window in usage.windows
            if window.used_percent is not None and window.reset_at is not None
        }
        done.looks[name].append(Look(now, life.blocked[life.minute(start)], windows))
    return done


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to in the time that is judged; delays and ages in minutes.

    ``lag`` is the mean over time, accounts and windows of |what an answer would say now -
    what the last one said|, in percent points, sampled every minute. Both are whole percents
    that were rounded alike, so rounding adds nothing. Once a told reset has come, the last
    answer counts as 0 %. What an unannounced reset makes wrong counts in full.

    A delay runs from the moment something is so until an answer says so, or until it is over.
    """

    requests: float
    """Per account and day."""
    lag: float
    worst_requests: float
    worst_lag: float
    """Of one account."""
    exhausted: float
    low: float
    """Less than 20 % left of a window."""
    back: float
    """Usable again after a told reset."""
    back_early: float
    """Usable again, unannounced."""
    most_an_hour: int
    most_in_10_s: int
    oldest: float


def measure(done: Run, lives: Sequence[Life], *, from_day: int, days: int) -> Figures:
    """Judge the days from ``from_day`` on; what the starts came to is judged in full."""
    begin, end = MONDAY_AT + from_day * DAY_S, MONDAY_AT + days * DAY_S
    requests = [
        sum(begin <= at < end for at in starts) / (days - from_day)
        for starts in done.of_account.values()
    ]
    lags = [
        [_lag(life, track, done.looks[life.name], begin, end) for track in life.tracks]
        for life in lives
    ]
    delays: dict[str, list[float]] = {"exhausted": [], "low": [], "back": [], "back_early": []}
    for life in lives:
        for kind, at, delay in _all_delays(life, done.looks[life.name]):
            if begin <= at < end:
                delays[kind].append(delay)
    ages = [
        after.at - before.at
        for looks in done.looks.values()
        for before, after in pairwise(looks)
        if before.at >= begin
    ]
    return Figures(
        requests=fmean(requests),
        lag=fmean([lag for own in lags for lag in own]),
        worst_requests=max(requests),
        worst_lag=max(lag for own in lags for lag in own),
        most_an_hour=_most(done.starts, HOUR_S),
        most_in_10_s=_most(done.starts, 10),
        oldest=max(ages) / MINUTE_S,
        **{kind: median(found or [0.0]) / MINUTE_S for kind, found in delays.items()},
    )


def _lag(life: Life, track: Track, looks: list[Look], begin: float, end: float) -> float:
    times = [look.at for look in looks]
    total = 0.0
    minutes = range(life.minute(begin) + 1, life.minute(end))
    for minute in minutes:
        at = life.began_at + (minute + 0.5) * MINUTE_S
        known, reset_at = looks[bisect_right(times, at) - 1].windows[track.name]
        total += abs(int(track.used[minute]) - (0 if reset_at <= at else known))
    return total / len(minutes)


def _all_delays(life: Life, looks: list[Look]) -> Iterator[tuple[str, float, float]]:
    times = [look.at for look in looks]
    shown = [look.blocked for look in looks]
    for minute, at, delay in _delays(life, life.blocked, times, shown):
        told = any(track.reset_at[minute - 1] == at for track in life.tracks)
        yield "exhausted" if life.blocked[minute] else "back" if told else "back_early", at, delay
    for track in life.tracks:
        low = [int(used) > _LOW_FROM_PERCENT for used in track.used]
        shown = [look.windows[track.name][0] > _LOW_FROM_PERCENT for look in looks]
        for minute, at, delay in _delays(life, low, times, shown):
            if low[minute]:
                yield "low", at, delay


def _delays(
    life: Life, states: list[bool], times: list[float], shown: list[bool]
) -> Iterator[tuple[int, float, float]]:
    """Yield each change of ``states`` but the first: its minute, when, the seconds until shown."""
    minute = 0
    for state, group in groupby(states):
        first, minute = minute, minute + len(list(group))
        at, until = (life.began_at + m * MINUTE_S for m in (first, minute))
        if first == 0 or minute == len(states):
            continue
        seen = [t for t, said in _between(times, shown, at, until) if said == state]
        yield first, at, min(seen, default=until) - at


def _between(
    times: list[float], shown: list[bool], begin: float, end: float
) -> Iterator[tuple[float, bool]]:
    among = slice(bisect_right(times, begin), bisect_right(times, end))
    return zip(times[among], shown[among], strict=True)


def _most(starts: list[float], span_s: float) -> int:
    """Return how many starts any ``span_s`` seconds hold at most."""
    most = first = 0
    for last, at in enumerate(starts):
        while starts[first] <= at - span_s:
            first += 1
        most = max(most, last - first + 1)
    return most
