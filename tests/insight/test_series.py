from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from poller.insight.series import Burnt, EventKind, Look, Observation, Series, Span

T0 = 1_790_000_000.0
LENGTH = 300  # minutes: five hours
NULL = None


@dataclass(frozen=True)
class Case:
    """Looks are (minute, used percent, minute of the reset); events are by name."""

    looks: list[tuple[float, float | None, float | None]]
    believed: float
    events: list[str]
    held: list[int]
    """Which looks are held."""
    burnt: list[tuple[float, float, float]]
    """(since, until, percent) of what was burnt; idleness is left out."""


CASES = {
    "percent that rises was burnt since the last look": Case(
        [(0, 10, 200), (5, 12, 200), (10, 12, 200), (15, 13, 200)],
        13, [], [], [(0, 5, 2), (10, 15, 1)],
    ),
    "a told reset is believed at once where its time has come": Case(
        [(0, 80, 2), (5, 3, 301)], 3, ["reset"], [], [(1, 5, 3)],
    ),
    "a told reset is believed at once where the window has not begun again": Case(
        [(0, 80, 2), (5, 0, 305)], 0, ["reset"], [], [],
    ),
    "a told reset is believed at once where more is used than before": Case(
        [(0, 1, 2), (5, 3, 303)], 3, ["reset"], [], [(3, 5, 3)],
    ),
    "a clock that is minutes behind makes no early reset of a told one": Case(
        [(0, 80, 8), (5, 3, 308)], 3, ["reset"], [], [(0, 5, 3)],
    ),
    "what a new cycle shows after a gap was burnt since it began": Case(
        [(0, 80, 60), (200, 20, 400)], 20, ["gap", "reset"], [], [(100, 200, 20)],
    ),
    "what was burnt in a gap within one cycle was burnt evenly": Case(
        [(0, 10, 250), (200, 40, 250)], 40, ["gap"], [], [(0, 200, 30)],
    ),
    "one flapped answer is no reset": Case(
        [(0, 60, 200), (5, 2, 280), (10, 61, 200)], 61, [], [1], [(0, 10, 1)],
    ),
    "an answer that flaps every other time is no reset": Case(
        [(0, 60, 200), (5, 2, 280), (10, 60, 200), (15, 2, 280), (20, 60, 200)],
        60, [], [1, 3], [],
    ),
    "two flapped answers that disagree are no reset": Case(
        [(0, 60, 200), (5, 2, 280), (10, 2, 240), (15, 60, 200)], 60, [], [1, 2], [],
    ),
    "one flapped answer begins no cycle of which the last look would have seen something": Case(
        [(0, 0, 300), (5, 2, 100), (10, 0, 310), (15, 0, 315)], 0, [], [1], [],
    ),
    "such a cycle is believed at the second look": Case(
        [(0, 0, 300), (5, 2, 100), (10, 3, 100)], 3, [], [1], [(0, 10, 3)],
    ),
    "an early reset is believed at the second look": Case(
        [(0, 60, 200), (5, 2, 304), (10, 4, 304)], 4, ["early_reset"], [1], [(4, 10, 4)],
    ),
    "an early reset is believed at the second look even to nothing": Case(
        [(0, 60, 200), (5, 0, 305), (10, 0, 310)], 0, ["early_reset"], [1], [],
    ),
    "an early reset is believed at the second look where the reset is null": Case(
        [(0, 60, 200), (5, 0, NULL), (10, 0, NULL)], 0, ["early_reset"], [1], [],
    ),
    "an early reset is believed where the new cycle begins between the looks": Case(
        [(0, 60, 200), (5, 0, 305), (10, 3, 307)], 3, ["early_reset"], [1], [(7, 10, 3)],
    ),
    "a second look that is more than four lower does not agree": Case(
        [(0, 60, 200), (5, 20, 304), (10, 10, 304)], 60, [], [1, 2], [],
    ),
    "an answer from before an early reset is held": Case(
        [(0, 30, 200), (5, 0, 305), (10, 0, 310), (15, 30, 200), (20, 1, 318)],
        1, ["early_reset"], [1, 3], [(18, 20, 1)],
    ),
    "an answer from before the early reset of a cycle that has begun is held": Case(
        [(0, 30, 200), (5, 1, 304), (10, 2, 304), (15, 30, 200), (20, 3, 304)],
        3, ["early_reset"], [1, 3], [(4, 10, 2), (10, 20, 1)],
    ),
    "a lower level with the same reset is believed after 15 minutes and three looks": Case(
        [(0, 90, 200), (5, 45, 200), (10, 46, 200), (15, 46, 200), (20, 47, 200)],
        47, ["lowered"], [1, 2, 3], [(5, 20, 2)],
    ),
    "a lower level with the same reset is not believed after two looks": Case(
        [(0, 90, 200), (5, 45, 200), (25, 45, 200)], 90, [], [1, 2], [],
    ),
    "a step back of some points that comes back is noise": Case(
        [(0, 9, 200), (5, 6, 200), (10, 7, 200), (15, 10, 200)], 10, [], [1, 2], [(0, 15, 1)],
    ),
    "a step back beside a jittering reset is noise": Case(
        [(0, 9, 200), (5, 6, 207), (10, 6, 207), (15, 10, 200)], 10, [], [1, 2], [(0, 15, 1)],
    ),
    "a reset that jitters by minutes ends no cycle": Case(
        [(0, 10, 200), (5, 10, 196), (10, 11, 204), (15, 11, 199)], 11, [], [], [(5, 10, 1)],
    ),
    "a reset that moves ends no cycle": Case(
        [(0, 68, 250), (5, 68, 80), (10, 69, 80)], 69, [], [], [(5, 10, 1)],
    ),
    "a reset that slides has not begun": Case(
        [(0, 0, 300), (5, 0, 305), (10, 0, 310), (15, 2, 312)], 2, [], [], [(12, 15, 2)],
    ),
    "a reset that is null has not begun": Case(
        [(0, 0, NULL), (5, 0, NULL), (10, 2, 307)], 2, [], [], [(7, 10, 2)],
    ),
    "a reset that is past while nothing is used has not begun": Case(
        [(0, 50, 2), (5, 0, 2), (10, 0, 2), (15, 2, 312)], 2, ["reset"], [], [(12, 15, 2)],
    ),
    "a past reset that keeps filling is no reset": Case(
        [(0, 50, 3), (5, 51, 3), (10, 52, 3)], 52, [], [], [(0, 5, 1), (5, 10, 1)],
    ),
    "a past reset that is put right while it keeps filling is no reset": Case(
        [(0, 50, 3), (5, 51, 3), (10, 52, 40)], 52, [], [], [(0, 5, 1), (5, 10, 1)],
    ),
    "a past reset while a later one is believed is a stale answer": Case(
        [(0, 80, 2), (5, 3, 303), (10, 80, 2), (15, 81, 2), (20, 4, 303)],
        4, ["reset"], [2, 3], [(3, 5, 3), (5, 20, 1)],
    ),
    "a null figure is ignored": Case(
        [(0, 10, 200), (5, NULL, 200), (10, 12, 200)], 12, [], [], [(0, 10, 2)],
    ),
    "a null reset does not move a running cycle's": Case(
        [(0, 10, 200), (5, 11, NULL), (10, 12, 200)], 12, [], [], [(0, 5, 1), (5, 10, 1)],
    ),
    "a leap in one answer is held until the second": Case(
        [(0, 14, 200), (5, 88, 200), (10, 88, 200)], 88, [], [1], [(0, 10, 74)],
    ),
    "a leap that is not seen again counts for nothing": Case(
        [(0, 14, 200), (5, 88, 200), (10, 15, 200)], 15, [], [1], [(0, 10, 1)],
    ),
    "a leap across a told reset is held, too": Case(
        [(0, 14, 2), (5, 88, 303), (10, 89, 303)], 89, ["reset"], [1], [(3, 10, 89)],
    ),
    "time at 100 percent says nothing": Case(
        [(0, 99, 10), (5, 100, 10), (10, 100, 10), (15, 2, 313)],
        2, ["reset"], [], [(0, 5, 1), (13, 15, 2)],
    ),
    "a look less than an hour old is a late answer": Case(
        [(50, 20, 200), (5, 10, 200), (55, 21, 200)], 21, [], [1], [(50, 55, 1)],
    ),
    "a look that is an hour older than the last means a clock that was set back": Case(
        [(100, 20, 200), (10, 21, 200), (15, 22, 200)],
        22, ["clock_set_back"], [], [(10, 15, 1)],
    ),
    "a window that was never told an end can be reset": Case(
        [(0, 50, NULL), (5, 0, NULL), (10, 0, NULL)], 0, ["reset"], [1], [],
    ),
}  # fmt: skip


