from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.polling.plan import GAP_S, LEAST_S, MOST_S, Plan
from poller.values import Failure, FailureKind, Usage, Window
from tests.plan.people import HOUR_S, people
from tests.plan.trial import FixedInterval, measure, run

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_790_553_600.0
"""A Monday, 00:00 UTC."""
SERVER_ERROR = Failure(FailureKind.SERVER_ERROR, "", "", may_work_later=True)
SEEDS = range(20)
OWNERS = [
    FailureKind.FILE_MISSING,
    FailureKind.FILE_INVALID,
    FailureKind.NO_CREDENTIALS,
    FailureKind.INVALID_TOKEN,
    FailureKind.TOKEN_EXPIRED,
    FailureKind.LOGIN_REQUIRED,
    FailureKind.REFRESH_REFUSED,
    FailureKind.UNAUTHORIZED,
]


def used(
    five_hour: float | None = None,
    weekly: float | None = None,
    *,
    in_s: float = math.inf,
    **more: Any,
) -> Usage:
    """Return figures whose windows reset in ``in_s`` seconds from NOW."""
    reset_at = None if in_s == math.inf else int(NOW + in_s)
    figures = (("five_hour", five_hour, 5 * HOUR_S), ("weekly", weekly, 168 * HOUR_S))
    windows = [Window(n, 100 - u, s, reset_at) for n, u, s in figures if u is not None]
    return Usage(windows=tuple(windows), **{"usable": True, **more})


def plan_with(*accounts: str, budget: float | None = None, seed: int = 0) -> Plan:
    plan = Plan(budget, seed)
    for account in accounts:
        plan.add(account, NOW)
    return plan


def due_at(plan: Plan, now: float = NOW) -> float:
    turn = plan.next(now)
    assert turn is not None
    return turn[1]


def waits(usage: Usage, *, now: float = NOW) -> list[float]:
    """Return how long an account waits after its first answer, for many seeds."""
    found = []
    for seed in SEEDS:
        plan = plan_with("a", seed=seed)
        plan.answered("a", usage, now)
        found.append(due_at(plan, now) - now)
    return found


def burning(percent_a_minute: float, *, until: float, budget: float | None = None) -> Plan:
    """Return a plan that saw an account burn, a look a minute, up to ``until`` percent at NOW."""
    plan = Plan(budget)
    minutes = int(until / percent_a_minute)
    plan.add("a", NOW - 60 * minutes)
    for minute in range(minutes + 1):
        plan.answered("a", used(minute * percent_a_minute), NOW - 60 * (minutes - minute))
    return plan


# The queue


def test_nobody_is_due_before_anybody_was_added() -> None:
    assert Plan().next(NOW) is None


def test_an_account_that_was_added_is_due_at_once() -> None:
    assert plan_with("a").next(NOW) == ("a", NOW)


def test_a_look_changes_nothing() -> None:
    plan = plan_with("a", "b")
    plan.answered("a", used(20), NOW)

    assert [plan.next(NOW + s) for s in (0, 0, 30)] == [("b", NOW + GAP_S)] * 3


def test_requests_are_a_second_and_a_half_apart_at_least() -> None:
    plan = plan_with("a", "b")
    plan.failed("a", SERVER_ERROR, NOW)

    assert plan.next(NOW) == ("b", NOW + GAP_S)
    assert GAP_S >= 1.5


def test_an_account_that_is_added_again_stays_as_it_is() -> None:
    plan = plan_with("a")
    plan.answered("a", used(), NOW)
    before = plan.next(NOW)
    plan.add("a", NOW + 1)

    assert plan.next(NOW + 1) == before


def test_a_removed_account_is_not_asked() -> None:
    plan = plan_with("a", "b")
    plan.remove("a")
    plan.remove("never known")

    assert plan.next(NOW) == ("b", NOW)


