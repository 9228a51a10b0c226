# ruff: noqa: RUF001 - the dashes of the expected tables are meant
from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text
from wcwidth import wcswidth

from poller.insight.pool import NO_WEIGHTS
from poller.present.terminal import cells
from poller.present.times import Clock
from poller.present.usage_rows import Places
from poller.present.usage_table import UsageTable
from poller.values import (
    Credits,
    Failure,
    FailureKind,
    Limit,
    Report,
    SpendLimit,
    Usage,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    on_credits: bool = False,
    extra: tuple[Limit, ...] = (),
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
        on_credits=on_credits,
        extra_limits=extra,
    )
    return Report(0, account, f"{account}.auth.json", NOW, usage)


def failed(account: str, kind: FailureKind) -> Report:
    failure = Failure(kind, "why", "do this")
    return Report(0, account, f"{account}.auth.json", NOW, failure=failure)


def drawn(
    reports: Iterable[Report],
    *,
    width: int = 100,
    color: bool = False,
    unicode: bool = True,
    language: str = "en",
    extra: bool = False,
) -> str:
    table = UsageTable(ZoneInfo("UTC"), extra=extra, language=language)
    for report in reports:
        table.add(report)
    return "".join(table.render(width=width, color=color, unicode=unicode, now=NOW))


def rows(reports: Iterable[Report], *, width: int = 100, extra: bool = False) -> list[str]:
    """Return the lines under the titles, but for what all accounts have together."""
    lines = drawn(reports, width=width, extra=extra).splitlines()[2:]
    return [line for line in lines if not line.startswith("left in total: ")]


def order(reports: Iterable[Report]) -> list[str]:
    return [line.split()[1] for line in rows(reports)[:-1]]


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
        on_credits=True,
    ),
    answered(
        "ivan",
        plan="business",
        spend=SpendLimit("12500", "94.48", "12405.52", 99.0, int(NOW + 9 * DAY_S)),
    ),
    answered("judy", plan=None, usable=None),
    answered("ken", plan="team", usable=False, by="credits_depleted"),
    failed("mallory", FailureKind.TOKEN_EXPIRED),
    failed("niaj", FailureKind.EDGE_BLOCKED),
)

ON_EIGHTY_CELLS = """\
Codex quota left · 13 accounts                    Sun 22 Nov 15:04, times in UTC
  account      plan   5h                   week or other
✓ bob          pro    ██████ 100% 20:04    ▊       12% Wed 25 Nov 15:04
✓ carol        plus             –          ████▎   71% Tue 24 Nov 15:04
✓ erin         free             –          ███▉    64% Sat 12 Dec 15:04    month
✓ alice        plus   ███▌    58% 16:04    █████▊  95% Mon 23 Nov 19:52
✓ 团队-王小明  team   ▏        1% 17:04              ? Thu 26 Nov 15:04
✓ ivan         busi…            –          █████▉  99%  Tue 1 Dec 15:04    spend
✓ heidi        plus            0% 16:34             0% Tue 24 Nov 15:04
    on credits: 38.11 left
? judy         –                –                    –
■ frank        plus            0% 16:34 ←  ██▍     40% Thu 26 Nov 15:04
■ grace        plus   ████▊   80%     –             0% Thu 26 Nov 15:04 ←
■ ken          team             –          blocked by credits_depleted
✗ token expired: mallory → poller --refresh, or log in with codex and copy again
✗ not reached, blocked by a network filter: niaj → try again later, or from
  another network
left in total: 5h 1.6 to 2.6 of 7 · week 2.2 to 4.2 of 8 · month 0.6 of 1
7 usable · 1 unknown · 3 blocked, next back at 16:34: frank · 2 failed
"""

ON_SIXTY_CELLS = """\
Codex quota left · 13 accounts                 times in UTC
  account        5h          week or other
✓ bob          100% 20:04     12% Wed 25 Nov 15:04
✓ carol           –           71% Tue 24 Nov 15:04
✓ erin            –           64% Sat 12 Dec 15:04    month
✓ alice         58% 16:04     95% Mon 23 Nov 19:52
✓ 团队-王小明    1% 17:04       ? Thu 26 Nov 15:04
✓ ivan            –           99%  Tue 1 Dec 15:04    spend
✓ heidi          0% 16:34      0% Tue 24 Nov 15:04
    on credits: 38.11 left
? judy            –             –
■ frank          0% 16:34 ←   40% Thu 26 Nov 15:04
■ grace         80%     –      0% Thu 26 Nov 15:04 ←
■ ken             –             –
    blocked by credits_depleted
✗ token expired: mallory → poller --refresh, or log in with
  codex and copy again
✗ not reached, blocked by a network filter: niaj → try again
  later, or from another network
left in total: 5h 1.6 to 2.6 of 7 · week 2.2 to 4.2 of 8
7 usable (1 on credits) · 1 unknown · 3 blocked · 2 failed
"""

