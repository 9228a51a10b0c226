from __future__ import annotations

from datetime import UTC

import pytest

from poller.present.catalogue import ENGLISH, words_of
from poller.present.forecast_cell import forecast_texts
from poller.present.terminal import cells
from poller.present.times import Clock
from poller.present.usage_table import UsageTable
from poller.values import Forecast, Report, Usage, Window

NOW = 1_790_000_000.0  # Mon 21 Sep 2026 14:13, UTC
HOUR = 3600.0
WINDOWS = (
    Window("five_hour", 50.0, 18_000, int(NOW + 3 * HOUR), started=True),
    Window("weekly", 50.0, 604_800, int(NOW + 50 * HOUR), started=True),
    Window("monthly", 50.0, 2_592_000, int(NOW + 300 * HOUR), started=True),
)


def said(chance: float | None, empty_h: float | None = None) -> Forecast:
    at = NOW + HOUR
    empty_at = None if empty_h is None else NOW + empty_h * HOUR
    return Forecast(10.0, empty_at, chance, at, at, at, 50, 20, rough=False)


@pytest.mark.parametrize(
    ("forecasts", "texts"),
    [
        (None, ("", "")),
        ({}, ("", "")),
        ({"five_hour": said(0.1), "weekly": said(0.24)}, ("lasts", "lasts")),
        ({"five_hour": said(0.671), "weekly": said(0.3)}, ("67 % 5h", "67 %")),
        ({"weekly": said(0.9999)}, ("99 % week", "99 %")),
        ({"monthly": said(None, 100)}, ("empty ~Fri 18:13", "empty ~Fri 18:13")),
        ({"monthly": said(None, 400)}, ("", "")),
        ({"monthly": said(None)}, ("", "")),
        ({"monthly": said(None, 400), "weekly": said(0.0)}, ("lasts", "lasts")),
        ({"monthly": said(None, 1), "weekly": said(0.1)}, ("empty ~15:13", "empty ~15:13")),
        ({"monthly": said(None, 1), "weekly": said(0.3)}, ("30 % week", "30 %")),
    ],
)
def test_what_is_told(forecasts: dict[str, Forecast] | None, texts: tuple[str, str]) -> None:
    clock = Clock(UTC, now=NOW)
    assert forecast_texts(forecasts, WINDOWS, ENGLISH, clock) == texts


def drawn(width: int, *, language: str = "en", **forecasts: Forecast) -> list[str]:
    table = UsageTable(UTC, language=language)
    for number, name in enumerate(("alice", "bob", "carol")):
        usage = Usage("plus", usable=True, windows=WINDOWS[:2], on_credits=False)
        forecast = {"weekly": forecasts[name]} if name in forecasts else None
        table.add(Report(number, name, "", NOW, usage, forecast=forecast))
    return "".join(table.render(width=width, color=False, unicode=True, now=NOW)).splitlines()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [46, 60, 80, 120])
def test_the_table_has_a_column_where_there_is_room(width: int, language: str) -> None:
    lines = drawn(width, language=language, alice=said(0.67), bob=said(0.1))
    assert max(map(cells, lines)) <= width
    words = words_of(language)
    assert (words.forecast in lines[1]) is (width >= 60)
    assert any("67 %" in line for line in lines) is (width >= 60)
    without = drawn(width, language=language)
    assert words.forecast not in without[1]


def test_an_account_that_lasts_says_so_and_one_without_a_forecast_nothing() -> None:
    lines = drawn(120, alice=said(0.67), bob=said(0.1))
    assert lines[2].endswith("67 % week")
    assert lines[3].endswith("lasts")
    assert lines[4].endswith("16:13")
