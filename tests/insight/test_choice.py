from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.choice import (
    Choice,
    Count,
    NoChoice,
    Obstacle,
    Strategy,
    Tier,
    Wanted,
    choose,
    count,
)
from poller.insight.standing import Standing, standings
from poller.values import FailureKind, Forecast, Report
from tests.known_accounts import FRESH, HOUR, NOW, after, answered, failed, silent

BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}
UNLIMITED: dict[str, Any] = {"credits": {"unlimited": True}}
HEADROOM = Strategy.HEADROOM
TEN = Wanted(10)


def likely(chance: float | None, hours: float | None, *, pace: float | None = None) -> Forecast:
    """Return a forecast that runs out with that chance in so many hours; or at that pace."""
    at = None if hours is None else NOW + hours * HOUR
    empty_at = None if pace is None else NOW + pace * HOUR
    return Forecast(10, empty_at, chance, at, at, at, 50, 20, rough=False)


def forecasts(**given: Forecast) -> dict[str, dict[str, Forecast]]:
    return {account: {"five_hour": forecast} for account, forecast in given.items()}


CHOICES: dict[str, tuple[list[Standing], Wanted, Strategy | None, str | None]] = {
    "the soonest weekly reset is used first": (
        [after(answered("a", week=(10, 90))), after(answered("b", week=(40, 20)))],
        TEN, None, "b",
    ),
    "a week that has not begun comes last": (
        [after(answered("a", week=FRESH)), after(answered("b", week=(40, 160)))],
        TEN, None, "b",
    ),
    "an account without a week comes after those that have one": (
        [after(answered("a", month=(10, 5))), after(answered("b", week=(40, 160)))],
        TEN, None, "b",
    ),
    "and before a week that has not begun": (
        [after(answered("a", month=(10, 700))), after(answered("b", week=FRESH))],
        TEN, None, "a",
    ),
    "a week whose reset is not told comes last": (
        [after(answered("a", week=(10, None))), after(answered("b", week=(40, 160)))],
        TEN, None, "b",
    ),
    "so does one whose reset has passed": (
        [
            after(answered("a", week=(10, 0.05), at=NOW - 240)),
            after(answered("b", week=(40, 160))),
        ],
        TEN, None, "b",
    ),
    "of equal resets the one with most left": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 20)))],
        TEN, None, "b",
    ),
    "of equals the first by name": (
        [after(answered("b", week=(40, 20))), after(answered("a", week=(40, 20)))],
        TEN, None, "a",
    ),
    "too little in any window is not enough": (
        [after(answered("a", five=(91, 2), week=(10, 20))), after(answered("b", week=(40, 90)))],
        TEN, None, "b",
    ),
    "exactly what was asked for is": (
        [after(answered("a", five=(90, 2), week=(10, 20))), after(answered("b", week=(40, 90)))],
        TEN, None, "a",
    ),
    "unknown is not": (
        [
            after(answered("a", five=(None, 2), week=(10, 20))),
            after(answered("b", week=(40, 90))),
        ],
        TEN, None, "b",
    ),
    "headroom takes the most left": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 90)))],
        TEN, HEADROOM, "b",
    ),
    "headroom counts an account's least window": (
        [
            after(answered("a", five=(70, 2), week=(0, 20))),
            after(answered("b", five=(50, 2), week=(60, 90))),
        ],
        TEN, HEADROOM, "b",
    ),
    "headroom asks for as much": ([after(answered("a", week=(95, 20)))], TEN, HEADROOM, None),
    "an account that is forecast to run out too soon is passed over": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 90)))],
        Wanted(10, 2 * HOUR, forecasts(a=likely(0.5, 1.9))), None, "b",
    ),
    "one that runs out later is not": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 90)))],
        Wanted(10, 2 * HOUR, forecasts(a=likely(0.9, 2.1))), None, "a",
    ),
    "nor one that only may run out": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 90)))],
        Wanted(10, 2 * HOUR, forecasts(a=likely(0.49, 1))), None, "a",
    ),
    "nor one that hardly can": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 90)))],
        Wanted(10, 2 * HOUR, forecasts(a=likely(0, None))), None, "a",
    ),
    "where only the pace is told the pace decides": (
        [after(answered("a", month=(40, 20))), after(answered("b", month=(30, 90)))],
        Wanted(10, 2 * HOUR, forecasts(a=likely(None, None, pace=1))), None, "b",
    ),
    "an idle pace runs out never": (
        [after(answered("a", month=(40, 20))), after(answered("b", month=(30, 90)))],
        Wanted(10, 2 * HOUR, forecasts(a=likely(None, None))), None, "a",
    ),
    "a forecast decides nothing where nothing was asked": (
        [after(answered("a", week=(40, 20))), after(answered("b", week=(30, 90)))],
        Wanted(10, None, forecasts(a=likely(0.9, 1))), None, "a",
    ),
    "an account without windows comes after those with them": (
        [after(answered("a", **UNLIMITED)), after(answered("b", week=(40, 90)))],
        TEN, None, "b",
    ),
    "credits come last": (
        [after(answered("a", week=(100, 9), **BOUGHT)), after(answered("b", **UNLIMITED))],
        TEN, None, "b",
    ),
    "where nothing else is left they are taken": (
        [after(answered("a", week=(100, 9), **BOUGHT)), after(answered("b", week=(95, 9)))],
        TEN, None, "a",
    ),
    "a failed account is not chosen": (
        [after(answered("a", week=(1, 9)), failed("a")), after(answered("b", week=(40, 90)))],
        TEN, None, "b",
    ),
    "nor one whose answer is old": (
        [after(answered("a", week=(1, 9), at=NOW - 3601)), after(answered("b", week=(40, 90)))],
        TEN, None, "b",
    ),
    "nor one that tells nothing": ([after(silent("a"))], TEN, None, None),
    "nor one that is blocked": ([after(answered("a", week=(100, 9)))], Wanted(0), None, None),
}  # fmt: skip


