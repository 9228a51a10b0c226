# ruff: noqa: RUF001 - the dashes of the expected tables are meant
from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text
from wcwidth import wcswidth

from poller.present.usage_table import Table
from poller.values import (
    Credits,
    Failure,
    FailureKind,
    Report,
    SpendLimit,
    Usage,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 22, 15, 4, tzinfo=UTC).timestamp()  # a Sunday
HOUR_S, DAY_S = 3600.0, 86400.0
LENGTHS_S = {"five_hour": 18000, "weekly": 604800, "monthly": 2592000, "15m": 900, "1h": 3600}


def window(name: str, left: float | None, reset_in_s: float | None = None) -> Window:
    reset_at = None if reset_in_s is None else int(NOW + reset_in_s)
    return Window(name, left, LENGTHS_S.get(name), reset_at)


def answered(
    account: str,
    *windows: Window,
    plan: str | None = "plus",
    usable: bool | None = True,
    by: str | None = None,
    again_in_s: float | None = None,
    credit: Credits | None = None,
    spend: SpendLimit | None = None,
) -> Report:
    again_at = None if again_in_s is None else int(NOW + again_in_s)
    usage = Usage(
        plan=plan,
        usable=usable,
        limited_by=by,
        usable_at=again_at,
        windows=windows,
        credits=credit,
        spend_limit=spend,
    )
    return Report(0, account, f"{account}.auth.json", NOW, usage)


def failed(account: str, kind: FailureKind, hint: str) -> Report:
    return Report(0, account, f"{account}.auth.json", NOW, failure=Failure(kind, "why", hint))


def table_of(reports: Iterable[Report]) -> Table:
    table = Table(ZoneInfo("UTC"))
    for report in reports:
        table.add(report)
    return table


def drawn(
    reports: Iterable[Report],
    *,
    width: int | None = None,
    color: bool = False,
    unicode: bool = True,
) -> str:
    return "".join(table_of(reports).render(width=width, color=color, unicode=unicode, now=NOW))


def order(reports: Iterable[Report]) -> list[str]:
    return [line.split()[0] for line in drawn(reports).splitlines()[2:]]


POOL = (
    answered("alice", window("five_hour", 58, HOUR_S), window("weekly", 95, 1.2 * DAY_S)),
    answered(
        "bob", window("five_hour", 100, 5 * HOUR_S), window("weekly", 12.4, 3 * DAY_S), plan="pro"
    ),
    answered("carol", window("weekly", 71, 2 * DAY_S)),
    answered(
        "团队-王小明",
        window("five_hour", 0.4, 2 * HOUR_S),
        window("weekly", None, 4 * DAY_S),
        plan="team",
    ),
    answered("erin", window("monthly", 64, 20 * DAY_S), plan="free"),
    answered(
        "frank",
        window("five_hour", 0, 1.5 * HOUR_S),
        window("weekly", 40, 4 * DAY_S),
        usable=False,
        by="five_hour",
        again_in_s=1.5 * HOUR_S,
    ),
    answered(
        "grace",
        window("five_hour", 80),
        window("weekly", 0, 4 * DAY_S),
        usable=False,
        by="weekly",
        again_in_s=4 * DAY_S,
    ),
    answered(
        "heidi",
        window("five_hour", 0, 1.5 * HOUR_S),
        window("weekly", 0, 2 * DAY_S),
        credit=Credits(has_credits=True, unlimited=False, balance="38.11"),
    ),
    answered(
        "ivan",
        plan="business",
        spend=SpendLimit("12500", "94.48", "12405.52", 99.0, None),
    ),
    answered("judy", plan=None, usable=None),
    answered("ken", plan="team", usable=False, by="credits_depleted"),
    failed("mallory", FailureKind.TOKEN_EXPIRED, "log in again with this account's Codex"),
    failed("niaj", FailureKind.EDGE_BLOCKED, "try later, from another network, or fewer at once"),
)

IN_A_PIPE = """\
what is left and when it resets, times in UTC
account      plan        5h        week            month        status
bob          pro       100% 20:04   12% Wed 15:04     –         ok
carol        plus         –         71% Tue 15:04     –         ok
erin         free         –           –             64% 12 Dec  ok
alice        plus       58% 16:04   95% Mon 19:52     –         ok
团队-王小明  team        1% 17:04     ? Thu 15:04     –         ok
heidi        plus        0% 16:34    0% Tue 15:04     –         on credits: 38.11
ivan         business     –           –               –         ok: 99% of spend limit left
judy         –            –           –               –         unknown
frank        plus        0% 16:34   40% Thu 15:04     –         blocked by 5h until 16:34
grace        plus       80% ?        0% Thu 15:04     –         blocked by weekly until Thu 15:04
ken          team         –           –               –         blocked by credits_depleted
niaj         –         failed: edge_blocked · try later, from another network, or fewer at once
mallory      –         failed: token_expired · log in again with this account's Codex
"""

