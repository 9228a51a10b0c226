from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.standing import Standing, standings
from poller.insight.timeline import ToldReset, timeline
from poller.values import FailureKind, Report
from tests.known_accounts import FRESH, HOUR, LENGTHS, NOW, after, answered, failed

SPENT_UNTIL_TOMORROW: dict[str, Any] = {
    "spend_control": {"reached": True, "individual_limit": {"reset_at": NOW + 20 * HOUR}}
}
BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}

Told = list[tuple[float, str, str, float | None, bool]]
"""Hours ahead, account, window, what returns, whether it frees."""

CASES: dict[str, tuple[list[Standing], Told]] = {
    "resets come soonest first": (
        [
            after(answered("a", five=(40, 2), week=(10, 20))),
            after(answered("b", five=(5, 1))),
        ],
        [
            (1, "b", "five_hour", 5, False),
            (2, "a", "five_hour", 40, False),
            (20, "a", "weekly", 10, False),
        ],
    ),
    "a reset frees the account that it alone keeps blocked": (
        [after(answered("a", five=(100, 2), week=(10, 20)))],
        [(2, "a", "five_hour", 100, True), (20, "a", "weekly", 10, False)],
    ),
    "five hours that come back while the week blocks free nothing": (
        [after(answered("a", five=(100, 2), week=(100, 20)))],
        [(2, "a", "five_hour", 100, False), (20, "a", "weekly", 100, True)],
    ),
    "of two that reset together only the longer frees": (
        [after(answered("a", five=(100, 2), week=(100, 2)))],
        [(2, "a", "five_hour", 100, False), (2, "a", "weekly", 100, True)],
    ),
    "a reset does not free what a spend limit blocks for longer": (
        [after(answered("a", five=(100, 2), **SPENT_UNTIL_TOMORROW))],
        [(2, "a", "five_hour", 100, False)],
    ),
    "nor what the upstream blocks for a reason of its own": (
        [after(answered("a", five=(98, 2), allowed=False))],
        [(2, "a", "five_hour", 98, False)],
    ),
    "an account on credits can be used already": (
        [after(answered("a", five=(100, 2), **BOUGHT))],
        [(2, "a", "five_hour", 100, False)],
    ),
    "a window that has not begun has no told reset": (
        [after(answered("a", five=FRESH, week=(10, 20)))],
        [(20, "a", "weekly", 10, False)],
    ),
    "a window of which nothing is used has nothing to return": (
        [after(answered("a", five=(0, 2)))],
        [],
    ),
    "what an unknown window returns is unknown": (
        [after(answered("a", five=(None, 2)))],
        [(2, "a", "five_hour", None, False)],
    ),
    "a window without a told reset has none": ([after(answered("a", five=(10, None)))], []),
    "resets beyond the time asked for are left out": (
        [after(answered("a", week=(10, 24.1)))],
        [],
    ),
    "so are those that have passed": ([after(answered("a", five=(10, 1), at=NOW - HOUR))], []),
    "an account that fails keeps its told resets": (
        [after(answered("a", five=(10, 4), at=NOW - 2 * HOUR), failed("a"))],
        [(2, "a", "five_hour", 10, False)],
    ),
    "a dead login has none": (
        [after(answered("a", five=(10, 4)), failed("a", FailureKind.TOKEN_EXPIRED))],
        [],
    ),
    "an account that never answered has none": ([after(failed("a"))], []),
    "one login in two files has one": (
        [
            after(answered("a", five=(10, 4), key="k")),
            after(answered("copy", five=(10, 4), key="k")),
        ],
        [(4, "a", "five_hour", 10, False)],
    ),
}


@pytest.mark.parametrize(("accounts", "told"), CASES.values(), ids=CASES)
def test_told_resets(accounts: list[Standing], told: Told) -> None:
    came = timeline(accounts, now=NOW, rates={})
    assert [
        ((one.at - NOW) / HOUR, one.account, one.window, one.returns_percent, one.frees)
        for one in came.resets
    ] == told


def test_a_reset_tells_the_account_and_its_key() -> None:
    (reset,) = timeline([after(answered("a", five=(10, 4), key="k"))], now=NOW, rates={}).resets
    assert reset == ToldReset(
        at=round(NOW + 4 * HOUR),
        account="a",
        key="k",
        window="five_hour",
        returns_percent=10,
        frees=False,
    )


def test_what_comes_back_is_told_hour_by_hour_in_whole_windows() -> None:
    accounts = [
        after(answered("a", five=(40, 1.5), week=(10, 2.5))),
        after(answered("b", five=(50, 1.2), week=(20, 90), plan="pro")),
    ]
    came = timeline(accounts, now=NOW, hours=3, rates={}, weights={"pro": 10})
    assert [(hour.since - NOW, hour.until - NOW) for hour in came.hours] == [
        (0, HOUR),
        (HOUR, 2 * HOUR),
        (2 * HOUR, 3 * HOUR),
    ]
    returns = [
        {name: round(amount, 6) for name, amount in hour.returns.items()} for hour in came.hours
    ]
    assert returns == [
        {"five_hour": 0, "weekly": 0},
        {"five_hour": 5.4, "weekly": 0},
        {"five_hour": 0, "weekly": 0.1},
    ]


def test_five_hours_come_back_with_the_week_that_blocks_them() -> None:
    accounts = [after(answered("a", five=(100, 0.5), week=(100, 1.5)))]
    first, second = timeline(accounts, now=NOW, hours=2, rates={}).hours
    assert first.returns == {"five_hour": 0, "weekly": 0}
    assert second.returns == {"five_hour": 1, "weekly": 1}


def test_when_the_pool_runs_dry_is_told_within_the_time_asked_for() -> None:
    accounts = [after(answered("a", week=(50, 40)))]
    rates = {"a": {"weekly": 10.0}}
    came = timeline(accounts, now=NOW, hours=6, rates=rates)
    assert came.dry.latest is not None
    assert came.dry.latest.at == pytest.approx(NOW + 5 * HOUR)
    assert timeline(accounts, now=NOW, hours=4, rates=rates).dry.soonest is None


figures = st.one_of(
    st.none(),
    st.just(FRESH),
    st.tuples(st.one_of(st.none(), st.integers(0, 100)), st.one_of(st.none(), st.floats(0, 170))),
)
reports = st.builds(
    lambda account, five, week, age: answered(account, five=five, week=week, at=NOW - age),
    st.sampled_from("abcdef"),
    figures,
    figures,
    st.floats(0, 4000),
)
failures = st.builds(failed, st.sampled_from("abcdef"), st.sampled_from(list(FailureKind)))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(reports, failures), max_size=10), st.integers(0, 48))
def test_any_accounts_have_a_timeline_in_order(given_reports: list[Report], hours: int) -> None:
    came = timeline(standings(given_reports), now=NOW, hours=hours, rates={})
    ats = [reset.at for reset in came.resets]
    assert ats == sorted(ats)
    assert all(NOW < at <= NOW + hours * HOUR for at in ats)
    assert len(came.hours) == hours
    frees = [reset.account for reset in came.resets if reset.frees]
    assert len(frees) == len(set(frees)), "an account is freed once"
    assert all(0 <= reset.returns_percent <= 100 for reset in came.resets if reset.returns_percent)
    for hour in came.hours:
        assert set(hour.returns) <= set(LENGTHS)
        assert all(amount >= -1e-9 for amount in hour.returns.values())
