from __future__ import annotations

import calendar
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.simulator.quota import Meter, empty_level, month_after, month_of, use

FIVE_HOURS = Meter(18_000, 1.0)
WEEK = Meter(604_800, 0.2)
BOTH = (FIVE_HOURS, WEEK)
START = 1_790_000_000


def test_a_window_begins_with_its_first_use_and_fills_evenly() -> None:
    level = empty_level(BOTH)
    use(BOTH, level, start_at=START, end_at=START + 3_600, points_per_hour=10)
    assert level.used == pytest.approx([10, 2])
    assert level.reset_at == [START + 18_000, START + 604_800]


def test_use_that_goes_on_begins_the_next_window_at_the_reset() -> None:
    level = empty_level(BOTH)
    use(BOTH, level, start_at=START, end_at=START + 6 * 3_600, points_per_hour=10)
    assert level.used == pytest.approx([10, 12])
    assert level.reset_at[0] == START + 2 * 18_000


def test_a_full_window_stops_all_use_until_it_resets() -> None:
    level = empty_level(BOTH)
    use(BOTH, level, start_at=START, end_at=START + 18_000, points_per_hour=50)
    assert level.used == [100.0, pytest.approx(20)]
    use(BOTH, level, start_at=START + 18_000 + 60, end_at=START + 21_660, points_per_hour=50)
    assert level.used == pytest.approx([50, 30])
    assert level.reset_at[0] == START + 18_060 + 18_000


def test_nothing_begins_while_a_longer_window_is_full() -> None:
    level = empty_level(BOTH)
    level.used, level.reset_at = [0.0, 100.0], [START, START + 604_800]
    use(BOTH, level, start_at=START + 10, end_at=START + 50_000, points_per_hour=50)
    assert level.used_at(0, START + 50_000) == 0
    assert level.reset_at[0] == START


def test_a_limit_beside_the_plan_fills_up_without_stopping_anything() -> None:
    meters = (FIVE_HOURS, Meter(18_000, 10.0, blocks=False))
    level = empty_level(meters)
    use(meters, level, start_at=START, end_at=START + 3_600, points_per_hour=20)
    assert level.used == [pytest.approx(20), 100.0]


def test_credits_are_spent_while_a_window_is_full_and_no_further() -> None:
    level = empty_level((FIVE_HOURS,), credits_left=50)
    use((FIVE_HOURS,), level, start_at=START, end_at=START + 2 * 3_600 + 900, points_per_hour=50)
    assert level.used == [100.0]
    assert level.credits == pytest.approx(25)
    use((FIVE_HOURS,), level, start_at=START + 8_100, end_at=START + 17_000, points_per_hour=50)
    assert (level.used, level.credits) == ([100.0], 0.0)


@given(
    points_per_hour=st.floats(0.1, 2_000),
    lengths=st.lists(st.integers(1, 90_000), min_size=2, max_size=6),
    credits_left=st.floats(0, 300),
)
def test_more_time_never_tells_less_use(
    points_per_hour: float, lengths: list[int], credits_left: float
) -> None:
    seen: list[tuple[list[int], list[float], float]] = []
    for length in sorted(lengths):
        level = empty_level(BOTH, credits_left=credits_left)
        use(BOTH, level, start_at=START, end_at=START + length, points_per_hour=points_per_hour)
        seen.append((level.reset_at, level.used, level.credits))
    for (resets, used, left), (later_resets, later_used, later_left) in pairwise(seen):
        assert later_left <= left
        for meter in range(2):
            assert 0 <= used[meter] <= 100
            assert later_resets[meter] >= resets[meter]
            if later_resets[meter] == resets[meter]:
                assert later_used[meter] >= used[meter]


@pytest.mark.parametrize(
    ("at", "begins", "ends"),
    [
        ((2026, 1, 1, 0, 0, 0), (2026, 1, 1), (2026, 2, 1)),
        ((2026, 2, 28, 23, 59, 59), (2026, 2, 1), (2026, 3, 1)),
        ((2026, 12, 31, 23, 59, 59), (2026, 12, 1), (2027, 1, 1)),
    ],
)
def test_calendar_months_are_utcs(
    at: tuple[int, ...], begins: tuple[int, ...], ends: tuple[int, ...]
) -> None:
    now = calendar.timegm(at)
    assert month_of(now) == calendar.timegm((*begins, 0, 0, 0))
    assert month_after(now) == calendar.timegm((*ends, 0, 0, 0))
