"""What each path gives: the page, the API, the metrics, from what the program knows."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from importlib.resources import files
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeVar

from poller.history.charted import past_of
from poller.history.database import HistoryMissing, HistoryUnusable
from poller.history.exporting import json_line
from poller.history.reading import open_reader
from poller.present.page import MOST_CURVES, NO_PASTS, RANGES, WEEK_S, static_file
from poller.present.prometheus import Measured, metrics
from poller.present.record import line_of, serialize, utc
from poller.present.timeline import timeline_lines
from poller.process.threads import run_in_thread
from poller.settings.value_types import DURATION
from poller.web.server import Body, NotGiven

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiohttp.web import BaseRequest

    from poller.history.reading import Reader, StoredAccount
    from poller.insight.pool import Pool
    from poller.present.overview import Overview, Past
    from poller.present.page import Pages
    from poller.present.prometheus import Counted
    from poller.values import Report, Snapshot
    from poller.web.access import Access

    Give = Callable[[BaseRequest], Awaitable[Body]]

T = TypeVar("T")

_KEY = re.compile(r"[0-9a-f]{16}")
_WEEK = "7d"
_MOST_SPANS = 100_000
"""Of one answer: a year of forty accounts is three times as much, and 60 MB of JSON."""
_READ_WITHIN_S = 5.0
_NO_ANSWER = "the history does not answer: try again later"
_DRAWN_FOR_S = 10.0
"""How long the same text is given again: a page says when things happen to the minute."""


class WhatIsKnown(Protocol):
    """What the program knows, as it polls."""

    @property
    def version(self) -> int:
        """A number that is another one after every report."""
        ...

    def overview(self) -> Overview:
        """Return all that is known now."""
        ...

    @property
    def last_round(self) -> Snapshot | None:
        """The round that ended last; None before the first."""
        ...

    @property
    def counted(self) -> Counted:
        """What was counted since the start."""
        ...

    @property
    def round_within_s(self) -> float:
        """A round has ended within so many seconds unless something is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class WebLook:
    """How it is shown."""

    pages: Pages
    history_path: str | None
    """Where the past is read from; None where nothing is recorded."""
    version: str
    """The program's."""
    show_identity: bool = False


