from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from poller.present.times import Clock, span

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 15, 4, tzinfo=UTC).timestamp()  # a Sunday, 16:04 in Berlin
DAY_S = 86400


@pytest.mark.parametrize(
    ("after_s", "told"),
    [
        (3600, "17:04"),
        (-3600, "15:04"),
        (7 * 3600, "23:04"),
        (8 * 3600, "Mon 00:04"),
        (6 * DAY_S, "Sat 16:04"),
        (7 * DAY_S, "29 Nov"),
        (-DAY_S, "21 Nov"),
        (20 * DAY_S, "12 Dec"),
        (300 * DAY_S, "18 Sep"),
        (400 * DAY_S, "Dec 2027"),
    ],
)
def test_a_moment_is_told_no_longer_than_it_takes_to_be_unmistakable(
    after_s: float, told: str
) -> None:
    clock = Clock(BERLIN, now=NOW)
    assert clock.text(NOW + after_s) == told
    assert clock.text(NOW + after_s) == told


def test_a_weekday_says_which_day_it_is_where_the_table_is_read() -> None:
    assert Clock(ZoneInfo("Asia/Tokyo"), now=NOW).text(NOW) == "00:04"
    assert Clock(UTC, now=NOW).text(NOW) == "15:04"


@pytest.mark.parametrize(
    ("zone", "name"),
    [(BERLIN, "Europe/Berlin"), (UTC, "UTC"), (timezone(timedelta(hours=2)), "UTC+02:00")],
)
def test_a_zone_goes_by_its_name(zone: ZoneInfo | timezone, name: str) -> None:
    assert Clock(zone, now=NOW).zone == name


def test_no_zone_means_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    try:
        clock = Clock(None, now=NOW)
        assert (clock.zone, clock.text(NOW)) == ("EST", "10:04")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (DAY_S, "1 d"),
        (2 * DAY_S + 4 * 3600 + 59, "2 d 4 h"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert span(seconds) == told
