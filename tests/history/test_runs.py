"""The rule that makes spans of looks, by itself."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.history.runs import Placed, Run, place

if TYPE_CHECKING:
    from random import Random

HOUR = 3600
EARLIER, LATER = Run(0, 600, 3, (40,), 9_000), Run(7_200, 7_800, 3, (40,), 9_000)


def look(at: int, value: int = 40, reset_at: int | None = 9_000) -> Run:
    return Run(at, at, 1, (value,), reset_at)


@pytest.mark.parametrize(
    ("before", "after", "new", "put"),
    [
        (None, None, look(900), [look(900)]),
        (EARLIER, None, look(900), [Run(0, 900, 4, (40,), 9_000)]),
        (EARLIER, None, look(600 + 66 * 60), [Run(0, 4_560, 4, (40,), 9_000)]),
        (EARLIER, None, look(601 + 66 * 60), [look(4_561)]),
        (EARLIER, None, look(900, 41), [look(900, 41)]),
        (EARLIER, None, look(900, reset_at=9_300), [Run(0, 900, 4, (40,), 9_000)]),
        (EARLIER, None, look(900, reset_at=9_301), [look(900, reset_at=9_301)]),
        (EARLIER, None, look(900, reset_at=None), [look(900, reset_at=None)]),
        (EARLIER, None, look(300), []),
        (EARLIER, None, look(300, 41), []),
        (None, LATER, look(6_900), [Run(6_900, 7_800, 4, (40,), 9_000)]),
        (None, LATER, look(6_900, 41), [look(6_900, 41)]),
        (EARLIER, LATER, look(3_900), [Run(0, 7_800, 7, (40,), 9_000)]),
        (EARLIER, LATER, look(3_900, 41), [look(3_900, 41)]),
    ],
)
def test_a_look_extends_joins_or_begins_a_run(
    before: Run | None, after: Run | None, new: Run, put: list[Run]
) -> None:
    placed = place(before, after, new, live=False)
    assert list(placed.put) == put
    swallowed = after is not None and put != [] and put[-1].until == after.until
    assert placed.dropped == (LATER.since if swallowed else None)


def test_a_run_that_something_interrupted_is_not_extended() -> None:
    assert place(EARLIER, None, look(900), live=False, joins=False).put == (look(900),)


def test_a_longer_export_of_a_known_run_extends_it_and_counts_no_look_twice() -> None:
    longer = Run(0, 1_200, 5, (40,), 9_000)
    assert place(EARLIER, None, longer, live=False) == Placed((longer,))


def test_an_exported_run_fills_what_is_unknown_around_another_value() -> None:
    known = Run(300, 600, 2, (41,), 9_000)
    placed = place(None, known, Run(0, 900, 10, (40,), 9_000), live=False)
    assert placed.put == (Run(0, 299, 3, (40,), 9_000),)
    assert placed.rest == Run(300, 900, 7, (40,), 9_000)
    rest = place(known, None, placed.rest, live=False)
    assert [run[:2] for run in rest.put] == [(601, 900)]


def test_a_live_look_ends_a_different_run_that_a_wrong_clock_dated_later() -> None:
    wrong = Run(0, 3 * HOUR, 9, (40,), 9_000)
    ended = Run(0, 899, 9, (40,), 9_000)
    assert place(wrong, None, look(900, 41), live=True).put == (ended, look(900, 41))
    assert place(wrong, None, look(900), live=True).put == (wrong._replace(polls=10),)
    assert place(wrong, None, look(0, 41), live=True).put == ()


def test_a_live_look_leaves_later_runs_alone() -> None:
    assert place(None, LATER, look(6_900), live=True) == Placed((look(6_900),))


def recorded(looks: list[tuple[int, int]], *, live: bool = False) -> list[Run]:
    """Return the runs after all looks (second, value) were taken."""
    runs: dict[int, Run] = {}
    for at, value in looks:
        rest: Run | None = look(at, value)
        while rest is not None:
            since = rest.since
            before = max((run for run in runs.values() if run.since <= since), default=None)
            after = min((run for run in runs.values() if run.since > since), default=None)
            placed = place(before, after, rest, live=live)
            rest = placed.rest
            if placed.dropped is not None:
                del runs[placed.dropped]
            runs.update({run.since: run for run in placed.put})
    return sorted(runs.values())


LOOKS = st.lists(
    st.tuples(st.integers(0, 400).map(lambda at: at * 60), st.integers(40, 42)),
    unique_by=lambda look: look[0],
    max_size=40,
)


@given(LOOKS)
def test_looks_in_order_are_read_back_at_their_times_and_none_is_lost(
    looks: list[tuple[int, int]],
) -> None:
    runs = recorded(sorted(looks))
    assert sum(run.polls for run in runs) == len(looks)
    for at, value in looks:
        assert [run.value for run in runs if run.since <= at <= run.until] == [(value,)]


@given(LOOKS, st.randoms())
def test_runs_never_overlap_whatever_the_order(
    looks: list[tuple[int, int]], random: Random
) -> None:
    random.shuffle(looks)
    runs = recorded(looks)
    assert all(first.until < second.since for first, second in itertools.pairwise(runs))
    assert {run.since for run in runs} | {run.until for run in runs} <= {at for at, _ in looks}


@given(st.sets(st.integers(0, 60)).map(sorted), st.randoms())
def test_looks_of_one_value_make_the_same_runs_in_any_order(
    minutes: list[int], random: Random
) -> None:
    looks = [(minute * 60, 40) for minute in minutes]
    shuffled = random.sample(looks, len(looks))
    one, other = recorded(looks), recorded(shuffled)
    assert [run[:2] for run in one] == [run[:2] for run in other]


@given(LOOKS)
def test_exported_runs_taken_again_change_nothing(looks: list[tuple[int, int]]) -> None:
    runs = recorded(sorted(looks))
    for run in runs:
        before = max((other for other in runs if other.since <= run.since), default=None)
        after = min((other for other in runs if other.since > run.since), default=None)
        assert place(before, after, run, live=False) == Placed()