def test_an_account_that_leaves_and_comes_back_is_not_asked_twice_within_a_minute() -> None:
    plan = plan_with("a", "b")
    plan.answered("a", used(10), NOW)
    plan.remove("a")
    plan.answered("b", used(10), NOW + 1)
    plan.remove("b")
    plan.add("a", NOW + 2)
    assert plan.next(NOW + 2) == ("a", NOW + LEAST_S)

    plan.remove("a")
    plan.answered("a", used(10), NOW + 100)  # it was being asked when it left
    plan.failed("a", SERVER_ERROR, NOW + 110)
    plan.add("a", NOW + 120)
    assert plan.next(NOW + 120) == ("a", NOW + 110 + LEAST_S)


def test_an_account_that_left_long_ago_comes_back_as_a_new_one() -> None:
    plan = plan_with("a")
    plan.answered("a", used(10), NOW)
    plan.remove("a")
    plan.next(NOW + 1000)
    plan.remove("a")
    plan.add("a", NOW + 1000)

    assert plan.next(NOW + 1000) == ("a", NOW + 1000)


# How long an account waits


def test_an_account_that_rests_is_asked_within_the_hour() -> None:
    assert all(0.9 * MOST_S <= wait <= 3600 for wait in waits(used()))


def test_waits_are_spread_by_eight_percent() -> None:
    found = waits(used(50))

    assert len(set(found)) == len(found)
    assert 1.05 < max(found) / min(found) <= 1.08 / 0.92


def test_no_account_is_asked_twice_within_a_minute_however_fast_it_burns() -> None:
    assert 60 <= due_at(burning(15, until=60)) - NOW < 65


def test_who_burns_is_asked_sooner_than_who_rests() -> None:
    resting = plan_with("a")
    for hour in range(5):
        resting.answered("a", used(30), NOW - (4 - hour) * HOUR_S)

    assert due_at(burning(0.5, until=40)) - NOW < 240
    assert due_at(resting) - NOW > 900


def test_who_rests_is_asked_sooner_at_the_hours_of_its_habit() -> None:
    plan = plan_with("a")
    for quarter in range(6 * 96):
        now = NOW + quarter * 900
        works = 9 <= now % 86_400 / 3600 < 11
        plan.answered("a", used(5 * (quarter % 8) if works else 0), now)
    midnight = NOW + 6 * 86_400
    plan.answered("a", used(0), midnight)
    at_night = due_at(plan, midnight) - midnight
    plan.answered("a", used(0), midnight + 10 * HOUR_S)

    assert due_at(plan, midnight) - midnight - 10 * HOUR_S < at_night / 2


@pytest.mark.parametrize("until", [78, 98])
def test_who_may_soon_be_low_or_exhausted_is_asked_sooner(until: int) -> None:
    assert due_at(burning(0.5, until=until)) - NOW < (due_at(burning(0.5, until=40)) - NOW) / 1.3


def test_a_figure_that_is_not_known_teaches_nothing() -> None:
    plan = burning(0.5, until=40)
    unknown = Usage(usable=True, windows=(Window("five_hour", None, 5 * HOUR_S, None),))
    before = due_at(plan) - NOW
    plan.answered("a", unknown, NOW)

    assert due_at(plan) - NOW == pytest.approx(before, rel=0.2)

    fresh = plan_with("a")
    fresh.answered("a", unknown, NOW)
    fresh.answered("a", used(30), NOW + 300)  # the first figure is no rise
    assert due_at(fresh, NOW + 300) - NOW - 300 > 400


def test_the_time_an_account_is_blocked_is_no_rest() -> None:
    plan = burning(0.5, until=100)
    for minute in range(0, 60 * 24, 20):
        plan.answered("a", used(100, usable=False), NOW + 60 * minute)
    again = NOW + 86_400
    plan.answered("a", used(0), again)

    assert due_at(plan, again) - again < 900


@pytest.mark.parametrize("in_s", [70, 200, 500])
def test_after_a_told_reset_an_account_is_asked_within_5_to_45_seconds(in_s: int) -> None:
    found = waits(used(30, in_s=in_s))

    assert all(in_s + 5 <= wait <= in_s + 45 for wait in found)
    assert len(set(found)) == len(found)


