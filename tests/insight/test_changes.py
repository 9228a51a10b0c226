from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.changes import Change, ChangeKind, changes, gathered
from poller.insight.forecast import Outlook
from poller.insight.series import Observation
from poller.insight.standing import Standing, standing, standings
from poller.values import FailureKind, Report
from tests.known_accounts import FRESH, NOW, after, answered, failed, silent

LATER = NOW + 600
REACHED: dict[str, Any] = {"rate_limit_reached_type": "workspace_member_credits_depleted"}
BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}
TIMEOUT, EXPIRED = FailureKind.TIMEOUT, FailureKind.TOKEN_EXPIRED

Told = list[tuple[str, str | None, float | str | None, float | str | None]]
"""Change, window, before, after."""

SAME: dict[str, Any] = {"week": (40, 50)}

ONE_ACCOUNT: dict[str, tuple[Report, Report, Told]] = {
    "a percentage that only moved is no change": (
        answered("a", five=(10, 3), week=(40, 50)),
        answered("a", five=(30, 3 - 1 / 6), week=(43, 50), at=LATER),
        [],
    ),
    "a level that falls while its reset stays is no change": (
        answered("a", five=(40, 3)),
        answered("a", five=(20, 3 - 1 / 6), at=LATER),
        [],
    ),
    "a reset time that jitters is no change": (
        answered("a", five=(40, 3)),
        answered("a", five=(37, 3), at=LATER),
        [],
    ),
    "a window with nothing left is exhausted": (
        answered("a", five=(90, 3), week=(40, 50)),
        answered("a", five=(100, 3 - 1 / 6), week=(40, 50), at=LATER),
        [("exhausted", "five_hour", 10, 0)],
    ),
    "98 percent used and blocked is exhausted without a window": (
        answered("a", week=(97, 50)),
        answered("a", week=(98, 50), allowed=False, at=LATER),
        [("exhausted", None, 3, 2)],
    ),
    "so is a block for another reason": (
        answered("a", week=(30, 50)),
        answered("a", week=(30, 50), at=LATER, **REACHED),
        [("exhausted", None, 70, 70)],
    ),
    "credits that end exhaust the account by its window": (
        answered("a", five=(100, 2), week=(30, 50), **BOUGHT),
        answered("a", five=(100, 2 - 1 / 6), week=(30, 50), at=LATER),
        [("exhausted", "five_hour", 0, 0)],
    ),
    "all used and still allowed is not back": (
        answered("a", week=(100, 50), allowed=True),
        answered("a", week=(100, 50), allowed=True, at=LATER),
        [],
    ),
    "a window that has something again is back": (
        answered("a", five=(100, 1 / 12), week=(30, 50)),
        answered("a", five=FRESH, week=(30, 50), at=LATER),
        [("reset", "five_hour", 0, 100), ("back", "five_hour", 0, 100)],
    ),
    "five hours are not back while the week blocks": (
        answered("a", five=(100, 1 / 12), week=(100, 50)),
        answered("a", five=FRESH, week=(100, 50), at=LATER),
        [("reset", "five_hour", 0, 100)],
    ),
    "an account that carries on on credits is not back": (
        answered("a", week=(100, 50)),
        answered("a", week=(100, 50), at=LATER, **BOUGHT),
        [],
    ),
    "an account that is no longer blocked is back": (
        answered("a", week=(98, 50), allowed=False),
        answered("a", week=(98, 50), at=LATER),
        [("back", None, 2, 2)],
    ),
    "so is one whose exhausted window is no longer reported": (
        answered("a", five=(100, 2), week=(30, 50)),
        answered("a", week=(30, 50), at=LATER),
        [("back", "five_hour", 0, 70)],
    ),
    "an account of which nothing is told any more is not back": (
        answered("a", five=(100, 2)),
        silent("a", plan="plus", at=LATER),
        [],
    ),
    "little left is low": (
        answered("a", week=(90, 50)),
        answered("a", week=(91, 50), at=LATER),
        [("low", "weekly", 10, 9)],
    ),
    "exactly what was asked for is not low": (
        answered("a", week=(80, 50)),
        answered("a", week=(90, 50), at=LATER),
        [],
    ),
    "what was low already is no change": (
        answered("a", week=(91, 50)),
        answered("a", week=(95, 50), at=LATER),
        [],
    ),
    "an unknown figure is no change": (
        answered("a", week=(None, 50)),
        answered("a", week=(95, 50), at=LATER),
        [],
    ),
    "nor is a figure that becomes unknown": (
        answered("a", week=(95, 50)),
        answered("a", week=(None, 50), at=LATER),
        [],
    ),
    "a new window is no change": (
        answered("a", week=(30, 50)),
        answered("a", five=(95, 2), week=(30, 50), at=LATER),
        [],
    ),
    "a new cycle after the told end is a reset": (
        answered("a", five=(40, 1 / 12)),
        answered("a", five=(2, 4.9), at=LATER),
        [("reset", "five_hour", 60, 98)],
    ),
    "also where more is used than before": (
        answered("a", five=(1, 1 / 12)),
        answered("a", five=(3, 4.9), at=LATER),
        [("reset", "five_hour", 99, 97)],
    ),
    "also where its new end is odd, if the level fell": (
        answered("a", five=(40, 1 / 12)),
        answered("a", five=(2, 1), at=LATER),
        [("reset", "five_hour", 60, 98)],
    ),
    "a cycle that goes on beyond its told end is none": (
        answered("a", five=(40, 1 / 12)),
        answered("a", five=(41, -1 / 12), at=LATER),
        [],
    ),
    "nor is a step back of one whose told end has come": (
        answered("a", five=(40, 1 / 12)),
        answered("a", five=(38, -1 / 12), at=LATER),
        [],
    ),
    "an end that moves on within a cycle is none": (
        answered("a", five=(40, 1 / 12)),
        answered("a", five=(41, 1), at=LATER),
        [],
    ),
    "a new cycle before the told end is an early reset": (
        answered("a", week=(40, 50)),
        answered("a", week=(2, 167), at=LATER),
        [("early_reset", "weekly", 60, 98)],
    ),
    "also where it has not begun": (
        answered("a", week=(40, 50)),
        answered("a", week=FRESH, at=LATER),
        [("early_reset", "weekly", 60, 100)],
    ),
    "a correction of a few percent is none, also where nothing is used by it": (
        answered("a", week=(2, 50)),
        answered("a", week=FRESH, at=LATER),
        [],
    ),
    "nor is one whose reset slides along less exactly": (
        answered("a", week=(2, 50)),
        answered("a", week=(0, 167.9), at=LATER),
        [],
    ),
    "a cycle that has begun is one, however little was used before": (
        answered("a", week=(3, 50)),
        answered("a", week=(1, 167.9), at=LATER),
        [("early_reset", "weekly", 97, 99)],
    ),
    "nor is one where nobody told the end": (
        answered("a", week=(4, None)),
        answered("a", week=FRESH, at=LATER),
        [],
    ),
    "a few percent that come back at the told end are a reset": (
        answered("a", week=(2, 1 / 12)),
        answered("a", week=FRESH, at=LATER),
        [("reset", "weekly", 98, 100)],
    ),
    "a new cycle before the told end may have an odd end": (
        answered("a", week=(40, 50)),
        answered("a", week=(2, 100), at=LATER),
        [("early_reset", "weekly", 60, 98)],
    ),
    "an early reset of what was exhausted brings the account back": (
        answered("a", week=(100, 50)),
        answered("a", week=FRESH, at=LATER),
        [("early_reset", "weekly", 0, 100), ("back", "weekly", 0, 100)],
    ),
    "a window whose end nobody told is reset where it begins anew": (
        answered("a", week=(40, None)),
        answered("a", week=(2, 168), at=LATER),
        [("reset", "weekly", 60, 98)],
    ),
    "and is not where its end is told at last": (
        answered("a", week=(40, None)),
        answered("a", week=(20, 50), at=LATER),
        [],
    ),
    "an answer from before the last reset is no early one": (
        answered("a", week=(40, 50)),
        answered("a", week=(20, -1), at=LATER),
        [],
    ),
    "a window of which nothing was used cannot be reset": (
        answered("a", week=FRESH),
        answered("a", week=FRESH, at=LATER),
        [],
    ),
    "another plan is told, and its windows are not compared": (
        answered("a", week=(40, 50)),
        answered("a", week=(2, 167), plan="pro", at=LATER),
        [("plan_changed", None, "plus", "pro")],
    ),
    "another plan can bring an account back": (
        answered("a", week=(100, 50)),
        answered("a", week=(2, 167), plan="pro", at=LATER),
        [("plan_changed", None, "plus", "pro"), ("back", "weekly", 0, 98)],
    ),
    "an account that fails failed": (
        answered("a", **SAME), failed("a", TIMEOUT, at=LATER), [("failed", None, None, "timeout")],
    ),
    "the same failure is no change": (failed("a"), failed("a", at=LATER), []),
    "another failure is one": (
        failed("a", TIMEOUT),
        failed("a", EXPIRED, at=LATER),
        [("failed", None, "timeout", "token_expired")],
    ),
    "an account that answers again is restored": (
        failed("a"), answered("a", **SAME, at=LATER), [("restored", None, "timeout", None)],
    ),
    "an account that nobody asked did not fail": (
        answered("a", **SAME), failed("a", FailureKind.CANCELLED, at=LATER), [],
    ),
    "two answers in the wrong order make no reset": (
        answered("a", week=(40, 50), at=LATER), answered("a", week=(2, 167)), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "later", "told"), ONE_ACCOUNT.values(), ids=ONE_ACCOUNT)
