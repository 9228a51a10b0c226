from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from poller.present.catalogue import CHINESE
from poller.present.times import Clock, rough_span, span

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 15, 4, tzinfo=UTC).timestamp()  # a Sunday, 16:04 in Berlin
DAY_S = 86400


@pytest.mark.parametrize(
    ("after_s", "told"),
    [
        (3600, "17:04"),
        (-3600, "15:04"),
        (7 * 3600, "23:04"),
        (8 * 3600, "Mon 23 Nov 00:04"),
        (-DAY_S, "Sat 21 Nov 16:04"),
        (300 * DAY_S, "Sat 18 Sep 17:04"),
        (400 * DAY_S, "Mon 27 Dec 2027 16:04"),
    ],
)
def test_a_moment_is_told_no_longer_than_it_takes_to_be_unmistakable(
    after_s: float, told: str
) -> None:
    clock = Clock(BERLIN, now=NOW)
    assert clock.text(NOW + after_s) == told
    assert clock.text(NOW + after_s) == told


@pytest.mark.parametrize(
    ("after_s", "told"),
    [
        (3600, "17:04"),
        (8 * 3600, "Mon 00:04"),
        (6 * DAY_S, "Sat 16:04"),
        (7 * DAY_S, "29 Nov 16:04"),
        (-DAY_S, "21 Nov 16:04"),
    ],
)
def test_in_short_a_moment_still_has_its_time(after_s: float, told: str) -> None:
    clock = Clock(BERLIN, now=NOW)
    assert clock.short(NOW + after_s) == told
    assert clock.short(NOW + after_s) == told


def test_now_is_told_with_its_date() -> None:
    assert Clock(BERLIN, now=NOW).now == "Sun 22 Nov 16:04"
    assert Clock(BERLIN, now=NOW, words=CHINESE).now == "11-22 周日 16:04"


def test_in_chinese_the_date_comes_first() -> None:
    clock = Clock(BERLIN, now=NOW, words=CHINESE)
    assert clock.text(NOW + 11 * DAY_S) == "12-03 周四 16:04"
    assert clock.text(NOW + 400 * DAY_S) == "2027-12-27 周一 16:04"
    assert clock.short(NOW + 11 * DAY_S) == "12-03 16:04"
    assert clock.short(NOW + DAY_S) == "周一 16:04"


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


def test_a_length_of_time_is_told_in_chinese() -> None:
    assert span(12_000, CHINESE) == "3 小时 20 分钟"
    assert span(1, CHINESE) == "不到 1 分钟"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (5, "less than a minute"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (DAY_S - 1, "23 hours"),
        (DAY_S, "1 day"),
        (5.9 * DAY_S, "5 days"),
    ],
)
def test_people_are_told_the_largest_unit(seconds: float, told: str) -> None:
    assert rough_span(seconds) == told