@pytest.mark.parametrize(("accounts", "wanted", "strategy", "name"), CHOICES.values(), ids=CHOICES)
def test_choice(
    accounts: list[Standing], wanted: Wanted, strategy: Strategy | None, name: str | None
) -> None:
    came = choose(accounts, wanted, now=NOW, strategy=strategy or Strategy.RESET_FIRST)
    assert (came.account if isinstance(came, Choice) else None) == name


def test_the_reason_has_its_parts() -> None:
    known = after(answered("alice", five=(42, 2), week=(5, 20), key="k"))
    assert known.usage is not None
    came = choose([known, after(answered("b", week=(5, 90)))], TEN, now=NOW)
    week = known.usage.windows[1]
    assert came == Choice(
        account="alice",
        key="k",
        strategy=Strategy.RESET_FIRST,
        tier=Tier.PLAN,
        windows=known.usage.windows,
        resets_first=week,
        candidates=2,
    )
    by_headroom = choose([known], TEN, now=NOW, strategy=HEADROOM)
    assert by_headroom == replace(came, strategy=HEADROOM, resets_first=None, candidates=1)


@pytest.mark.parametrize(
    ("report", "tier"),
    [
        (answered("a", **UNLIMITED), Tier.NO_WINDOWS),
        (answered("a", week=(100, 9), **BOUGHT), Tier.CREDITS),
    ],
    ids=["without windows", "on credits"],
)
def test_what_the_account_is_used_on_is_told(report: Report, tier: Tier) -> None:
    came = choose([after(report)], TEN, now=NOW)
    assert isinstance(came, Choice)
    assert (came.tier, came.resets_first) == (tier, None)


def test_why_there_is_none_is_told() -> None:
    known = [
        after(failed("failed")),
        after(silent("silent")),
        after(answered("low", week=(95, 9))),
        after(answered("late", week=(100, 9))),
        after(answered("soon", week=(100, 8))),
        after(answered("unknown", week=(100, None))),
        after(answered("hasty", week=(50, 9))),
        after(answered("over", week=(100, 0.05), at=NOW - 240)),
        after(answered("reset", week=(95, 0.05), at=NOW - 240)),
    ]
    wanted = Wanted(10, 2 * HOUR, forecasts(hasty=likely(0.8, 1)))
    assert choose(known, wanted, now=NOW) == NoChoice(
        {
            Obstacle.FAILED: 1,
            Obstacle.UNKNOWN: 3,
            Obstacle.TOO_LITTLE: 1,
            Obstacle.BLOCKED: 3,
            Obstacle.RUNS_OUT: 1,
        },
        back_at=round(NOW + 8 * HOUR),
        back_account="soon",
    )


def test_no_account_has_no_obstacle() -> None:
    assert choose([], TEN, now=NOW) == NoChoice({}, None, None)


# guard

GOOD, BAD, UNKNOWN = True, False, None

