"""Server-sent events: what has happened, for every stream from where it stands."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

_KEPT = 1000
"""Events that a stream may be behind before it gets everything anew."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event."""

    number: int
    kind: str
    """``record``, ``round`` or ``change``."""
    content: bytes
    """JSON without line ends."""

    @property
    def text(self) -> bytes:
        """The event as it goes over the wire."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (
            self.number,
            self.kind.encode(),
            self.content,
        )


class Happenings:
    """The latest events, kept once for all streams."""

    def __init__(self) -> None:
        self._kept: deque[Happened] = deque(maxlen=_KEPT)
        self._next = 1
        self._more = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the latest event; 0 before the first."""
        return self._next - 1

    def add(self, kind: str, content: bytes) -> None:
        """Add an event and wake those who wait."""
        self._kept.append(Happened(self._next, kind, content))
        self._next += 1
        self._more.set()
        self._more = asyncio.Event()

    def after(self, number: int) -> list[Happened] | None:
        """Return the events after ``number``; None where some of them are not kept any more."""
        if number > self.last or number + len(self._kept) < self.last:
            return None
        return [each for each in self._kept if each.number > number]

    async def wait_beyond(self, number: int) -> None:
        """Wait until there is an event after ``number``."""
        while self.last <= number:
            await self._more.wait()
