"""Report and page: values in, HTML out.

Whoever has the values makes an :class:`~poller.present.overview.Overview` of them, and one
:class:`Pages` per language and time zone, which keeps its templates compiled:

- ``report(overview, pasts, since=)`` yields a whole file, in pieces: no scripts, no requests.
- ``index(overview, query=, pasts=)`` is the page ``/``. ``query`` is ``?q=``, a part of names.
  With ``pasts``, of the last week, it has the curves of up to ``MOST_CURVES`` accounts, too.
- ``account(overview, account, past, shown=)`` is ``/account/KEY?range=24h|7d|30d``, where
  ``past`` is one of ``RANGES[shown]`` seconds; None where nothing is recorded.
- ``login(wrong=)`` is ``/login``: a form that posts ``token``.
- ``static_file(name)`` is what lies below ``/static/``.

A page refers to others by relative paths, so that it may lie behind any prefix. It needs
``style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'`` of a content
security policy, and nothing else: no inline script, no ``style`` attribute, no font. Its
script opens ``events``, and asks for the page anew after ``record``, ``round`` or
``change``, every five seconds at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from poller.present.axis import DAY_S, axis_of
from poller.present.charts import PATTERNS, chart, digest
from poller.present.overview import Past
from poller.present.page_rows import account_table
from poller.present.page_texts import Teller, isolated
from poller.present.sentences import Failures
from poller.present.shares import amount
from poller.present.terminal import UNICODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import tzinfo

    from jinja2 import Environment, Template

    from poller.insight.pool import Share
    from poller.insight.standing import Standing
    from poller.present.axis import Axis
    from poller.present.charts import Course
    from poller.present.overview import Overview
    from poller.present.page_rows import AccountRow, AccountTable

WEEK_S = 7 * DAY_S
RANGES = {"24h": DAY_S, "7d": WEEK_S, "30d": 30 * DAY_S}
"""What an account's page can show, in seconds."""
MOST_ACCOUNTS = 500
"""Of the page; more could be neither read nor drawn in time."""
MOST_CURVES = 16
"""Accounts whose curves stand on the page of all: it stays below 150 kB."""
_MOST_RESETS, _MOST_CHANGES = 40, 40
_AHEAD_S = 5 * 3600.0
"""What charts of windows shorter than a day show of the future."""
_SEEN = 0.05
"""Whole windows; less would be shown as 0."""
_ONE_LINE = 1 << 20
_PIECES = 500
"""Of a template that are handed over together: some 20 kB."""

NO_PASTS: Mapping[str, Past] = MappingProxyType({})

_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class StaticFile(NamedTuple):
    """What lies below ``/static/``."""

    content_type: str
    content: bytes


class _Drawn(NamedTuple):
    """A chart and what stands over it."""

    title: str
    figure: str
    svg: object
    forecast: list[str]


@dataclass(frozen=True, slots=True)
class _Section:
    """One account of the report."""

    ident: str
    row: AccountRow
    charts: Iterable[_Drawn]