def test_a_reset_within_the_minute_waits_for_the_minute_to_be_over() -> None:
    assert all(60 <= wait <= 75 for wait in waits(used(30, in_s=30)))
    assert waits(used(30, in_s=3)) == [60] * len(SEEDS)


def test_a_window_that_has_not_begun_has_no_reset_to_wait_for() -> None:
    assert all(wait > 300 for wait in waits(used(0, in_s=100)))


def test_a_reset_that_comes_late_is_looked_for_again_and_again() -> None:
    late = [waits(used(100, in_s=0, usable=False), now=NOW + s) for s in (10, 300, 2000)]

    assert set(late[0]) == {60}
    assert all(0.92 * 300 <= wait <= 1.08 * 300 for wait in late[1])
    assert all(wait > 1000 for wait in late[2])


def test_a_rise_after_a_told_reset_was_burnt_since() -> None:
    told, untold = (burnt_after(used(80, in_s=in_s), used(20)) for in_s in (60, 6000))

    assert told < untold / 1.5


def burnt_after(before: Usage, after: Usage) -> float:
    plan = plan_with("a")
    plan.answered("a", before, NOW)
    for minute in (5, 10, 12):
        plan.answered("a", after, NOW + 60 * minute)
    return due_at(plan) - NOW - 720


# Blocked, on credits, without windows


def test_a_blocked_account_is_asked_every_twenty_minutes_where_no_time_is_known() -> None:
    found = waits(Usage(usable=False))

    assert all(0.92 * 1200 <= wait <= 1.08 * 1200 for wait in found)


def test_a_blocked_account_is_asked_just_after_the_reset_that_frees_it() -> None:
    spent = Usage(usable=False, usable_at=int(NOW + 600))

    assert all(605 <= wait <= 645 for wait in waits(spent))
    assert all(
        0.92 * 1200 <= wait <= 1.08 * 1200 for wait in waits(used(100, usable=False, in_s=9e3))
    )


def test_an_account_on_credits_is_asked_once_an_hour_whatever_its_windows_show() -> None:
    usage = Usage(usable=True, on_credits=True, windows=used(98, 40).windows)

    assert all(3000 < wait <= 3600 for wait in waits(usage))


def test_an_account_without_windows_or_with_all_used_and_usable_is_asked_once_an_hour() -> None:
    for usage in (Usage(), Usage(usable=True), used(weekly=100)):
        assert all(3000 < wait <= 3600 for wait in waits(usage))


# Resets that nobody told


def test_an_unannounced_reset_is_looked_at_again_once() -> None:
    plan = plan_with("a")
    found = []
    for minute, percent in ((0, 60), (50, 2), (100, 60), (150, 2), (200, 2), (250, 2)):
        now = NOW + 60 * minute
        plan.answered("a", used(weekly=percent, in_s=86_400), now)
        found.append(due_at(plan, now) - now <= 65)

    assert found == [False, True, False, True, False, False]


def test_when_two_accounts_are_reset_unannounced_everybody_is_asked() -> None:
    plan = plan_with("a", "b", "c", "failing", "logged out")
    for account in "abc":
        plan.answered(account, used(weekly=60, in_s=86_400), NOW)
    plan.failed("logged out", Failure(FailureKind.LOGIN_REQUIRED, "", ""), NOW + 10)
    plan.failed("failing", SERVER_ERROR, NOW + 500)
    plan.failed("failing", SERVER_ERROR, NOW + 600)
    plan.answered("a", used(weekly=0, in_s=86_400), NOW + 600)
    plan.answered("a", used(weekly=0, in_s=86_400), NOW + 660)
    assert plan.next(NOW + 660) != ("c", NOW + 660 + GAP_S)
    plan.answered("b", used(weekly=0, in_s=86_400), NOW + 661)

    assert plan.next(NOW + 661) == ("c", NOW + 661 + GAP_S)
    plan.answered("a", used(weekly=0, in_s=86_400), NOW + 720)
    plan.answered("c", used(weekly=0, in_s=86_400), NOW + 725)
    for account in ("b", "c", "failing"):
        plan.remove(account)
    assert due_at(plan, NOW + 725) > NOW + 720 + 300, "it was asked already"
    plan.remove("a")
    assert plan.next(NOW + 730) is None, "the login has still ended"