ON_EIGHTY_CELLS = """\
what is left and when it resets, times in UTC
account      5h               week                 month             status
bob          ━━━━ 100% 20:04  ━───  12% Wed 15:04          –         ok
carol                –        ━━━─  71% Tue 15:04          –         ok
erin                 –                –            ━━━─  64% 12 Dec  ok
alice        ━━──  58% 16:04  ━━━─  95% Mon 19:52          –         ok
团队-王小明  ━───   1% 17:04          ? Thu 15:04          –         ok
heidi        ────   0% 16:34  ────   0% Tue 15:04          –         on credits
ivan                 –                –                    –         ok
judy                 –                –                    –         unknown
frank        ────   0% 16:34  ━━──  40% Thu 15:04          –         blocked
grace        ━━━─  80% ?      ────   0% Thu 15:04          –         blocked
ken                  –                –                    –         blocked
niaj         failed: edge_blocked · try later, from another network, or fewer a…
mallory      failed: token_expired · log in again with this account's Codex
"""

ON_FORTY_CELLS = """\
times in UTC
account        5h  week  month  status
bob          100%   12%     –   ok
carol           –   71%     –   ok
erin            –     –   64%   ok
alice         58%   95%     –   ok
~~~~~~~~~~~    1%     ?     –   ok
heidi          0%    0%     –   ok
ivan            –     –     –   ok
judy            –     –     –   unknown
frank          0%   40%     –   blocked
grace         80%    0%     –   blocked
ken             –     –     –   blocked
niaj         failed: edge_blocked
mallory      failed: token_expired
""".replace("~~~~~~~~~~~", "团队-王小明")


@pytest.mark.parametrize(
    ("width", "expected"), [(None, IN_A_PIPE), (80, ON_EIGHTY_CELLS), (40, ON_FORTY_CELLS)]
)
def test_a_pool_of_every_kind_looks_like_this(width: int | None, expected: str) -> None:
    assert drawn(POOL, width=width) == expected


def test_without_unicode_nothing_but_names_is_beyond_ascii() -> None:
    text = drawn(POOL, width=60, unicode=False)
    assert text.replace("团队-王小明", "").isascii()
    assert "    -" in text


def test_colour_changes_nothing_but_the_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    painted = drawn(POOL, width=80, color=True)
    assert re.search(r"\x1b\[(38;5;28|32)m", painted)  # rich keeps the first terminal's colours
    lines = [Text.from_ansi(line).plain.rstrip() for line in painted.splitlines()]
    assert lines == ON_EIGHTY_CELLS.splitlines()


def test_no_more_than_a_screenful_is_painted() -> None:
    many = [answered(f"a{number}", window("weekly", 50, 1)) for number in range(201)]
    text = drawn(many, width=80, color=True)
    assert "\x1b" not in text
    assert "━" not in text


def test_a_long_table_is_text_piece_by_piece() -> None:
    many = [answered(f"a{number:04d}", window("weekly", 50, 1)) for number in range(3000)]
    pieces = [*table_of(many).render(width=80, color=False, unicode=True, now=NOW)]
    assert max(map(len, pieces)) < len("".join(pieces)) / 4
    assert all(piece.endswith("\n") for piece in pieces)
    names = [line.split()[0] for line in "".join(pieces).splitlines()[2:]]
    assert names == [report.account for report in many]


def test_a_table_without_accounts_says_so() -> None:
    assert drawn([], width=80) == "no accounts\n"


def test_only_failures_need_no_columns_of_windows() -> None:
    assert drawn([failed("mallory", FailureKind.DNS, "check the name")]) == (
        "what is left and when it resets, times in UTC\n"
        "account  plan  status\n"
        "mallory  –     failed: dns · check the name\n"
    )


def test_windows_stand_in_the_order_of_their_length_by_their_names() -> None:
    names = ("monthly", "weekly_2", "weekly", "1h", "five_hour", "15m")
    windows = [Window(name, 50, LENGTHS_S.get(name, 604801), None) for name in names]
    assert drawn([answered("alice", *windows)]).splitlines()[1].split() == (
        ["account", "plan", "15m", "1h", "5h", "week", "week", "2", "month", "status"]
    )


