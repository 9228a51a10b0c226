"""The server: which path gives what, and how it begins and ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from poller.web.access import LOGIN_LASTS_S, Access, NotLetIn, is_own_origin, login_token
from poller.web.connections import HEADERS, WebConnections, error_answer

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from poller.web.events import Happenings

    Give = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_READ_WITHIN_S = 10.0
"""A form, or a reader that takes nothing of an event stream, is waited for so long."""
_MOST_STREAMS = 100
_SHUTDOWN_S = 0.5
"""What open connections get at the end: streams never end by themselves."""
_WRITTEN_AT_ONCE = 50
_ASK_AGAIN = (
    b'<!doctype html><html lang="en"><meta http-equiv="refresh" content="0"><title>poller</title>'
)
_BEAT_S = 20.0
"""A comment is sent on a stream that is silent for so long: a reader that has gone is noticed
by it, and no proxy in between takes the stream for dead."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a path gives."""

    body: bytes
    media_type: str = "application/json"
    status: int = 200


class NotGiven(Exception):  # noqa: N818 - an answer, no error of ours
    """There is nothing at this path, or not now; ``status`` and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class WebServer:
    """Answers requests."""

    def __init__(
        self,
        access: Access,
        contents: Mapping[str, Callable[[web.BaseRequest], Awaitable[Body]]],
        *,
        login_page: Callable[[bool], bytes],
        happenings: Happenings,
        clock: Callable[[], float],
    ) -> None:
        """``contents`` gives what a path has; one that ends in ``/`` has all paths below it.

        ``login_page`` makes the form that asks for the token, told whether
        the last one was wrong. ``clock`` tells Unix seconds.
        """
        self._access = access
        self._contents = contents
        self._login_page = login_page
        self._happenings = happenings
        self._clock = clock
        self._streams = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; never raises for what it holds."""
        answer = await self._answer(request)
        answer.headers.update(HEADERS)
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = self._access.refusal(request, now=self._clock())
        if refused is not None:
            return self._refused(request, refused)
        path = request.raw_path.partition("?")[0]
        if path == "/login" and self._access.token is not None:
            return await self._login(request)
        if request.method not in ("GET", "HEAD"):
            answer = error_answer(405, "this path takes GET and HEAD only")
            answer.headers["Allow"] = "GET, HEAD"
            return answer
        if path == "/events":
            return await self._stream(request)
        folder = path[: path.rfind("/") + 1]
        give = self._contents.get(path)
        if give is None and folder != "/":
            give = self._contents.get(folder)
        if give is None:
            return error_answer(404, "there is nothing at this path")
        try:
            content = await give(request)
        except NotGiven as error:
            return error_answer(error.status, str(error))
        return web.Response(
            body=content.body,
            status=content.status,
            headers={"Content-Type": content.media_type},
        )

    def _refused(self, request: web.BaseRequest, refused: NotLetIn) -> web.StreamResponse:
        """Return the refusal; where a person wants a page and lacks a login, the way to it."""
        wants_page = "text/html" in request.headers.get("Accept", "")
        if refused.status != 401 or not wants_page:
            answer = error_answer(refused.status, refused.message)
            if refused.status == 401:
                answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            # A Strict cookie does not come along where a link of another site was followed.
            # The same request has it when a page of ours makes it.
            return _page(_ASK_AGAIN, status=401)
        below = request.raw_path.partition("?")[0].count("/") - 1
        return web.Response(status=303, headers={"Location": f"{'../' * below}login"})

    async def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method in ("GET", "HEAD"):
            return _page(self._login_page(False))  # noqa: FBT003 - nothing was wrong yet
        if request.method != "POST":
            answer = error_answer(405, "this path takes GET, HEAD and POST")
            answer.headers["Allow"] = "GET, HEAD, POST"
            return answer
        if not is_own_origin(request):
            return error_answer(403, "a login comes from this server's own page")
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                token = await login_token(request)
        except TimeoutError:
            return error_answer(408, "the form did not arrive in time")
        if token is None or not self._access.is_token(token):
            return _page(self._login_page(True), status=403)  # noqa: FBT003 - it was wrong
        answer = web.Response(status=303, headers={"Location": "./"})
        answer.set_cookie(
            self._access.cookie,
            self._access.login_cookie(now=self._clock()),
            max_age=LOGIN_LASTS_S,
            path="/",
            httponly=True,
            samesite="Strict",
            # Who logs in over TLS has spoken it to a proxy in front, if not to this server.
            secure=request.headers["Origin"].lower().startswith("https:"),
        )
        return answer

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send events until the reader goes, takes nothing, or the server ends."""
        if request.method == "HEAD":
            return web.Response(headers={"Content-Type": "text/event-stream"})
        if self._streams >= _MOST_STREAMS:
            answer = error_answer(503, "too many event streams are open: try again later")
            answer.headers["Retry-After"] = "10"
            return answer
        only = _kinds(request)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", **HEADERS})
        self._streams += 1
        try:
            await stream.prepare(request)
            await self._send_events(stream, only, request.headers.get("Last-Event-ID", ""))
        except (TimeoutError, ConnectionError):
            if request.transport is not None:  # what was not taken would be waited for at the end
                request.transport.abort()
        finally:
            self._streams -= 1
        return stream

    async def _send_events(
        self, stream: web.StreamResponse, only: frozenset[str] | None, last_id: str
    ) -> None:
        at, events = self._happenings.from_id(last_id)
        while True:
            wanted = [each for each in events if only is None or each.kind in only]
            for first in range(0, len(wanted), _WRITTEN_AT_ONCE):
                pieces = [each.text for each in wanted[first : first + _WRITTEN_AT_ONCE]]
                await _sent(stream, b"".join(pieces))
            try:
                async with asyncio.timeout(_BEAT_S):
                    await self._happenings.wait_beyond(at)
            except TimeoutError:
                await _sent(stream, b": still here\n\n")
            at, events = self._happenings.after(at)


def _page(html: bytes, *, status: int = 200) -> web.Response:
    return web.Response(body=html, status=status, content_type="text/html", charset="utf-8")


async def _sent(stream: web.StreamResponse, text: bytes) -> None:
    async with asyncio.timeout(_READ_WITHIN_S):
        await stream.write(text)


def _kinds(request: web.BaseRequest) -> frozenset[str] | None:
    """Return which kinds of events ``?only=`` asks for; None for all."""
    only = request.query.get("only")
    return None if only is None else frozenset(only.split(","))


@asynccontextmanager
async def serving(
    server: WebServer, listening: socket.socket, *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[None]:
    """Serve at a socket that is bound; at the end it is closed."""
    runner = web.ServerRunner(WebConnections(server.answer), shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listening, ssl_context=tls, backlog=128).start()
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * _SHUTDOWN_S):
                await runner.cleanup()