def test_a_reset_that_comes_minutes_too_soon_or_a_point_of_noise_is_no_surprise() -> None:
    for before, after, in_s in ((60, 2, 500), (20, 19, 86_400)):
        plan = plan_with("a")
        plan.answered("a", used(weekly=before, in_s=in_s), NOW)
        plan.answered("a", used(weekly=after, in_s=86_400), NOW + 300)

        assert due_at(plan, NOW + 300) - NOW - 300 > 70


def test_resets_of_two_accounts_at_different_times_of_the_day_are_no_sign() -> None:
    plan = plan_with("a", "b", "c")
    for account in "abc":
        plan.answered(account, used(weekly=60, in_s=86_400), NOW)
    plan.answered("a", used(weekly=0, in_s=86_400), NOW + 10)
    plan.answered("c", used(weekly=60, in_s=86_400), NOW + 7200)
    plan.answered("b", used(weekly=0, in_s=86_400), NOW + 7201)
    plan.remove("a")
    plan.remove("b")

    assert due_at(plan, NOW + 7202) > NOW + 7200 + 300


# Failures


def test_a_failure_is_tried_again_after_a_minute_and_ever_more_seldom() -> None:
    plan, now, found = plan_with("a"), NOW, []
    for _ in range(20):
        plan.failed("a", SERVER_ERROR, now)
        found.append(due_at(plan, now) - now)
        now += found[-1]

    wanted = [60, 120, 240, 480, *[900] * 16]
    assert all(
        max(60, 0.92 * w) <= s <= min(900, 1.08 * w) for s, w in zip(found, wanted, strict=True)
    )


def test_an_answer_makes_up_for_all_failures() -> None:
    plan = plan_with("a")
    for _ in range(5):
        plan.failed("a", SERVER_ERROR, NOW)
    plan.answered("a", used(10), NOW)
    plan.failed("a", SERVER_ERROR, NOW)

    assert due_at(plan) - NOW <= 65


def test_nobody_is_asked_before_the_time_that_the_upstream_asked_for() -> None:
    plan = plan_with("a")
    plan.failed("a", Failure(FailureKind.RATE_LIMITED, "", "", retry_after_s=7200), NOW)
    plan.changed("a", NOW + 10)

    assert due_at(plan) >= NOW + 7200


@pytest.mark.parametrize("kind", OWNERS)
def test_what_only_the_owner_can_heal_waits_for_its_file(kind: FailureKind) -> None:
    plan = plan_with("a")
    plan.failed("a", Failure(kind, "", ""), NOW)
    assert plan.next(NOW + 1e6) is None

    plan.changed("a", NOW + 1e6)
    assert plan.next(NOW + 1e6) == ("a", NOW + 1e6)


def test_a_login_failure_that_may_pass_is_tried_again() -> None:
    plan = plan_with("a")
    plan.failed("a", Failure(FailureKind.UNAUTHORIZED, "", "", may_work_later=True), NOW)

    assert due_at(plan) == pytest.approx(NOW + 62, abs=3)


def test_a_file_that_changes_has_its_account_asked_but_not_twice_within_a_minute() -> None:
    plan = plan_with("a")
    plan.answered("a", used(), NOW)
    plan.changed("a", NOW + 10)
    plan.changed("never known", NOW + 10)

    assert plan.next(NOW + 10) == ("a", NOW + 60)


# The budget


