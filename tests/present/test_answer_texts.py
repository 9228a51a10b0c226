from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from poller.insight.changes import changes
from poller.insight.choice import Choice, NoChoice, Strategy, Wanted, choose, count
from poller.insight.pool import pool
from poller.insight.timeline import timeline
from poller.present.answer_words import CHINESE_ANSWERS, ENGLISH_ANSWERS, answer_words_of
from poller.present.answers import choice_record, count_text, reason
from poller.present.changes import change_lines
from poller.present.page_texts import Teller
from poller.present.sentences import Failures
from poller.present.terminal import ASCII, UNICODE, cells
from poller.present.timeline import TimelineTable, timeline_lines
from poller.values import FailureKind, Forecast
from tests.known_accounts import FRESH, NOW, after, answered, failed, silent

if TYPE_CHECKING:
    from poller.insight.standing import Standing

BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}
TEN = Wanted(10)
KINDS = (
    *(FailureKind.TOKEN_EXPIRED, FailureKind.TOKEN_EXPIRED, FailureKind.CONNECT),
    *(FailureKind.FILE_MISSING, FailureKind.DNS),
)
UNKNOWN = "1 unknown (no complete answer in time: check the network, or allow more with --timeout)"


def failures_of(*accounts: Standing) -> Failures:
    failures = Failures()
    for one in accounts:
        failures.add_report(one.report)
    return failures


def told(*accounts: Standing, wanted: Wanted = TEN, language: str = "en", **how: Any) -> str:
    choice = choose(accounts, wanted, now=NOW, **how)
    teller = Teller(language, UTC, now=NOW)
    return reason(choice, wanted, teller, failures=failures_of(*accounts))


# next


def test_the_reason_is_what_decided() -> None:
    alice = after(answered("alice", five=(42, 2), week=(5, 20)))
    bob = after(answered("bob", five=(0, 2), week=(0, 90)))
    assert told(alice, bob) == (
        "alice: 58 % of five hours and 95 % of the week left; "
        "its week resets first (Tue 22 Sep 10:13)"
    )
    assert told(alice, bob, strategy=Strategy.HEADROOM) == (
        "bob: 100 % of five hours and 100 % of the week left; the most of 2 accounts"
    )
    assert told(alice, strategy=Strategy.HEADROOM) == (
        "alice: 58 % of five hours and 95 % of the week left"
    )
    assert told(alice, language="zh").startswith("alice：剩 5 小时额度 58 %、周额度 95 %；")  # noqa: RUF001


def test_what_has_no_week_or_no_windows_says_so() -> None:
    assert told(after(answered("a", week=FRESH))) == "a: 100 % of the week left"
    usable = answered("a", credits={"unlimited": True})
    assert told(after(usable)) == "a: it can be used, and nothing says how much is left"
    paying = answered("a", five=(100, 2), week=(3, 90), **BOUGHT)
    assert told(after(paying)) == "a: it runs on credits, which cost money"


def test_without_an_account_all_reasons_are_told() -> None:
    spent = after(answered("spent", five=(100, 2)))
    low = after(answered("low", five=(95, 2)))
    lost = after(answered("lost", five=(5, 2)), failed("lost"))
    mute = after(silent("mute"))
    text = told(spent, low, lost, mute)
    assert text.startswith("no account to use now: ")
    for part in ("1 blocked", "1 with less than 10 % left", "1 failed", "nothing is known of 1"):
        assert part in text
    assert text.endswith("spent is back first (16:13)")
    assert told() == "no account to use now: no accounts"
    assert told(lost) == (
        "no account to use now: 1 failed "
        "(no complete answer in time: check the network, or allow more with --timeout)"
    )
    several = (after(failed(str(number), kind)) for number, kind in enumerate(KINDS))
    assert told(*several).endswith("5 failed (token expired; could not connect; no such file; ...)")
    assert told(low, language="zh") == "现在没有可用的账号：1 个剩余不足 10 %"  # noqa: RUF001


def test_a_choice_is_json_too() -> None:
    alice = after(answered("alice", five=(42, 2), week=(5, 20), key="0" * 16))
    choice = choose([alice], TEN, now=NOW)
    assert isinstance(choice, Choice)
    assert choice_record(choice, "why") == {
        "account": "alice",
        "key": "0" * 16,
        "reason": "why",
        "strategy": "reset-first",
        "on": "plan",
        "candidates": 1,
    }
    none = choose([after(answered("spent", five=(100, 2)))], TEN, now=NOW)
    assert isinstance(none, NoChoice)
    assert choice_record(none, "why") == {
        "account": None,
        "key": None,
        "reason": "why",
        "obstacles": {"blocked": 1},
        "back_at": "2026-09-21T16:13:20Z",
        "back_account": "spent",
    }


# guard

SLOW = Forecast(1, NOW + 90 * 3600, 0.1, None, None, None, 50, 20, rough=False)


