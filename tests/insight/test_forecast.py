from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.forecast import (
    FIVE_HOURS,
    WEEK,
    Burn,
    Outlook,
    forecast,
)
from poller.insight.series import Burnt, Observation, Span
from poller.insight.standing import observations
from poller.simulator.accounts import demo_accounts
from poller.simulator.living import observations as observations_of
from poller.usage.normalizer import normalize
from poller.values import MAY_RUN_OUT, WILL_RUN_OUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.values import Forecast

HOUR = 3600.0
DAY = 24 * HOUR
T0 = 1_790_035_200.0  # midnight, UTC
LENGTHS = {"five_hour": 5 * HOUR, "weekly": 7 * DAY, "monthly": 30 * DAY}


class Account:
    """An account whose windows burn as told, polled every five minutes, reset as told."""

    def __init__(self, *windows: str) -> None:
        self.outlook = Outlook()
        self.now = T0
        self.used = dict.fromkeys(windows, 0.0)
        self.ends = {window: T0 + LENGTHS[window] for window in windows}
        self.plan: str | None = None

    def poll(self, hours: float, **percent_per_hour: float) -> Account:
        for _ in range(round(hours * 12)):
            self.now += 300
            for window, rate in percent_per_hour.items():
                self.used[window] = min(100.0, self.used[window] + rate / 12)
            for window, end in self.ends.items():
                if self.now >= end:
                    self.ends[window] = end + LENGTHS[window]
                    self.used[window] = 0.0
            self.outlook.observe(self.now, self.windows())
        return self

    def windows(self) -> dict[str, Observation]:
        return {
            name: Observation(self.now, round(used), self.ends[name], LENGTHS[name], self.plan)
            for name, used in self.used.items()
        }

    def said(self, window: str) -> Forecast | None:
        return self.outlook.forecast(self.now).get(window)


def certain(came: Forecast | None) -> Forecast:
    assert came is not None
    return came


def chance(came: Forecast | None) -> float:
    assert came is not None
    assert came.runs_out_chance is not None
    return came.runs_out_chance


def test_the_pace_is_arithmetic() -> None:
    account = Account("five_hour").poll(4, five_hour=12)
    came = certain(account.said("five_hour"))
    assert came.percent_per_hour == pytest.approx(12, rel=0.01)
    assert came.empty_at_pace == pytest.approx(account.now + 52 / came.percent_per_hour * HOUR)


def test_an_idle_account_has_no_end_at_its_pace() -> None:
    span = Span(T0, T0 + DAY, 10, T0 + DAY + HOUR)
    quiet = Burn(FIVE_HOURS, polled_h=30)
    assert certain(forecast(span, quiet, now=T0 + DAY)).empty_at_pace is None


@pytest.mark.parametrize(
    ("window", "hours", "rate", "said"),
    [
        ("five_hour", 2.9, 12, False),
        ("five_hour", 3.1, 12, True),
        ("five_hour", 23.9, 0.1, False),
        ("weekly", 11.5, 2, False),
        ("weekly", 12.5, 2, True),
        ("weekly", 24, 0.05, False),
        ("weekly", 48.5, 0.05, True),
        ("monthly", 11.5, 2, False),
        ("monthly", 12.5, 2, True),
    ],
)
def test_nothing_is_said_before_enough_is_known(
    window: str, hours: float, rate: float, said: bool
) -> None:
    account = Account(window).poll(hours, **{window: rate})
    assert (account.said(window) is not None) is said


def test_a_day_of_hardly_any_use_is_enough_for_five_hours() -> None:
    account = Account("five_hour").poll(24.1).poll(1.5, five_hour=1.5)
    assert certain(account.said("five_hour")).rises == 2


def test_a_forecast_is_rough_for_a_week() -> None:
    account = Account("five_hour").poll(18, five_hour=6)
    assert certain(account.said("five_hour")).rough
    for _ in range(7):
        account.poll(24, five_hour=6)
    assert not certain(account.said("five_hour")).rough


