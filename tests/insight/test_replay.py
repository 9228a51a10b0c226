"""The forecast played again over a past."""

from __future__ import annotations

from dataclasses import replace
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.forecast import Outlook
from poller.insight.replay import ASKED_EVERY_S, Played, replay, score
from poller.insight.series import Observation

AT = 1_790_002_800.0
"""A whole half hour."""
HOUR, DAY = 3600.0, 86_400.0
FIVE, WEEK = 18_000, 604_800

Told = tuple[str, Observation, float, int]


def week(
    percents: list[tuple[float, float]],
    *,
    start_h: float = 0,
    plan: str = "plus",
    reset_h: float = 168,
) -> list[Told]:
    """Return spans of one week: used percent, and from which hour on."""
    told: list[Told] = []
    ends = [hour for hour, _ in percents[1:]] + [reset_h - 0.2]
    for (hour, used), end in zip(percents, ends, strict=True):
        at, until = AT + (start_h + hour) * HOUR, AT + (start_h + end) * HOUR - 300
        reset_at = AT + (start_h + reset_h) * HOUR
        told.append(("weekly", Observation(at, used, reset_at, WEEK, plan), until, 12))
    return told


def steady(last: float, *, weeks: int = 3) -> list[Told]:
    """Return weeks in which as much is used every three hours, up to ``last``."""
    steps = [(0.1 + 3.0 * step, last * (step + 1) / 50) for step in range(50)]
    return [one for number in range(weeks) for one in week(steps, start_h=168 * number)]


def test_weeks_that_last_and_weeks_that_run_out_are_told_apart() -> None:
    lasting = replay([*steady(60), *week([(0.1, 1.0)], start_h=504)])["weekly"]
    assert len(lasting.answers) > 500
    assert not any(each.ran_out for each in lasting.answers)
    ending = [(0.5 + hour, min(100.0, 1.0 + hour)) for hour in range(0, 120, 3)]
    told = [one for number in range(3) for one in week(ending, start_h=168 * number)]
    ran_out = replay([*told, *week([(0.1, 1.0)], start_h=504)])["weekly"]
    assert all(each.ran_out for each in ran_out.answers)
    first = ran_out.answers[-1]
    assert first.out_at is not None
    assert isclose((first.out_at - AT) / HOUR, 336 + 99.5, abs_tol=0.1)


def test_nothing_of_the_future_is_known() -> None:
    told = [*steady(60), *week([(0.1, 1.0)], start_h=504)]
    asked = replay(told)["weekly"].answers[200].asked
    outlook, at = Outlook(), asked.at
    for _, first, until, looks in told:
        if first.at <= at:
            outlook.recall("weekly", first, until=min(until, at), looks=looks)
    (known,) = outlook.forecast(at).values()
    assert known.runs_out_chance == pytest.approx(asked.chance, rel=0.05, abs=0.01)


def test_of_a_cycle_that_still_runs_nothing_is_judged() -> None:
    ending = [(0.5 + hour, min(100.0, 1.0 + hour)) for hour in range(0, 120, 3)]
    told = [*steady(60), *week(ending, start_h=504)]
    answers = replay(told[:-1])["weekly"].answers
    assert max(each.asked.reset_at for each in answers) <= AT + 504 * HOUR


def test_what_happened_in_a_gap_is_not_judged() -> None:
    told = [*steady(60, weeks=2), *week([(10, 1.0), (20, 3.0)], start_h=340)]
    before = [one for one in told if not AT + 250 * HOUR < one[1].at < AT + 345 * HOUR]
    answers = replay([*before, *week([(0.1, 1.0)], start_h=600)])["weekly"].answers
    judged = {each.asked.reset_at for each in answers}
    assert AT + 168 * HOUR in judged
    assert AT + 336 * HOUR not in judged


def test_a_window_that_ran_out_in_a_gap_ran_out_at_no_known_time() -> None:
    told = [*steady(60, weeks=2), *week([(3, 5.0), (6, 20.0), (9, 40.0)], start_h=336, reset_h=10)]
    later = AT + (336 + 100) * HOUR
    told[-1] = (
        "weekly",
        Observation(AT + 345 * HOUR, 40.0, AT + 504 * HOUR, WEEK),
        AT + 346 * HOUR,
        9,
    )
    told[-2] = (
        "weekly",
        Observation(AT + 342 * HOUR, 20.0, AT + 504 * HOUR, WEEK),
        AT + 344.9 * HOUR,
        9,
    )
    told[-3] = (
        "weekly",
        Observation(AT + 339 * HOUR, 5.0, AT + 504 * HOUR, WEEK),
        AT + 341.9 * HOUR,
        9,
    )
    told.append(
        ("weekly", Observation(later, 100.0, AT + 504 * HOUR, WEEK, None, True), later + DAY, 9)
    )
    told += week([(1, 1.0), (2, 2.0)], start_h=504)
    ended = [each for each in replay(told)["weekly"].answers if each.asked.at > AT + 336 * HOUR]
    assert ended
    assert all(each.ran_out and each.out_at is None for each in ended)


