"""Connections of the server: how many, how long they may take, and what they are told."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Answers = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HEADERS = {
    "Server": "poller",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer. The library's own ``Server`` tells its version to everybody."""
HEAD_WITHIN_S = 10.0
"""A connection that has not sent a whole request head by then is closed."""

_TAKEN_WITHIN_S = 30.0
"""A page of 150 kB at 5 kB a second."""
_MOST = 1000
_FILES_KEPT = 96
"""Open files that the rest of the program needs."""
_SEND_BUFFER = 64 * 1024
"""Bytes: with the system's default of megabytes a reader that reads nothing goes unnoticed."""


class WebConnections(web.Server):
    """Makes a protocol for each connection; refuses those beyond the limit."""

    def __init__(self, answer: Answers) -> None:
        super().__init__(
            answer, access_log=None, keepalive_timeout=HEAD_WITHIN_S, handler_cancellation=True
        )
        self._most = _room_for_readers()

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return _WebConnection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take a connection, or drop it where there are too many."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._most:
            transport.abort()
            return
        own = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


class _WebConnection(web.RequestHandler):
    """Answers what is no HTTP in our words; writes no log."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - the library's
        message: str | None = None,  # noqa: ARG002 - may quote the request
    ) -> web.StreamResponse:
        """Return the answer to a malformed request, or to a bug of ours."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        answer = error_answer(status, _WHY.get(status, "the request cannot be answered"))
        answer.force_close()
        return answer

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; drop the connection of a reader that does not take it."""
        try:
            async with asyncio.timeout(_TAKEN_WITHIN_S):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            self.force_close()
            if self.transport is not None:
                self.transport.abort()
            return resp, True

    def log_exception(self, *_args: object, **_how: object) -> None:
        """Write nothing: a traceback may hold a request."""


_WHY = {400: "this is not an HTTP request", 500: "a bug in this program; please report it"}


def error_answer(status: int, message: str) -> web.Response:
    """Return an error as the API words it."""
    return web.json_response(
        {"error": {"status": status, "message": message}},
        status=status,
        headers=HEADERS,
    )


def _room_for_readers() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return _MOST
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(_MOST, files - _FILES_KEPT)) if files > 0 else _MOST
