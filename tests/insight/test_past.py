"""What windows were like over some time."""

from __future__ import annotations

import pytest

from poller.insight.past import Step, lows, pasts
from poller.insight.series import Observation

AT = 1_790_000_000.0
HOUR, DAY = 3600.0, 86_400.0

Told = tuple[str, Observation, float, int]


def span(
    used: float,
    since_h: float,
    until_h: float,
    *,
    window: str = "five_hour",
    reset_h: float | None = 5,
    looks: int = 9,
) -> Told:
    """Return a stored span, in hours from the start."""
    length = 18_000 if window == "five_hour" else 604_800
    reset_at = None if reset_h is None else AT + reset_h * HOUR
    first = Observation(AT + since_h * HOUR, used, reset_at, length)
    return window, first, AT + until_h * HOUR, looks


def test_the_lowest_use_a_day_resets_and_how_often_it_was_empty() -> None:
    told = [
        span(10, 0, 1.9),
        span(30, 2, 2.9),
        span(100, 3, 4.9),
        span(20, 5.2, 6, reset_h=10.1),
    ]
    past = pasts(told, since=AT)["five_hour"]
    assert [step.remaining_percent for step in past.steps] == [90, 70, 0, 80]
    assert past.lowest == Step(AT + 3 * HOUR, AT + 4.9 * HOUR, 0)
    assert (past.resets, past.ran_out) == (1, 1)
    # 90 percent in the first 3 hours, none while it was empty, then 20 within 0.8.
    assert past.percent_per_day == pytest.approx(110 / 5.8 * 24, rel=0.02)


def test_what_was_used_before_the_time_does_not_count() -> None:
    told = [span(10, 0, 2), span(30, 2.1, 4)]
    past = pasts(told, since=AT + 3 * HOUR)["five_hour"]
    assert [step.since for step in past.steps] == [AT + 3 * HOUR]
    assert past.percent_per_day is not None
    assert past.percent_per_day == pytest.approx(0)
    assert pasts([span(10, 0, 2)], since=AT + 3 * HOUR) == {}


def test_a_figure_that_flaps_is_not_the_lowest() -> None:
    told = [span(10, 0, 2), span(90, 2.1, 2.1, looks=1), span(11, 2.2, 4)]
    past = pasts(told, since=AT)["five_hour"]
    assert past.lowest.remaining_percent == 89


def test_a_gap_is_no_reset() -> None:
    told = [
        span(1, 0, 1, window="weekly", reset_h=100),
        span(3, 9, 10, window="weekly", reset_h=100),
    ]
    past = pasts(told, since=AT)["weekly"]
    assert (past.resets, len(past.steps)) == (0, 2)


def test_a_figure_for_a_day_needs_an_hour() -> None:
    past = pasts([span(0, 0, 0.5, reset_h=None)], since=AT)["five_hour"]
    assert past.percent_per_day is None


def test_the_shortest_window_comes_first() -> None:
    told = [span(1, 0, 1, window="weekly", reset_h=100), span(1, 0, 1)]
    assert [*pasts(told, since=AT)] == ["five_hour", "weekly"]


def test_the_least_of_each_part_of_the_time_is_kept_and_gaps_are_gaps() -> None:
    steps = [Step(0, 25, 80), Step(26, 30, 40), Step(31, 39, 90), Step(75, 200, 10)]
    assert lows(steps, since=0, until=100, count=10) == [
        *(80, 80, 40, 40, None, None, None, 10, 10, 10),
    ]
    assert lows(steps, since=20, until=40, count=1) == [40]
    assert lows([], since=0, until=10, count=3) == [None, None, None]