def test_the_usable_come_first_best_first() -> None:
    assert order(
        [
            answered("c-less-in-five-hours", window("five_hour", 10), window("weekly", 99)),
            answered("b-less-in-the-week", window("five_hour", 90), window("weekly", 10)),
            answered("a2-later", window("five_hour", 90), window("weekly", 50, 2)),
            answered("a3-sooner", window("five_hour", 90), window("weekly", 50, 1)),
            answered("a1-never", window("five_hour", 90), window("weekly", 50)),
            answered("z-week-for-five-hours", window("weekly", 95)),
            answered("y-month-for-both", window("monthly", 90)),
            answered("same-1", window("five_hour", 1)),
            answered("same-0", window("five_hour", 1)),
        ]
    ) == [
        "z-week-for-five-hours",
        "y-month-for-both",
        "a3-sooner",
        "a2-later",
        "a1-never",
        "b-less-in-the-week",
        "c-less-in-five-hours",
        "same-0",
        "same-1",
    ]


def test_then_the_unknown_then_the_blocked_then_the_failures() -> None:
    assert order(
        [
            failed("f-tls", FailureKind.TLS, "hint"),
            failed("g-dns", FailureKind.DNS, "hint"),
            failed("e-dns", FailureKind.DNS, "hint"),
            answered("d-blocked-for-good", usable=False),
            answered("d-blocked-for-long", usable=False, again_in_s=2),
            answered("d-blocked-not-long", usable=False, again_in_s=1),
            answered("c-nothing-tells", usable=None),
            answered("b-no-figures"),
            answered("b-no-figure", window("five_hour", None)),
            answered("a-almost-nothing", window("five_hour", 1)),
        ]
    ) == [
        "a-almost-nothing",
        "b-no-figure",
        "b-no-figures",
        "c-nothing-tells",
        "d-blocked-not-long",
        "d-blocked-for-long",
        "d-blocked-for-good",
        "e-dns",
        "g-dns",
        "f-tls",
    ]


@pytest.mark.parametrize(
    ("left", "shown"),
    [(0, "0%"), (0.01, "1%"), (99.9, "99%"), (100, "100%"), (49.6, "50%"), (None, "?")],
)
def test_only_nothing_is_shown_as_nothing_and_the_unknown_as_unknown(
    left: float | None, shown: str
) -> None:
    assert drawn([answered("alice", window("weekly", left))]).split()[-2:] == [shown, "ok"]


UNLIMITED = Credits(has_credits=True, unlimited=True, balance=None)


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (answered("a", window("weekly", 0), credit=UNLIMITED), "on credits: unlimited"),
        (answered("a", window("weekly", 0), credit=Credits(True, None, None)), "on credits"),
        (answered("a", window("weekly", 0), credit=Credits(False, False, "0")), "ok"),
        (answered("a", window("weekly", 9), credit=UNLIMITED), "ok"),
        (answered("a", window("weekly", 0)), "ok"),
        (
            answered("a", spend=SpendLimit(None, None, "12.5", None, None)),
            "ok: 12.5 of spend limit left",
        ),
        (answered("a", spend=SpendLimit("9", None, None, None, None)), "ok"),
        (answered("a", usable=False, by="unknown"), "blocked"),
        (answered("a", usable=False, by="spend_limit"), "blocked by spend limit"),
        (
            answered("a", usable=False, by="spend_limit", again_in_s=20 * DAY_S),
            "blocked by spend limit until 12 Dec",
        ),
        (failed("a", FailureKind.DNS, ""), "failed: dns"),
    ],
)
def test_a_status_says_what_the_account_is_good_for(report: Report, status: str) -> None:
    assert drawn([report]).rstrip().endswith(f"  {status}")


def test_a_row_says_as_much_as_it_has_room_for() -> None:
    spend = answered("alice", usable=False, by="spend_limit", again_in_s=20 * DAY_S)
    assert drawn([spend], width=50).endswith("plus  blocked by spend limit until 12 Dec\n")
    assert drawn([spend], width=40).endswith("plus  blocked until 12 Dec\n")
    assert drawn([spend], width=20).endswith("alice    blocked\n")


def test_text_from_outside_can_neither_steer_the_terminal_nor_fill_the_screen() -> None:
    report = answered("a", plan="\x1b[31m" + "x" * 1000, usable=False, by="\n" * 1000)
    row = drawn([report]).splitlines()[2]
    assert row.isprintable()
    assert len(row) < 300
    assert "\x1b" not in drawn([failed("a", FailureKind.DNS, "\x1b[2J")])


