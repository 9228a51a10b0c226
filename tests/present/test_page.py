# ruff: noqa: RUF001 - the dashes of the expected texts are meant
from __future__ import annotations

import itertools
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from string import Formatter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from poller.insight.changes import Change, ChangeKind
from poller.insight.choice import Obstacle
from poller.insight.pool import DryRange, Outage
from poller.insight.series import Span
from poller.insight.standing import Standing, standing
from poller.present.axis import axis_of
from poller.present.catalogue import ENGLISH
from poller.present.charts import Course, Stretch, digest
from poller.present.overview import Happening, Overview, Past, overview
from poller.present.page import MOST_ACCOUNTS, MOST_CURVES, Pages, static_file
from poller.present.page_texts import Teller
from poller.present.page_words import CHINESE_PAGE, ENGLISH_PAGE, PageWords, page_words_of
from poller.values import Failure, FailureKind, Forecast, Limit, Usage, Window
from tests.known_accounts import FRESH, HOUR, NOW, after, answered, failed, held, silent

if TYPE_CHECKING:
    from collections.abc import Iterable

UTC = ZoneInfo("UTC")
KEY = "a1f09c33e4d2b871"
DAY = 24 * HOUR
BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}
VOID = {"meta", "link", "br", "input"}


def forecast(chance: float | None = 0.67, *, pace_h: float | None = 2) -> Forecast:
    at = None if chance is None else NOW + 2 * HOUR
    empty_at = None if pace_h is None else NOW + pace_h * HOUR
    ends = (None, None) if at is None else (at - HOUR, at + HOUR)
    return Forecast(12.0, empty_at, chance, ends[0], at, ends[1], 30, 9, rough=True)


def known(*standings: Standing, **more: Any) -> Overview:
    more.setdefault("forecasts", {})
    return overview(standings, now=NOW, **more)


def past(name: str = "five_hour", length: float | None = 18_000) -> Past:
    spans = (
        Span(NOW - 9 * HOUR, NOW - 8 * HOUR, 70, NOW - HOUR),
        Span(NOW - 5 * HOUR, NOW - 1, 42, NOW + 2 * HOUR),
    )
    failures = (Stretch(NOW - 7 * HOUR, NOW - 6 * HOUR, 4),)
    blocked = (Stretch(NOW - 8 * HOUR, NOW - 7 * HOUR),)
    return Past((Course(name, length, spans, blocked, failures, forecast()),))


def teller(language: str = "en") -> Teller:
    return Teller(language, UTC, now=NOW)


ALICE = after(answered("alice", five=(42, 1), week=(5, 30), key=KEY))
BOB = after(answered("bob", five=(100, 2), week=(30, 90)))
DEAD = after(
    answered("carol", five=(30, 1), week=(20, 90), at=NOW - 5 * HOUR),
    failed("carol", FailureKind.TOKEN_EXPIRED),
)
SEVERAL = (ALICE, BOB, DEAD, after(silent("dave")), after(failed("erin")))


