"""Server-sent events: what has happened, for every stream from where it stands."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = 1000
"""Events that a stream may be behind before it gets everything anew."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event."""

    kind: str
    """``record``, ``round`` or ``change``."""
    text: bytes
    """As it goes over the wire."""


class Happenings:
    """The latest events, kept once for all streams."""

    def __init__(self, everything: Callable[[], list[tuple[str, bytes]]]) -> None:
        """``everything`` tells a new stream all that is known: kinds and JSON, one line each."""
        self._everything = everything
        self._kept: deque[Happened] = deque(maxlen=_KEPT)
        self._added = 0
        self._run = secrets.token_hex(4)
        self._more = asyncio.Event()

    def add(self, kind: str, content: bytes) -> None:
        """Add an event (``content`` is JSON, one line) and wake those who wait."""
        self._added += 1
        self._kept.append(self._event(kind, content))
        self._more.set()
        self._more = asyncio.Event()

    def from_id(self, event_id: str) -> tuple[int, list[Happened]]:
        """Return how many events there are, and those a stream misses that had ``event_id`` last.

        An id of another run, or none, misses everything.
        """
        run, _, number = event_id.partition("-")
        known = run == self._run and number.isascii() and number.isdigit() and len(number) < 16
        return self.after(int(number) if known else -1)

    def after(self, seen: int) -> tuple[int, list[Happened]]:
        """Return how many events there are, and those after the first ``seen``.

        Where they are not kept any more, it is everything that is known.
        """
        missed = self._added - seen
        if seen < 0 or not 0 <= missed <= len(self._kept):
            return self._added, [self._event(*each) for each in self._everything()]
        return self._added, list(self._kept)[len(self._kept) - missed :]

    async def wait_beyond(self, seen: int) -> None:
        """Wait until there are more than ``seen`` events."""
        while self._added <= seen:
            await self._more.wait()

    def _event(self, kind: str, content: bytes) -> Happened:
        # The id holds for this run alone: the next one counts anew.
        text = f"id: {self._run}-{self._added}\nevent: {kind}\ndata: ".encode()
        return Happened(kind, text + content + b"\n\n")