def observation(minute: float, used: float | None, reset: float | None) -> Observation:
    return Observation(
        T0 + minute * 60, used, None if reset is None else T0 + reset * 60, LENGTH * 60
    )


def play(series: Series, looks: list[tuple[float, float | None, float | None]]) -> list[Look]:
    return [series.observe(observation(*look)) for look in looks]


def minutes(burnt: Burnt) -> tuple[float, float, float]:
    return (burnt.since - T0) / 60, (burnt.until - T0) / 60, burnt.percent


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_in_a_series(case: Case) -> None:
    series = Series()
    looks = play(series, case.looks)
    assert series.span is not None
    assert series.span.used_percent == case.believed
    assert [event.kind.value for look in looks for event in look.events] == case.events
    assert [at for at, look in enumerate(looks) if look.held] == case.held
    # What the first look shows was burnt before anybody looked: not a look's doing.
    burnt = [look.burnt for look in looks[1:] if look.burnt is not None and look.burnt.percent]
    assert [minutes(each) for each in burnt] == case.burnt


def test_a_held_look_changes_nothing_that_is_believed() -> None:
    series = Series()
    _, held = play(series, [(0, 60, 200), (5, 2, 280)])
    assert (held.used_percent, held.held) == (60, True)
    assert held.reset_at == T0 + 200 * 60
    assert held.burnt is None


