from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from math import inf, nan
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.series import Span
from poller.present.axis import Axis, axis_of
from poller.present.catalogue import CHINESE, ENGLISH
from poller.present.charts import MOST_POINTS, PATTERNS, Course, Stretch, chart, digest
from poller.values import Forecast

HOUR, DAY = 3600.0, 86_400.0
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=BERLIN).timestamp()
RESET = NOW + 3 * HOUR
LARGEST = 60_000


def axis(
    since: float = NOW - DAY, until: float = NOW + 5 * HOUR, *, zone: ZoneInfo = BERLIN
) -> Axis:
    return axis_of(since=since, until=until, now=NOW, timezone=zone, words=ENGLISH)


def span(start_h: float, end_h: float, used: float, reset_at: float | None = RESET) -> Span:
    return Span(NOW + start_h * HOUR, NOW + end_h * HOUR, used, reset_at)


def course(
    *spans: Span,
    blocked: tuple[Stretch, ...] = (),
    failures: tuple[Stretch, ...] = (),
    forecast: Forecast | None = None,
) -> Course:
    return Course("five_hour", 18_000, spans, blocked, failures, forecast)


def forecast(
    *, chance: float | None = 0.8, at: float | None = None, rate: float = 20.0, pace_h: float = 2
) -> Forecast:
    likely = None if chance is None else NOW + HOUR if at is None else at
    ends = (None, None) if likely is None else (likely - 600, likely + 1800)
    return Forecast(rate, NOW + pace_h * HOUR, chance, ends[0], likely, ends[1], 30, 9, rough=False)


def svg_of(one: Course, over: Axis | None = None) -> str:
    return chart(one, over or axis(), ident="a1-0", title="five hours", text="Text.", now="now")


def drawing(one: Course, over: Axis | None = None) -> ET.Element:
    svg = svg_of(one, over)
    assert len(svg) < LARGEST
    assert "style=" not in svg
    return ET.fromstring(svg)


def of_class(root: ET.Element, name: str, tag: str | None = None) -> list[ET.Element]:
    return [
        one for one in root.iter() if one.get("class") == name and (tag is None or one.tag == tag)
    ]


def curve(root: ET.Element) -> str:
    return of_class(root, "curve")[0].attrib["d"]


def vertices(path: str) -> list[tuple[float, float]]:
    """Return the corners of a path of M, H and V."""
    corners: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([MHV])([-\d. e]+)", path):
        x, y = corners[-1] if corners else (0.0, 0.0)
        if command == "M":
            x, y = map(float, numbers.split())
        elif command == "H":
            x = float(numbers)
        else:
            y = float(numbers)
        corners.append((x, y))
    return corners


# The curve


def test_a_level_is_held_until_the_next_look_and_then_falls_in_one_step() -> None:
    path = curve(drawing(course(span(-10, -8, 20), span(-7.5, -5, 40))))
    assert path == "M483 20H569V40H655"


def test_a_gap_is_a_break_in_the_curve() -> None:
    path = curve(drawing(course(span(-10, -8, 20), span(-6, -5, 20))))
    assert path == "M483 20H552M621 20H655"


def test_a_single_look_can_be_seen() -> None:
    assert curve(drawing(course(span(-10, -10, 20)))) == "M483 20H484"


def test_what_lies_beyond_the_axis_is_cut_off() -> None:
    path = curve(drawing(course(span(-40, -30, 1), span(-29, -20, 20), span(20, 30, 90))))
    assert path == "M0 20H138"


def test_what_a_wrong_clock_dated_later_than_now_is_not_drawn() -> None:
    seen = course(span(-9, -8, 20), span(1, 2, 90), failures=(Stretch(NOW + 60, NOW + 90),))
    assert curve(drawing(seen)) == "M517 20H552"
    assert (digest(seen, axis()).left, digest(seen, axis()).failed_polls) == (80, 0)


def test_nothing_seen_draws_no_curve() -> None:
    root = drawing(course(forecast=forecast()))
    assert not of_class(root, "curve")
    assert not of_class(root, "forecast")
    assert not of_class(root, "last")


def test_many_looks_keep_their_lows_and_gaps_in_few_points() -> None:
    looks = [span(-24 + n / 100, -24 + n / 100, 100 if n == 1333 else n % 50) for n in range(2400)]
    without = [look for look in looks if not -12 < (look.since - NOW) / HOUR < -9]
    corners = vertices(curve(drawing(course(*without))))
    assert 150 < len(corners) <= MOST_POINTS
    assert 100 not in {y for _, y in corners}
    assert max(b[0] - a[0] for a, b in pairwise(corners)) > 90
    whole = vertices(curve(drawing(course(*looks))))
    assert len(whole) <= MOST_POINTS
    assert 100 in {y for _, y in whole}