def test_one_account(before: Report, later: Report, told: Told) -> None:
    came = changes(standings([before]), standings([later]))
    assert [(one.change.value, one.window, one.before, one.after) for one in came] == told
    assert all((one.account, one.key) == ("a", None) for one in came)


def test_low_is_what_was_asked_for() -> None:
    before, later = after(answered("a", week=(70, 50))), after(answered("a", week=(81, 50)))
    (came,) = changes([before], [later], below=20)
    assert came.change is ChangeKind.LOW


def test_an_account_that_was_not_there_appeared() -> None:
    came = changes([], standings([answered("a", week=(40, 50), key="k"), failed("b"), silent("c")]))
    assert came == [
        Change("a", "k", ChangeKind.APPEARED, after=60),
        Change("b", None, ChangeKind.APPEARED, after="timeout"),
        Change("c", None, ChangeKind.APPEARED),
    ]


def test_an_account_that_is_not_there_any_more_is_gone() -> None:
    came = changes(standings([answered("a", week=(40, 50), key="k"), failed("b")]), [])
    assert came == [
        Change("a", "k", ChangeKind.GONE, before=60),
        Change("b", None, ChangeKind.GONE, before="timeout"),
    ]


def test_an_account_that_only_failed_without_figures_appears_without_any() -> None:
    (came,) = changes([], [Standing(answered("a", week=(40, 50)))])
    assert came == Change("a", None, ChangeKind.APPEARED)


