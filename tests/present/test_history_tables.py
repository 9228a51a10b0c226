"""The tables of `poller history`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from poller.insight.past import Step, WindowPast
from poller.insight.replay import Bin, Lead, Score
from poller.present import check_table
from poller.present.catalogue import words_of
from poller.present.history_table import Extent, HistoryTable, size_text
from poller.present.terminal import cells

NOW = 1_790_000_000.0
DAY = 86_400.0
RECORDED = Extent("h.db", 410_000, NOW - 30 * DAY)


def past(*percents: float, per_day: float | None = 42.4, ran_out: int = 0) -> WindowPast:
    start, length = NOW - 7 * DAY, 7 * DAY / len(percents)
    steps = tuple(
        Step(start + number * length, start + (number + 0.9) * length, percent)
        for number, percent in enumerate(percents)
    )
    lowest = min(steps, key=lambda step: step.remaining_percent)
    return WindowPast(18_000, steps, lowest, per_day, 11, ran_out)


PASTS = {
    "alice": {"five_hour": past(100, 50, 0, 80, ran_out=2), "weekly": past(90, 70, 15)},
    "engineering-platform-team-of-berlin": {"weekly": past(100, 99.9, per_day=None)},
    "学习": {"monthly": past(64)},
    "old-laptop": {},
}


def drawn(width: int, language: str = "en", *, unicode: bool = True, color: bool = False) -> str:
    table = HistoryTable(
        PASTS, over=(NOW - 7 * DAY, NOW), timezone=UTC, language=language, unicode=unicode
    )
    return "".join(table.render(RECORDED, width=width, color=color))


def test_a_row_a_window_with_its_curve_lowest_use_a_day_and_resets() -> None:
    lines = drawn(80).splitlines()
    assert lines[0].startswith("What was left · 4 accounts")
    assert lines[1].split() == [
        "account",
        "window",
        "left,",
        "7",
        "days",
        "lowest",
        "a",
        "day",
        "resets",
        "empty",
    ]
    assert lines[2].split()[:2] == ["alice", "5h"]
    assert lines[2].endswith("0% 18 Sep 02:13    42%      11      2")
    assert lines[3].split()[0] == "week"
    assert lines[4].endswith("–      11      –")  # noqa: RUF001 - the dash is meant
    assert lines[-2] == "no figures: old-laptop"
    assert lines[-1] == "recorded since Sat 22 Aug 14:13 in h.db (410 kB)"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [30, 40, 50, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int, language: str) -> None:
    assert max(map(cells, drawn(width, language).splitlines())) <= width


def test_the_curve_takes_what_is_left() -> None:
    def curve(width: int) -> int:
        return sum(char in "▁▂▃▄▅▆▇█" for char in drawn(width).splitlines()[2])

    assert 10 <= curve(60) < curve(80) < curve(120) <= curve(200) <= 56


def test_a_terminal_without_signs_gets_none() -> None:
    assert drawn(80, unicode=False).replace("学习", "").isascii()
    assert "\x1b[31m" in drawn(80, color=True)


def test_where_only_ascii_can_be_shown_it_is_english() -> None:
    assert drawn(80, "zh", unicode=False).startswith("What was left")


def test_nothing_recorded_is_said() -> None:
    table = HistoryTable({}, over=(NOW - DAY, NOW), timezone=UTC)
    told = "".join(table.render(Extent("h.db", 4096, None), width=80, color=False))
    assert told.splitlines()[1:] == ["nothing was recorded in this time"]


def test_sizes() -> None:
    assert [size_text(size) for size in (4096, 499_999, 500_000, 12_340_000)] == [
        *("4 kB", "500 kB", "0.5 MB", "12.3 MB"),
    ]


SCORE = Score(
    asked=1000,
    unsaid=50,
    cycles=134,
    ran_out=18,
    brier=0.0412,
    brier_naive=0.2261,
    brier_average=0.0436,
    calibration_error=0.0235,
    certain=12,
    covered=0.75,
    bins=(
        *(Bin(765, 0.01, 0.02), Bin(0, 0, 0), Bin(200, 0.35, 0.25)),
        *(Bin(34, 0.6, 0.5), Bin(1, 0.99, 1.0)),
    ),
    leads=(Lead(0.5, 4, 9.9, 9.9), Lead(1, 8, 0.44, 1.06), Lead(3, 0, None, None)),
)


def checked(language: str = "en", *, width: int = 80, color: bool = False) -> list[str]:
    scores = {"five_hour": SCORE, "weekly": None}
    text = check_table.render(scores, words_of(language), width=width, color=color)
    return "".join(text).splitlines()


def test_how_good_the_forecast_was_stands_beside_what_is_simpler() -> None:
    assert checked() == [
        "How good the forecast would have been",
        "",
        "5h: asked 1000 times in 134 windows, of which 18 ran out",
        "few windows ran out: these figures may be luck",
        "                                           forecast      naive  always 8%",
        "mean squared error (Brier), 0 is best         0.041      0.226      0.044",
        "gap between chance and how often it came      0.024",
        "off by, 1 h before it ran out                 0.4 h      1.1 h",
        "how often its 80 % interval held                75%",
        "where it said 0-5 %: 1% on average        2% of 765 came true",
        "where it said 25-50 %: 35% on average     25% of 200 came true",
        "where it said 50-75 %: 60% on average     50% of 34 came true",
        "where it said 75-100 %: 99% on average    100% of 1 came true",
        "",
        "week: too little is recorded to compare",
        "",
        "naive: a window empties as fast as since its start; yes or no",
    ]


def test_on_a_narrow_terminal_figures_stand_under_their_texts() -> None:
    assert checked(width=40)[2:12] == [
        "5h: asked 1000 times in 134 windows, of",
        "  which 18 ran out",
        "few windows ran out: these figures may",
        "  be luck",
        "   forecast      naive  always 8%",
        "mean squared error (Brier), 0 is best",
        "      0.041      0.226      0.044",
        "gap between chance and how often it came",
        "      0.024",
        "off by, 1 h before it ran out",
    ]


def test_one_window_is_one() -> None:
    one = {"five_hour": replace(SCORE, cycles=1, ran_out=1)}
    text = "".join(check_table.render(one, words_of("en"), width=80, color=False))
    assert "5h: asked 1000 times in one window, of which 1 ran out\n" in text


def test_of_many_windows_nothing_is_luck() -> None:
    many = {"five_hour": replace(SCORE, ran_out=40, covered=None)}
    text = check_table.render(many, words_of("en"), width=80, color=False)
    assert "luck" not in "".join(text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_fits(language: str) -> None:
    for width in (40, 80):
        assert max(map(cells, checked(language, width=width))) <= width
    assert any("\x1b[33m" in line for line in checked(language, color=True))


def test_nothing_to_compare_needs_no_explanation() -> None:
    text = check_table.render({}, words_of("en"), width=80, color=False)
    assert "naive" not in "".join(text)


def test_as_a_record_all_figures_are_there() -> None:
    record = check_table.record("five_hour", SCORE)
    assert (record["window"], record["brier_naive"], record["intervals"]) == (
        "five_hour",
        0.2261,
        12,
    )
    assert record["leads"] == [
        {"hours": 0.5, "count": 4, "error_hours": 9.9, "error_hours_naive": 9.9},
        {"hours": 1, "count": 8, "error_hours": 0.44, "error_hours_naive": 1.06},
        {"hours": 3, "count": 0, "error_hours": None, "error_hours_naive": None},
    ]
    chances = record["chances"]
    assert isinstance(chances, list)
    assert chances[0] == {"from": 0.0, "to": 0.05, "count": 765, "said": 0.01, "came": 0.02}
