"""What agents answer, read from its stream: none lost; one may come twice after a lost one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import anyio

from poller.agents import streams, subjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.agents.link import Arrived, Link

_SILENT_S = 7.0
"""So long without a heartbeat, which comes every 2 s: the server has lost its reader."""
_PARTS_OF_NEWER = 11


class Records:
    """Hands each record to ``take``, with the name of the agent that it came from."""

    def __init__(self, link: Link, take: Callable[[str, bytes], None]) -> None:
        self._link = link
        self._take = take
        self._inbox = link.inbox("records")
        self._consumer = ""
        self._last = 0
        """Number in its stream of the last record up to which all were read."""
        self._read: int = 0
        """Records that the present consumer has sent, and that came without a gap."""
        self._heard_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come for so long that the server must have lost its reader."""
        return time.monotonic() - self._heard_at > _SILENT_S

    async def begin(self) -> None:
        """Make the streams, and read what comes from now on."""
        self._last = await streams.prepare(self._link)
        await self._link.hear(self._inbox, self._on_record)
        await self._read_on()

    async def catch_up(self, *, within_s: float) -> None:
        """Make again what a server may have lost, and read all that it has."""
        self._heard_at = -_SILENT_S  # until it has worked, it is to be tried again
        last = await streams.prepare(self._link)
        if last < self._last:  # an empty one: all it has is new
            self._last = 0
        await self._read_on()
        with anyio.move_on_after(within_s):
            while self._last < last:  # noqa: ASYNC110 - records set no event
                await anyio.sleep(0.02)

    async def end(self) -> None:
        """Have nothing more sent."""
        await streams.drop(self._link, self._consumer)

    async def _read_on(self) -> None:
        """Have everything behind the last record sent, by a new consumer."""
        async with self._one_at_a_time:
            if self._consumer:
                await streams.drop(self._link, self._consumer)
            self._read = 0
            self._consumer = await streams.read_records(self._link, self._inbox, after=self._last)
            self._heard_at = time.monotonic()

    async def _on_record(self, message: Arrived) -> None:
        self._heard_at = time.monotonic()
        if message.reply:
            last, read = _numbers_in(message.reply)
            if read == self._read + 1:  # else those before it got lost, or it is another reader's
                self._last, self._read = last, read
            self._take(subjects.last_part(message.subject), message.data)
            return
        sent = (message.headers or {}).get("Nats-Last-Consumer", "")
        if sent.isdigit() and int(sent) != self._read:  # something got lost on the way
            await self._read_on()


def _numbers_in(reply: str) -> tuple[int, int]:
    """Return a record's number in its stream, and among those that its reader was sent.

    They stand in the subject that would acknowledge it: ``$JS.ACK.STREAM.CONSUMER.TIMES`` and
    then these; newer servers name domain and account before the stream.
    """
    parts = reply.split(".")
    first = 5 if len(parts) < _PARTS_OF_NEWER else 7
    return int(parts[first]), int(parts[first + 1])