@pytest.mark.parametrize(
    ("wanted", "window", "need", "text"),
    [
        (Wanted(), None, 1, f"1 of 2 accounts can be used, {UNKNOWN}; 1 is needed"),
        (
            Wanted(20),
            None,
            2,
            (
                "1 of 2 accounts can be used with at least 20 % of every window left, "
                f"{UNKNOWN}; 2 are needed"
            ),
        ),
        (
            Wanted(0, 7200),
            None,
            1,
            (
                "1 of 2 accounts can be used for 2 h (there is no forecast yet), "
                f"{UNKNOWN}; 1 is needed"
            ),
        ),
        (
            Wanted(20, 7200, {"a": {"weekly": SLOW}}),
            "weekly",
            1,
            (
                "1 of 2 accounts can be used with at least 20 % of the week left for 2 h, "
                f"{UNKNOWN}; 1 is needed"
            ),
        ),
    ],
)
def test_the_count_says_what_was_wanted(
    wanted: Wanted, window: str | None, need: int, text: str
) -> None:
    accounts = [after(answered("a", five=(42, 2), week=(5, 90))), after(failed("b"))]
    counted = count(accounts, wanted, now=NOW, window=window, need=need)
    teller = Teller("en", UTC, now=NOW)
    failures = failures_of(*accounts)
    told = count_text(counted, wanted, teller, total=2, window=window, failures=failures)
    assert told == text
    chinese = Teller("zh", UTC, now=NOW)
    told = count_text(counted, wanted, chinese, total=2, window=window, failures=failures)
    assert "账号" in told


# timeline


def drawn(
    *accounts: Standing,
    width: int = 80,
    language: str = "en",
    rates: dict[str, dict[str, float]] | None = None,
    hours: int = 24,
) -> list[str]:
    ahead = timeline(accounts, now=NOW, hours=hours, rates=rates or {})
    table = TimelineTable(
        ahead,
        pool(accounts, now=NOW),
        pace_known=rates is not None,
        teller=Teller(language, UTC, now=NOW),
        marks=UNICODE if language == "zh" else ASCII,
    )
    failures = failures_of(*accounts)
    return "".join(table.render(failures, width=width, color=False)).splitlines()


SPENT = after(answered("a-long-name-of-an-account", five=(100, 2), week=(40, 20)))
OTHER = after(answered("b", five=(30, 3), week=(100, 90)))


def test_the_table_tells_resets_then_hours_then_the_pool() -> None:
    assert drawn(SPENT, OTHER, rates={"b": {"weekly": 0.0}}) == [
        "Resets of the next 24 hours                       Mon 21 Sep 14:13, times in UTC",
        "when              account                   window  returns",
        "16:13             a-long-name-~-an-account  5h         100%  < can be used again",
        "17:13             b                         5h          30%",
        "Tue 22 Sep 10:13  a-long-name-~-an-account  week        40%",
        "",
        "within the hour from     5h   week",
        "15:13                    +1      -",
        "Tue 22 Sep 09:13          -   +0.4",
        "",
        "left in total: 5h 0 of 2 - week 0.6 of 2",
        "At this pace nothing is left from 14:13 on; a-long-name-of-an-account is back",
        "16:13.",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int, language: str) -> None:
    for line in drawn(SPENT, OTHER, width=width, language=language):
        assert cells(line) <= width


def test_a_narrow_terminal_takes_a_column_whole_and_never_half_a_figure() -> None:
    for width, title in ((40, "window  returns"), (30, "window")):
        lines = drawn(SPENT, OTHER, width=width)[2:5]
        assert lines[0].endswith(title)
        assert lines[1].startswith("16:13")
        assert all(line.endswith(("returns", "100%", "30%", "window", "5h")) for line in lines)


def test_what_cannot_be_told_is_said() -> None:
    full = after(answered("a", week=FRESH))
    lines = drawn(full)
    assert lines[1] == "no reset is known for this time; --hours N looks further ahead"
    assert drawn(full, width=40)[2:4] == [
        "no reset is known for this time; --hours",
        "N looks further ahead",
    ]
    assert lines[-1] == (
        "How long it lasts is not known yet: that takes some hours of history (--record)."
    )
    assert drawn(full, rates={"a": {"weekly": 0.1}}, hours=1)[-1] == (
        "At this pace something is left throughout the next hour."
    )
    nobody = drawn(after(failed("a", FailureKind.TIMEOUT)))
    assert not any("left in total" in line for line in nobody)
    assert "failed: it failed: a -> try again" in nobody


def test_an_unknown_amount_has_a_question_mark() -> None:
    unknown = after(answered("a", week=(None, 3)))
    assert any(line.endswith("?") for line in drawn(unknown))


def test_a_line_for_each_reset() -> None:
    ahead = timeline([SPENT], now=NOW, hours=3, rates={})
    assert [*timeline_lines(ahead)] == [
        (
            b'{"at":"2026-09-21T16:13:20Z","account":"a-long-name-of-an-account","key":null,'
            b'"window":"five_hour","returns_percent":100.0,"frees":true}\n'
        )
    ]


def test_both_languages_fill_in_the_same() -> None:
    assert answer_words_of("zh") is CHINESE_ANSWERS
    assert answer_words_of("en") is ENGLISH_ANSWERS


def test_a_count_of_enough_known_accounts_says_no_more_than_that() -> None:
    accounts = [after(answered("a", five=(42, 2)))]
    counted = count(accounts, Wanted(), now=NOW)
    teller = Teller("en", UTC, now=NOW)
    text = count_text(counted, Wanted(), teller, total=1, window=None, failures=Failures())
    assert text == "1 of 1 account can be used; 1 is needed"


# diff


def test_a_line_for_each_change() -> None:
    before = [after(answered("a", five=(42, 2)))]
    changed = changes(before, [after(failed("a", FailureKind.DNS, at=NOW + 60))])
    assert change_lines(changed) == (
        b'{"account":"a","key":null,"change":"failed","window":null,"before":null,"after":"dns"}\n'
    )
    assert change_lines([]) == b""
