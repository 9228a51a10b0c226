"""The line for status bars."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest

from poller.insight.standing import Standing, standings
from poller.present.catalogue import words_of
from poller.present.statusline import StatusLine
from poller.values import FailureKind
from tests.known_accounts import HOUR, NOW, after, answered, failed, silent

BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}
ALICE = after(answered("alice", five=(42, 2), week=(5, 100)))
BOB = after(answered("bob", five=(100, 1.5), week=(30, 160)))


def line(*accounts: Standing, later_s: float = 60, language: str = "en") -> StatusLine:
    return StatusLine(
        accounts,
        now=NOW + later_s,
        max_age_s=900,
        timezone=UTC,
        words=words_of(language, unicode=True),
    )


LINES: dict[str, tuple[list[Standing], str]] = {
    "one account: what is left of it": ([ALICE], "codex 58%"),
    "several: how many, which one, what is left of it": ([ALICE, BOB], "codex 1/2 alice 58%"),
    "one that is blocked: when it is back": ([BOB], "codex back 15:43"),
    "all blocked: when the first is back": (
        [BOB, after(answered("carol", week=(100, 30)))],
        "codex 0/2 back 15:43",
    ),
    "blocked, and no time is told": ([after(answered("bob", five=(100, None)))], "codex 0%"),
    "on credits": (
        [after(answered("b", five=(100, 1), **BOUGHT)), BOB],
        "codex 1/2 b on credits",
    ),
    "a little left, rather than credits": (
        [after(answered("a", five=(97, 1))), after(answered("b", five=(100, 1), **BOUGHT))],
        "codex 2/2 a 3%",
    ),
    "nearly all used is not all": ([after(answered("a", five=(99.7, 1)))], "codex 1%"),
    "usable, without windows": (
        [after(silent("a")), after(answered("b", allowed=True)), ALICE],
        "codex 2/3 alice 58% ?1",
    ),
    "only usable without windows": ([after(answered("b", allowed=True))], "codex"),
    "failed": ([ALICE, after(failed("bob")), after(silent("c"))], "codex 1/3 alice 58% ?1 !1"),
    "all failed": ([after(failed("bob")), after(failed("c"))], "codex 0/2 !2"),
    "long names are cut": (
        [after(answered("engineering-team-lead-of-berlin", week=(1, 9))), BOB],
        "codex 1/2 engineer…-berlin 99%",
    ),
    "no history": ([], "codex ?"),
}


@pytest.mark.parametrize("name", LINES)
def test_the_line_says(name: str) -> None:
    accounts, told = LINES[name]
    assert line(*accounts).plain == told


@pytest.mark.parametrize(
    ("later_s", "told"),
    [
        (899, "codex 1/2 alice 58%"),
        (901, "codex ? 15m"),
        (2400, "codex ? 40m"),
        (3 * HOUR, "codex ? 3h"),
        (50 * HOUR, "codex ? 2d"),
        (-3600, "codex 1/2 alice 58%"),
    ],
)
def test_old_figures_say_so(later_s: float, told: str) -> None:
    assert line(ALICE, BOB, later_s=later_s).plain == told


def test_seconds_are_told_where_less_is_allowed() -> None:
    made = StatusLine([ALICE], now=NOW + 5, max_age_s=1)
    assert made.plain == "codex ? 5s"


def test_a_fresh_failure_is_no_old_figure() -> None:
    known = after(answered("alice", five=(42, 2)), failed("alice", at=NOW + 2000))
    assert line(known, later_s=2030).plain == "codex !1"


def test_it_speaks_chinese() -> None:
    assert line(BOB, language="zh").plain == "codex 15:43恢复"


@pytest.mark.parametrize(
    ("accounts", "style"),
    [
        ([after(answered("a", five=(85, 1)))], "fg=black,bg=yellow"),
        ([after(answered("b", five=(100, 1), **BOUGHT))], "fg=black,bg=yellow"),
        ([BOB], "fg=white,bg=red"),
        ([after(failed("a"))], "dim"),
        ([], "dim"),
    ],
)
def test_tmux_gets_the_line_in_its_colour(accounts: list[Standing], style: str) -> None:
    made = line(*accounts)
    assert made.tmux == f"#[{style}]{made.plain}#[default]"


def test_all_is_well_without_a_colour_and_no_name_is_a_format_of_tmuxs() -> None:
    assert line(ALICE).tmux == "codex 58%"
    assert line(after(answered("b", allowed=True))).tmux == "codex"
    made = line(after(answered("#(reboot)", five=(1, 1))), BOB)
    assert made.tmux == "codex 1/2 ##(reboot) 99%"


def test_waybar_gets_an_object_with_every_account() -> None:
    accounts = standings(
        [
            answered("alice", five=(42, 2), week=(5, 100)),
            answered("<bob>", five=(100, -0.01), **BOUGHT),
            answered("c", week=(None, None)),
            failed("dora", FailureKind.TOKEN_EXPIRED),
            silent("e"),
        ]
    )
    module = json.loads(line(*accounts).waybar)
    assert module["text"] == "codex 3/5 alice 58% ?1 !1"
    assert (module["class"], module["alt"], module["percentage"]) == ("ok", "ok", 58)
    assert module["tooltip"].split("\n") == [
        "alice: 5h 58% 16:13, week 95% Fri 18:13",
        "&lt;bob&gt;: 5h ?, on credits",
        "c: week ?",
        "dora: token expired",
        "e: ?",
    ]


def test_a_tooltip_does_not_grow_with_a_name() -> None:
    told = json.loads(line(after(answered("x" * 500, five=(1, 1)))).waybar)["tooltip"]
    assert len(told) < 60


def test_a_tooltip_ends_and_says_how_many_are_left() -> None:
    accounts = [after(answered(f"n{number}", five=(1, 1))) for number in range(40)]
    told = json.loads(line(*accounts).waybar)["tooltip"].split("\n")
    assert (len(told), told[-1]) == (31, "and 10 more")


def test_waybar_gets_no_percentage_where_there_is_none() -> None:
    assert "percentage" not in json.loads(line(ALICE, later_s=1000).waybar)
    assert json.loads(line(BOB).waybar)["percentage"] == 0


def test_json_says_what_the_line_is_made_of() -> None:
    assert json.loads(line(ALICE, BOB).json) == {
        "schema_version": 1,
        "text": "codex 1/2 alice 58%",
        "level": "ok",
        "stale": False,
        "seen_at": "2026-09-21T14:13:20Z",
        "age_s": 60,
        "accounts": 2,
        "usable": 1,
        "on_credits": 0,
        "unknown": 0,
        "blocked": 1,
        "failed": 0,
        "best": {"account": "alice", "key": None, "remaining_percent": 58.0},
        "back_at": None,
    }
    assert json.loads(line(BOB).json)["back_at"] == "2026-09-21T15:43:20Z"
    nothing = json.loads(line().json)
    assert (nothing["seen_at"], nothing["age_s"], nothing["stale"]) == (None, None, True)
