"""What alerts say to people, in two languages, and to programs."""

# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from poller.insight.alert_rules import AlertKind, Told
from poller.present.alert_text import event_of, message, sentence

AT = 1_790_000_000.0  # 2026-09-21 16:13 in Berlin
BERLIN = ZoneInfo("Europe/Berlin")
K = AlertKind


def told(change: AlertKind, account: str | None = "alice", **more: Any) -> Told:
    key = "a1f09c33e4d2b871" if account == "alice" else account
    return Told(account, key, change, AT, **more)


def said(*those: Told, language: str = "en") -> str:
    return sentence("low", those, now=AT, zone=BERLIN, language=language)


SAID = {
    "used up: alice (5h, back 17:13)": told(K.EXHAUSTED, window="five_hour", until=AT + 3600),
    "used up: alice": told(K.EXHAUSTED),
    "can be used again: alice (5h 100 % left)": told(K.BACK, window="five_hour", after=100.0),
    "can be used again: alice (week)": told(K.EXHAUSTED, over=True, window="weekly"),
    "low: alice (week 8 % left)": told(K.LOW, window="weekly", after=8.0),
    "no longer low: alice (week 60 % left)": told(K.LOW, window="weekly", after=60.0, over=True),
    "log in again: alice (token expired)": told(K.LOGIN, after="token_expired"),
    "logged in again: alice": told(K.LOGIN, before="token_expired", over=True),
    "no answer: alice (connection lost)": told(K.FAILED, after="connection_lost"),
    "no answer: alice (turned away for now)": told(K.FAILED, after="rate_limited"),
    "answering again: alice": told(K.FAILED, before="timeout", over=True),
    "answering again: alice (connection lost)": told(K.RESTORED, before="connection_lost"),
    "reset: alice (week)": told(K.RESET, window="weekly", before=3.0, after=100.0),
    "plan changed: alice (plus → pro)": told(K.PLAN_CHANGED, before="plus", after="pro"),
    "new: alice (58 % left)": told(K.APPEARED, after=58.0),
    "new: alice": told(K.APPEARED),
    "gone: alice": told(K.GONE, before=3.0),
    "gone: alice (token expired)": told(K.GONE, before="token_expired"),
    "spending credits: alice": told(K.CREDITS),
    "will probably run out: alice (5h 40 % left, about 17:13)": told(
        K.RUNS_OUT, window="five_hour", after=40.0, until=AT + 3600
    ),
    "will probably run out: alice (5h 40 % left)": told(K.RUNS_OUT, window="five_hour", after=40.0),
    "lasts after all: alice (5h 40 % left)": told(
        K.RUNS_OUT, window="five_hour", after=40.0, over=True
    ),
    "low across all accounts: week 7 % left": told(K.POOL_LOW, None, window="weekly", after=7.0),
    "an outage: 10 accounts, connection lost": told(
        K.INCIDENT, None, after="connection_lost", accounts=10
    ),
    "the outage is over: 12 accounts, connection lost": told(
        K.INCIDENT, None, before="connection_lost", accounts=12, over=True
    ),
    "reset early together: 11 accounts, week": told(
        K.FLEET_RESET, None, window="weekly", accounts=11
    ),
    "reset early together: 11 accounts": told(K.FLEET_RESET, None, accounts=11),
}


@pytest.mark.parametrize("text", SAID)
def test_a_change_is_a_sentence(text: str) -> None:
    assert said(SAID[text]) == text


def test_when_an_account_is_back_is_said_once_after_its_windows() -> None:
    windows = [told(K.EXHAUSTED, window=name, until=AT + 3600) for name in ("five_hour", "weekly")]
    assert said(*windows) == "used up: alice (5h, week, back 17:13)"


def test_what_is_the_same_is_said_together_in_the_order_it_came() -> None:
    assert said(
        told(K.BACK, window="five_hour", after=100.0),
        told(K.LOW, "bob", window="weekly", after=8.0),
        told(K.BACK, window="weekly", after=97.0),
        told(K.BACK, "carol", window="weekly", after=100.0),
    ) == (
        "can be used again: alice (5h 100 % left, week 97 % left), carol (week 100 % left); "
        "low: bob (week 8 % left)"
    )


