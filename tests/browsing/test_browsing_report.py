from __future__ import annotations

import itertools
import re
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from poller.present.axis import axis_of
from poller.present.catalogue import words_of
from poller.present.charts import Course, chart
from poller.present.overview import overview
from poller.present.page import static_file
from tests.browsing.made_up import pages, report
from tests.known_accounts import NOW, after, answered, failed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browsing.conftest import Chromium

SIZES = [1, 12, 300]
READABLE_PX = 11.5


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    path = tmp_path / "report.html"
    path.write_text(report(*request.param), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("written", [(count, "en") for count in SIZES], indirect=True)
@pytest.mark.parametrize("width", [360, 1280])
def test_a_report_asks_for_nothing_and_says_nothing_to_the_console(
    chromium: Chromium, written: str, width: int
) -> None:
    with chromium.opened(written, width=width) as seen:
        assert seen.requests == [written]
        assert seen.complaints == []
        assert seen.overflow == 0


@pytest.mark.parametrize("written", [(12, "en"), (12, "zh")], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_text_stays_readable_on_a_phone(chromium: Chromium, written: str, scheme: str) -> None:
    with chromium.opened(written, width=360, color_scheme=scheme) as seen:
        assert seen.smallest_text() >= READABLE_PX
        page = seen.page
        labels = page.locator("svg.chart").nth(1).locator("text.day, text.hour")
        boxes = [box for box in (one.bounding_box() for one in labels.all()) if box]
        assert len(boxes) >= 3
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
        ends = [(box["x"], box["x"] + box["width"]) for box in boxes]
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [320, 390, 420, 800])
def test_times_under_a_chart_keep_apart_at_any_time_of_the_day(
    chromium: Chromium, tmp_path: Path, width: int, language: str
) -> None:
    words, style = words_of(language), static_file("style.css")
    assert style is not None
    drawn = [f"<style>{style.content.decode()}</style><main>"]
    for hours, (back, ahead) in itertools.product(range(0, 48, 3), [(7, 3.5), (1, 0.21), (30, 7)]):
        now = NOW + hours * 3600
        axis = axis_of(
            since=now - back * 86_400,
            until=now + ahead * 86_400,
            now=now,
            timezone=UTC,
            words=words,
        )
        course = Course("weekly", 604_800, ())
        ident = f"c{hours}-{back}"
        svg = chart(course, axis, ident=ident, title="t", text="t", now="now")
        drawn.append(f'<figure><div class="plot">{svg}</div></figure>')
    path = tmp_path / "charts.html"
    path.write_text("".join(drawn), encoding="utf-8")
    with chromium.opened(path.as_uri(), width=width) as seen:
        crowded = seen.page.evaluate(
            """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
                 const boxes = [...chart.querySelectorAll("text.day, text.hour")]
                   .map((one) => one.getBoundingClientRect());
                 const plot = chart.parentNode.getBoundingClientRect();
                 return boxes.filter((box, place) => box.left < plot.left
                     || box.right > plot.right || box.left < boxes[place - 1]?.right)
                   .map(() => chart.textContent);
               })"""
        )
        assert crowded == []


@pytest.mark.parametrize("width", [360, 800])
def test_names_of_any_length_and_script_stay_within_the_page(
    chromium: Chromium, tmp_path: Path, width: int
) -> None:
    names = ["x" * 200, "名字" * 60, "a/b-" * 50, "\u0645\u0644\u0641 1", "<b>&quot;"]
    several = [
        after(answered(name, five=(42, 1), week=(5, 30), plan="enterprise_usage_based"))
        for name in names
    ]
    broken = after(failed("y" * 200))
    known = overview([*several, broken], now=NOW, forecasts={}, dead_since=NOW - 60)
    path = tmp_path / "report.html"
    path.write_text("".join(pages().report(known, {}, since=NOW - 60)), encoding="utf-8")
    with chromium.opened(path.as_uri(), width=width) as seen:
        assert seen.overflow == 0
        assert all(name in (seen.page.text_content("main") or "") for name in names)


@pytest.mark.parametrize("written", [(12, "en")], indirect=True)
def test_light_and_dark_follow_the_reader(chromium: Chromium, written: str) -> None:
    colours: list[str] = []
    for scheme in ("light", "dark"):
        with chromium.opened(written, color_scheme=scheme) as seen:
            colours.append(seen.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


@pytest.mark.parametrize("written", [(12, "en")], indirect=True)
def test_its_charts_are_pictures_with_a_name_and_a_text(chromium: Chromium, written: str) -> None:
    with chromium.opened(written) as seen:
        page = seen.page
        picture = page.get_by_role("img", name="team-lead: week").first
        text = picture.locator("desc").text_content() or ""
        assert "left at" in text
        assert "gaps in which nobody looked." in text
        # What is drawn is seen: the curve spans most of the past, and has a colour.
        curve = picture.locator("path.curve")
        box = curve.bounding_box()
        assert box is not None
        assert box["width"] > 400
        assert curve.evaluate("(one) => getComputedStyle(one).fill") == "none"


@pytest.mark.parametrize("written", [(12, "en")], indirect=True)
def test_it_prints_light_on_few_pages_with_all_that_was_folded(
    chromium: Chromium, written: str
) -> None:
    with chromium.opened(written, color_scheme="dark") as seen:
        page = seen.page
        page.emulate_media(media="print", color_scheme="dark")
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert body == "rgb(255, 255, 255)"
        printed = page.pdf(format="A4")
        assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 12
        assert page.get_by_text("can be used again").first.is_visible()