def test_a_budget_allows_a_twelfth_of_it_at_once_and_then_its_rate() -> None:
    names = [f"{n}" for n in range(40)]
    plan, now, starts = plan_with(*names, budget=120), NOW, []
    for _ in range(20):
        turn = plan.next(now)
        assert turn is not None
        starts.append(turn[1])
        now = turn[1]
        plan.failed(turn[0], Failure(FailureKind.TOKEN_EXPIRED, "", ""), now)

    gaps = [after - before for before, after in pairwise(starts)]
    assert gaps[:9] == pytest.approx([GAP_S] * 9)
    assert gaps[10:] == pytest.approx([30] * 9)


def test_a_first_look_at_thousands_is_paid_by_their_budget_not_by_the_gap() -> None:
    plan = Plan()
    for n in range(1, 3001):
        plan.add(f"{n}", NOW)
        plan.allow(12 * n)
        plan.answered(f"{n}", used(n % 50, in_s=9000), NOW)

    assert due_at(plan) < NOW + 20 * 60


def test_a_look_that_took_two_requests_leaves_the_gap_of_two() -> None:
    plan = plan_with("a", "b")
    plan.answered("a", used(20), NOW, requests=2)

    assert plan.next(NOW) == ("b", NOW + 2 * GAP_S)


def test_where_more_is_wanted_than_the_budget_allows_intervals_are_stretched() -> None:
    free, tight = (due_at(burning(0.5, until=40, budget=budget)) - NOW for budget in (3600, 12))

    assert tight > 1.5 * free


def test_no_interval_is_stretched_past_a_told_reset() -> None:
    plan = plan_with(*"abcdefgh", budget=4)
    for account in "abcdefgh":
        plan.answered(account, used(50), NOW - 9e5)
    plan.answered("a", used(50, in_s=900), NOW)
    for account in "bcdefgh":
        plan.remove(account)

    assert due_at(plan) == pytest.approx(NOW + 925, abs=20)


def test_a_small_budget_lets_answers_grow_older_than_an_hour() -> None:
    names = [f"{n}" for n in range(100)]
    plan = plan_with(*names, budget=50)
    for name in names:
        plan.answered(name, used(), NOW - 9e5)
    plan.answered("0", used(), NOW)
    for name in names[1:]:
        plan.remove(name)

    assert 3600 < due_at(plan) - NOW <= 3600 * 100 / 45


# Clocks


def test_a_clock_that_was_set_back_shifts_all_waits() -> None:
    plan = plan_with("a", "b", "gone", budget=60)
    plan.answered("gone", used(20), NOW)
    plan.answered("b", used(20), NOW)
    plan.answered("a", used(20), NOW)
    plan.remove("gone")
    _, due = plan.next(NOW + 5) or pytest.fail("nobody is due")
    assert due_at(plan, NOW + 5 - 86_400) == due - 86_400

    plan.add("gone", NOW + 6 - 86_400)
    plan.next(NOW + 7 - 86_400)
    assert plan.next(NOW + 7 - 86_400) == ("gone", NOW - 86_400 + 60)


def test_a_clock_that_is_corrected_by_a_minute_shifts_nothing() -> None:
    plan = plan_with("a")
    plan.answered("a", used(20), NOW)

    assert due_at(plan, NOW) == due_at(plan, NOW - 60)


def test_after_a_long_sleep_each_account_is_asked_once() -> None:
    plan = plan_with(*"abc")
    for account in "abc":
        plan.answered(account, used(20), NOW)
    asked: Counter[str] = Counter()
    now = NOW + 9e5
    while (turn := plan.next(now)) and turn[1] < NOW + 9e5 + 50:
        now = max(now, turn[1])
        asked[turn[0]] += 1
        plan.answered(turn[0], used(20), now)

    assert asked == {"a": 1, "b": 1, "c": 1}


# Whatever happens

