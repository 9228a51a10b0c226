"""How fast a window empties, whether it runs out before its reset, and when.

Two statements that are never mixed. The *pace* is arithmetic: what was burnt lately, and
when that empties the window. The *forecast* is a calibrated chance, and an interval for
when, given that the window runs out. Both hold unless the window is reset before.

What is expected to be burnt has two parts: the habit (the account's mean, for five hours by
the hour of the week) and the excess of the present rate over the mean, which fades. What is
burnt then varies around it as a lognormal does.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from math import erfc, expm1, inf, log, log1p, sqrt
from typing import TYPE_CHECKING

from poller.insight.series import EXHAUSTED_PERCENT, EventKind, Series
from poller.values import Forecast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.series import Burnt, Look, Observation, Span

_HOUR_S, _WEEK_HOURS = 3600.0, 168
_DAY_S, _YEAR_S = 86_400.0, 365 * 86_400.0
_LONGEST_S = 8 * _DAY_S
"""A told reset further ahead is a mistake. It must not cost the work of all those hours."""


@dataclass(frozen=True, slots=True)
class Law:
    """The constants of one kind of window.

    They were fitted to simulated people (``python -m tests.forecast`` has some): no public
    record of real usage is known. Hours and percent throughout.
    """

    rate_half_life_h: float
    """How long the past counts as the present rate."""
    excess_h: float
    """How long a rate above the mean lasts, on average."""
    prior_percent_per_hour: float
    prior_h: float
    """The mean that is assumed before anything is known, and the hours it weighs."""
    variance: float
    burst_power: float
    """Variance of what is burnt over its mean: ``variance * burst ** burst_power``, where
    ``burst`` is the account's usual percent in one busy hour."""
    when_variance: float
    """Share of that variance that is left once it is given that the window runs out."""
    when: tuple[float, float, float]
    """Points of the distribution of when that stand for from, most likely, and to …"""
    when_later: float
    """… and how much later the most likely one is where the window hardly runs out."""
    enough_h: float
    enough_idle_h: float
    """Hours of polls before anything is said, with five rises or more, and without."""
    least_share: float
    """Share of the habit that is expected at least, however idle the account is now."""
    by_hour: bool
    """Whether the habit depends on the hour of the week."""


FIVE_HOURS = Law(
    rate_half_life_h=1 / 12,
    excess_h=1.5,
    prior_percent_per_hour=1.2,
    prior_h=12,
    variance=130,
    burst_power=0,
    when_variance=1 / 10,
    when=(0.09, 0.31, 0.975),
    when_later=0.15,
    enough_h=3,
    enough_idle_h=24,
    least_share=1.0,
    by_hour=True,
)
WEEK = Law(
    rate_half_life_h=6,
    excess_h=20,
    prior_percent_per_hour=0.35,
    prior_h=48,
    variance=10,
    burst_power=1.5,
    when_variance=1 / 10,
    when=(0.08, 0.3, 0.975),
    when_later=0.15,
    enough_h=12,
    enough_idle_h=48,
    least_share=0.5,
    by_hour=False,
)

_LAWS = {"five_hour": FIVE_HOURS, "weekly": WEEK}

_MEMORY_H = 28 * 24.0
"""Half-life of the mean and of the burst size."""
_ENOUGH_RISES = 5
_ROUGH_H = 7 * 24.0
"""Until this many hours are known, a forecast is rough."""
_PRIOR_BURST_PERCENT = 5.0
"""What the assumed burst, of one percent an hour, weighs."""
_LEAST_VARIANCE = 2.0
_DAY_WEIGHT_H, _WEEKDAY_WEIGHT_H = 2.0, 8.0
"""How strongly the habit of an hour is drawn to the mean, and that of an hour on one
weekday to the habit of this hour on all days."""
_WEEKLY_DECAY = 2 ** (-7 * 24 / _MEMORY_H)
_WEEK_COST, _WEEK_COST_WEIGHT_PERCENT = 0.13, 20.0
"""Percent of a week that one percent of five hours costs, before it is known."""
_WEEK_BLOCKS = 0.12
"""What is left of the five hours' chance where the week runs out first."""
_TAIL = 1e-4
"""A chance of no more is made by a lognormal's tail."""
_HARDLY, _STEPS = 1e-9, 24
"""A chance below which nothing is said about when, and the times at which it is computed."""


