from __future__ import annotations

from poller.commands.following import TRAIL_STEP_S, TRAIL_STEPS, Trail

AT = 1_790_000_000.0


def test_a_trail_has_a_figure_for_each_quarter_of_an_hour_and_gaps() -> None:
    trail = Trail()
    trail.note(AT, 50)
    trail.note(AT + 2 * TRAIL_STEP_S, 40)
    trail.note(AT + TRAIL_STEP_S, 45)  # an answer that came late
    assert trail.until(AT + 3 * TRAIL_STEP_S)[-5:] == [None, 50, 45, 40, None]


def test_a_clock_that_was_ahead_leaves_the_trail_of_the_time_before() -> None:
    trail = Trail()
    trail.note(AT, 50)
    trail.note(AT + 4 * TRAIL_STEP_S, 10)
    assert trail.until(AT + TRAIL_STEP_S)[-3:] == [None, 50, None]
    trail.note(AT + 10 * 86_400, 5)
    assert trail.until(AT + 2 * TRAIL_STEP_S) == [None] * TRAIL_STEPS
    trail.note(AT + 2 * TRAIL_STEP_S, 49)
    assert trail.until(AT + 2 * TRAIL_STEP_S)[-2:] == [None, 49]