@dataclass(slots=True, eq=False)
class Pages:
    """Draws in one language and time zone; ``timezone`` None is local time."""

    language: str
    timezone: tzinfo | None = None
    demo: bool = False
    """Whether to say that the accounts are made up."""
    _environment: Environment | None = field(default=None, init=False)

    def index(
        self, overview: Overview, *, query: str = "", pasts: Mapping[str, Past] = NO_PASTS
    ) -> str:
        """Return the page of all accounts whose name has ``query`` in it.

        ``pasts`` by account label: how the last week of some of them went.
        """
        teller = self._teller(overview)
        wanted = query.strip().casefold()
        found = [one for one in overview.standings if wanted in one.account.casefold()]
        table = self._table(overview, found, teller, "account/{}".format)
        shown = table.rows[:MOST_ACCOUNTS]
        curves = [row for row in shown if pasts.get(row.account, Past()).courses][:MOST_CURVES]
        return self._render(
            "index.html",
            self._common(overview, teller, root=""),
            table=table,
            rows=shown,
            has_curves=bool(curves),
            sections=self._sections(curves, overview, pasts, teller, since=overview.now - WEEK_S),
            query=query,
            cut=teller.page.cut.format(shown=len(shown), total=len(found))
            if len(shown) < len(found)
            else "",
        )

    def account(
        self,
        overview: Overview,
        account: Standing,
        past: Past | None,
        *,
        shown: str = "24h",
        is_read: bool = True,
    ) -> str:
        """Return the page of one account over ``shown``, a key of ``RANGES``.

        ``is_read`` says whether the history could be read.
        """
        teller = self._teller(overview)
        table = self._table(overview, [account], teller, lambda _: "")
        shown_s = RANGES[shown]
        until = overview.now + min(WEEK_S, shown_s / 4)
        axis = self._axis(teller, since=overview.now - shown_s, until=until)
        charts = self._charts(account, past or Past(), teller, axes=(axis, axis), ident="c")
        return self._render(
            "account.html",
            {
                **self._common(overview, teller, root="../"),
                "failures": _failures([account], teller),
            },
            table=table,
            rows=table.rows,
            charts=list(charts),
            no_charts=teller.page.no_history if is_read else teller.page.history_unread,
            shown=shown,
            ranges=teller.page.ranges,
        )

    def login(self, *, wrong: bool = False) -> str:
        """Return the form that asks for the token; ``wrong`` where the last was."""
        teller = Teller(self.language, self.timezone, now=0)
        return self._render("login.html", {**self._always(teller), "root": ""}, wrong=wrong)

    def report(
        self, overview: Overview, pasts: Mapping[str, Past], *, since: float
    ) -> Iterator[str]:
        """Yield the report: the pool, a table, then each account.

        ``pasts`` by account label; ``since`` (Unix seconds) is where the longer windows'
        charts begin. Those of the shorter ones show a day at most.
        """
        teller = self._teller(overview)
        idents = _idents(overview)
        table = account_table(
            overview.standings,
            teller,
            forecasts=overview.forecasts,
            href=lambda one: f"#{idents[one.account]}",
        )
        stream = self._template("report.html").stream(
            **self._common(overview, teller, root=""),
            table=table,
            rows=table.rows,
            sections=self._sections(table.rows, overview, pasts, teller, since=since),
            style=_markup(_content("style.css").decode()),
        )
        stream.enable_buffering(_PIECES)
        yield from stream

    # What all have in common

    def _teller(self, overview: Overview) -> Teller:
        return Teller(self.language, self.timezone, now=overview.now)

    def _template(self, name: str) -> Template:
        if self._environment is None:
            # It takes a moment to load, and few commands draw pages.
            from jinja2 import Environment, PackageLoader, StrictUndefined

            self._environment = Environment(
                loader=PackageLoader("poller.present"),
                autoescape=True,
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
            )
        return self._environment.get_template(name)

    def _render(self, name: str, common: Mapping[str, object], **more: object) -> str:
        return self._template(name).render(**common, **more)

    def _always(self, teller: Teller) -> dict[str, object]:
        return {
            "page": teller.page,
            "words": teller.words,
            "demo": self.demo,
        }

    def _common(self, overview: Overview, teller: Teller, *, root: str) -> dict[str, object]:
        page, ahead = teller.page, overview.timeline
        dead, asks = overview.dead_since, overview.asks_next_at
        since, changed = (
            overview.changes_since,
            teller.changes(overview.changes, overview.standings),
        )
        return {
            **self._always(teller),
            "root": root,
            "patterns": _markup(PATTERNS),
            "as_of": page.as_of.format(now=teller.clock.now, zone=teller.clock.zone),
            "asks_next": "" if asks is None else page.asks_next.format(at=teller.at(asks)),
            "dead": "" if dead is None else page.dead_since.format(at=teller.at(dead)),
            "usable": teller.usable(overview.pool),
            "choice": teller.choice(overview.choice),
            "back_next": teller.back_next(overview.standings),
            "states": teller.states(overview.pool),
            "shares": [
                (teller.window(name), teller.share(share), _parts(share))
                for name, share in overview.pool.windows.items()
            ],
            "dry": teller.dry(ahead.dry) if any(overview.forecasts.values()) else "",
            "hours": [
                (
                    teller.at(hour.since),
                    [
                        (teller.window(name), amount(returns))
                        for name, returns in hour.returns.items()
                        if returns >= _SEEN
                    ],
                )
                for hour in ahead.hours
                if any(returns >= _SEEN for returns in hour.returns.values())
            ],
            "resets": [
                (teller.at(one.at), one.account, teller.window(one.window), one.frees)
                for one in ahead.resets[:_MOST_RESETS]
            ],
            "resets_cut": max(0, len(ahead.resets) - _MOST_RESETS),
            "failures": _failures(overview.standings, teller),
            "changes": changed[:_MOST_CHANGES],
            "changes_cut": max(0, len(changed) - _MOST_CHANGES),
            "changed": page.changed
            if since is None
            else page.changed_since.format(at=teller.at(since)),
        }

    def _table(
        self, overview: Overview, found: list[Standing], teller: Teller, path: Callable[[str], str]
    ) -> AccountTable:
        return account_table(
            found,
            teller,
            forecasts=overview.forecasts,
            href=lambda one: path(one.key) if one.key else "",
        )

    # Charts

    def _sections(
        self,
        rows: Iterable[AccountRow],
        overview: Overview,
        pasts: Mapping[str, Past],
        teller: Teller,
        *,
        since: float,
    ) -> Iterator[_Section]:
        """Yield each row's account with its charts; ``since`` is for the longer windows."""
        now = overview.now
        short = self._axis(teller, since=max(since, now - DAY_S), until=now + _AHEAD_S)
        long = self._axis(teller, since=since, until=now + min(WEEK_S, (now - since) / 2))
        named = {one.account: one for one in overview.standings}
        idents = _idents(overview)
        for row in rows:
            one, ident = named[row.account], idents[row.account]
            past = pasts.get(row.account, Past())
            charts = self._charts(one, past, teller, axes=(short, long), ident=ident)
            yield _Section(ident, row, charts)

    def _charts(
        self,
        one: Standing,
        past: Past,
        teller: Teller,
        *,
        axes: tuple[Axis, Axis],
        ident: str,
    ) -> Iterator[_Drawn]:
        """Yield an account's charts; ``axes`` are of windows shorter than a day, and others."""
        short, long = axes
        for number, course in enumerate(past.courses):
            axis = short if (course.window_seconds or DAY_S) < DAY_S else long
            yield self._drawn(one, course, axis, teller, f"{ident}-{number}")

    def _axis(self, teller: Teller, *, since: float, until: float) -> Axis:
        return axis_of(
            since=since, until=until, now=teller.now, timezone=self.timezone, words=teller.words
        )

    def _drawn(
        self, one: Standing, course: Course, axis: Axis, teller: Teller, ident: str
    ) -> _Drawn:
        shown = digest(course, axis)
        reset_at = course.spans[-1].reset_at if course.spans else None
        svg = chart(
            course,
            axis,
            ident=ident,
            title=teller.chart_title(one.account, course.window, axis),
            text=teller.chart_text(shown, course.forecast, reset_at),
            now=teller.page.now,
        )
        usage = one.usage
        windows = [] if usage is None else [w for w in usage.windows if w.name == course.window]
        figure = "" if not windows else teller.figure(windows[0])
        forecast = [] if course.forecast is None else teller.forecast(course.forecast, reset_at)
        return _Drawn(teller.window(course.window), figure, _markup(svg), forecast)