def test_a_curve_of_gaps_alone_has_few_points_as_well() -> None:
    over = axis(NOW - 3000 * HOUR, NOW)
    looks = [span(-3000 + 3 * n, -3000 + 3 * n, 10) for n in range(1000)]
    path = curve(drawing(course(*looks), over))
    assert 90 < path.count("M") <= 101
    assert len(vertices(path)) <= MOST_POINTS


# What stands beside it


def test_a_reset_has_a_sign_where_the_level_fell_and_the_reset_moved() -> None:
    seen = course(span(-9, -8, 70, NOW - 7.9 * HOUR), span(-7.5, -5, 5), span(-4.5, -4, 2))
    signs = [one for one in of_class(drawing(seen), "reset") if one.text == "↻"]
    assert [one.attrib["x"] for one in signs] == ["56.9%", "93.1%"]
    assert digest(seen, axis()).resets == 1


def test_signs_that_would_lie_on_each_other_are_left_out_but_counted() -> None:
    cycles = [span(-20 + n / 2, -20 + n / 2, n % 2 * 50, NOW + n * HOUR) for n in range(20)]
    seen = course(*cycles)
    assert digest(seen, axis()).resets == 9
    assert len(of_class(drawing(seen), "reset")) == 9
    week = axis(NOW - 7 * DAY, NOW)
    assert digest(seen, week).resets == 9
    assert len(of_class(drawing(seen, week), "reset")) == 2


def test_a_window_that_has_not_begun_again_was_reset() -> None:
    seen = course(span(-9, -8, 70, NOW - 7.9 * HOUR), span(-7.5, -5, 0, None))
    assert digest(seen, axis()).resets == 1
    assert digest(course(span(-9, -8, 7, None), span(-8, -7, 3, None)), axis()).resets == 0


def test_blocked_times_are_shaded_and_failures_are_a_strip() -> None:
    root = drawing(
        course(
            span(-9, -8, 70),
            blocked=(Stretch(NOW - 8 * HOUR, NOW - 5 * HOUR), Stretch(NOW + DAY, NOW + 2 * DAY)),
            failures=(Stretch(NOW - HOUR, NOW - HOUR),),
        )
    )
    (shade,) = of_class(root, "blocked")
    assert (shade.attrib["x"], shade.attrib["width"]) == ("55.17%", "10.34%")
    assert shade.attrib["fill"] == "url(#hatched)"
    assert "hatched" in PATTERNS
    (strip,) = of_class(root, "failed")
    assert strip.attrib["width"] == "0.4%"


def test_failures_close_to_each_other_are_one_and_their_number_is_bounded() -> None:
    close = tuple(Stretch(NOW - 5000 + 60 * n, NOW - 5000 + 60 * n) for n in range(50))
    assert len(of_class(drawing(course(failures=close)), "failed")) == 1
    many = tuple(Stretch(NOW - DAY + 1080 * n, NOW - DAY + 1080 * n) for n in range(80))
    assert len(of_class(drawing(course(failures=many)), "failed")) == 80


def test_a_forecast_is_a_dashed_line_a_wedge_and_a_sign() -> None:
    root = drawing(course(span(-5, 0, 50), forecast=forecast()))
    assert of_class(root, "forecast")[0].attrib["d"] == "M828 50L862 100"
    assert of_class(root, "band")[0].attrib["d"] == "M828 50L856 100H879Z"
    assert [one.attrib["x"] for one in of_class(root, "ends")] == ["86.21%"]


@pytest.mark.parametrize("chance", [None, 0.2])
def test_what_lasts_has_its_pace_up_to_the_reset_alone(chance: float | None) -> None:
    lasting = forecast(chance=chance, rate=10, pace_h=5)
    root = drawing(course(span(-5, 0, 50), forecast=lasting))
    assert of_class(root, "forecast")[0].attrib["d"] == "M828 50L931 80"
    assert not of_class(root, "band")
    assert not of_class(root, "ends")


def test_a_pace_that_empties_ends_where_it_is_empty() -> None:
    root = drawing(course(span(-5, 0, 50, None), forecast=forecast(chance=0.1, rate=25)))
    assert of_class(root, "forecast")[0].attrib["d"] == "M828 50L897 100"


def test_a_pace_without_bounds_has_no_line() -> None:
    endless = forecast(chance=None, rate=inf)
    assert not of_class(drawing(course(span(-5, 0, 50, NOW), forecast=endless)), "forecast")


def test_an_end_beyond_the_axis_has_no_sign() -> None:
    late = forecast(at=NOW + 3 * DAY)
    assert not of_class(drawing(course(span(-5, 0, 50), forecast=late)), "ends")


