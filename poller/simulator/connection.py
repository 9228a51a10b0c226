"""One connection: requests in, plays out, one at a time and in order."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

from poller.simulator.plays import End, Play
from poller.simulator.wire import BadRequestError, Request, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.simulator.counting import AccountCount, Counts

_MOST_HEAD_BYTES = 65_536
_MOST_BODY_BYTES = 1 << 20


class Site(Protocol):
    """What a connection needs to know of its server."""

    counts: Counts
    latency_s: float
    transports: set[asyncio.Transport]

    def reply(
        self, request: Request, *, asked: list[str], reused: bool
    ) -> tuple[AccountCount | None, bytes | Play]:
        """Return what to answer, and the account it is counted under, if any."""
        ...

    def refusal(self, status: int) -> bytes:
        """Return the answer to what is no request."""
        ...


class Connection(asyncio.Protocol):
    """Take requests off one connection and act out what the server decides."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = b""
        self._asked: list[str] = []
        self._served = 0
        self._counted = False
        self._busy = False
        self._paused = False
        self._closes = False
        self._account: AccountCount | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._play = Play()
        self._steps: Iterator[bytes | float] = iter(())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._site.transports.add(self._transport)
        self._count(open_=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's call
        """Count out what was under way."""
        self._site.transports.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        self._busy = True
        self._count(open_=False)

    def _count(self, *, open_: bool) -> None:
        if open_ == self._counted:
            return
        self._counted = open_
        self._site.counts.connections_open += 1 if open_ else -1
        self._site.counts.connections_opened += open_

    def _uncount(self) -> None:
        """Take a connection that only asked for the counts out of them."""
        if self._counted and not self._served:
            self._count(open_=False)
            self._site.counts.connections_opened -= 1

    def data_received(self, data: bytes) -> None:
        """Take the requests that are whole, unless one is being answered."""
        self._buffer += data
        self._next()

    def pause_writing(self) -> None:
        """Wait for a slow reader: an endless answer must not fill the memory."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on where a slow reader made it stop."""
        self._paused = False
        if self._busy and self._timer is None:
            self._advance()
            self._next()

    def _next(self) -> None:
        while self._buffer and not self._busy and not self._transport.is_closing():
            request = self._take()
            if request is None:
                return
            self._serve(request)

    def _take(self) -> Request | None:
        """Return the next request, or None while it is not whole or where it is none."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                self._refuse(431)
            return None
        try:
            request = request_of(self._buffer[:end])
            length = request.body_length
        except BadRequestError:
            self._refuse(400)
            return None
        if length > _MOST_BODY_BYTES:
            self._refuse(413)
            return None
        if len(self._buffer) < end + 4 + length:
            return None
        body, self._buffer = self._buffer[end + 4 :][:length], self._buffer[end + 4 + length :]
        return replace(request, body=body) if body else request

    def _refuse(self, status: int) -> None:
        self._transport.write(self._site.refusal(status))
        self._transport.close()

    def _serve(self, request: Request) -> None:
        if request.asks_for_counts:
            self._uncount()
        else:
            self._count(open_=True)
        self._account, what = self._site.reply(request, asked=self._asked, reused=self._served > 0)
        self._served += self._counted
        self._closes = request.closes
        self._busy = True
        if self._account is not None and self._site.latency_s:
            self._timer = self._loop.call_later(self._site.latency_s, self._begin_late, what)
        else:
            self._begin(what)

    def _begin_late(self, what: bytes | Play) -> None:
        self._timer = None
        self._begin(what)
        self._next()

    def _begin(self, what: bytes | Play) -> None:
        if isinstance(what, bytes):
            self._transport.write(what)
            self._end(End.KEEP)
            return
        self._play = what
        self._steps = iter(what.steps)
        self._advance()

    def _advance_late(self) -> None:
        self._timer = None
        self._advance()
        self._next()

    def _advance(self) -> None:
        """Play on to the next pause, or to the end."""
        for step in self._steps:
            if not isinstance(step, bytes):
                self._timer = self._loop.call_later(step, self._advance_late)
                return
            self._transport.write(step)
            if self._paused:
                return
        if self._play.surplus is not None:
            self._loop.call_later(self._play.surplus[0], self._send_surplus, self._play.surplus[1])
        self._end(self._play.end)

    def _send_surplus(self, surplus: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(surplus)

    def _end(self, end: End) -> None:
        if end is End.HANG:
            return
        self._release()
        if end is End.RESET:
            self._reset()
        elif end is End.CLOSE or self._closes:
            self._transport.close()

    def _release(self) -> None:
        self._busy = False
        if self._account is not None:
            self._site.counts.finish(self._account)
            self._account = None

    def _reset(self) -> None:
        """Close without the goodbyes: a linger of no seconds turns FIN into RST."""
        raw = cast("socket.socket", self._transport.get_extra_info("socket"))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
