"""One connection: requests in, responses out, one at a time and in order."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

from poller.simulator.scripted import AfterLastByte, ScriptedResponse
from poller.simulator.wire import BadRequestError, Request, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.simulator.counting import AccountCount, Counts

_MOST_HEAD_BYTES = 65_536
_MOST_BODY_BYTES = 65_536
_MOST_AHEAD_BYTES = 1 << 20
"""A client that sends more without waiting for responses is dropped."""


class Responder(Protocol):
    """What a connection needs of its server."""

    counts: Counts
    latency_s: float
    transports: set[asyncio.Transport]

    def reply(
        self, request: Request, *, asked: list[str], reused: bool, local_address: str
    ) -> tuple[AccountCount | None, bytes | ScriptedResponse]:
        """Return the response, and the account it is counted under, if any."""
        ...

    def refusal(self, status: int) -> bytes:
        """Return the response to what is not a request."""
        ...


class Connection(asyncio.Protocol):
    """Read the requests of one connection and carry out the server's responses."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = b""
        self._asked: list[str] = []
        self._served = 0
        self._counted = False
        self._busy = False
        self._paused = False
        self._local_address = ""
        self._closes = False
        self._account: AccountCount | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._response = ScriptedResponse()
        self._steps: Iterator[bytes | float] = iter(())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start counting the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._local_address = str(transport.get_extra_info("sockname")[0])
        self._responder.transports.add(self._transport)
        self._count(open_=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's call
        """Count out the connection and the request under way."""
        self._responder.transports.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        self._busy = True
        self._count(open_=False)

    def _count(self, *, open_: bool) -> None:
        if open_ == self._counted:
            return
        self._counted = open_
        self._responder.counts.connections_open += 1 if open_ else -1
        self._responder.counts.connections_opened += open_

    def _uncount(self) -> None:
        """Stop counting a connection that has only asked for the counts."""
        if self._counted and not self._served:
            self._count(open_=False)
            self._responder.counts.connections_opened -= 1

    def data_received(self, data: bytes) -> None:
        """Serve the requests that are complete, unless one is being answered."""
        self._buffer += data
        self._next()
        if len(self._buffer) > _MOST_AHEAD_BYTES:
            self._transport.abort()

    def pause_writing(self) -> None:
        """Wait for a slow reader: an endless response must not fill the memory."""
        self._paused = True

    def resume_writing(self) -> None:
        """Continue the response that a slow reader held up."""
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
        """Return the next request; None while it is incomplete, or if it is refused."""
        end = self._buffer.find(b"\r\n\r\n", 0, _MOST_HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= _MOST_HEAD_BYTES:
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
        self._transport.write(self._responder.refusal(status))
        self._transport.close()

    def _serve(self, request: Request) -> None:
        if request.asks_for_counts:
            self._uncount()
        else:
            self._count(open_=True)
        self._account, response = self._responder.reply(
            request,
            asked=self._asked,
            reused=self._served > 0,
            local_address=self._local_address,
        )
        self._served += self._counted
        self._closes = request.closes
        self._busy = True
        if self._account is not None and self._responder.latency_s:
            self._timer = self._loop.call_later(
                self._responder.latency_s, self._begin_late, response
            )
        else:
            self._begin(response)

    def _begin_late(self, response: bytes | ScriptedResponse) -> None:
        self._timer = None
        self._begin(response)
        self._next()

    def _begin(self, response: bytes | ScriptedResponse) -> None:
        if isinstance(response, bytes):
            self._transport.write(response)
            self._end(AfterLastByte.KEEP_OPEN)
            return
        self._response = response
        self._steps = iter(response.steps)
        self._advance()

    def _advance_late(self) -> None:
        self._timer = None
        self._advance()
        self._next()

    def _advance(self) -> None:
        """Carry on to the next pause, or to the end of the response."""
        for step in self._steps:
            if not isinstance(step, bytes):
                self._timer = self._loop.call_later(step, self._advance_late)
                return
            self._transport.write(step)
            if self._paused:
                return
        if self._response.surplus is not None:
            self._loop.call_later(
                self._response.surplus[0], self._send_surplus, self._response.surplus[1]
            )
        self._end(self._response.then)

    def _send_surplus(self, surplus: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(surplus)

    def _end(self, then: AfterLastByte) -> None:
        if then is AfterLastByte.HANG:
            return
        self._release()
        if then is AfterLastByte.RESET:
            self._reset()
        elif then is AfterLastByte.CLOSE or self._closes:
            self._transport.close()

    def _release(self) -> None:
        self._busy = False
        if self._account is not None:
            self._responder.counts.finish(self._account)
            self._account = None

    def _reset(self) -> None:
        """Close with RST in place of FIN, which lingering for 0 seconds means."""
        raw = cast("socket.socket", self._transport.get_extra_info("socket"))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