def _idents(overview: Overview) -> dict[str, str]:
    """Return what each account's section is called, by label."""
    return {one.account: f"a{number}" for number, one in enumerate(overview.standings, start=1)}


def _failures(standings: Iterable[Standing], teller: Teller) -> list[str]:
    """Return what failed, and what to do about it."""
    failures = Failures()
    for one in standings:
        report = one.report
        if report.failure is not None:
            status, expires_at = report.http_status, report.expires_at
            failures.add(
                isolated(one.account), report.failure, status=status, expires_at=expires_at
            )
    lines = failures.lines(teller.words, UNICODE, now=teller.now, width=_ONE_LINE)
    return ["".join(text for text, _ in line) for line in lines]


def static_file(name: str) -> StaticFile | None:
    """Return what lies below ``/static/``; None where there is no such file."""
    kind = _TYPES.get(name)
    return None if kind is None else StaticFile(kind, _content(name))


def _content(name: str) -> bytes:
    from importlib.resources import files

    return files("poller.present").joinpath("templates", name).read_bytes()


def _markup(svg: str) -> object:
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - what comes from outside was escaped where it was drawn


def _parts(share: Share) -> tuple[str, str]:
    """Return the widths of a bar: what is left at least, and what may be left beyond."""
    return (
        f"{100 * share.lower / share.of:.3g}%",
        f"{100 * (share.upper - share.lower) / share.of:.3g}%",
    )
