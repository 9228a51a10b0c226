from __future__ import annotations

from dataclasses import replace

import pytest

from poller.insight.series import Look
from poller.insight.standing import (
    begun,
    believed,
    distinct,
    length_s,
    standing,
    standings,
)
from poller.values import FailureKind, Usage, Window
from tests.known_accounts import FRESH, HOUR, NOW, after, answered, failed, held


def test_a_failure_keeps_the_last_figures_and_their_time() -> None:
    known = after(answered("a", week=(40, 50), key="k"), failed("a", at=NOW + 600))
    assert known.usage is not None
    assert known.usage.remaining_percent == 60
    assert known.answered_at == NOW
    assert known.key == "k"
    assert known.fresh(NOW + 3600)
    assert not known.fresh(NOW + 3601)


def test_an_account_that_never_answered_has_no_figures() -> None:
    known = after(failed("a"))
    assert known.usage is None
    assert not known.fresh(NOW)
    assert known.identity == "a"


def test_another_login_under_the_same_label_does_not_inherit_its_figures() -> None:
    known = after(answered("a", week=(40, 50), key="k1"), failed("a", key="k2"))
    assert known.usage is None
    assert known.key == "k2"


@pytest.mark.parametrize(
    ("kind", "dead"),
    [
        (FailureKind.TOKEN_EXPIRED, True),
        (FailureKind.FILE_MISSING, True),
        (FailureKind.UNAUTHORIZED, True),
        (FailureKind.INVALID_RESPONSE, False),
        (FailureKind.TIMEOUT, False),
    ],
)
def test_a_login_is_dead_where_only_its_owner_can_bring_it_back(
    kind: FailureKind, dead: bool
) -> None:
    assert after(failed("a", kind)).dead is dead


def test_a_login_that_answers_is_not_dead() -> None:
    assert not after(answered("a", week=(1, 1))).dead


def test_the_last_report_of_a_key_counts_whatever_its_label() -> None:
    known = standings(
        [
            answered("a", week=(40, 50), key="k"),
            answered("b", week=(10, 50)),
            answered("new-name", week=(41, 50), key="k"),
        ]
    )
    assert [(one.account, one.identity) for one in known] == [("new-name", "k"), ("b", "b")]


def test_a_failure_without_a_key_belongs_to_the_account_of_its_label() -> None:
    (known,) = standings(
        [answered("a", week=(40, 50), key="k"), failed("a", FailureKind.FILE_MISSING)]
    )
    assert known.key == "k"
    assert known.usage is not None


def test_of_two_files_with_one_login_the_one_that_answers_counts() -> None:
    good = standing(answered("a", week=(40, 50), key="k"))
    dead = standing(failed("copy", FailureKind.TOKEN_EXPIRED, at=NOW + 9, key="k"))
    late = standing(failed("late", at=NOW + 9, key="k"))
    assert distinct([good, dead]) == distinct([dead, good]) == [good]
    assert distinct([dead, late]) == [late]


# What is believed


def usage(**given: object) -> Usage:
    found = answered("a", **given).usage  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_held_figure_is_replaced_by_the_believed_one() -> None:
    told = usage(five=(3, 4), week=(5, 100))
    known = believed(told, {"five_hour": held(60, reset_at=NOW + HOUR)})
    assert [window.remaining_percent for window in known.windows] == [40, 95]
    assert known.windows[0].reset_at == NOW + HOUR
    assert known.usable is True


def test_a_flapped_answer_does_not_make_an_exhausted_account_usable() -> None:
    told = usage(five=(3, 4), week=(5, 100))
    known = believed(told, {"five_hour": held(100, reset_at=NOW + HOUR)})
    assert (known.usable, known.limited_by, known.usable_at) == (False, "five_hour", NOW + HOUR)


def test_a_stale_answer_does_not_exhaust_an_account_that_was_reset() -> None:
    told = usage(five=(3, 4), week=(100, 1))
    known = believed(told, {"week": Look(0, None, held=False), "weekly": held(0)})
    assert (known.usable, known.limited_by, known.usable_at) == (True, None, None)
    assert known.windows[1].started is False


def test_when_a_believed_block_ends_is_unknown_where_a_reset_is() -> None:
    told = usage(five=(3, 4), week=(5, None))
    looks = {"five_hour": held(100, reset_at=NOW + HOUR), "weekly": held(100)}
    known = believed(told, looks)
    assert (known.usable, known.usable_at) == (False, None)


@pytest.mark.parametrize(
    "told",
    [
        usage(five=(98, 1), allowed=False),
        usage(five=(100, 1), credits={"unlimited": True}),
        usage(five=(None, 1), allowed=None, rate_limit={}),
    ],
    ids=["the upstream's own reason", "credits", "silence"],
)
def test_what_blocks_beside_the_windows_is_believed_at_once(told: Usage) -> None:
    known = believed(told, {"five_hour": held(40, reset_at=NOW + HOUR)})
    assert replace(known, windows=told.windows) == told


def test_a_figure_that_was_never_believed_is_shown() -> None:
    told = usage(five=(30, 1))
    assert believed(told, {"five_hour": Look(None, None, held=True)}) == told


# Windows


@pytest.mark.parametrize(
    ("window", "runs"),
    [
        (Window("weekly", 60, 604_800, None), True),
        (Window("weekly", 100, 604_800, round(NOW + HOUR), started=True), True),
        (Window("weekly", 100, 604_800, round(NOW - HOUR), started=True), False),
        (Window("weekly", 100, 604_800, round(NOW + 604_800), started=False), False),
        (Window("weekly", None, None, None), False),
    ],
)
def test_a_window_has_begun_where_it_is_used_or_its_end_stays(window: Window, runs: bool) -> None:
    assert begun(window, NOW) is runs


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        (Window("five_hour", 1, 18_060, None), 18_060),
        (Window("five_hour", 1, None, None), 18_000),
        (Window("weekly_2", 1, None, None), 604_800),
        (Window("odd", 1, None, None), 0),
    ],
)
def test_a_window_is_as_long_as_it_says_or_as_its_name_does(window: Window, seconds: int) -> None:
    assert length_s(window) == seconds


def test_a_window_not_begun_is_told_so() -> None:
    (window,) = usage(week=FRESH).windows
    assert window.started is False


def test_a_plan_is_not_believed_while_a_figure_of_its_answer_is_held() -> None:
    known = standing(answered("a", week=(40, 50)))
    flapped = answered("a", week=(2, 90), plan="pro")
    new = standing(flapped, known, looks={"weekly": held(40, reset_at=NOW + 50 * HOUR)})
    assert new.usage is not None
    assert new.usage.plan == "plus"
    first = standing(flapped, looks={"weekly": held(40, reset_at=NOW + 50 * HOUR)})
    assert first.usage is not None
    assert first.usage.plan == "pro"


def test_a_plan_is_believed_where_no_figure_is_held() -> None:
    known = standing(answered("a", week=(40, 50)))
    look = Look(2, NOW + 90 * HOUR, held=False)
    new = standing(answered("a", week=(2, 90), plan="pro"), known, looks={"weekly": look})
    assert new.usage is not None
    assert new.usage.plan == "pro"
