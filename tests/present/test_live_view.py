from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poller.insight.standing import standing
from poller.present.live_view import LiveAccount, LiveView, Viewing
from poller.present.terminal import cells
from poller.values import Failure, FailureKind, Forecast, Report, Usage, Window

NOW = 1_795_000_000.0
"""Wednesday, 18 November 2026, 11:06 UTC."""
HOUR_S = 3600


def usage(five_hour: float | None = 60, weekly: float | None = 80, **more: Any) -> Usage:
    windows = [
        Window("five_hour", five_hour, 5 * HOUR_S, int(NOW) + HOUR_S, True),
        Window("weekly", weekly, 168 * HOUR_S, int(NOW) + 50 * HOUR_S, True),
    ]
    kept = tuple(window for window in windows if window.remaining_percent is not None)
    return Usage(windows=kept, **{"plan": "plus", "usable": True, **more})


def outlook(chance: float | None, *, at: float | None = None) -> Forecast:
    return Forecast(1.0, None, chance, at, at, at, 100.0, 20, rough=False)


def answered(name: str, told: Usage | None = None, **more: Any) -> LiveAccount:
    report = Report(0, name, name, NOW - 30, told or usage())
    return LiveAccount(standing(report), more.pop("forecasts", {}), **more)


def failed(name: str, kind: FailureKind = FailureKind.TOKEN_EXPIRED) -> LiveAccount:
    failure = Failure(kind, f"made up: {kind.value}", "log in again")
    return LiveAccount(standing(Report(0, name, name, NOW, failure=failure)), {})


def view(language: str = "en", *, unicode: bool = True, color: bool = False) -> LiveView:
    from datetime import UTC

    return LiveView(
        timezone=UTC, language=language, extra=False, color=color, unicode=unicode, weights={}
    )


def screen(
    accounts: list[LiveAccount],
    wanted: Viewing | None = None,
    *,
    width: int = 120,
    height: int = 16,
    said: str = "asks next at 19:07:00",
    **look: Any,
) -> list[str]:
    drawn = view(**look).draw(
        accounts, wanted or Viewing(), said=said, now=NOW, width=width, height=height
    )
    assert len(drawn.lines) == height
    assert all(cells(line) <= width for line in drawn.lines if "\x1b" not in line)
    return drawn.lines


POOL = [
    answered("alice", forecasts={"five_hour": outlook(0.04)}, trail=[90, None, 80, 70] * 8),
    answered("bob", usage(15), forecasts={"five_hour": outlook(0.67, at=NOW + 1800)}),
    answered(
        "carol",
        usage(5, 40, plan="pro"),
        forecasts={"five_hour": outlook(0.9, at=NOW + 2400), "weekly": outlook(None)},
        changed_at=NOW - 20,
    ),
    answered("dave", usage(0, 30, usable=False, limited_by="five_hour")),
    failed("erin"),
]


def rows(lines: list[str]) -> list[str]:
    return [name for line in lines for name in ("alice", "bob", "carol", "dave") if name in line]


def test_a_screen_has_the_table_the_failures_the_pool_and_what_it_waits_for() -> None:
    lines = screen(POOL)

    assert lines[0].startswith("Codex quota left · 5 accounts")
    assert lines[0].endswith("times in UTC")
    assert rows(lines[2:6]) == ["alice", "bob", "carol", "dave"]
    assert "erin" in lines[6]
    assert lines[7].startswith("left in total: 5h ")
    assert lines[8].startswith("3 usable · 1 blocked")
    assert lines[9:15] == [""] * 6
    assert lines[15].startswith("asks next at 19:07:00")
    assert lines[15].endswith("? help  q quit")


def test_the_forecast_stands_beside_the_windows() -> None:
    lines = screen(POOL)

    assert "lasts" in lines[2]
    assert "67 %" in lines[3]
    assert "90 %" in lines[4]
    assert "lasts" not in lines[5]
    assert "Fri 20 Nov 13:06" in screen(POOL, width=80)[2]


def test_a_figure_that_the_last_answer_puts_in_doubt_is_marked() -> None:
    said, alice = usage(98), POOL[0]
    doubted = replace(
        alice, standing=replace(alice.standing, report=replace(alice.standing.report, usage=said))
    )
    (line,) = [line for line in screen([doubted]) if "alice" in line]
    assert "≠" in line
    (line,) = [line for line in screen([doubted], unicode=False) if "alice" in line]
    assert "!" in line
    assert not any("≠" in line for line in screen(POOL))


