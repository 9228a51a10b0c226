from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.polling.policy import (
    PAUSE_SHARES,
    Pace,
    Pause,
    RetryBudget,
    worth_retrying,
)
from poller.values import Failure, FailureKind, Retry


def failure(retry: Retry, retry_after_s: float | None = None) -> Failure:
    return Failure(FailureKind.SERVER_ERROR, "", "", retry_now=retry, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("retry", "allowed"),
    [
        (Retry.NEVER, []),
        (Retry.ONCE, [1]),
        (Retry.TRANSIENT, [1, 2]),
        (Retry.THROTTLED, [1, 2]),
    ],
)
def test_each_kind_of_retry_allows_so_many_attempts(retry: Retry, allowed: list[int]) -> None:
    attempts = range(1, 6)

    assert [n for n in attempts if worth_retrying(failure(retry), attempts=n, retries=2)] == allowed


@given(attempts=st.integers(1, 50), retries=st.integers(0, 50), retry=st.sampled_from(Retry))
def test_no_failure_is_retried_more_often_than_asked_for(
    attempts: int, retries: int, retry: Retry
) -> None:
    if worth_retrying(failure(retry), attempts=attempts, retries=retries):
        assert attempts <= retries


@pytest.mark.parametrize(("wait_s", "worth"), [(30.0, True), (30.5, False)])
def test_a_long_retry_after_gives_up_at_once(wait_s: float, worth: bool) -> None:
    throttled = failure(Retry.THROTTLED, wait_s)

    assert worth_retrying(throttled, attempts=1, retries=2) is worth


def taken(budget: RetryBudget, *, again: bool = False) -> int:
    return sum(budget.take(again=again) for _ in range(100_000))


def test_the_budget_is_twenty_and_a_quarter_of_the_accounts_started() -> None:
    assert taken(RetryBudget(started=100)) == 45
    assert taken(RetryBudget(started=2000, failed_confirmations=100), again=True) == 520


def test_of_many_the_last_retries_are_for_who_was_not_asked_again_yet() -> None:
    budget = RetryBudget(started=10_000)

    assert taken(budget, again=True) == 2120
    assert taken(budget) == 400


def test_hundreds_of_proofs_in_vain_leave_less_for_who_was_asked_again() -> None:
    assert taken(RetryBudget(started=10_000, failed_confirmations=1100), again=True) == 1120
    assert taken(RetryBudget(started=10_000, failed_confirmations=1100)) == 2520


def test_a_retry_instead_of_a_proof_is_never_refused_but_counted() -> None:
    budget = RetryBudget(started=100, retries=45)

    assert budget.take(instead_of_confirmation=True)
    assert budget.retries == 46


def test_a_pace_spreads_starts_evenly_and_saves_nothing_up() -> None:
    pace = Pace(rate=4)

    assert [pace.wait_s(now=100.0) for _ in range(3)] == [0.0, 0.25, 0.5]
    assert pace.wait_s(now=100.5) == 0.25
    assert [pace.wait_s(now=200.0) for _ in range(2)] == [0.0, 0.25]


def test_three_retry_afters_within_ten_seconds_pause_until_the_last_of_their_times() -> None:
    pause = Pause(share=1 / 3)
    pause.note(20.0, now=100.0)
    pause.note(5.0, now=101.0)

    assert pause.left_s(now=101.0) == 0

    pause.note(2.0, now=109.0)

    assert pause.left_s(now=110.0) == 10.0
    assert pause.left_s(now=121.0) == 0


@pytest.mark.parametrize(
    "asked", [[(0, 2), (5, 2), (10.5, 2)], [(0, 31), (1, 31), (2, 31)], [(0, 31), (1, 5), (2, 5)]]
)
def test_spread_out_or_endless_retry_afters_do_not_pause(asked: list[tuple[float, float]]) -> None:
    pause = Pause(share=1 / 3)
    for now, wait_s in asked:
        pause.note(wait_s, now=now)

    assert pause.left_s(now=asked[-1][0]) == 0


@pytest.mark.parametrize(
    ("why", "answers_between", "pauses"),
    [
        (Retry.TRANSIENT, 3, True),
        (Retry.TRANSIENT, 4, False),
        (Retry.TRANSIENT, 30, False),
        (Retry.THROTTLED, 4, True),
        (Retry.THROTTLED, 28, True),
        (Retry.THROTTLED, 30, False),
    ],
)
def test_a_few_retry_afters_among_many_answers_do_not_pause(
    why: Retry, answers_between: int, pauses: bool
) -> None:
    pause = Pause(PAUSE_SHARES[why])
    for count in range(3):
        pause.note(5.0, now=100.0, answers=count * (1 + answers_between))

    assert (pause.left_s(now=100.0) > 0) is pauses