IN_CHINESE = """\
Codex 剩余额度 · 13 个账号                           11-22 周日 15:04，时区 UTC
  账号         套餐   5 小时               周或其他
✓ bob          pro    ██████ 100% 20:04    ▊       12% 11-25 周三 15:04
✓ carol        plus             –          ████▎   71% 11-24 周二 15:04
✓ erin         free             –          ███▉    64% 12-12 周六 15:04    月
✓ alice        plus   ███▌    58% 16:04    █████▊  95% 11-23 周一 19:52
✓ 团队-王小明  team   ▏        1% 17:04              ? 11-26 周四 15:04
✓ ivan         busi…            –          █████▉  99% 12-01 周二 15:04    消费
✓ heidi        plus            0% 16:34             0% 11-24 周二 15:04
    正在用点数：剩 38.11
? judy         –                –                    –
■ frank        plus            0% 16:34 ←  ██▍     40% 11-26 周四 15:04
■ grace        plus   ████▊   80%     –             0% 11-26 周四 15:04 ←
■ ken          team             –          受限：credits_depleted
✗ token 已过期：mallory → poller --refresh，或用 codex 登录再复制
✗ 请求在网络边缘被拦下，没有到达账号：niaj → 稍后再试，或换个网络
合计剩余：5 小时 1.6 至 2.6/7 · 周 2.2 至 4.2/8 · 月 0.6/1
7 个可用 · 1 个未知 · 3 个受限，最早 16:34 恢复：frank · 2 个失败
"""

IN_ASCII = """\
Codex quota left - 13 accounts                          Sun 22 Nov 15:04, times in UTC
        account      plan   5h                   week or other
usable  bob          pro    ###### 100% 20:04    #       12% Wed 25 Nov 15:04
usable  carol        plus             -          ####    71% Tue 24 Nov 15:04
usable  erin         free             -          ####    64% Sat 12 Dec 15:04    month
usable  alice        plus   ###     58% 16:04    #####   95% Mon 23 Nov 19:52
usable  团队-王小明  team   #        1% 17:04              ? Thu 26 Nov 15:04
usable  ivan         busi~            -          #####   99%  Tue 1 Dec 15:04    spend limit
usable  heidi        plus            0% 16:34             0% Tue 24 Nov 15:04
          on credits: 38.11 left
unknown judy         -                -                    -
blocked frank        plus            0% 16:34 <  ##      40% Thu 26 Nov 15:04
blocked grace        plus   #####   80%     -             0% Thu 26 Nov 15:04 <
blocked ken          team             -          blocked by credits_depleted
failed: token expired: mallory -> poller --refresh, or log in with codex and copy again
failed: not reached, blocked by a network filter: niaj -> try again later, or from another network
left in total: 5h 1.6 to 2.6 of 7 - week 2.2 to 4.2 of 8 - month 0.6 of 1
7 usable (1 on credits) - 1 unknown - 3 blocked, next back at 16:34 (1 h 30 min): frank - 2 failed
"""


@pytest.mark.parametrize(
    ("width", "language", "unicode", "expected"),
    [
        (80, "en", True, ON_EIGHTY_CELLS),
        (60, "en", True, ON_SIXTY_CELLS),
        (80, "zh", True, IN_CHINESE),
        (100, "en", False, IN_ASCII),
        (100, "zh", False, IN_ASCII),
    ],
)
def test_a_pool_of_every_kind_looks_like_this(
    width: int, language: str, unicode: bool, expected: str
) -> None:
    assert drawn(POOL, width=width, language=language, unicode=unicode) == expected


def test_without_unicode_nothing_but_names_is_beyond_ascii() -> None:
    assert IN_ASCII.replace("团队-王小明", "").isascii()