PERCENT = st.one_of(st.none(), st.floats(0, 100))
USAGES = st.builds(
    lambda usable, usable_in, figures: Usage(
        usable=usable,
        usable_at=usable_in and int(NOW) + usable_in,
        windows=tuple(
            Window(name, percent, 5 * HOUR_S, reset_in and int(NOW) + reset_in)
            for name, percent, reset_in in figures
        ),
    ),
    st.sampled_from([True, False, None]),
    st.one_of(st.none(), st.integers(-9999, 99_999)),
    st.lists(
        st.tuples(
            st.sampled_from(["five_hour", "weekly", "monthly", "1d"]),
            PERCENT,
            st.one_of(st.none(), st.integers(-9999, 99_999)),
        ),
        max_size=3,
        unique_by=lambda figure: figure[0],
    ),
)
FAILURES = st.builds(
    lambda kind, after_s, passing: Failure(
        kind, "", "", retry_after_s=after_s, may_work_later=passing
    ),
    st.sampled_from(FailureKind),
    st.one_of(st.none(), st.floats(0, 9999)),
    st.booleans(),
)
STEPS = st.lists(
    st.one_of(
        USAGES,
        FAILURES,
        st.tuples(st.sampled_from(["add", "remove", "changed"]), st.sampled_from("abcd")),
        st.floats(0, 30_000).map(lambda slept_s: ("sleep", slept_s)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(steps=STEPS, budget=st.one_of(st.none(), st.floats(1, 500)), seed=st.integers(0, 9))
def test_whatever_happens_the_bounds_are_kept(
    steps: list[Any], budget: float | None, seed: int
) -> None:
    plan = plan_with("a", "b", budget=budget, seed=seed)
    now, starts = NOW, list[float]()
    last, not_before = dict[str, float](), dict[str, float]()
    for step in steps:
        match step:
            case ("sleep", slept_s):
                now += slept_s
            case ("remove", account):
                plan.remove(account)
            case (verb, account):
                getattr(plan, verb)(account, now)
            case _:
                turn = plan.next(now)
                assert turn == plan.next(now)
                if turn is None:
                    continue
                account, due = turn
                now = max(now, due)
                assert due >= not_before.get(account, 0)
                assert now >= last.get(account, 0) + 60
                assert not starts or now >= starts[-1] + 1.5
                starts.append(now)
                last[account], not_before[account] = now, 0
                if isinstance(step, Usage):
                    plan.answered(account, step, now)
                    oldest = plan.next(now)
                    assert budget or (oldest and oldest[1] <= now + 3600)
                else:
                    plan.failed(account, step, now)
                    not_before[account] = now + (step.retry_after_s or 0)
    if budget is not None and budget >= 12:
        for start in starts:
            within = [at for at in starts if start <= at < start + 3600]
            assert len(within) <= budget + budget / 12 + 1e-6


# The figures that the plan is for


@pytest.fixture(scope="module")
def weeks() -> Callable[[float | None], Any]:
    lives = people(12, days=5, seed=7)

    def judged(budget: float | None) -> Any:
        plan = FixedInterval() if budget == 0 else Plan(budget)
        return measure(run(plan, lives, days=5), lives, from_day=2, days=5)

    return judged


def test_the_plan_is_nearer_to_the_truth_than_five_minutes_with_half_the_requests(
    weeks: Callable[[float | None], Any],
) -> None:
    plan, every_five_minutes = weeks(None), weeks(0)

    assert plan.requests <= min(140, every_five_minutes.requests / 2)
    assert plan.lag <= min(0.075, 1.25 * every_five_minutes.lag)
    assert max(plan.exhausted, plan.low, plan.back) <= 1.5
    assert plan.oldest <= 61
    assert plan.most_in_10_s <= 8


@pytest.mark.parametrize(("budget", "requests", "lag"), [(48.0, 97, 0.115), (24.0, 49, 0.25)])
def test_a_budget_is_kept_and_spent_well(
    weeks: Callable[[float | None], Any], budget: float, requests: float, lag: float
) -> None:
    figures = weeks(budget)

    assert figures.most_an_hour <= budget + budget / 12
    assert figures.requests <= requests
    assert figures.lag <= lag