def test_another_label_of_the_same_key_is_the_same_account() -> None:
    before = standings([answered("old", week=(40, 50), key="k")])
    later = standings([answered("new", week=(100, 50), key="k", at=LATER)])
    assert changes(before, later) == [
        Change("new", "k", ChangeKind.EXHAUSTED, "weekly", before=60, after=0)
    ]


def test_another_key_under_the_same_label_is_another_account() -> None:
    before = standings([answered("a", week=(40, 50), key="k1")])
    later = standings([answered("a", week=(40, 50), key="k2")])
    assert [one.change.value for one in changes(before, later)] == ["appeared", "gone"]


def test_a_failure_without_a_key_is_found_by_its_label() -> None:
    answer, failure = answered("a", week=(40, 50), key="k"), failed("a", at=LATER)
    for before, later, change in (
        (answer, failure, ChangeKind.FAILED),
        (failure, answer, ChangeKind.RESTORED),
    ):
        (came,) = changes(standings([before]), standings([later]))
        assert (came.key, came.change) == ("k", change)


def test_figures_are_compared_over_a_failure() -> None:
    known = after(answered("a", week=(40, 50)), failed("a", at=NOW + 300))
    later = standing(answered("a", week=(100, 50), at=LATER), known)
    assert [one.change.value for one in changes([known], [later])] == ["restored", "exhausted"]


def test_the_last_of_an_account_s_reports_counts() -> None:
    before = standings([answered("a", week=(100, 1)), answered("a", week=(40, 50))])
    assert changes(before, standings([answered("a", week=(41, 50), at=LATER)])) == []


# What is held back counts for nothing