def test_colour_changes_nothing_but_the_colour() -> None:
    painted = drawn(POOL, width=80, color=True)
    lines = [Text.from_ansi(line).plain.rstrip() for line in painted.splitlines()]
    assert lines == ON_EIGHTY_CELLS.splitlines()


def test_colours_are_the_terminals_own_at_any_number_of_rows() -> None:
    many = [answered(f"a{number}", window("weekly", number % 101, 1)) for number in range(300)]
    painted = drawn(many, width=80, color=True).splitlines()
    assert len(painted) == 304
    assert all("\x1b[3" in line and "%" in line for line in painted[2:-2])
    assert sum("█" in line for line in painted) > 200
    assert {*re.findall(r"\x1b\[([\d;]*)m", "".join(painted))} == {"0", "1", "2", "31", "32", "33"}


def test_a_table_without_accounts_says_so() -> None:
    assert drawn([], width=80) == "no accounts\n"
    assert drawn([], width=80, language="zh") == "没有账号\n"


def test_only_failures_need_no_columns() -> None:
    assert drawn([failed("mallory", FailureKind.FILE_MISSING)], width=80).splitlines() == [
        "Codex quota left · 1 account                      Sun 22 Nov 15:04, times in UTC",
        "✗ no such file: mallory → check the path, or leave the account out",
        "0 usable · 1 failed",
    ]


def test_an_expired_token_is_told_with_its_age() -> None:
    expired = replace(failed("old", FailureKind.TOKEN_EXPIRED), expires_at=NOW - 2 * DAY_S)
    assert "token expired: old (2 days ago) → poller --refresh" in drawn([expired])
    assert "token 已过期：old（2 天前）" in drawn([expired], language="zh")


# Order


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


def test_then_those_on_credits_then_the_unknown_then_the_blocked() -> None:
    assert order(
        [
            answered("d-blocked-nobody-knows-until-when", usable=False),
            answered("d-blocked-for-long", usable=False, again_in_s=2),
            answered("d-blocked-not-long", usable=False, again_in_s=1),
            answered("c-nothing-tells", usable=None),
            answered("b-on-credits", window("five_hour", 0), on_credits=True),
            answered("a-no-figure", window("five_hour", None)),
            answered("a-no-figures"),
            answered("a-almost-nothing", window("five_hour", 1)),
        ]
    ) == [
        "a-almost-nothing",
        "a-no-figure",
        "a-no-figures",
        "b-on-credits",
        "c-nothing-tells",
        "d-blocked-not-long",
        "d-blocked-for-long",
        "d-blocked-nobody-knows-until-when",
    ]


# Windows and their resets


def test_every_reset_has_its_weekday_date_and_time_on_eighty_cells() -> None:
    pool = [
        answered(
            f"account-{number}",
            window("five_hour", 100 - number, number * HOUR_S),
            window("weekly", number, number * 0.7 * DAY_S),
        )
        for number in range(1, 10)
    ]
    pool.append(answered("free", window("monthly", 50, 29 * DAY_S)))
    told = drawn(pool, width=80)
    clock = Clock(ZoneInfo("UTC"), now=NOW)
    for report in pool:
        assert report.usage is not None
        (row,) = (line for line in told.splitlines() if f" {report.account} " in line)
        for each in report.usage.windows:
            assert each.reset_at is not None
            text = clock.text(each.reset_at)
            assert text in row
            assert re.fullmatch(r"((Sun|Mon|Tue|Wed|Thu|Fri|Sat) \d+ \w{3} )?\d\d:\d\d", text)
            assert (len(text) == 5) == (each.reset_at < NOW + 9 * HOUR_S - 240)
    assert "Sun 22 Nov" in told.splitlines()[0]


def test_a_date_never_loses_its_time_before_it_goes() -> None:
    pool = [answered("alice", window("five_hour", 1, 60), window("weekly", 5, 9 * DAY_S))]
    for width in range(20, 80):
        row = rows(pool, width=width)[0]
        assert "1 Dec" not in row or re.search(r"1 Dec 15:04", row)