class Contents:
    """The content of all paths."""

    def __init__(
        self, watched: WhatIsKnown, shown: WebLook, access: Access, *, clock: Callable[[], float]
    ) -> None:
        """``clock`` tells Unix seconds."""
        self._watched = watched
        self._shown = shown
        self._access = access
        self._clock = clock
        self._drawn: dict[str, tuple[int, float, Body]] = {}
        self._drawing = asyncio.Lock()
        """Held while the page is drawn: after each event all its readers ask for it at once."""
        self._hanging: Event | None = None
        """Set when the last reading that was given up has ended after all."""
        self._description = files("poller.web").joinpath("openapi.json").read_bytes()

    def by_path(self) -> dict[str, Give]:
        """Return what gives each path's content; one that ends in ``/``, of all below it."""
        return {
            "/": self._index,
            "/account/": self._account,
            "/static/": self._static,
            "/api/v1/accounts": self._accounts,
            "/api/v1/history": self._history,
            "/api/v1/pool": self._pool,
            "/api/v1/timeline": self._timeline,
            "/healthz": self._health,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
        }

    def everything(self) -> list[tuple[str, bytes]]:
        """Return the events that tell all that is known: the record of every account."""
        known = self._watched.overview()
        return [
            ("record", self.record(replace(one.report, forecast=known.forecasts.get(one.account))))
            for one in known.standings
        ]

    def record(self, report: Report) -> bytes:
        """Return a report's record, one line without its end."""
        return serialize(report, show_identity=self._shown.show_identity).rstrip(b"\n")

    async def _index(self, request: BaseRequest) -> Body:
        query = request.query.get("q", "")
        if query:
            return await self._draw_index(query)
        async with self._drawing:
            kept = self._kept("/")
            if kept is None:
                version, now = self._watched.version, self._clock()
                kept = await self._draw_index("")
                self._drawn["/"] = version, now, kept
            return kept

    async def _draw_index(self, query: str) -> Body:
        known = self._watched.overview()
        html = self._shown.pages.index(known, query=query, pasts=await self._pasts(known))
        return Body(html.encode("utf-8", "replace"), "text/html; charset=utf-8")

    async def _pasts(self, known: Overview) -> Mapping[str, Past]:
        """Return the last week of the accounts, where they are few enough to be drawn."""
        if len(known.standings) > MOST_CURVES:
            return NO_PASTS
        labels = {one.identity: one.account for one in known.standings}

        def read(reader: Reader) -> Mapping[str, Past]:
            pasts: dict[str, Past] = {}
            for stored in reader.accounts():
                label = labels.get(stored.key or stored.label)
                if label is not None:
                    ahead, since = known.forecasts.get(label, {}), known.now - WEEK_S
                    pasts[label] = past_of(reader, stored, since=since, forecasts=ahead)
            return pasts

        try:
            return await self._remembered(read, missing=NO_PASTS)
        except NotGiven:  # the page says what is known without it
            return NO_PASTS

    async def _account(self, request: BaseRequest) -> Body:
        key = request.raw_path.partition("?")[0].rpartition("/")[2]
        overview = self._watched.overview()
        account = next((one for one in overview.standings if one.key == key), None)
        if account is None:
            raise NotGiven(404, "there is no such account")
        shown = request.query.get("range", "24h")
        if shown not in RANGES:
            raise NotGiven(400, f"range: one of {', '.join(RANGES)}")
        forecasts = overview.forecasts.get(account.account, {})

        def past(reader: Reader) -> Past | None:
            stored = next((one for one in reader.accounts() if one.key == key), None)
            since = overview.now - RANGES[shown]
            return stored and past_of(reader, stored, since=since, forecasts=forecasts)

        found, is_read = None, True
        try:
            found = await self._remembered(past, missing=None)
        except NotGiven:  # the page says what is known without it
            is_read = False
        html = self._shown.pages.account(overview, account, found, shown=shown, is_read=is_read)
        return Body(html.encode("utf-8", "replace"), "text/html; charset=utf-8")

    async def _static(self, request: BaseRequest) -> Body:
        found = static_file(request.raw_path.partition("?")[0].removeprefix("/static/"))
        if found is None:
            raise NotGiven(404, "there is no such file")
        return Body(found.content, found.content_type)

    async def _accounts(self, _request: BaseRequest) -> Body:
        def draw() -> Body:
            return _array(content for _, content in self.everything())

        return self._once("/api/v1/accounts", draw)

    async def _history(self, request: BaseRequest) -> Body:
        key, window = request.query.get("key"), request.query.get("window")
        if key is not None and not _KEY.fullmatch(key):
            raise NotGiven(400, "key: 16 hex digits, as the records have it")
        back_s = DURATION.fit(DURATION.read(request.query.get("since", _WEEK)))
        if not isinstance(back_s, float):
            raise NotGiven(400, "since: how far back, such as 24h or 7d")
        after = self._clock() - back_s

        def spans(reader: Reader) -> list[bytes]:
            found: list[bytes] = []
            for account in _wanted(reader, key):
                spans = reader.spans(account, window=window, since=after)
                if len(found) + len(spans) > _MOST_SPANS:
                    raise NotGiven(413, "too much for one answer: ask for less time, or one key")
                found += [json_line(span).rstrip(b"\n") for span in spans]
            return found

        return _array(await self._remembered(spans, missing=[]))

    async def _pool(self, _request: BaseRequest) -> Body:
        return self._once(
            "/api/v1/pool", lambda: _line(_pool_members(self._watched.overview().pool))
        )

    async def _timeline(self, _request: BaseRequest) -> Body:
        def draw() -> Body:
            lines = timeline_lines(self._watched.overview().timeline)
            return _array(line.rstrip(b"\n") for line in lines)

        return self._once("/api/v1/timeline", draw)

    async def _health(self, request: BaseRequest) -> Body:
        last, now = self._watched.last_round, self._clock()
        age_s = None if last is None else now - last.ended_at
        well = age_s is not None and age_s <= self._watched.round_within_s
        if not self._access.knows_token(request, now=now):
            if not well:
                raise NotGiven(503, "not well")
            return _line({"status": "ok"})
        if age_s is None:
            raise NotGiven(503, "no round has ended yet")
        if not well:
            raise NotGiven(503, f"no round has ended for {age_s:.0f} s")
        return _line(
            {"status": "ok", "version": self._shown.version, "round_age_s": round(age_s, 1)}
        )

    async def _metrics(self, request: BaseRequest) -> Body:
        accept = request.headers.get("Accept", "")

        def draw() -> Body:
            overview = self._watched.overview()
            measured = Measured(
                self._shown.version,
                overview.standings,
                overview.pool,
                last_round=self._watched.last_round,
                forecasts=overview.forecasts,
                counts=self._watched.counted,
            )
            return Body(*metrics(measured, accept=accept))

        return self._once(f"/metrics {'openmetrics' in accept}", draw)

    async def _openapi(self, _request: BaseRequest) -> Body:
        return Body(self._description)

    def _once(self, name: str, draw: Callable[[], Body]) -> Body:
        """Return what ``draw`` gives, drawn once for many readers while nothing changes."""
        kept = self._kept(name)
        if kept is None:
            version, now = self._watched.version, self._clock()
            kept = draw()
            self._drawn[name] = version, now, kept
        return kept

    def _kept(self, name: str) -> Body | None:
        """Return what was drawn last, while it is still true."""
        drawn_of, at, body = self._drawn.get(name, (-1, 0.0, None))
        is_true = drawn_of == self._watched.version and 0 <= self._clock() - at < _DRAWN_FOR_S
        return body if is_true else None

    async def _remembered(self, read: Callable[[Reader], T], *, missing: T) -> T:
        """Return what is read from the history; ``missing`` where there is none."""
        path = self._shown.history_path
        if path is None:
            return missing
        if self._hanging is not None and not self._hanging.is_set():
            raise NotGiven(503, _NO_ANSWER)  # each try would cost a thread and some seconds
        ended = Event()

        def work() -> T:
            try:
                with open_reader(path, may_hang=True) as reader:
                    return read(reader)
            finally:
                ended.set()

        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                return await run_in_thread(work, abandon_on_cancel=True)
        except HistoryMissing:
            return missing
        except HistoryUnusable as error:
            raise NotGiven(503, str(error)) from None
        except TimeoutError:
            self._hanging = ended
            raise NotGiven(503, _NO_ANSWER) from None


def event_of_round(snapshot: Snapshot) -> bytes:
    """Return what the event ``round`` tells, one line without its end."""
    members: dict[str, object] = {
        "started_at": utc(round(snapshot.started_at)),
        "ended_at": utc(round(snapshot.ended_at)),
        "accounts": snapshot.accounts,
        "ok": snapshot.ok,
        "requests": snapshot.requests,
    }
    return line_of(members).rstrip(b"\n")


def _wanted(reader: Reader, key: str | None) -> list[StoredAccount]:
    return [one for one in reader.accounts() if key is None or one.key == key]


def _pool_members(pool: Pool) -> dict[str, object]:
    states = ("usable", "on_credits", "unknown", "blocked", "failed")
    return {
        "accounts": pool.accounts,
        "states": {state: getattr(pool, state) for state in states},
        "windows": {
            name: {"lower": share.lower, "upper": share.upper, "of": share.of}
            for name, share in pool.windows.items()
        },
    }


def _line(members: dict[str, object]) -> Body:
    return Body(line_of(members))


def _array(lines: Iterable[bytes]) -> Body:
    return Body(b"[" + b",\n".join(lines) + b"]\n")