def test_the_signs_are_explained_as_they_are_drawn() -> None:
    for unicode in (True, False):
        told = screen(POOL, Viewing(help=True), unicode=unicode, height=30)
        signs = {line.split()[0] for line in told if line[:1] and not line[:1].isalnum()}
        assert signs - {"/"} == ({"•", "≠", "◆"} if unicode else {"+", "!", "*"})


def test_a_narrow_title_keeps_what_is_in_view() -> None:
    assert screen(POOL, width=36, height=9)[0].startswith("5 accounts · 1-1 of 4")
    assert screen(POOL, width=60, height=9)[0].startswith("Codex quota left · 5 accounts · ")


def test_a_change_is_marked_for_a_minute_and_the_last_hours_are_drawn() -> None:
    lines = screen(POOL, width=150)

    assert ["•" in line for line in lines[2:6]] == [False, False, True, False]
    assert lines[1].endswith("last 8 h")
    assert lines[2].rstrip().endswith("▇▆" * 8)
    plain = screen(POOL, width=150, unicode=False)
    assert "+" in plain[4]
    assert "last 8 h" not in plain[1]


def test_the_filter_looks_into_names_and_plans() -> None:
    assert rows(screen(POOL, Viewing(filter="ALI"))) == ["alice"]
    lines = screen(POOL, Viewing(filter="pro"))
    assert rows(lines[2:4]) == ["carol"]
    assert "only 'pro'" in lines[0]
    assert not any("erin" in line for line in lines)
    lines = screen(POOL, Viewing(filter="nobody", typing=True))
    assert "no account to show here" in "".join(lines)
    assert lines[-1] == "filter: nobody_"
    assert "1 failed" in "".join(lines)


def test_only_what_needs_attention_is_shown_where_asked_for() -> None:
    lines = screen(POOL, Viewing(attention=True))
    assert rows(lines[2:5]) == ["bob", "carol", "dave"]
    assert "only what needs attention" in lines[0]
    assert any("erin" in line for line in lines)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (0, ["alice", "bob", "carol", "dave"]),
        (1, ["alice", "bob", "carol", "dave"]),
        (2, ["dave", "carol", "bob", "alice"]),
        (3, ["alice", "bob", "carol", "dave"]),
    ],
)
def test_it_is_sorted_in_four_ways_and_backwards(sort: int, expected: list[str]) -> None:
    assert rows(screen(POOL, Viewing(sort=sort))[2:6]) == expected
    backwards = screen(POOL, Viewing(sort=sort, reversed=True))
    assert rows(backwards[2:6]) == expected[::-1]
    assert "reversed" in backwards[0]


def test_it_scrolls_by_accounts_and_not_beyond_the_last() -> None:
    many = [answered(f"a{number:03d}") for number in range(100)]
    wanted = Viewing(sort=1, top=40)
    drawn = view().draw(many, wanted, said="", now=NOW, width=100, height=20)
    assert "a040" in drawn.lines[2]
    assert "41-55 of 100" in drawn.lines[0]
    assert (drawn.page, drawn.last_top) == (15, 85)
    wanted.top = 1_000
    lines = view().draw(many, wanted, said="", now=NOW, width=100, height=20).lines
    assert wanted.top == 85
    assert "a099" in lines[16]


@pytest.mark.parametrize("height", range(1, 12))
@pytest.mark.parametrize("width", [20, 40, 80])
def test_it_fits_any_size(width: int, height: int) -> None:
    lines = screen(POOL, width=width, height=height)
    assert lines[-1].startswith("asks next at 19:07"[:width])
    assert screen([], width=width, height=height)
    assert screen(POOL, Viewing(help=True), width=width, height=height)


@pytest.mark.parametrize(("width", "height"), [(100, 24), (100, 10), (40, 24), (40, 3), (20, 1)])
def test_help_says_how_it_ends_wherever_it_is_cut(width: int, height: int) -> None:
    lines = screen(POOL, Viewing(help=True), width=width, height=height)
    assert any("any key" in line for line in lines)


def test_help_explains_every_key() -> None:
    lines = screen(POOL, Viewing(help=True), height=24)
    assert lines[0] == "Keys"
    text = "\n".join(lines)
    assert all(f"\n{key}" in text for key in ("q ", "r ", "s  S", "/ ", "e ", "p "))
    assert "any key closes this" in text


def test_it_speaks_chinese_and_paints() -> None:
    lines = screen(POOL, language="zh")
    assert "预测" in lines[1]
    assert lines[-1].endswith("? 帮助  q 退出")
    assert "\x1b[31m" in "".join(screen(POOL, color=True))