def test_a_name_of_seventy_one_cells_takes_no_bars_or_resets_from_others() -> None:
    pool = [report for report in POOL if report.account not in ("ivan", "judy", "heidi", "ken")]
    long = [replace(pool[0], account=f"openai-codex:{'x' * 48}@y.example"), *pool[1:]]
    before, after = drawn(pool, width=80).splitlines(), drawn(long, width=80).splitlines()
    assert max(map(cells, after)) <= 80
    for one, other in zip(before[2:9], after[2:9], strict=True):
        assert one.count("█") == other.count("█")
        assert re.findall(r"\d\d:\d\d|\d+%", one) == re.findall(r"\d\d:\d\d|\d+%", other)
    assert any("openai…" in line for line in after)


def test_windows_that_few_have_share_the_last_column() -> None:
    heading = drawn(POOL, width=100).splitlines()[1].split("  ")
    assert [title.strip() for title in heading if title] == (
        ["account", "plan", "5h", "week or other"]
    )
    few = [report for report in POOL if report.account != "ivan"]
    assert "week or month" in drawn(few, width=100)
    (erin,) = (row for row in rows(few) if "erin" in row)
    assert erin.endswith("64% Sat 12 Dec 15:04    month")


def test_what_finds_no_column_stands_under_its_account() -> None:
    windows = [window(name, 50, 60) for name in ("15m", "five_hour", "weekly", "monthly")]
    pool = [answered("alice", *windows)]
    pool += [answered(f"b{number}", *windows[1:3]) for number in range(9)]
    told = rows(pool)
    (place,) = (place for place, row in enumerate(told) if "alice" in row)
    assert told[place + 1].split() == ["└", "15m", "████", "50%", "15:05"]
    assert told[place + 2].split() == ["└", "month", "████", "50%", "15:05"]


def test_a_window_that_would_need_many_second_rows_has_a_column() -> None:
    pool = [answered(f"a{number}", window("weekly", 5)) for number in range(6)]
    pool += [answered(f"b{n}", window("five_hour", 5), window("weekly", 5)) for n in range(4)]
    assert drawn(pool).splitlines()[1].split() == ["account", "plan", "5h", "week"]
    assert len(rows(pool)) == 11


def test_columns_stand_in_the_order_of_their_length_by_their_names() -> None:
    names = ("monthly", "weekly_2", "weekly", "1h", "five_hour", "15m")
    windows = [Window(name, 50, LENGTHS_S.get(name, 604801), None) for name in names]
    assert drawn([answered("alice", *windows)], width=200).splitlines()[1].split() == (
        ["account", "plan", "15m", "1h", "5h", "week", "week", "2", "month"]
    )


def test_windows_that_matter_least_go_first() -> None:
    windows = [window(name, 50) for name in ("monthly", "weekly", "1h", "five_hour")]
    shown = [
        drawn([answered("a", *windows)], width=width).splitlines()[-3] for width in (36, 28, 21)
    ]
    assert [line.split()[1:] for line in shown] == [
        ["1h", "5h", "week", "month"],
        ["5h", "week"],
        ["5h"],
    ]


def test_a_window_of_unknown_length_comes_last() -> None:
    places = Places()
    places.noted([Window("odd", 5, None, None), Window("weekly", 5, None, None)])
    places.settle()
    assert places.columns == ("weekly", "odd")


@pytest.mark.parametrize(
    ("left", "shown"),
    [(0, "0%"), (0.01, "▏ 1%"), (99.9, "███████▉ 99%"), (100, "████████ 100%"), (49.6, "████ 50%")],
)
def test_only_nothing_is_shown_as_nothing(left: float, shown: str) -> None:
    row = rows([answered("alice", window("weekly", left))])[0]
    assert " ".join(row.split()[3:]) == shown


def test_the_reset_that_frees_an_account_is_pointed_at() -> None:
    (row,) = (line for line in rows(POOL) if "grace" in line)
    assert row.endswith("Thu 26 Nov 15:04 ←")
    (row,) = (line for line in rows(POOL) if "■ frank" in line)
    assert "16:34 ←" in row
    assert "Thu 26 Nov 15:04 ←" not in row


def test_a_reset_that_frees_is_not_pointed_at_under_an_account() -> None:
    windows = [window("1h", 0, 60), window("weekly", 5, 60)]
    pool = [answered("alice", *windows, usable=False, by="1h", again_in_s=60)]
    pool += [answered(f"b{number}", windows[1]) for number in range(9)]
    assert "←" not in drawn(pool)


# Credits, spend limits, reasons