FIVE: dict[str, Any] = {"window": "five_hour"}
LATER = {
    "what is over is not said": (
        [
            told(K.LOW, **FIVE, after=7.0),
            told(K.EXHAUSTED, **FIVE, until=AT - 3600),
            told(K.BACK, **FIVE, after=99.0),
        ],
        "can be used again: alice (5h 99 % left)",
    ),
    "nor that it was over before": (
        [told(K.EXHAUSTED, **FIVE), told(K.BACK, **FIVE), told(K.EXHAUSTED, **FIVE, until=AT + 60)],
        "used up: alice (5h, back 16:14)",
    ),
    "nor what was used up beside it": (
        [
            told(K.EXHAUSTED, **FIVE),
            told(K.EXHAUSTED, window="weekly"),
            told(K.BACK, window="weekly"),
        ],
        "can be used again: alice (week)",
    ),
    "of the same the last is said": (
        [told(K.RESET, **FIVE), told(K.LOW, **FIVE, after=9.0), told(K.RESET, **FIVE)],
        "low: alice (5h 9 % left); reset: alice (5h)",
    ),
    "what was to run out has": (
        [told(K.RUNS_OUT, **FIVE, after=30.0), told(K.EXHAUSTED, **FIVE)],
        "used up: alice (5h)",
    ),
    "an answer ends failures of either kind": (
        [
            told(K.FAILED, after="timeout"),
            told(K.LOGIN, after="token_expired"),
            told(K.RESTORED, before="token_expired"),
        ],
        "answering again: alice (token expired)",
    ),
    "an outage that is over": (
        [
            told(K.INCIDENT, None, after="timeout"),
            told(K.INCIDENT, None, before="timeout", over=True),
        ],
        "the outage is over: 1 account, no complete answer in time",
    ),
    "whose file is there again": (
        [told(K.GONE, before=3.0), told(K.APPEARED, after=4.0)],
        "new: alice (4 % left)",
    ),
    "somebody else's file of that name": (
        [told(K.EXHAUSTED, **FIVE), replace(told(K.BACK, **FIVE), key="f" * 16)],
        "used up: alice (5h); can be used again: alice (5h)",
    ),
    "whose file has another name now": (
        [told(K.EXHAUSTED, **FIVE), replace(told(K.BACK, **FIVE), account="al")],
        "can be used again: al (5h)",
    ),
    "others have nothing to do with it": (
        [told(K.EXHAUSTED, **FIVE), told(K.BACK, "bob", **FIVE), told(K.LOW, window="weekly")],
        "used up: alice (5h); can be used again: bob (5h); low: alice (week)",
    ),
}


@pytest.mark.parametrize("scene", LATER)
def test_of_what_was_held_back_only_what_is_still_so_is_said(scene: str) -> None:
    those, text = LATER[scene]
    assert said(*those) == text


def test_many_names_are_cut() -> None:
    text = said(*(told(K.CREDITS, f"n{number}") for number in range(20)))
    assert text.endswith("n11 and 8 more")


def test_a_sentence_never_begins_with_a_dash_whatever_the_account_is_called() -> None:
    for change in AlertKind:
        assert not said(told(change, "--help")).startswith("-")


def test_it_is_said_in_chinese() -> None:
    text = said(told(K.LOGIN, after="token_expired"), language="zh")
    assert text == "需要重新登录：alice（token 已过期）"
    for change in AlertKind:
        assert said(told(change), language="zh") != said(told(change))
    assert "没有任何变化" in said(language="zh")


def test_a_test_says_so() -> None:
    assert said() == "a test of the alert low: nothing has changed"
    assert event_of(()) == "test"


def test_the_event_is_the_change_unless_they_differ() -> None:
    low, over = told(K.LOW), told(K.LOW, over=True)
    assert event_of((low, low)) == "low"
    assert event_of((low, over)) == "several"
    assert event_of((low, told(K.BACK))) == "several"


def test_a_program_reads_one_line_of_json() -> None:
    line = message("low", (told(K.LOW, window="weekly", before=12.0, after=8.0),), text="x", at=AT)
    assert b"\n" not in line
    assert json.loads(line) == {
        "schema_version": 1,
        "rule": "low",
        "event": "low",
        "at": "2026-09-21T14:13:20Z",
        "text": "x",
        "changes": [
            {
                "account": "alice",
                "key": "a1f09c33e4d2b871",
                "change": "low",
                "over": False,
                "window": "weekly",
                "before": 12.0,
                "after": 8.0,
            }
        ],
    }