def test_now_stands_on_the_axis_where_it_is_on_it() -> None:
    assert [one.text for one in of_class(drawing(course()), "now") if one.tag == "text"] == ["now"]
    assert not of_class(drawing(course(), axis(NOW - DAY, NOW - HOUR)), "now")


def test_words_are_for_those_who_do_not_see_it_and_cannot_break_out() -> None:
    svg = chart(course(), axis(), ident="x", title='<b>&"', text="a\x1b[31m<script>", now="<i>")
    root = ET.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "x-t x-d"
    texts = {one.get("id"): one.text for one in root if one.tag in ("title", "desc")}
    assert texts == {"x-t": '<b>&"', "x-d": r"a\x1b[31m<script>"}
    assert "<script" not in svg


def test_the_digest_says_what_the_picture_shows() -> None:
    seen = course(
        span(-40, -30, 100),
        span(-9, -8, 70),
        span(-5, -4, 30),
        blocked=(Stretch(NOW - 30 * HOUR, NOW - 23 * HOUR),),
        failures=(Stretch(NOW - HOUR, NOW - HOUR, 4), Stretch(NOW - 50 * HOUR, NOW - 49 * HOUR)),
    )
    told = digest(seen, axis())
    assert (told.left, told.seen_at) == (70, NOW - 4 * HOUR)
    assert (told.lowest, told.lowest_at) == (30, NOW - 9 * HOUR)
    assert (told.gaps, told.resets, told.failed_polls) == (1, 0, 4)
    assert told.blocked_s == HOUR
    assert digest(course(), axis()).left is None


TIMES = st.floats() | st.floats(NOW - 10 * DAY, NOW + 10 * DAY)
STRETCHES = st.lists(st.builds(Stretch, TIMES, TIMES), max_size=20).map(tuple)
SPANS = st.lists(
    st.builds(Span, TIMES, TIMES, st.floats() | st.floats(0, 100), TIMES | st.none()), max_size=20
).map(tuple)
MAYBE = TIMES | st.none()
FORECASTS = st.none() | st.builds(
    Forecast,
    st.floats(),
    MAYBE,
    st.floats() | st.none(),
    *[MAYBE] * 3,
    st.floats(),
    st.integers(),
    st.booleans(),
)


COURSES = st.builds(Course, st.just("5h"), st.none(), SPANS, STRETCHES, STRETCHES, FORECASTS)


@settings(deadline=None, max_examples=50)
@given(COURSES, st.tuples(TIMES, TIMES, TIMES))
def test_whatever_comes_gives_a_whole_picture(
    one: Course, times: tuple[float, float, float]
) -> None:
    since, until, now = times
    over = axis_of(since=since, until=until, now=now, timezone=None, words=CHINESE)
    svg = svg_of(one, over)
    ET.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg
    digest(one, over)


# The axis


def labels(over: Axis) -> list[str]:
    return [tick.label for tick in over.ticks]


def test_a_day_has_times_and_its_midnight_has_the_date() -> None:
    assert labels(axis()) == ["12:00", "18:00", "26 Nov", "06:00", "12:00"]


def test_a_week_has_midnights_of_the_zone() -> None:
    over = axis(NOW - 7 * DAY, NOW + 3 * DAY)
    assert labels(over) == ["21 Nov", "23 Nov", "25 Nov", "27 Nov", "29 Nov"]
    moments = [datetime.fromtimestamp(tick.at, BERLIN) for tick in over.ticks]
    assert {(at.hour, at.minute) for at in moments} == {(0, 0)}


def test_labels_stay_round_where_the_clocks_change() -> None:
    changed = datetime(2026, 10, 25, 12, 0, tzinfo=BERLIN).timestamp()
    over = axis(changed - DAY, changed + DAY)
    moments = [datetime.fromtimestamp(tick.at, BERLIN) for tick in over.ticks]
    assert [f"{at:%d %H:%M}" for at in moments] == [
        "25 00:00",
        "25 12:00",
        "26 00:00",
        "26 12:00",
    ]


@pytest.mark.parametrize("days", [0, 0.01, 0.5, 1, 3, 9, 30, 90, 365, 4000, 40_000])
def test_no_more_labels_than_a_phone_has_room_for(days: float) -> None:
    assert len(axis(NOW - days * DAY, NOW).ticks) <= 7


def test_times_that_no_calendar_has_are_brought_within_one() -> None:
    for wild in (nan, inf, -inf, -1e300, 1e300):
        over = axis_of(since=wild, until=wild, now=wild, timezone=BERLIN, words=ENGLISH)
        assert over.since < over.until
        assert 0 <= over.share(NOW) <= 1