UNLIMITED = Credits(has_credits=True, unlimited=True, balance=None)


@pytest.mark.parametrize(
    ("report", "note"),
    [
        (
            answered("a", window("weekly", 0), credit=UNLIMITED, on_credits=True),
            "on credits: unlimited",
        ),
        (
            answered("a", window("weekly", 0), credit=Credits(True, None, None), on_credits=True),
            "on credits",
        ),
        (answered("a", window("weekly", 0), on_credits=True), "on credits"),
        (answered("a", window("weekly", 9), credit=UNLIMITED), "  9%"),
        (answered("a", credit=UNLIMITED), "credits: unlimited"),
        (answered("a", credit=Credits(False, False, "0")), "✓ a        plus"),
        (answered("a", spend=SpendLimit(None, None, "12.5", None, None)), "spend limit: 12.5 left"),
        (answered("a", spend=SpendLimit("9", None, None, None, None)), "✓ a        plus"),
        (answered("a", usable=False, by="unknown"), "■ a        plus"),
        (answered("a", usable=False), "■ a        plus"),
        (answered("a", usable=False, by="spend_limit"), "spend limit reached"),
        (answered("a", usable=False, by="credits_depleted"), "blocked by credits_depleted"),
        (
            answered("a", usable=False, by="workspace_owner_credits_depleted"),
            "blocked by lack of workspace credits",
        ),
    ],
)
def test_what_windows_do_not_tell_is_told_behind_them(report: Report, note: str) -> None:
    assert rows([report])[0].endswith(note)


@pytest.mark.parametrize(
    ("left", "windows", "by", "shown"),
    [
        (99.0, (), None, True),
        (99.0, (window("weekly", 5),), None, False),
        (19.0, (window("weekly", 5),), None, True),
        (0.0, (window("weekly", 5),), "spend_limit", True),
        (None, (window("weekly", 5),), "spend_limit", False),
    ],
)
def test_a_spend_limit_is_told_where_it_matters(
    left: float | None, windows: tuple[Window, ...], by: str | None, shown: bool
) -> None:
    spend = SpendLimit("9", "0", "9", left, int(NOW + DAY_S))
    report = answered("a", *windows, usable=by is None, by=by, spend=spend)
    assert ("Mon 23 Nov 15:04" in drawn([report])) == shown


def test_credits_stand_in_a_free_column_where_the_end_has_no_room() -> None:
    credit = Credits(has_credits=True, unlimited=False, balance="51")
    weekly = answered("bob", window("weekly", 0, DAY_S), credit=credit, on_credits=True)
    assert "plus  on credits: 51 left" in drawn([*POOL[:6], weekly], width=80)
    narrow = rows([*POOL[:6], weekly], width=60)
    assert [line.split()[:4] for line in narrow if "credits" in line] == (
        [["✓", "bob", "credits:", "51"]]
    )
    both = [window("five_hour", 0, 60), window("weekly", 0, DAY_S)]
    told = rows([*POOL[:6], answered("bob", *both, credit=credit, on_credits=True)], width=80)
    assert told[told.index("    on credits: 51 left") - 1].startswith("✓ bob ")


# All together


def together(*reports: Report, width: int = 100, weights: Mapping[str, float] = NO_WEIGHTS) -> str:
    """Return the line of it; nothing where there is none."""
    table = UsageTable(ZoneInfo("UTC"), weights=weights)
    for report in reports:
        table.add(report)
    lines = "".join(table.render(width=width, color=False, unicode=True, now=NOW)).splitlines()
    return lines[-2] if lines[-2].startswith("left in total: ") else ""


THREE = (
    answered("a", window("five_hour", 42, 60), window("weekly", 90, DAY_S)),
    answered("b", window("five_hour", 58, 60), window("weekly", None, DAY_S), plan="pro"),
    answered("c", window("weekly", 60, DAY_S)),
)


def test_what_three_accounts_or_more_have_together_is_told_above_the_last_line() -> None:
    assert together(*THREE) == "left in total: 5h 0.4 to 1 of 2 · week 1.5 to 2.5 of 3"
    assert together(*THREE[:2]) == ""
    assert together(*THREE, width=32) == "left in total: 5h 0.4 to 1 of 2"
    assert together(*THREE, width=20) == ""
    hour = answered("d", window("1h", 50, 60))
    assert together(*THREE, hour) == (
        "left in total: 1h 0.5 of 1 · 5h 0.4 to 1 of 2 · week 1.5 to 2.5 of 3"
    )
    assert together(*THREE, hour, width=60) == (
        "left in total: 5h 0.4 to 1 of 2 · week 1.5 to 2.5 of 3"
    )