class Outline(HTMLParser):
    """What a page is made of; complains where an element is left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == f"h{self.headings[-1][0] if self.headings else 0}":
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.attributes if name == tag]

    @property
    def idents(self) -> list[str]:
        return [one["id"] or "" for _, one in self.attributes if "id" in one]


def well_formed(html: str) -> Outline:
    """Return its outline; what every page of ours has to be is checked."""
    page = Outline(html)
    assert len(page.idents) == len(set(page.idents))
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert not any("style" in one for _, one in page.attributes)
    assert not any(name.startswith("on") for _, one in page.attributes for name in one)
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    labelled = {one["for"] for one in page.all("label")}
    assert {one["id"] for one in page.all("input")} <= labelled
    told = {one.get("aria-labelledby") for _, one in page.attributes} - {None}
    assert {ident for names in told for ident in (names or "").split()} <= set(page.idents)
    targets = {(one["href"] or "")[1:] for one in page.all("a") if (one["href"] or "#")[0] == "#"}
    assert targets <= set(page.idents)
    return page


IN_ENGLISH = Pages("en", UTC)
"""One for all tests: its templates take a moment to compile."""


@pytest.fixture
def pages() -> Pages:
    return IN_ENGLISH


# The page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_whole_and_has_headings_labels_and_scopes(language: str) -> None:
    pages = Pages(language, UTC, demo=True)
    seen = known(
        *SEVERAL,
        forecasts={"alice": {"five_hour": forecast()}},
        changes=[Happening(NOW, Change("bob", None, ChangeKind.EXHAUSTED, "five_hour", 9.0, 0.0))],
        changes_since=NOW - DAY,
        dead_since=NOW - HOUR,
        asks_next_at=NOW + 60,
    )
    index = well_formed(pages.index(seen))
    assert index.all("html")[0]["lang"] in ("en", "zh-CN")
    well_formed(pages.account(seen, ALICE, past(), shown="7d"))
    well_formed(pages.login(wrong=True))
    report = "".join(pages.report(seen, {"alice": past()}, since=NOW - 7 * DAY))
    assert well_formed(report).headings[1][0] == 2


def test_the_page_says_in_its_order_what_matters_most(pages: Pages) -> None:
    page = well_formed(pages.index(known(*SEVERAL)))
    order = [
        "1 of 5 can be used",
        "Use alice now: 58 % of five hours and 95 % of the week left; its week resets first",
        "Back next: bob, ",
        "All together",
        "Accounts",
        "What comes back",
        "What needs attention",
        "What changed",
    ]
    text = re.sub(r"\s+", " ", page.text)
    text = text[text.index("What changed") + 5 :]  # the links to all of it come first
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_rows_come_best_first_and_failed_ones_keep_their_dimmed_figures(pages: Pages) -> None:
    html = pages.index(known(*SEVERAL))
    rows = re.findall(r'<tr class="([a-z ]*)">(.*?)</tr>', html.replace("\n", ""))
    assert [(kind, re.sub("<[^>]+>", " ", text).split()[0]) for kind, text in rows] == [
        ("usable", "alice"),
        ("unknown", "dave"),
        ("blocked", "bob"),
        ("failed", "erin"),
        ("failed dim", "carol"),
    ]
    carol = re.sub("<[^>]+>", " ", rows[-1][1])
    assert "token expired" in carol
    assert "figures from" in carol
    assert "70\N{NO-BREAK SPACE}%" in carol


def test_an_account_without_a_key_has_no_page(pages: Pages) -> None:
    links = [one["href"] for one in well_formed(pages.index(known(*SEVERAL))).all("a")]
    assert [link for link in links if link and link[0] != "#"] == [f"account/{KEY}"]


def test_nothing_is_said_of_a_pace_that_nobody_knows(pages: Pages) -> None:
    assert "At this pace" not in pages.index(known(ALICE))
    ahead = {"alice": {"five_hour": forecast()}}
    assert "At this pace something is left throughout" in pages.index(known(ALICE, forecasts=ahead))


def test_a_dead_upstream_is_told_in_a_banner(pages: Pages) -> None:
    html = pages.index(known(ALICE, dead_since=NOW - HOUR))
    assert '<p class="banner">The upstream has not answered since ' in html
    assert "banner" not in pages.index(known(ALICE))


def test_names_are_filtered_by_the_server_as_well(pages: Pages) -> None:
    html = pages.index(known(*SEVERAL), query=" A ")
    assert all(name in html for name in ("alice", "carol", "dave"))
    assert not re.search(r'<th scope="row">(<a[^>]*>)?bob', html)
    assert 'value=" A "' in html
    assert "No account has such a name." in pages.index(known(*SEVERAL), query="zzz")
    assert "no accounts" in pages.index(known())


def test_a_name_cannot_break_out(pages: Pages) -> None:
    name = '"><script>alert(1)</script>'
    one = after(answered(name, five=(42, 1), key=KEY, plan="<b>"))
    seen = known(one, after(failed("<i>x")))
    report = "".join(pages.report(seen, {name: past()}, since=NOW - DAY))
    for html in (pages.index(seen, query=name), pages.account(seen, one, past()), report):
        assert "<script>alert" not in html
        assert "<i>x" not in html
        assert "<b>" not in html
        well_formed(html)


def test_above_500_accounts_it_is_cut_and_says_so(pages: Pages) -> None:
    many = [after(answered(f"n{n:04}", five=(n % 100, 1))) for n in range(MOST_ACCOUNTS + 1)]
    html = pages.index(known(*many))
    assert html.count("<tr class=") == MOST_ACCOUNTS
    assert "500 of 501 accounts are shown" in html
    assert "are shown" not in pages.index(known(*many[1:]))


def test_300_accounts_are_less_than_150_kb(pages: Pages) -> None:
    windows = [{"used_percent": 12, "limit_window_seconds": length} for length in (18_000, 604_800)]
    limit = dict(zip(("primary_window", "secondary_window"), windows, strict=True))
    spark = {"limit_name": "GPT-5.3-Codex-Spark", "rate_limit": limit}
    many = [
        after(
            answered(
                f"team-member-{n:03}",
                five=(n % 101, 1 + n / 99),
                week=(n % 90, 9 + n / 3),
                key=KEY,
                additional_rate_limits=[spark],
            )
        )
        for n in range(300)
    ]
    ahead = {one.account: {"five_hour": forecast(), "weekly": forecast(0.2)} for one in many}
    size = len(pages.index(known(*many, forecasts=ahead)).encode())
    assert 100_000 < size < 150_000


def test_the_page_of_few_accounts_has_their_curves(pages: Pages) -> None:
    seen = known(*SEVERAL, forecasts={"alice": {"five_hour": forecast()}})
    recorded = {"alice": past(), "bob": Past(), "gone": past()}
    page = well_formed(pages.index(seen, pasts=recorded))
    assert (2, "Curves") in page.headings
    assert page.headings[-2:] == [(3, "alice"), (4, "five hours")]
    assert "Curves" not in pages.index(seen)
    filtered = pages.index(seen, query="bob", pasts={"alice": past(), "bob": past()})
    assert filtered.count('class="chart"') == 1


def test_its_curves_are_no_more_than_fit(pages: Pages) -> None:
    looks = tuple(
        Span(NOW - n * 900, NOW - n * 900, n * 7 % 100, NOW - n * 800) for n in range(672, 0, -1)
    )
    both = Past(
        tuple(Course(name, length, looks) for name, length in (("five_hour", 18_000), ("w", None)))
    )
    many = [after(answered(f"n{n:04}", five=(n, 1), key=KEY)) for n in range(40)]
    html = pages.index(known(*many), pasts={one.account: both for one in many})
    assert html.count('class="chart"') == 2 * MOST_CURVES
    assert 80_000 < len(html.encode()) < 150_000


# One account


def test_an_accounts_page_has_its_charts_over_the_range_asked_for(pages: Pages) -> None:
    seen = known(ALICE, forecasts={"alice": {"five_hour": forecast()}})
    page = well_formed(pages.account(seen, ALICE, past(), shown="24h"))
    assert (1, "alice") in page.headings
    assert (2, "five hours") in page.headings
    assert [one["href"] for one in page.all("a") if one.get("aria-current")] == ["?range=24h"]
    assert len([one for one in page.all("svg") if one.get("class") == "chart"]) == 1
    assert "67\N{NO-BREAK SPACE}%: will run out before its reset" in page.text
    assert "4 polls failed." in page.text


def test_a_failed_accounts_page_says_what_to_do(pages: Pages) -> None:
    seen = known(*SEVERAL)
    html = pages.account(seen, DEAD, None)
    assert "✗ token expired: carol → " in html
    assert "erin" not in html
    assert "→" not in pages.account(seen, ALICE, None)


def test_without_history_it_says_so(pages: Pages) -> None:
    assert "No window of this account" in pages.account(known(ALICE), ALICE, None)


# The report


def test_the_report_is_one_file_without_scripts_or_requests(pages: Pages) -> None:
    seen = known(*SEVERAL, forecasts={"alice": {"five_hour": forecast()}})
    pasts = {"alice": Past((*past().courses, *past("weekly", 604_800).courses))}
    html = "".join(pages.report(seen, pasts, since=NOW - 7 * DAY))
    page = well_formed(html)
    assert not page.all("script")
    assert [one["href"] for one in page.all("link")] == ["data:,"]
    assert not re.search(r"( src=|action=|@import|https?:)", html)
    assert "url(" not in html.replace("url(#hatched)", "")
    titles = [text for level, text in page.headings if level == 2]
    accounts = ["alice", "dave", "bob", "erin", "carol"]
    assert titles[:2] == ["All together", "Accounts"]
    assert titles[-5:] == accounts
    assert [text for level, text in page.headings if level == 3] == ["five hours", "week"]
    assert html.count("No window of this account has been recorded yet.") == 4


def test_shorter_windows_have_a_day_and_longer_ones_the_time_asked_for(pages: Pages) -> None:
    pasts = {"alice": Past((*past().courses, *past("weekly", None).courses))}
    html = "".join(pages.report(known(ALICE), pasts, since=NOW - 7 * DAY))
    titles = re.findall(r"<title id=[^>]*>([^<]*)<", html)
    at = teller().clock.dated
    assert titles == [
        f"alice: five hours, {at(NOW - DAY)} to {at(NOW + 5 * HOUR)}",
        f"alice: week, {at(NOW - 7 * DAY)} to {at(NOW + 3.5 * DAY)}",
    ]


def test_a_report_of_no_accounts_says_so(pages: Pages) -> None:
    assert "no accounts" in "".join(pages.report(known(), {}, since=NOW - DAY))


# Rows


def cells_of(*standings: Standing, **more: Any) -> str:
    html = IN_ENGLISH.index(known(*standings, **more))
    body = html[html.index("<tbody>", html.index('class="accounts"')) :]
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", body[: body.index("</tbody>")]))


WEEK_SPENT = after(answered("a", week=(100, 50), **BOUGHT))
UNLIMITED = after(
    answered("a", week=(100, 50), credits={"has_credits": True, "unlimited": True, "balance": None})
)
UNBOUNDED = {"has_credits": True, "unlimited": True, "balance": None}
SPENDING: dict[str, Any] = {
    "spend_control": {"individual_limit": {"remaining": "12", "limit": "9"}}
}


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (WEEK_SPENT, "✓ usable on credits: 5 left"),
        (UNLIMITED, "✓ usable on credits: unlimited"),
        (after(answered("a", five=FRESH)), "100 % not begun"),
        (after(answered("a", five=(None, 1))), "5h ? "),
        (after(answered("a", five=(3, None))), "5h 97 % "),
        (after(silent("a")), "? unknown"),
        (after(answered("a", five=(3, 1), at=NOW - 2 * HOUR)), "✓ usable figures from "),
        (BOB, "■ blocked back "),
        (after(answered("a", five=(100, 1), at=NOW - 1.5 * HOUR)), "? unknown figures from "),
        (
            after(answered("a", five=(3, 1), allowed=False, rate_limit_reached_type="x_depleted")),
            "■ blocked blocked by ",
        ),
        (
            after(
                answered(
                    "a",
                    week=(3, 1),
                    spend_control={"reached": True, "individual_limit": {"remaining_percent": 0}},
                )
            ),
            "■ blocked spend limit reached",
        ),
        (after(answered("a", **SPENDING)), "spend limit: 12 left"),
        (after(failed("a")), "✗ failed it failed"),
        (after(failed("a", FailureKind.NOT_FOUND)), "✗ failed usage endpoint not found"),
        (after(answered("a", credits=UNBOUNDED, allowed=True)), "✓ usable credits: unlimited"),
    ],
)
def test_a_row_says_what_an_account_is_good_for(one: Standing, told: str) -> None:
    assert told in cells_of(one)


def test_credits_of_unknown_amount_are_told_as_credits() -> None:
    usage = Usage(usable=True, on_credits=True)
    one = replace(WEEK_SPENT, usage=usage)
    assert "✓ usable on credits " in cells_of(one)


def test_an_account_that_never_answered_and_did_not_fail_is_unknown() -> None:
    one = Standing(replace(answered("a"), usage=None))
    assert "? unknown never answered" in cells_of(one)


def test_windows_without_a_column_stand_in_the_last_one_with_their_names() -> None:
    odd = Usage(
        usable=True,
        windows=tuple(
            Window(name, 50, length, None)
            for name, length in (("five_hour", 18_000), ("weekly", 604_800), ("1d", 86_400))
        ),
        extra_limits=(Limit("x", None, usable=True, windows=()),),
    )
    report = replace(answered("odd"), usage=odd)
    several = [ALICE, *(after(answered(f"b{n}", five=(5, 1), week=(5, 30))) for n in range(4))]
    month = after(answered("m", month=(5, 300)))
    table = cells_of(standing(report), month, *several)
    assert "1d 50" in table
    assert "month 95" in table
    assert "week or month" in IN_ENGLISH.index(known(standing(report), month, *several))
    quarter = Usage(usable=True, windows=(Window("15m", 50, 900, None),))
    both = IN_ENGLISH.index(known(standing(replace(answered("q"), usage=quarter)), month, *several))
    assert "week or other" in both


@pytest.mark.parametrize("where", ["report", "account"])
def test_limits_beside_its_own_stand_with_an_account(where: str) -> None:
    week = {"limit_window_seconds": 604_800, "used_percent": 100, "reset_at": NOW + HOUR}
    others = [
        {"limit_name": "<Spark>", "rate_limit": {"allowed": False, "primary_window": week}},
        {"limit_name": None, "metered_feature": "untold", "rate_limit": None},
    ]
    review = {"allowed": True, "primary_window": {**week, "used_percent": 30}}
    beside: dict[str, Any] = {"additional_rate_limits": others, "code_review_rate_limit": review}
    one = after(answered("alice", five=(42, 1), week=(5, 30), key=KEY, **beside))
    drawn = {
        "report": "".join(IN_ENGLISH.report(known(one, BOB), {}, since=NOW - DAY)),
        "account": IN_ENGLISH.account(known(one, BOB), one, None),
    }
    page = well_formed(drawn[where])
    text = " ".join(page.text.split())
    assert (3 if where == "report" else 2, "Extra limits") in page.headings
    at = teller().at(NOW + HOUR)
    assert f"usable◆ <Spark>: blocked, back {at}" in text  # in the table, what is used up
    assert f"<Spark>■ blockedweek 0 %{at}" in text
    assert f"untold? unknown code review✓ usableweek 70 %{at}" in text
    assert text.count("Extra limits") == 1


def test_on_the_page_of_all_accounts_they_stand_small_in_its_row() -> None:
    ahead, past = int(NOW + HOUR), int(NOW - HOUR)
    limits = (
        Limit("Spark", None, usable=True, windows=(Window("five_hour", 90, 18_000, ahead),)),
        Limit("two", None, usable=True, windows=tuple(Window(name, 5, 60, None) for name in "ab")),
        Limit("code_review", None, usable=False, windows=(Window("weekly", 0, 604_800, past),)),
        Limit(None, "reserve", usable=None, windows=()),
    )
    one = after(answered("alice", five=(42, 1), week=(5, 30)))
    assert one.usage is not None
    table = cells_of(replace(one, usage=replace(one.usage, extra_limits=limits)))
    assert (
        "usable Spark: 5h 90 % two: a 5 %, b 5 % ◆ code review: blocked reserve: unknown 5h"
        in table
    )


def test_a_window_that_nobody_tells_has_no_bar(pages: Pages) -> None:
    html = pages.index(known(after(answered("a", five=(None, 1)))))
    table = html[html.index('class="accounts"') :]
    assert 'class="bar' not in table[: table.index("</table>")]


def test_a_figure_that_is_not_believed_yet_stands_under_the_one_that_is() -> None:
    odd = answered("alice", five=(2, 4), week=(5, 30), at=NOW)
    looks = {"five_hour": held(42, reset_at=NOW + HOUR)}
    table = cells_of(standing(odd, ALICE, looks=looks))
    assert "58 % 15:13 98 % in the last answer, not confirmed yet" in table
    assert table.count("not confirmed") == 1
    near = standing(odd, ALICE, looks={"five_hour": held(4, reset_at=NOW + HOUR)})
    assert "not confirmed" not in cells_of(near)
    assert "not confirmed" not in cells_of(ALICE, DEAD)


def test_the_forecast_stands_under_its_window_unless_the_account_fails() -> None:
    ahead = {"alice": {"five_hour": forecast(0.67)}, "carol": {"five_hour": forecast(0.67)}}
    table = cells_of(ALICE, DEAD, forecasts=ahead)
    assert table.count("67 %: empty ") == 1


# Sentences


def at_hours(hours: float) -> str:
    return teller().at(NOW + hours * HOUR)


@pytest.mark.parametrize(
    ("ahead", "sentences", "brief"),
    [
        (
            forecast(0.67),
            [
                (
                    f"67 %: will run out before its reset, most likely between {at_hours(1)} and "
                    f"{at_hours(3)}, unless it is reset earlier (rough: less than a week is known)."
                ),
                f"At this pace empty {at_hours(2)}, unless it is reset earlier.",
            ],
            "67 %: empty {start}–{end}",
        ),
        (
            forecast(0.3, pace_h=9),
            [
                (
                    f"30 %: may run out before its reset, most likely between {at_hours(1)} and "
                    f"{at_hours(3)}, unless it is reset earlier (rough: less than a week is known)."
                ),
                "At this pace something is left at its reset.",
            ],
            "30 %: empty {start}–{end}",
        ),
        (
            forecast(0.001, pace_h=None),
            [
                (
                    "99 %: lasts until its reset, unless it is reset earlier "
                    "(rough: less than a week is known)."
                ),
                "At this pace something is left at its reset.",
            ],
            "lasts, 99 %",
        ),
        (
            forecast(None),
            [f"At this pace empty {at_hours(2)}, unless it is reset earlier."],
            "empty ~{likely}",
        ),
        (forecast(None, pace_h=None), ["At this pace something is left at its reset."], ""),
    ],
)
def test_pace_and_forecast_are_told_apart(
    ahead: Forecast, sentences: list[str], brief: str
) -> None:
    def spaced(text: str) -> str:
        return text.replace(" %", "\N{NO-BREAK SPACE}%")

    assert teller().forecast(ahead, NOW + 4 * HOUR) == list(map(spaced, sentences))
    short = teller().clock.short
    start, likely, end = (short(NOW + hours * HOUR) for hours in (1, 2, 3))
    expected = brief.format(start=start, end=end, likely=likely)
    assert teller().brief(ahead) == spaced(expected)


def outage(hours: float, back_h: float | None = None) -> Outage:
    return Outage(
        NOW + hours * HOUR, None if back_h is None else NOW + back_h * HOUR, "bob", "weekly"
    )


@pytest.mark.parametrize(
    ("dry", "told"),
    [
        (DryRange(None, None), "At this pace something is left throughout the next 24 hours."),
        (
            DryRange(outage(2), None),
            f"At this pace nothing may be left from {at_hours(2)} on: some accounts are unknown.",
        ),
        (
            DryRange(outage(2), outage(5)),
            (
                "At this pace nothing is left from some time between "
                f"{at_hours(2)} and {at_hours(5)} on."
            ),
        ),
        (DryRange(outage(2), outage(2)), f"At this pace nothing is left from {at_hours(2)} on."),
        (
            DryRange(outage(2, 6), outage(2, 6)),
            f"At this pace nothing is left from {at_hours(2)} on; bob is back {at_hours(6)}.",
        ),
    ],
)
def test_it_says_when_the_pool_runs_dry(dry: DryRange, told: str) -> None:
    assert teller().dry(dry) == told


def test_what_is_left_of_the_pool_is_a_range_where_something_is_unknown() -> None:
    stale = after(answered("old", five=(20, 1), at=NOW - 2 * HOUR))
    seen = known(ALICE, BOB, stale)
    assert teller().share(seen.pool.windows["five_hour"]) == "0.6 to 1.6 of 3"
    assert teller().share(known(BOB).pool.windows["five_hour"]) == "0 of 1"
    assert teller().states(seen.pool) == "1 usable, 1 unknown, 1 blocked"
    assert teller().states(known(WEEK_SPENT, DEAD).pool) == "1 usable (1 on credits), 1 failed"


@pytest.mark.parametrize(
    ("standings", "told"),
    [
        ((), "No account to use now: no accounts."),
        ((BOB,), "No account to use now: 1 blocked."),
        ((BOB, replace(BOB)), "No account to use now: 1 blocked."),
        ((BOB, DEAD), "No account to use now: 1 blocked, 1 failed."),
        ((after(silent("d")),), "No account to use now: nothing is known of 1."),
        ((WEEK_SPENT,), "Use a now: it runs on credits, which cost money."),
        (
            (after(silent("d", plan="business")), WEEK_SPENT),
            "Use a now: it runs on credits, which cost money.",
        ),
        ((after(answered("a", five=FRESH)),), "Use a now: 100 % of five hours left."),
        (
            (after(answered("a", five=(5, 1))),),
            "Use a now: 95 % of five hours left; its five-hour window resets first (15:13).",
        ),
        (
            (after(answered("a", five=(95, 1))),),
            "No account to use now: 1 nearly empty.",
        ),
    ],
)
def test_it_says_which_account_to_use_and_why(standings: tuple[Standing, ...], told: str) -> None:
    seen = known(*standings)
    assert teller().choice(seen.choice) == told.replace(" %", "\N{NO-BREAK SPACE}%")


@pytest.mark.parametrize(
    ("standings", "told"),
    [
        ((ALICE, BOB, DEAD), "1 of 3 can be used"),
        ((BOB,), "0 of 1 can be used"),
        ((after(failed("a")), after(failed("b"))), "0 of 2 known to be usable"),
        ((BOB, after(silent("d"))), "0 of 2 known to be usable"),
    ],
)
def test_an_account_that_nobody_could_ask_may_be_one_to_use(
    standings: tuple[Standing, ...], told: str
) -> None:
    assert teller().usable(known(*standings).pool) == told


def test_an_account_without_windows_can_be_chosen() -> None:
    usage = Usage(usable=True, windows=())
    seen = known(replace(ALICE, usage=usage))
    assert "nothing says how much is left" in teller().choice(seen.choice)
    half = Usage(
        usable=True, windows=(Window("weekly", 60, 604_800, None), Window("1d", None, 1, None))
    )
    assert teller()._left_of(half.windows[1]) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change("a", None, ChangeKind.EXHAUSTED, "five_hour", 5.0, 0.0), "a: five hours used up"),
        (Change("a", None, ChangeKind.EXHAUSTED), "a: blocked"),
        (
            Change("a", None, ChangeKind.BACK, "weekly_2", 0.0, 71.0),
            "a: week 2 back to 71 %",
        ),
        (Change("a", None, ChangeKind.LOW, "15m", 20.0, 9.0), "a: 15m down to 9 %"),
        (
            Change("a", None, ChangeKind.FAILED, None, None, "timeout"),
            "a: no complete answer in time",
        ),
        (Change("a", None, ChangeKind.FAILED, None, None, "new_kind"), "a: new_kind"),
        (Change("a", None, ChangeKind.PLAN_CHANGED, None, "plus", "pro"), "a: plan plus → pro"),
        (Change("a", None, ChangeKind.LOW, None, None, None), "a: down to unknown"),
        (
            Change(None, None, ChangeKind.FLEET_RESET, "weekly", accounts=9),
            "9 accounts: week reset early",
        ),
    ],
)
def test_changes_are_told(change: Change, told: str) -> None:
    assert teller().change(change) == told.replace(" %", "\N{NO-BREAK SPACE}%")


def test_accounts_that_fail_together_are_one_change() -> None:
    dead = [
        Happening(NOW, Change(f"n{n}", None, ChangeKind.FAILED, None, None, "timeout"))
        for n in range(7)
    ]
    used_up = Happening(NOW, Change("n1", None, ChangeKind.EXHAUSTED, "weekly", 5.0, 0.0))
    later = Happening(NOW + HOUR, Change("n9", None, ChangeKind.FAILED, None, None, "timeout"))
    quota = Failure(FailureKind.RATE_LIMITED, "used up", "wait", "usage_limit_reached")
    limited = Happening(NOW, Change("q", None, ChangeKind.FAILED, None, None, "rate_limited"))
    standings = [after(replace(failed("q"), failure=quota))]
    assert teller().changes([later, *dead, used_up, limited], standings) == [
        (at_hours(1), "n9: no complete answer in time"),
        (at_hours(0), "n0, n1, n2, n3, n4 and 2 more: no complete answer in time"),
        (at_hours(0), "n1: week used up"),
        (at_hours(0), "q: quota used up, and the upstream tells no figures"),
    ]


def test_changes_and_resets_beyond_what_is_read_are_counted(pages: Pages) -> None:
    happened = [Happening(None, Change(f"a{n}", None, ChangeKind.GONE)) for n in range(43)]
    many = [after(answered(f"n{n:04}", five=(5, 1 + n / 90))) for n in range(41)]
    html = pages.index(known(*many, changes=happened))
    assert "3 more not shown." in html
    assert "1 later one not shown." in html


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (Window("weekly", 58, 604_800, int(NOW + HOUR)), f"58 % left, resets {at_hours(1)}"),
        (Window("weekly", 100, 604_800, int(NOW + HOUR), started=False), "100 % left, not begun"),
        (Window("weekly", None, 604_800, None), "unknown"),
        (Window("weekly", 58, 604_800, int(NOW - HOUR)), "58 % left"),
    ],
)
def test_a_window_is_told_in_few_words(window: Window, told: str) -> None:
    assert teller().figure(window) == told.replace(" %", "\N{NO-BREAK SPACE}%")


def test_a_chart_s_name_dates_both_its_ends() -> None:
    words = teller().words
    axis = axis_of(since=NOW - DAY, until=NOW + HOUR, now=NOW, timezone=UTC, words=words)
    told = teller().chart_title("alice", "weekly", axis)
    assert told == "alice: week, Sun 20 Sep 14:13 to Mon 21 Sep 15:13"


def test_a_chart_without_anything_in_it_says_so() -> None:
    axis = axis_of(since=NOW - DAY, until=NOW, now=NOW, timezone=UTC, words=ENGLISH)
    nothing = Course("weekly", None, ())
    assert teller().chart_text(digest(nothing, axis), None, None) == (
        "Nothing was recorded in this time."
    )
    several = replace(nothing, spans=(Span(NOW - 9, NOW - 5, 2, None),), failures=())
    assert teller().chart_text(digest(several, axis), None, None) == (
        f"98\N{NO-BREAK SPACE}% left at {teller().at(NOW - 5)}. "
        f"Lowest: 98\N{NO-BREAK SPACE}%, {teller().at(NOW - 9)}."
    )


def test_an_account_that_is_back_already_is_not_next(pages: Pages) -> None:
    assert "Back next" not in pages.index(known(ALICE, after(failed("x"))))


def test_a_name_that_is_written_from_right_to_left_turns_nothing_beside_it(pages: Pages) -> None:
    name, told = "שלום", "\u2066שלום\u2069"
    happenings = [Happening(NOW, Change(name, None, ChangeKind.EXHAUSTED, "five_hour", 9.0, 0.0))]
    blocked = after(answered(name, five=(100, 2), week=(30, 90)))
    seen = pages.index(known(blocked, changes=happenings, changes_since=NOW - DAY))
    assert f"Back next: {told}, " in seen
    assert f"{told}: five hours used up" in seen
    assert f"Use {told} now: " in pages.index(known(after(answered(name, week=(5, 30)))))
    expired = pages.index(known(after(failed(name, FailureKind.TOKEN_EXPIRED))))
    assert f"token expired: {told} → " in expired
    assert "\u2066" not in pages.index(known(ALICE, DEAD))


def test_a_reset_that_has_passed_is_not_told_as_one_ahead() -> None:
    assert " 5h 70 % week 80 % Fri 25 Sep 03:13 " in cells_of(DEAD)


def test_figures_that_are_old_are_told_as_old_with_their_curves(pages: Pages) -> None:
    outline = well_formed(pages.index(known(ALICE, DEAD), pasts={"alice": past(), "carol": past()}))
    names = [text.strip() for level, text in outline.headings if level == 3]
    assert names == ["alice", "carol"]
    assert outline.text.count("figures from") == 2


def test_an_option_that_is_named_is_not_broken_after_its_hyphens(pages: Pages) -> None:
    assert '→ poller <span class="option">--refresh,</span> or' in pages.index(known(DEAD))


def test_bars_are_explained_where_there_are_some(pages: Pages) -> None:
    for accounts, told in (((ALICE, DEAD), 1), ((after(failed("erin")),), 0)):
        seen = known(*accounts)
        assert pages.index(seen).count("Under a bar") == told
        assert "".join(pages.report(seen, {}, since=NOW - DAY)).count("Under a bar") == told


def test_an_account_s_page_says_that_its_history_cannot_be_read(pages: Pages) -> None:
    page = well_formed(pages.account(known(ALICE), ALICE, None, is_read=False))
    assert "The history cannot be read now: there are no curves." in page.text


# Words and files

BOTH = [ENGLISH_PAGE, CHINESE_PAGE]


def texts(words: PageWords) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, str):
            found[field.name] = value
            continue
        for key, text in value.items():
            several: Iterable[str] = (text,) if isinstance(text, str) else text
            found |= {f"{field.name} {key} {part}": one for part, one in enumerate(several)}
    return found


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_fill_in_the_same() -> None:
    english, chinese = map(texts, BOTH)
    assert english.keys() == chinese.keys()
    assert {key: names_in(text) for key, text in english.items()} == {
        key: names_in(text) for key, text in chinese.items()
    }
    assert all(chinese[key] for key in chinese.keys() - {"between"})
    same = {key for key in english if english[key] == chinese[key]}
    assert same <= {key for key in english if key.split()[0] == "changes"}
    assert all(set(words.changes) == set(ChangeKind) for words in BOTH)
    assert all(set(words.obstacles) == set(Obstacle) for words in BOTH)
    assert page_words_of("zh") is CHINESE_PAGE


def test_static_files_are_there_and_nothing_else_is() -> None:
    style = static_file("style.css")
    assert style is not None
    assert style.content_type.startswith("text/css")
    assert static_file("page.js") is not None
    assert static_file("icon.svg") is not None
    for name in ("index.html", "../page.py", "", "style.css/"):
        assert static_file(name) is None


def test_a_failure_is_told_with_its_remedy(pages: Pages) -> None:
    report = replace(
        failed("a"), failure=Failure(FailureKind.SERVER_ERROR, "x", "y"), http_status=502
    )
    assert "upstream error (502): a → try again later" in pages.index(known(after(report)))