@dataclass(slots=True, eq=False)
class Burn:
    """What the user of one window burns: mean, present rate, bursts, habit. O(1) an update."""

    law: Law
    percent: float = 0.0
    """What was burnt in all; what is long ago counts less."""
    polled_h: float = 0.0
    """Hours that somebody watched and in which demand could show."""
    rises: int = 0
    """How many looks showed a higher level than the one before."""
    _at: float | None = None
    _hours: float = 0.0
    _rate: float = 0.0
    _burst_percent: float = 0.0
    _burst_squares: float = 0.0
    _hour: int = 0
    _hour_percent: float = 0.0
    _habit_percent: list[float] = field(default_factory=lambda: [0.0] * _WEEK_HOURS)
    _habit_hours: list[float] = field(default_factory=lambda: [0.0] * _WEEK_HOURS)

    @property
    def mean(self) -> float:
        """Percent an hour, over busy and idle hours alike."""
        law = self.law
        assumed = law.prior_percent_per_hour * law.prior_h
        return (self.percent + assumed) / (self._hours + law.prior_h)

    @property
    def variance(self) -> float:
        """Variance of what is burnt over its mean, in percent."""
        percent = self._burst_percent + self._hour_percent + _PRIOR_BURST_PERCENT
        squares = self._burst_squares + self._hour_percent**2 + _PRIOR_BURST_PERCENT
        burst: float = (squares / percent) ** self.law.burst_power
        return max(_LEAST_VARIANCE, self.law.variance * burst)

    @property
    def is_known(self) -> bool:
        """Whether enough was seen to say anything."""
        law = self.law
        return self.polled_h >= (law.enough_h if self.rises >= _ENOUGH_RISES else law.enough_idle_h)

    def rate(self, at: float) -> float:
        """Percent an hour at present. Without news it comes to be the mean."""
        if self._at is None or at <= self._at:
            return self._rate
        kept = 2 ** (-(at - self._at) / _HOUR_S / self.law.rate_half_life_h)
        return self.mean + (self._rate - self.mean) * kept

    def add(self, burnt: Burnt) -> None:
        """Take what was burnt. Time that no ``burnt`` covers is unknown, not idle."""
        hours = (burnt.until - burnt.since) / _HOUR_S
        per_hour = burnt.percent / hours
        rate = self.rate(burnt.since)
        if self._at is not None and burnt.until > self._at:
            kept = 2 ** (-(burnt.until - self._at) / _HOUR_S / _MEMORY_H)
            self.percent *= kept
            self._hours *= kept
            self._burst_percent *= kept
            self._burst_squares *= kept
        kept = 2 ** (-hours / self.law.rate_half_life_h)
        self._rate = rate * kept + per_hour * (1 - kept)
        self.percent += burnt.percent
        self._hours += hours
        if burnt.polled:
            self.polled_h += hours
            self.rises += burnt.percent > 0
        self._add_by_hour(burnt, per_hour)
        self._at = burnt.until

    def _add_by_hour(self, burnt: Burnt, per_hour: float) -> None:
        # A week bounds the work: what is longer goes over the same hours again.
        at = max(burnt.since, burnt.until - _WEEK_HOURS * _HOUR_S)
        while at < burnt.until:
            hour = int(at // _HOUR_S)
            end = min(burnt.until, (hour + 1) * _HOUR_S)
            slot = hour % _WEEK_HOURS
            if hour != self._hour:
                self._burst_percent += self._hour_percent
                self._burst_squares += self._hour_percent**2
                self._hour, self._hour_percent = hour, 0.0
                self._habit_percent[slot] *= _WEEKLY_DECAY
                self._habit_hours[slot] *= _WEEKLY_DECAY
            share = (end - at) / _HOUR_S
            self._hour_percent += per_hour * share
            self._habit_percent[slot] += per_hour * share
            self._habit_hours[slot] += share
            at = end

    def expected(self, since: float, ats: Iterable[float]) -> list[float]:
        """Return what will be burnt from ``since`` to each of ``ats``, which rise."""
        law, mean = self.law, self.mean
        excess = (self.rate(since) - mean) * law.excess_h
        burnt, at, until, habit = 0.0, since, since, mean
        came: list[float] = []
        for end in ats:
            while law.by_hour and until < end:
                burnt += habit * (until - at) / _HOUR_S
                at, until = until, (until // _HOUR_S + 1) * _HOUR_S
                habit = self._habit(int(at // _HOUR_S) % _WEEK_HOURS, mean)
            burnt += habit * (end - at) / _HOUR_S
            at = end
            extra = excess * -expm1(-(end - since) / _HOUR_S / law.excess_h)
            came.append(max(burnt + extra, law.least_share * burnt))
        return came

    def _habit(self, slot: int, mean: float) -> float:
        """Return the usual percent an hour in one hour of the week (UTC)."""
        percents, hours = self._habit_percent, self._habit_hours
        day = slot % 24
        daily = sum(percents[day::24]) + _DAY_WEIGHT_H * mean
        daily /= sum(hours[day::24]) + _DAY_WEIGHT_H
        return (percents[slot] + _WEEKDAY_WEIGHT_H * daily) / (hours[slot] + _WEEKDAY_WEIGHT_H)


@dataclass(slots=True, eq=False)
class Outlook:
    """All windows of one account: hand it every answer, in the order they came."""

    looks: dict[str, Look] = field(default_factory=dict[str, "Look"])
    """What the last look at each window made of it."""
    _series: dict[str, Series] = field(default_factory=dict[str, Series])
    _burns: dict[str, Burn] = field(default_factory=dict[str, Burn])
    _used_up: bool = False

    def observe(self, at: float, windows: Mapping[str, Observation]) -> dict[str, Look]:
        """Take one answer, by the windows' names. A window it lacks is not reported."""
        known = self._series
        looks = {name: known.setdefault(name, Series()).observe(windows[name]) for name in windows}
        looks.update({name: known[name].absent(at) for name in known.keys() - windows.keys()})
        self._learn(looks.items())
        return looks

    def recall(self, name: str, first: Observation, *, until: float, looks: int) -> None:
        """Take a stored span of one window; those of all windows in the order they began."""
        series = self._series.setdefault(name, Series())
        self._learn((name, look) for look in series.observe_span(first, until=until, looks=looks))

    def _learn(self, looks: Iterable[tuple[str, Look]]) -> None:
        for name, look in looks:
            self.looks[name] = look
            burn = self._burns.get(name)
            replanned = any(event.kind is EventKind.PLAN_CHANGED for event in look.events)
            if burn is None or replanned:  # a percent of another plan is another amount
                burn = self._burns[name] = Burn(_law(name, self._series[name].window_seconds))
            # While another window is used up, idleness says nothing about demand.
            if look.burnt is not None and (look.burnt.percent > 0 or not self._used_up):
                burn.add(look.burnt)
        spans = [series.span for series in self._series.values() if series.reported]
        self._used_up = any(span and span.used_percent >= EXHAUSTED_PERCENT for span in spans)

    def rates(self, now: float) -> dict[str, float]:
        """Return percent an hour that is burnt of each window about which enough is known.

        Also of one that is used up, or not begun: who used it goes on elsewhere, or will.
        """
        return {
            name: burn.rate(now)
            for name, burn in self._burns.items()
            if burn.is_known and self._series[name].reported
        }

    def forecast(self, now: float) -> dict[str, Forecast]:
        """Return the forecast of each window about which enough is known, by its name.

        A window that is unused, used up or no longer reported has none.
        """
        live = {
            name: (series.span, self._burns[name])
            for name, series in self._series.items()
            if series.span is not None and series.reported
        }
        said: dict[str, Forecast] = {}
        for name, (span, burn) in live.items():
            # Monthly windows run out too rarely to calibrate a chance on.
            scale = 1.0 if name in _LAWS else None
            if name == "five_hour" and "weekly" in live:
                scale = _WEEK_BLOCKS if _week_blocks(span, burn, *live["weekly"]) else 1.0
            came = forecast(span, burn, now=now, scale=scale)
            if came is not None:
                said[name] = came
        return said


def forecast(span: Span, burn: Burn, *, now: float, scale: float | None = 1.0) -> Forecast | None:
    """Return pace, chance and interval of a window; None where nothing can be said yet.

    ``span`` is what is believed, ``burn`` what was burnt up to its end. ``scale`` is how much
    of the chance counts; None: the pace alone is asked for.
    """
    law, reset_at, since = burn.law, span.reset_at, span.until
    if not 0 < span.used_percent < EXHAUSTED_PERCENT or reset_at is None or reset_at <= now:
        return None
    if not burn.is_known or reset_at <= since:
        return None
    left = 100 - span.used_percent
    rate = burn.rate(since)
    empty_at = max(now, since + left / rate * _HOUR_S) if rate > 0 else inf
    chance = likely = None
    if scale is not None:
        # Dense at first: the nearer an end is, the more exactly it can be told.
        length = min(reset_at - since, _LONGEST_S)
        ats = [since + length * (step / _STEPS) ** 2 for step in range(1, _STEPS + 1)]
        expected = burn.expected(since, ats)
        variance = burn.variance
        chance = scale * _runs_out(expected[-1], left, variance)
        likely = _when(law, [since, *ats], expected, left, variance * law.when_variance)
    runs_out = [None] * 3 if likely is None else [min(max(at, now), reset_at) for at in likely]
    return Forecast(
        percent_per_hour=rate,
        empty_at_pace=empty_at if empty_at < now + _YEAR_S else None,
        runs_out_chance=chance,
        runs_out_from=runs_out[0],
        runs_out_at=runs_out[1],
        runs_out_to=runs_out[2],
        hours=burn.polled_h,
        rises=burn.rises,
        rough=burn.polled_h < _ROUGH_H,
    )


def _runs_out(expected: float, left: float, variance: float) -> float:
    """Return the chance that a lognormal of this mean exceeds ``left`` percent.

    Its variance is ``variance`` times the mean, as if everything came in bursts of that size.
    """
    if expected <= 0:
        return 0.0
    square = log1p(variance / expected)
    return 0.5 * erfc((log(left / expected) + square / 2) / sqrt(2 * square))


def _when(
    law: Law, ats: list[float], expected: list[float], left: float, variance: float
) -> list[float] | None:
    """Return when the window runs out, if it does, at the points ``law.when``."""
    raw = [_runs_out(mean, left, variance) for mean in expected]
    # The smaller the mean, the heavier its lognormal's tail: at first a chance of next to
    # nothing may rise and fall again. What counts is what it rises by after that.
    low = 0.0
    chances = [0.0]
    for chance, later in zip(raw, [*raw[1:], 1.0], strict=True):
        if later < chance < _TAIL:
            low, chances = later, [0.0] * (len(chances) + 1)
        else:
            chances.append(max(chances[-1], chance - low))
    if chances[-1] < _HARDLY:
        return None
    start, likeliest, end = law.when
    came: list[float] = []
    for point in (start, likeliest + law.when_later * (1 - chances[-1]), end):
        wanted = point * chances[-1]
        step = bisect_left(chances, wanted, 1)
        share = (wanted - chances[step - 1]) / (chances[step] - chances[step - 1])
        came.append(ats[step - 1] + share * (ats[step] - ats[step - 1]))
    return came


def _week_blocks(five: Span, burn: Burn, week: Span, week_burn: Burn) -> bool:
    """Whether the week would be used up before the five hours are."""
    if week.reset_at is not None and five.reset_at is not None and week.reset_at < five.reset_at:
        return False
    assumed = _WEEK_COST_WEIGHT_PERCENT
    cost = (week_burn.percent + _WEEK_COST * assumed) / (burn.percent + assumed)
    left = 100 - week.used_percent if week.used_percent < EXHAUSTED_PERCENT else 0.0
    return left < cost * (100 - five.used_percent)


def _law(name: str, window_seconds: float | None) -> Law:
    """Return a window's constants. Of an uncommon one only the pace is told."""
    length = window_seconds or 30 * _DAY_S
    alike = FIVE_HOURS if length < _DAY_S else WEEK
    half_life_h = length / _HOUR_S / 28  # as the week's: a 28th of its length
    return _LAWS.get(name) or replace(alike, rate_half_life_h=half_life_h, by_hour=False)