def test_an_account_counts_by_its_plan_where_weights_are_given() -> None:
    told = together(*THREE, weights={"pro": 5.0})
    assert told == "left in total: 5h 0.4 to 3.3 of 6 · week 1.5 to 6.5 of 7"


def test_what_failed_has_nothing_together() -> None:
    assert together(*[failed(name, FailureKind.DNS) for name in "abc"]) == ""


def test_so_many_that_they_would_take_memory_are_not_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poller.present.usage_table._POOLED", 2)
    assert together(*THREE) == ""


# Extra limits


SPARK = Limit("GPT-5.3-Codex-Spark", "spark", True, (window("five_hour", 97, 60),))
USED_UP = Limit(None, "review", False, (window("weekly", 0, 60), window("1h", 3, 60)))


def test_extra_limits_have_rows_of_their_own() -> None:
    pool = [answered("alice", window("five_hour", 5), window("weekly", 5), extra=(SPARK, USED_UP))]
    told = rows(pool, extra=True)
    assert re.match(r"  └ GPT-5.3-Codex-Spark +███████▊ +97% 15:05$", told[1])
    assert re.match(r"■ └ review +0% 15:05$", told[2])
    assert re.match(r"  └ review 1h +▎ +3% 15:05$", told[3])
    assert len(told) == 5


def test_long_names_of_extra_limits_are_told_apart_by_their_ends() -> None:
    mini, maxi = (
        Limit(f"GPT-5.3-Codex-Spark-preview-2026-{size}", None, True, (window("five_hour", 9, 60),))
        for size in ("mini", "maxi")
    )
    told = rows([answered("alice", window("five_hour", 5), extra=(mini, maxi))], extra=True)
    assert "└ GPT-5.3-Codex-S…view-2026-mini" in told[1]
    assert "└ GPT-5.3-Codex-S…view-2026-maxi" in told[2]


def test_where_accounts_have_nothing_else_their_extra_limits_have_the_columns() -> None:
    alone = answered("alice", extra=(SPARK,))
    alice, spark, *_ = rows([alone], width=60, extra=True)
    assert alice.split() == ["✓", "alice", "plus", "–"]
    assert "97%" in spark


def test_without_them_a_mark_says_that_one_is_used_up() -> None:
    pool = [
        answered(f"a{number}", window("weekly", 50), extra=(USED_UP,)) for number in range(6)
    ] + [answered("b", window("weekly", 5), extra=(SPARK, replace(SPARK, usable=None)))]
    told = rows(pool)
    assert told[0].startswith("✓ a0 ◆ ")
    assert told[6].startswith("✓ b  ")
    assert told[7] == (
        "◆ an extra limit is used up: a0, a1, a2, a3, a4 and 1 more → --extra shows it"
    )
    assert "◆ an extra limit is used up: a0 →" in drawn(pool[:1])
    assert "* an extra limit is used up: a0 -> " in drawn(pool[:1], unicode=False)


def test_the_code_review_limit_goes_by_its_name() -> None:
    review = Limit("code_review", None, True, (window("weekly", 5),))
    nameless = Limit(None, None, True, ())
    pool = [answered("a", window("weekly", 5), extra=(review, nameless))]
    assert rows(pool, extra=True)[1].startswith("  └ code review ")
    assert rows(pool, extra=True)[2] == "  └ other"
    assert "代码审查" in drawn(pool, extra=True, language="zh")


# The last line

REST = "1 unknown · 3 blocked"


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (
            120,
            f"7 usable (1 on credits) · {REST}, next back at 16:34 (1 h 30 min): frank · 2 failed",
        ),
        (90, f"7 usable · {REST}, next back at 16:34 (1 h 30 min): frank · 2 failed"),
        (80, f"7 usable · {REST}, next back at 16:34: frank · 2 failed"),
        (63, f"7 usable · {REST}, next back at 16:34 · 2 failed"),
        (58, f"7 usable (1 on credits) · {REST} · 2 failed"),
        (50, f"7 usable · {REST} · 2 failed"),
        (30, "7 usable · 1 unknown · 3 bloc…"),
    ],
)
def test_the_last_line_sums_up_as_far_as_there_is_room(width: int, expected: str) -> None:
    assert drawn(POOL, width=width).splitlines()[-1] == expected