def test_long_names_give_way_last_and_stay_distinct() -> None:
    names = [f"auth-profiles:openai-codex:{name}@example.org" for name in ("alice", "bob", "carl")]
    pool = [answered(name, window("five_hour", 5, 60), window("weekly", 5, 60)) for name in names]
    assert drawn(pool, width=80, unicode=False).splitlines()[2].startswith(names[0])
    assert drawn(pool, width=60).splitlines()[2:] == [
        "…nai-codex:alice@example.org    5% 15:05    5% 15:05  ok",
        "…penai-codex:bob@example.org    5% 15:05    5% 15:05  ok",
        "…enai-codex:carl@example.org    5% 15:05    5% 15:05  ok",
    ]
    assert drawn(pool, width=40).splitlines()[2:] == [
        "…x:alice@example.org    5%    5%  ok",
        "…dex:bob@example.org    5%    5%  ok",
        "…ex:carl@example.org    5%    5%  ok",
    ]


def test_the_summary_counts_and_tells_the_next_reset() -> None:
    assert table_of(POOL).summary(NOW) == (
        "7 can be used, 3 blocked, 2 failed, 1 unknown; next reset 16:04 in 1 h: alice 5h"
    )


def test_the_summary_waits_for_no_reset_that_is_past_or_frees_nothing() -> None:
    fresh = answered("a", window("five_hour", 100, 60), window("weekly", 5, -60))
    assert table_of([fresh]).summary(NOW) == "1 can be used, 0 blocked, 0 failed"
    assert table_of([]).summary(NOW) == "0 can be used, 0 blocked, 0 failed"


def test_a_row_takes_less_than_three_hundred_bytes_beside_its_name() -> None:
    table = table_of(POOL)
    (row,) = [row for row in table._rows if row.account == "bob"]
    held = (row, row.left, row.usable_at)
    assert sum(sys.getsizeof(part) for part in held) < 300


labels = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "So")), min_size=1, max_size=40
).filter(lambda text: text.isprintable() and wcswidth(text) >= 0)
percents = st.none() | st.floats(0, 100)
instants = st.none() | st.integers(1_600_000_000, 4_000_000_000)
windows_of = st.lists(
    st.builds(
        Window,
        st.sampled_from((*LENGTHS_S, "weekly_2", "9h")),
        percents,
        st.none() | st.integers(1, 10**7),
        instants,
    ),
    max_size=5,
    unique_by=lambda window: window.name,
).map(tuple)
usages = st.builds(
    Usage,
    st.none() | labels,
    st.none() | st.booleans(),
    st.none() | st.sampled_from(("five_hour", "weekly", "spend_limit", "unknown")) | labels,
    instants,
    windows_of,
    spend_limit=st.none() | st.builds(SpendLimit, labels, labels, labels, percents, instants),
)
failures = st.builds(Failure, st.sampled_from(FailureKind), st.just("why"), labels)
reports = st.builds(
    Report, st.just(0), labels, st.just("source"), st.just(NOW), st.none() | usages
) | st.builds(Report, st.just(0), labels, st.just("source"), st.just(NOW), failure=failures)


@settings(max_examples=150, deadline=None)
@given(st.lists(reports, min_size=1, max_size=8), st.integers(20, 140), st.booleans())
def test_no_line_is_ever_wider_than_the_terminal(
    pool: list[Report], width: int, unicode: bool
) -> None:
    from poller.present.terminal import cells

    lines = drawn(pool, width=width, unicode=unicode).splitlines()
    assert len(lines) == 2 + len(pool)
    assert max(map(cells, lines)) <= width


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            answered,
            st.text(st.sampled_from("ab中文字é"), min_size=1, max_size=12),
            st.builds(window, st.just("weekly"), st.floats(0, 100), st.just(60)),
        ),
        min_size=1,
        max_size=8,
    ),
    st.none() | st.integers(40, 120),
)
def test_columns_line_up_whatever_the_names_are_written_in(
    pool: list[Report], width: int | None
) -> None:
    lines = drawn(pool, width=width).splitlines()[1:]
    signs = {wcswidth(line[: line.index("%")]) for line in lines[1:]}
    statuses = {wcswidth(line[: line.rindex("  ") + 2]) for line in lines}
    assert len(signs) == len(statuses) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(reports, min_size=1, max_size=5), st.integers(20, 140))
def test_painted_lines_say_what_plain_ones_do(pool: list[Report], width: int) -> None:
    painted = drawn(pool, width=width, color=True).split("\n")[:-1]
    plain = drawn(pool, width=width).split("\n")[:-1]
    assert [Text.from_ansi(line).plain.rstrip() for line in painted] == plain