def test_the_first_look_knows_what_was_burnt_since_the_cycle_began() -> None:
    (look,) = play(Series(), [(0, 30, 100)])
    assert look.burnt == Burnt(T0 - 200 * 60, T0, 30, polled=False)


def test_the_first_look_at_an_unused_window_knows_nothing() -> None:
    (look,) = play(Series(), [(0, 0, 300)])
    assert look.burnt is None


def test_a_new_cycle_whose_start_lies_ahead_of_the_clock_hides_nothing() -> None:
    *_, look = play(Series(), [(0, 0, 300), (5, 2, 306)])
    assert look.burnt == Burnt(T0, T0 + 300, 2, polled=True)


def test_a_first_look_whose_cycle_starts_ahead_of_the_clock_knows_nothing() -> None:
    (look,) = play(Series(), [(0, 2, 301)])
    assert look.burnt is None


def test_idleness_after_a_told_reset_is_known_from_the_reset_on() -> None:
    *_, look = play(Series(), [(0, 80, 2), (5, 0, 305)])
    assert look.burnt == Burnt(T0 + 120, T0 + 300, 0, polled=True)


def test_a_reset_that_is_told_ahead_of_the_clock_leaves_idleness_unknown() -> None:
    *_, look = play(Series(), [(0, 80, 8), (5, 0, 305)])
    assert look.burnt is None


def test_an_unused_window_was_idle_for_its_length_at_most() -> None:
    *_, look = play(Series(), [(0, 0, 300), (400, 0, 700)])
    assert look.burnt == Burnt(T0 + 100 * 60, T0 + 400 * 60, 0, polled=False)


def test_a_leap_is_believed_at_once_where_the_upstream_blocks() -> None:
    series = Series()
    play(series, [(0, 14, 200)])
    look = series.observe(replace(observation(5, 88, 200), blocked=True))
    assert (look.held, look.used_percent) == (False, 88)
    later = series.observe(replace(observation(10, 88, 200), blocked=True))
    assert later.burnt is None  # blocked: idleness says nothing


def test_a_change_of_plan_cuts_the_series_at_the_second_look() -> None:
    series = Series()
    looks = [
        series.observe(replace(observation(minute, used, 200), plan=plan))
        for minute, used, plan in (
            (0, 40, "plus"), (5, 10, "pro"), (10, 41, "plus"),
            (15, 10, "pro"), (20, 10, "team"), (25, 11, "team"), (30, 12, None),
        )
    ]  # fmt: skip
    assert [look.held for look in looks] == [False, True, False, True, True, False, False]
    (event,) = (event for look in looks for event in look.events)
    assert (event.kind, event.before, event.after) == (EventKind.PLAN_CHANGED, "plus", "team")
    assert (event.since, event.until) == (T0 + 600, T0 + 1500)
    assert looks[5].burnt is None
    assert looks[6].burnt == Burnt(T0 + 1500, T0 + 1800, 1, polled=True)


def test_a_window_that_is_not_reported_has_no_level() -> None:
    series = Series()
    play(series, [(0, 40, 200)])
    look = series.absent(T0 + 300)
    assert (look.used_percent, look.reset_at, look.held, look.events) == (None, None, False, ())
    assert not series.reported
    assert series.observe(observation(10, NULL, 200)).used_percent is None