def test_a_single_blocked_account_is_the_one_that_is_back() -> None:
    blocked = answered(
        "bob", window("weekly", 0, 2 * DAY_S), usable=False, by="weekly", again_in_s=2 * DAY_S
    )
    last = "0 usable · 1 blocked, back Tue 24 Nov 15:04 (2 d): bob"
    assert drawn([blocked]).splitlines()[-1] == last


def test_what_is_past_is_not_waited_for() -> None:
    blocked = [answered("a", usable=False, again_in_s=-60), answered("b", usable=False)]
    assert drawn(blocked).splitlines()[-1] == "0 usable · 2 blocked"


def test_accounts_that_were_not_asked_are_one_line_and_counted() -> None:
    pool = [answered("alice", window("weekly", 5))]
    pool += [failed(f"b{number}", FailureKind.CANCELLED) for number in range(2988)]
    assert rows(pool)[1:] == [
        "– stopped before they were asked: 2988 accounts → run again",
        "1 usable · 2988 not asked",
    ]


# Whatever comes


def test_text_from_outside_can_neither_steer_the_terminal_nor_fill_the_screen() -> None:
    odd = Limit("\x1b[2J" * 99, None, False, ())
    report = answered("a", plan="\x1b[31m" + "x" * 1000, usable=False, by="\n" * 1000, extra=(odd,))
    told = drawn([report], extra=True)
    assert all(line.isprintable() for line in told.splitlines())
    assert len(told) < 600


labels = st.text(st.sampled_from("ab1-_:@. 中文字éｱ👍"), min_size=1, max_size=40)
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
limits = st.builds(
    Limit, st.none() | labels, st.none() | labels, st.none() | st.booleans(), windows_of
)
usages = st.builds(
    Usage,
    st.none() | labels,
    st.none() | st.booleans(),
    st.none() | st.sampled_from(("five_hour", "weekly", "spend_limit", "unknown")) | labels,
    instants,
    windows_of,
    st.lists(limits, max_size=2).map(tuple),
    credits=st.none() | st.builds(Credits, st.booleans(), st.booleans(), st.none() | labels),
    spend_limit=st.none() | st.builds(SpendLimit, labels, labels, labels, percents, instants),
    on_credits=st.booleans(),
)
failures = st.builds(Failure, st.sampled_from(FailureKind), labels, labels)
reports = st.builds(
    Report, st.just(0), labels, st.just("source"), st.just(NOW), st.none() | usages
) | st.builds(Report, st.just(0), labels, st.just("source"), st.just(NOW), failure=failures)
pools = st.lists(reports, min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(pools, st.integers(20, 200), st.booleans(), st.booleans(), st.sampled_from(("en", "zh")))
def test_no_line_is_ever_wider_than_the_terminal(
    pool: list[Report], width: int, unicode: bool, extra: bool, language: str
) -> None:
    told = drawn(pool, width=width, unicode=unicode, extra=extra, language=language)
    assert max(map(cells, told.splitlines())) <= width


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pool_fits_any_terminal_in_both_languages(language: str) -> None:
    for width in range(20, 201):
        told = drawn(POOL, width=width, language=language, extra=True).splitlines()
        assert max(map(cells, told)) <= width


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
    st.integers(40, 120),
)
def test_columns_line_up_whatever_the_names_are_written_in(pool: list[Report], width: int) -> None:
    lines = [
        line for line in drawn(pool, width=width).splitlines() if line.startswith(("✓", "■", "?"))
    ]
    lines = lines[: len(pool)]
    assert len({wcswidth(line[: line.index("%")]) for line in lines}) == 1
    assert len({wcswidth(line) for line in lines}) == 1


@settings(max_examples=50, deadline=None)
@given(pools, st.integers(20, 140))
def test_painted_lines_say_what_plain_ones_do(pool: list[Report], width: int) -> None:
    painted = drawn(pool, width=width, color=True).split("\n")[:-1]
    plain = drawn(pool, width=width).split("\n")[:-1]
    assert [Text.from_ansi(line).plain.rstrip() for line in painted] == plain