def test_of_a_monthly_window_only_the_pace_is_said() -> None:
    came = certain(Account("monthly").poll(24, monthly=1).said("monthly"))
    assert came.percent_per_hour > 0
    assert came.runs_out_chance is came.runs_out_from is came.runs_out_to is None


@pytest.mark.parametrize("name", ["1h", "9h"])
def test_of_an_uncommon_window_only_the_pace_is_said(name: str) -> None:
    outlook = Outlook()
    for look in range(60):
        at = T0 + look * 300
        told = Observation(at, 20.0 + look % 12, T0 + (look // 12 + 1) * HOUR, HOUR)
        outlook.observe(at, {name: told})
    came = certain(outlook.forecast(T0 + 59 * 300)[name])
    assert came.percent_per_hour == pytest.approx(12, rel=0.2)
    assert came.runs_out_chance is None


def test_who_burns_steadily_is_told_when() -> None:
    account = Account("five_hour").poll(62, five_hour=30)
    came = certain(account.said("five_hour"))
    assert chance(came) > WILL_RUN_OUT
    assert came.runs_out_from is not None
    assert came.runs_out_to is not None
    out_at = account.now + (100 - account.used["five_hour"]) / 30 * HOUR
    assert came.runs_out_from < out_at < came.runs_out_to


def test_who_hardly_burns_is_told_that_it_lasts() -> None:
    account = Account("five_hour").poll(28, five_hour=0.5)
    assert chance(account.said("five_hour")) < 0.05 < MAY_RUN_OUT


def test_time_at_100_percent_is_not_idleness() -> None:
    busy, blocked = Burn(FIVE_HOURS), Burn(FIVE_HOURS)
    outlook = Account("five_hour").poll(4.9, five_hour=40).outlook
    busy.add(Burnt(T0, T0 + HOUR, 40, polled=True))
    blocked.add(Burnt(T0, T0 + HOUR, 40, polled=True))
    assert outlook.forecast(T0 + 4.9 * HOUR) == {}  # used up: nothing to forecast
    blocked.add(Burnt(T0 + 4 * HOUR, T0 + 5 * HOUR, 40, polled=True))
    busy.add(Burnt(T0 + HOUR, T0 + 5 * HOUR, 40, polled=True))
    assert blocked.mean > busy.mean


def test_while_the_week_is_used_up_five_hours_learn_no_idleness() -> None:
    account = Account("five_hour", "weekly").poll(9, five_hour=12, weekly=2)
    before = certain(account.said("five_hour"))
    account.used["weekly"] = 100.0
    account.poll(0.2)
    hours = certain(account.said("five_hour")).hours
    account.poll(0.5)
    later = certain(account.said("five_hour"))
    assert later.hours == hours
    assert chance(later) < chance(before)


def test_five_hours_count_less_where_the_week_blocks_first() -> None:
    def five_hours(week: float) -> float:
        account = Account("five_hour", "weekly").poll(9, five_hour=12, weekly=2)
        account.used["weekly"] = week
        return chance(account.poll(0.2, five_hour=12, weekly=2).said("five_hour"))

    assert five_hours(95) == pytest.approx(0.12 * five_hours(20), rel=0.01)


def test_a_week_that_is_reset_before_blocks_nothing() -> None:
    account = Account("five_hour", "weekly").poll(9, five_hour=12, weekly=2)
    account.used["weekly"] = 95
    account.poll(0.2, five_hour=12, weekly=2)
    blocked = chance(account.said("five_hour"))
    account.ends["weekly"] = account.now + 1800
    account.poll(0.1, five_hour=12, weekly=2)
    assert chance(account.said("five_hour")) > 5 * blocked


def test_a_window_that_is_not_reported_has_no_forecast() -> None:
    account = Account("five_hour", "weekly").poll(18, five_hour=6, weekly=2)
    assert account.outlook.forecast(account.now).keys() == {"five_hour", "weekly"}
    del account.used["five_hour"], account.ends["five_hour"]
    account.poll(0.1, weekly=2)
    assert account.outlook.forecast(account.now).keys() == {"weekly"}


def test_a_stored_history_teaches_what_the_looks_did() -> None:
    watched, recalled = Account("five_hour", "weekly"), Outlook()
    spans: dict[str, tuple[Observation, float, int]] = {}
    for _ in range(18 * 12):
        watched.poll(1 / 12, five_hour=6, weekly=2)
        for name, seen in watched.windows().items():
            first, _, looks = spans.get(name, (seen, 0.0, 0))
            if (seen.used_percent, seen.reset_at) == (first.used_percent, first.reset_at):
                spans[name] = first, seen.at, looks + 1
                continue
            recalled.recall(name, first, until=spans[name][1], looks=looks)
            spans[name] = seen, seen.at, 1
    for name, (first, until, looks) in spans.items():
        recalled.recall(name, first, until=until, looks=looks)
    now = watched.now
    for name, live in watched.outlook.forecast(now).items():
        stored = recalled.forecast(now)[name]
        assert stored.hours == pytest.approx(live.hours, rel=0.02)
        assert stored.percent_per_hour == pytest.approx(live.percent_per_hour, rel=0.02)
        assert chance(stored) == pytest.approx(chance(live), abs=0.02)


def test_another_plan_has_to_be_learnt_anew() -> None:
    account = Account("five_hour")
    account.plan = "plus"
    account.poll(18, five_hour=6)
    assert account.said("five_hour") is not None
    account.plan = "pro"
    account.poll(0.2, five_hour=6)
    assert account.said("five_hour") is None


def test_a_habit_is_kept_by_the_hour() -> None:
    burn = Burn(FIVE_HOURS)
    for day in range(14):
        midnight = T0 + day * DAY
        for since, until, percent in ((0, 9, 0), (9, 12, 90), (12, 24, 0)):
            burn.add(Burnt(midnight + since * HOUR, midnight + until * HOUR, percent, polled=True))
    today = T0 + 14 * DAY
    (at_work,) = burn.expected(today + 8 * HOUR, [today + 13 * HOUR])
    (in_the_evening,) = burn.expected(today + 18 * HOUR, [today + 23 * HOUR])
    assert 70 < at_work < 100
    assert in_the_evening < 10


def test_without_news_the_rate_comes_to_be_the_mean() -> None:
    burn = Burn(FIVE_HOURS)
    assert burn.rate(T0) == 0
    burn.add(Burnt(T0, T0 + HOUR, 40, polled=True))
    assert burn.rate(T0 + HOUR) == pytest.approx(40, rel=0.01)
    assert burn.rate(T0 + 11 * HOUR) == pytest.approx(burn.mean)


def test_a_gap_does_not_count_as_hours_of_polls() -> None:
    burn = Burn(FIVE_HOURS)
    burn.add(Burnt(T0, T0 + 10 * HOUR, 40, polled=False))
    assert (burn.polled_h, burn.rises) == (0, 0)


def test_a_burst_that_was_burnt_in_a_gap_is_spread_over_it() -> None:
    at_once, evenly = (Burn(replace(FIVE_HOURS, burst_power=1)) for _ in range(2))
    at_once.add(Burnt(T0, T0 + 300, 40, polled=True))
    evenly.add(Burnt(T0, T0 + 8 * HOUR, 40, polled=False))
    assert evenly.variance < at_once.variance / 4


def test_a_clock_that_was_set_back_does_no_harm() -> None:
    burn = Burn(FIVE_HOURS)
    burn.add(Burnt(T0 + DAY, T0 + DAY + HOUR, 10, polled=True))
    burn.add(Burnt(T0, T0 + HOUR, 10, polled=True))
    assert burn.percent == 20


def test_a_reset_that_is_told_decades_ahead_costs_no_more_than_a_week() -> None:
    account = Account("five_hour").poll(4, five_hour=12)
    account.ends["five_hour"] += 70 * 365 * DAY
    account.poll(0.1)
    came = certain(account.said("five_hour"))
    assert came.runs_out_to is not None
    assert came.runs_out_to < account.now + 9 * DAY


@pytest.mark.parametrize(
    ("span", "now"),
    [
        (Span(T0, T0, 0, T0 + HOUR), T0),
        (Span(T0, T0, 99.6, T0 + HOUR), T0),
        (Span(T0, T0, 50, None), T0),
        (Span(T0, T0, 50, T0 + HOUR), T0 + HOUR),
        (Span(T0, T0, 50, T0), T0 - HOUR),
    ],
    ids=["unused", "used up", "no reset", "reset since", "past reset that keeps filling"],
)
def test_there_is_nothing_to_forecast(span: Span, now: float) -> None:
    burn = Burn(FIVE_HOURS, polled_h=100, rises=50)
    assert forecast(span, burn, now=now) is None


def test_what_is_all_but_impossible_has_no_time() -> None:
    law = replace(FIVE_HOURS, prior_percent_per_hour=0.0)
    span = Span(T0, T0, 10, T0 + HOUR)
    came = certain(forecast(span, Burn(law, polled_h=30), now=T0))
    assert (came.runs_out_chance, came.runs_out_at) == (0, None)


def test_what_hardly_runs_out_does_not_do_so_at_once() -> None:
    slow = replace(WEEK, prior_percent_per_hour=0.15, variance=30)
    span = Span(T0, T0, 11, T0 + 3 * DAY)
    came = certain(forecast(span, Burn(slow, polled_h=200), now=T0))
    assert chance(came) < 0.05
    assert came.empty_at_pace is None or came.empty_at_pace > T0 + 3 * DAY
    assert came.runs_out_from is not None
    assert came.runs_out_from > T0 + DAY


# Properties -----------------------------------------------------------------------------

burns = st.lists(
    st.tuples(st.floats(0.01, 30), st.floats(0, 100), st.booleans()), min_size=1, max_size=30
)
levels = st.floats(0.1, 99.4)
waits = st.floats(1, 7 * DAY)


def learnt(steps: list[tuple[float, float, bool]]) -> Burn:
    burn, at = Burn(FIVE_HOURS, polled_h=30), T0
    for hours, percent, known in steps:
        if known:
            burn.add(Burnt(at, at + hours * HOUR, percent, polled=True))
        at += hours * HOUR
    return burn


def consistent(came: Forecast, *, now: float, reset_at: float) -> None:
    assert came.percent_per_hour >= 0
    assert came.empty_at_pace is None or came.empty_at_pace >= now
    if came.runs_out_chance is None:
        assert came.runs_out_at is None
        return
    assert 0 <= came.runs_out_chance <= 1
    if came.runs_out_at is None:
        assert came.runs_out_chance < 0.01
        return
    assert came.runs_out_from is not None
    assert came.runs_out_to is not None
    assert now <= came.runs_out_from <= came.runs_out_at <= came.runs_out_to <= reset_at


@given(steps=burns, used=levels, wait=waits, late=st.floats(0, DAY))
def test_chance_and_interval_never_contradict_each_other(
    steps: list[tuple[float, float, bool]], used: float, wait: float, late: float
) -> None:
    burn = learnt(steps)
    since = T0 + sum(hours for hours, *_ in steps) * HOUR
    came = forecast(Span(T0, since, used, since + wait), burn, now=since + late)
    if late >= wait:
        assert came is None
    else:
        consistent(certain(came), now=since + late, reset_at=since + wait)


@given(steps=burns, used=st.tuples(levels, levels), wait=waits)
def test_more_left_never_raises_the_chance_nor_brings_the_end_nearer(
    steps: list[tuple[float, float, bool]], used: tuple[float, float], wait: float
) -> None:
    burn = learnt(steps)
    since = T0 + sum(hours for hours, *_ in steps) * HOUR
    little, much = (
        certain(forecast(Span(T0, since, level, since + wait), burn, now=since))
        for level in sorted(used, reverse=True)
    )
    assert chance(much) <= chance(little) + 1e-12
    if little.empty_at_pace is not None and much.empty_at_pace is not None:
        assert much.empty_at_pace >= little.empty_at_pace


@given(steps=burns, used=levels, ends=st.tuples(waits, waits))
def test_a_later_reset_never_lowers_what_is_expected(
    steps: list[tuple[float, float, bool]], used: float, ends: tuple[float, float]
) -> None:
    burn = learnt(steps)
    since = T0 + sum(hours for hours, *_ in steps) * HOUR
    soon, late = burn.expected(since, [since + wait for wait in sorted(ends)])
    assert 0 <= soon <= late + 1e-9


numbers: Callable[..., st.SearchStrategy[float]] = st.floats
figures = st.one_of(st.none(), numbers(-10, 110), numbers())
instants = st.one_of(
    st.none(), numbers(T0 - DAY, T0 + 30 * DAY), numbers(), st.sampled_from([0.0, 1e18])
)
lengths = st.one_of(st.none(), st.sampled_from([18_000.0, 604_800.0, 900.0, 0.0]), numbers())
answers = st.lists(
    st.tuples(
        st.one_of(numbers(-7200, 7200), numbers()),
        st.dictionaries(
            st.sampled_from(["five_hour", "weekly", "monthly", "15m"]),
            st.tuples(
                figures, instants, lengths, st.sampled_from([None, "plus", "pro"]), st.booleans()
            ),
        ),
    ),
    max_size=40,
)
Answers = list[
    tuple[float, dict[str, tuple[float | None, float | None, float | None, str | None, bool]]]
]


@settings(max_examples=100, deadline=None)
@given(answers)
def test_no_answers_break_the_outlook(given_answers: Answers) -> None:
    outlook, now = Outlook(), T0
    for step, windows in given_answers:
        at = now + step
        if -DAY < step < DAY:
            now = at
        seen = {name: Observation(at, *told) for name, told in windows.items()}
        for look in outlook.observe(at, seen).values():
            assert look.used_percent is None or 0 <= look.used_percent <= 100
            assert look.burnt is None or look.burnt.percent >= 0
            assert look.burnt is None or look.burnt.since < look.burnt.until
            assert look.ended is None or look.ended.since <= look.ended.until
        for came in outlook.forecast(now).values():
            consistent(came, now=now, reset_at=float("inf"))


def test_over_a_whole_life_nothing_that_is_said_contradicts_itself() -> None:
    said = likely = 0
    for account in demo_accounts(4, now=T0):
        outlook = Outlook()
        ends: dict[str, float | None] = {}
        for at, payload in observations_of(account, range(int(T0), int(T0 + 9 * DAY), 1200)):
            usage = normalize(payload, observed_at=at)
            assert usage is not None
            looks = outlook.observe(at, observations(usage, at=at))
            ends |= {name: look.reset_at for name, look in looks.items()}
            for name, came in outlook.forecast(at + 60).items():
                reset_at = ends[name]
                assert reset_at is not None
                consistent(came, now=at + 60, reset_at=reset_at)
                said += 1
                chance_of = came.runs_out_chance or 0.0
                likely += chance_of >= WILL_RUN_OUT
                # What will run out has a time, and is burnt; what is not burnt now has no end.
                assert chance_of < MAY_RUN_OUT or came.runs_out_at is not None
                assert (came.empty_at_pace is None) >= (came.percent_per_hour == 0)
    assert said > 500
    assert likely > 0


def test_what_is_burnt_is_told_of_windows_without_a_forecast_too() -> None:
    account = Account("five_hour").poll(4.5, five_hour=30)
    assert account.used["five_hour"] == 100
    assert account.outlook.forecast(account.now) == {}
    assert 0 < account.outlook.rates(account.now)["five_hour"] <= 30
    account.outlook.observe(account.now + 300, {})
    assert account.outlook.rates(account.now + 300) == {}
    assert Account("five_hour").poll(1, five_hour=30).outlook.rates(T0) == {}