COUNTED: dict[str, tuple[Standing, Wanted, str | None, bool | None]] = {
    "an account that can be used is good": (
        after(answered("a", five=(99, 2), week=(10, 20))), Wanted(), None, GOOD,
    ),
    "a blocked one is not": (after(answered("a", week=(100, 9))), Wanted(), None, BAD),
    "nor one that is blocked with something left": (
        after(answered("a", week=(98, 9), allowed=False)), Wanted(), None, BAD,
    ),
    "too little in any window is not enough": (
        after(answered("a", five=(91, 2), week=(10, 20))), TEN, None, BAD,
    ),
    "exactly what was asked for is": (
        after(answered("a", five=(90, 2), week=(10, 20))), TEN, None, GOOD,
    ),
    "only the window that was named counts": (
        after(answered("a", five=(91, 2), week=(10, 20))), TEN, "weekly", GOOD,
    ),
    "where an account lacks it every one does": (
        after(answered("a", five=(91, 2), week=(10, 20))), TEN, "monthly", BAD,
    ),
    "on credits nothing is left": (
        after(answered("a", week=(100, 9), **BOUGHT)), Wanted(1), None, BAD,
    ),
    "where nothing has to be left credits are good": (
        after(answered("a", week=(100, 9), **BOUGHT)), Wanted(), None, GOOD,
    ),
    "an account without windows has nothing that could be too little": (
        after(answered("a", **UNLIMITED)), TEN, None, GOOD,
    ),
    "an unknown figure is unknown": (
        after(answered("a", five=(None, 2), week=(10, 20))), TEN, None, UNKNOWN,
    ),
    "unless nothing has to be left": (
        after(answered("a", five=(None, 2), week=(10, 20))), Wanted(), None, GOOD,
    ),
    "too little beside an unknown figure is too little": (
        after(answered("a", five=(None, 2), week=(95, 20))), TEN, None, BAD,
    ),
    "too little whose reset has passed is unknown": (
        after(answered("a", week=(95, 0.05), at=NOW - 240)), TEN, None, UNKNOWN,
    ),
    "so is a block that should be over": (
        after(answered("a", week=(100, 0.05), at=NOW - 240)), Wanted(), None, UNKNOWN,
    ),
    "an account that tells nothing is unknown": (after(silent("a")), Wanted(), None, UNKNOWN),
    "a failed one is, whatever it said before": (
        after(answered("a", week=(10, 9)), failed("a")), Wanted(), None, UNKNOWN,
    ),
    "so is one that never answered": (after(failed("a")), Wanted(), None, UNKNOWN),
    "and one whose answer is old": (
        after(answered("a", week=(10, 9), at=NOW - 3601)), Wanted(), None, UNKNOWN,
    ),
    "an account that is forecast to run out too soon is not good": (
        after(answered("a", five=(50, 2))),
        Wanted(0, 2 * HOUR, forecasts(a=likely(0.8, 1))), "five_hour", BAD,
    ),
    "one without a forecast is": (
        after(answered("a", five=(50, 2))),
        Wanted(0, 2 * HOUR, forecasts(b=likely(0.8, 1))), None, GOOD,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("known", "wanted", "window", "verdict"), COUNTED.values(), ids=COUNTED)
def test_count(known: Standing, wanted: Wanted, window: str | None, verdict: bool | None) -> None:
    came = count([known], wanted, now=NOW, window=window)
    assert (came.good, came.unknown) == (verdict is GOOD, verdict is UNKNOWN)


@pytest.mark.parametrize(
    ("good", "unknown", "needed", "enough"),
    [(2, 0, 2, True), (1, 1, 2, None), (1, 0, 2, False), (0, 0, 1, False), (0, 0, 0, True)],
)
def test_enough(good: int, unknown: int, needed: int, enough: bool | None) -> None:
    assert Count(good, unknown, needed, ()).enough is enough


def test_failures_are_told_by_kind() -> None:
    known = [
        after(failed("a", FailureKind.TOKEN_EXPIRED)),
        after(failed("b")),
        after(silent("c")),
    ]
    came = count(known, Wanted(), now=NOW, need=2)
    assert came == Count(0, 3, 2, (FailureKind.TOKEN_EXPIRED, FailureKind.TIMEOUT))


# Any accounts at all

figures = st.one_of(
    st.none(),
    st.just(FRESH),
    st.tuples(st.one_of(st.none(), st.integers(0, 100)), st.one_of(st.none(), st.floats(0, 170))),
)
reports = st.builds(
    lambda account, five, week, allowed, bought, age: answered(
        account, five=five, week=week, allowed=allowed, at=NOW - age, **(BOUGHT if bought else {})
    ),
    st.sampled_from("abcdef"),
    figures,
    figures,
    st.sampled_from([None, True, False]),
    st.booleans(),
    st.floats(0, 4000),
)
failures = st.builds(failed, st.sampled_from("abcdef"), st.sampled_from(list(FailureKind)))
accounts = st.lists(st.one_of(reports, failures), max_size=8).map(standings)


@settings(max_examples=200, deadline=None)
@given(accounts, st.floats(0, 100), st.sampled_from(Strategy))
def test_what_is_chosen_can_be_used_and_has_enough(
    known: list[Standing], least: float, strategy: Strategy
) -> None:
    came = choose(known, Wanted(least), now=NOW, strategy=strategy)
    if isinstance(came, NoChoice):
        assert sum(came.obstacles.values()) == len(known)
        return
    chosen = next(one for one in known if one.account == came.account)
    assert chosen.report.ok
    assert chosen.usage is not None
    assert chosen.usage.usable is True
    if came.tier is Tier.PLAN:
        assert chosen.usage.remaining_percent is not None
        assert chosen.usage.remaining_percent >= least
        assert not chosen.usage.on_credits


@settings(max_examples=200, deadline=None)
@given(accounts, st.floats(0, 100), st.integers(0, 5))
def test_more_that_is_wanted_never_makes_more_accounts_good(
    known: list[Standing], least: float, need: int
) -> None:
    some, none = (count(known, Wanted(left), now=NOW, need=need) for left in (least, 0))
    assert some.good <= none.good
    assert some.good + some.unknown <= len(known)
    # Nothing to choose among accounts on their plan where guard finds none.
    came = choose(known, Wanted(least), now=NOW)
    if isinstance(came, Choice) and came.tier is Tier.PLAN:
        assert some.good > 0