def test_a_plan_that_changed_cuts_a_cycle_and_nothing_is_judged() -> None:
    told = [*steady(60, weeks=2), *week([(3, 5.0), (6, 20.0)], start_h=336)]
    half = week([(60, 11.0), (62, 12.0)], start_h=336, plan="pro")
    told[-1] = (*told[-1][:2], AT + 390 * HOUR, 9)
    answers = replay([*told, *half, *week([(0.1, 1.0)], start_h=504)])["weekly"].answers
    assert not [e for e in answers if AT + 336 * HOUR < e.asked.at < AT + 390 * HOUR]


def test_what_was_before_is_learnt_from_and_not_asked_about() -> None:
    told = [*steady(60), *week([(0.1, 1.0)], start_h=504)]
    late = replay(told, since=AT + 400 * HOUR)["weekly"]
    assert min(each.asked.at for each in late.answers) >= AT + 400 * HOUR
    assert late.unsaid == 0
    assert replay(told)["weekly"].unsaid > 0


def test_between_two_looks_nothing_is_asked() -> None:
    five = Observation(AT + 1, 10.0, AT + 4 * HOUR, FIVE)
    told: list[Told] = [
        ("weekly", Observation(AT, 5.0, AT + 100 * HOUR, WEEK), AT + 3 * HOUR, 4),
        ("five_hour", five, AT + 1.1 * HOUR, 2),
        ("five_hour", Observation(AT + 2.1 * HOUR, 20.0, AT + 4 * HOUR, FIVE), AT + 3 * HOUR, 2),
    ]
    played = replay(told)
    # The first look of the week's half hour at 2 is at 2.1; from 1.5 to 2 there is none.
    assert (played["weekly"].unsaid, played["five_hour"].unsaid) == (6, 5)


def test_the_naive_forecast_goes_on_as_since_the_start() -> None:
    answers = replay([*steady(60), *week([(0.1, 1.0)], start_h=504)])["weekly"].answers
    assert not any(
        each.asked.naive_at for each in answers if (each.asked.at - AT) % WEEK > 50 * HOUR
    )
    played = [Played(answers)]
    came = score("weekly", played)
    assert came is not None
    assert came.brier < 0.02
    assert came.brier_average == 0
    assert (came.asked, came.cycles, came.ran_out) == (len(answers), 3, 0)
    assert sum(each.count for each in came.bins) == came.asked
    assert (came.covered, came.certain) == (None, 0)
    assert [each.error_h for each in came.leads] == [None] * 3


def test_without_its_length_a_window_has_no_naive_forecast() -> None:
    told = [*steady(60, weeks=2), *week([(0.1, 1.0)], start_h=336)]
    blind = [
        (name, replace(first, window_seconds=None), until, looks)
        for name, first, until, looks in told
    ]
    answers = replay(blind)["weekly"].answers
    assert answers
    assert not any(each.asked.naive_at for each in answers)


def test_times_are_compared_so_long_before_it_ran_out() -> None:
    ending = [(0.5 + hour, min(100.0, 1.0 + hour)) for hour in range(0, 120, 3)]
    told = [one for number in range(6) for one in week(ending, start_h=168 * number)]
    played = replay([*told, *week([(0.1, 1.0)], start_h=168 * 6)])["weekly"]
    came = score("weekly", [played, Played()])
    assert came is not None
    assert came.ran_out == came.cycles == 6
    assert came.covered is not None
    assert came.certain > 100
    day = came.leads[1]
    assert (day.hours, day.count > 100) == (24, True)
    assert day.error_h is not None
    assert day.error_h < 8
    assert day.naive_error_h is not None


def test_of_nothing_there_is_no_score() -> None:
    assert score("weekly", []) is None
    assert score("five_hour", [Played()]) is None
    assert replay([])["weekly"].answers == []


SPANS = st.lists(
    st.tuples(
        st.sampled_from(["five_hour", "weekly", "monthly"]),
        st.floats(0, 100),
        st.integers(0, 9 * 86_400),
        st.integers(0, 20_000),
        st.one_of(st.none(), st.integers(-9000, 700_000)),
        st.one_of(st.none(), st.integers(1, 700_000)),
    ),
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(SPANS)
def test_no_past_is_too_odd(
    drawn: list[tuple[str, float, int, int, int | None, int | None]],
) -> None:
    told: list[Told] = []
    for window, used, since, length, reset, seconds in sorted(drawn, key=lambda each: each[2]):
        at = AT + since
        seen = Observation(at, used, None if reset is None else at + reset, seconds)
        told.append((window, seen, at + length, 3))
    for name, played in replay(told).items():
        came = score(name, [played])
        if came is not None:
            assert 0 <= came.brier <= 1
            assert 0 <= came.calibration_error <= 1
            assert came.asked * ASKED_EVERY_S <= 40 * 20_000 + ASKED_EVERY_S * 40