def watch(looks: list[tuple[float, float]]) -> list[list[str]]:
    """Return the changes of a week that is seen every ten minutes: (used, hours to reset)."""
    outlook, known, told = Outlook(), None, list[list[str]]()
    for step, (used, hours) in enumerate(looks):
        at = NOW + 600 * step
        report = answered("a", week=(used, hours - step / 6), at=at)
        assert report.usage is not None
        seen = {
            window.name: Observation(
                at,
                window.used_percent,
                window.reset_at,
                window.window_seconds,
                blocked=report.usage.usable is False,
            )
            for window in report.usage.windows
        }
        new = standing(report, known, looks=outlook.observe(at, seen))
        if known is not None:
            told.append([one.change.value for one in changes([known], [new])])
        known = new
    return told


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([(95, 50), (2, 90), (95, 50), (96, 50)], [[], [], []]),
        ([(100, 50), (2, 90), (100, 50), (2, 90), (100, 50)], [[], [], [], []]),
        ([(50, 50), (100, 50), (3, 90), (100, 50)], [["exhausted"], [], []]),
        ([(40, 50), (3, 167), (3, 167)], [[], ["early_reset"]]),
        ([(100, 50), (3, 167), (3, 167)], [[], ["early_reset", "back"]]),
    ],
    ids=[
        "one flapped answer is no reset",
        "a flapping block does not bring the account back",
        "an exhaustion between flaps is told once",
        "an early reset is told once it is believed",
        "so is that the account is back",
    ],
)
def test_flapping(looks: list[tuple[float, float]], told: list[list[str]]) -> None:
    assert watch(looks) == told


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.booleans(), min_size=1, max_size=30).filter(
        lambda flaps: not any(map(min, flaps, flaps[1:]))
    ),
    st.sampled_from([40, 95, 100]),
)
def test_answers_that_flap_never_twice_in_a_row_change_nothing(
    flaps: list[bool], used: int
) -> None:
    looks = [(2, 90) if flapped else (used, 150) for flapped in [False, *flaps]]
    assert not any(watch([(float(level), hours) for level, hours in looks]))


# A whole fleet


def early(count: int, window: str = "weekly") -> list[Change]:
    return [Change(f"a{n}", f"k{n}", ChangeKind.EARLY_RESET, window, 40, 100) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "of", "fleet"),
    [(20, 20, True), (12, 20, True), (11, 20, False), (5, 5, True), (4, 4, False), (5, 9, False)],
)
def test_a_fleet_is_60_percent_and_at_least_five(count: int, of: int, fleet: bool) -> None:
    back = Change("a1", "k1", ChangeKind.BACK, "weekly", 0, 100)
    came = gathered([*early(count), back], of=of)
    if not fleet:
        assert came == [*early(count), back]
        return
    told = Change(None, None, ChangeKind.FLEET_RESET, "weekly", accounts=count)
    assert came == [told, back]


def test_a_fleet_whose_windows_differ_names_none_and_counts_accounts_once() -> None:
    (came,) = gathered([*early(5), *early(5, "five_hour")], of=5)
    assert (came.window, came.accounts) == (None, 5)


def test_twenty_accounts_that_are_reset_early_together_are_one_fleet_reset() -> None:
    before = standings([answered(f"a{n}", week=(40, 50)) for n in range(20)])
    later = standings([answered(f"a{n}", week=FRESH, at=LATER) for n in range(20)])
    (came,) = gathered(changes(before, later), of=20)
    assert (came.change, came.accounts) == (ChangeKind.FLEET_RESET, 20)


# Any states at all

figures = st.one_of(
    st.none(),
    st.just(FRESH),
    st.tuples(st.one_of(st.none(), st.integers(0, 100)), st.one_of(st.none(), st.floats(-1, 170))),
)


def states(at: float) -> st.SearchStrategy[list[Standing]]:
    keys = st.sampled_from([None, "k1", "k2"])
    report = st.one_of(
        st.builds(
            lambda account, key, five, week, plan, allowed: answered(
                account, key=key, five=five, week=week, plan=plan, allowed=allowed, at=at
            ),
            st.sampled_from("abc"),
            keys,
            figures,
            figures,
            st.sampled_from(["plus", "pro"]),
            st.sampled_from([None, True, False]),
        ),
        st.builds(failed, st.sampled_from("abc"), st.sampled_from(list(FailureKind)), key=keys),
    )
    return st.lists(report, max_size=6).map(standings)


@settings(max_examples=300, deadline=None)
@given(states(NOW), states(LATER))
def test_any_two_states_can_be_compared(before: list[Standing], later: list[Standing]) -> None:
    came = changes(before, later)
    appeared = sum(one.change is ChangeKind.APPEARED for one in came)
    assert appeared <= len(later)
    assert sum(one.change is ChangeKind.GONE for one in came) <= len(before)
    for one in came:
        match one.change:
            case ChangeKind.EXHAUSTED | ChangeKind.FAILED | ChangeKind.RESTORED:
                pass
            case ChangeKind.LOW:
                assert isinstance(one.after, float)
                assert 0 < one.after < 10
            case ChangeKind.BACK | ChangeKind.RESET | ChangeKind.EARLY_RESET:
                assert not isinstance(one.after, str)
            case _:
                assert one.window is None


@settings(max_examples=100, deadline=None)
@given(states(NOW))
def test_a_state_does_not_differ_from_itself(state: list[Standing]) -> None:
    assert changes(state, state) == []