def test_a_window_that_is_missing_from_one_answer_goes_on() -> None:
    series = Series()
    play(series, [(0, 40, 200)])
    series.absent(T0 + 300)
    (look,) = play(series, [(10, 41, 200)])
    assert series.reported
    assert look.burnt == Burnt(T0, T0 + 600, 1, polled=True)


def test_a_window_that_is_missing_from_two_answers_has_ended() -> None:
    series = Series()
    play(series, [(0, 40, 200), (5, 41, 200)])
    series.absent(T0 + 600)
    look = series.absent(T0 + 900)
    (event,) = look.events
    assert (event.kind, event.before, event.after) == (EventKind.WINDOW_ENDED, 41, None)
    assert look.ended == Span(T0 + 300, T0 + 300, 41, T0 + 200 * 60)
    assert series.span is None
    assert series.absent(T0 + 1200).events == ()


@pytest.mark.parametrize("at", [T0 - 1, T0, float("nan"), 1e300])
def test_a_window_is_not_missed_at_a_time_that_makes_no_sense(at: float) -> None:
    series = Series()
    play(series, [(0, 40, 200)])
    series.absent(at)
    assert series.reported


@pytest.mark.parametrize(
    ("reset", "percent"), [(200, None), (318, 2.0)], ids=["the old cycle", "a new cycle"]
)
def test_a_window_that_comes_back_burnt_what_its_new_cycle_shows(
    reset: float, percent: float | None
) -> None:
    series = Series()
    play(series, [(0, 40, 200)])
    series.absent(T0 + 300)
    series.absent(T0 + 600)
    (look,) = play(series, [(20, 2, reset)])
    assert (look.used_percent, look.held) == (2, False)
    assert (look.burnt and look.burnt.percent) == percent


def test_spans_end_where_the_value_the_reset_or_the_polls_change() -> None:
    series = Series()
    looks = play(
        series,
        [(0, 10, 200), (5, 10, 201), (10, 11, 200), (15, 11, 250), (90, 11, 250)],
    )
    ended = [look.ended for look in looks if look.ended is not None]
    assert [((s.since - T0) / 60, (s.until - T0) / 60, s.used_percent) for s in ended] == [
        (0, 5, 10),
        (10, 10, 11),
        (15, 15, 11),
    ]
    assert series.span == Span(T0 + 5400, T0 + 5400, 11, T0 + 250 * 60)


def test_a_stored_span_is_no_gap() -> None:
    series = Series()
    looks = series.observe_span(observation(0, 10, 250), until=T0 + 12_000, looks=40)
    assert [event for look in looks for event in look.events] == []
    assert series.span == Span(T0, T0 + 12_000, 10, T0 + 250 * 60)
    idle = [look.burnt for look in looks[1:]]
    assert [burnt is not None and burnt.polled for burnt in idle] == [True, True]


@pytest.mark.parametrize(("looks", "believed"), [(2, 90), (3, 45)])
def test_a_stored_span_counts_its_looks(looks: int, believed: float) -> None:
    series = Series()
    play(series, [(0, 90, 200)])
    series.observe_span(observation(5, 45, 200), until=T0 + 1500, looks=looks)
    assert series.span is not None
    assert series.span.used_percent == believed


def test_a_stored_span_of_one_look_is_one_look() -> None:
    series = Series()
    series.observe_span(observation(0, 10, 200), until=T0, looks=1)
    assert series.span == Span(T0, T0, 10, T0 + 200 * 60)


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 0.0, -1.0, 1e12])
def test_a_look_at_an_impossible_time_is_ignored(at: float) -> None:
    series = Series()
    play(series, [(0, 10, 200)])
    look = series.observe(Observation(at, 50, None, None))
    assert (look.used_percent, look.burnt) == (10, None)


def test_figures_that_make_no_sense_are_unknown() -> None:
    series = Series()
    look = series.observe(Observation(T0, 130, float("nan"), -5))
    assert (look.used_percent, look.reset_at, series.window_seconds) == (100, None, None)
    later = series.observe(Observation(T0 + 300, float("nan"), 1e300, 0))
    assert (later.used_percent, later.held) == (100, False)


def test_without_a_length_an_unused_window_with_a_reset_runs() -> None:
    series = Series()
    looks = [
        series.observe(Observation(T0 + 300 * n, used, reset, None))
        for n, (used, reset) in enumerate(((0, NULL), (0, T0 + 18_000), (2, T0 + 18_000)))
    ]
    assert [look.reset_at for look in looks] == [None, T0 + 18_000, T0 + 18_000]
