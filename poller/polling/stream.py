"""The way of the reports: from whoever concludes an account to whoever reads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.values import Failure, Report

_BUFFER = 64
"""Reports that wait for a slow reader before the fan-out slows down."""


class Queue:
    """The way from the workers to the reader: bounded, in order of arrival."""

    def __init__(self) -> None:
        self._ready: deque[Report] = deque()
        self._closed = False
        self._reader_waits = False
        self._arrived = anyio.Event()
        self._taken = anyio.Event()

    def offer(self, report: Report) -> bool:
        """Hand a report over without waiting; False where there is no room."""
        if len(self._ready) >= _BUFFER:
            return False
        self._ready.append(report)
        if self._reader_waits:  # an event is not for free, and most reports find it set
            self._reader_waits = False
            self._arrived.set()
        return True

    async def put(self, report: Report) -> None:
        """Hand a report over; where this is cancelled while it waits, it was not handed over."""
        while not self.offer(report):
            if self._taken.is_set():
                self._taken = anyio.Event()
            await self._taken.wait()

    async def get(self) -> Report | None:
        """Take the next report, or None at the end."""
        while not self._ready:
            if self._closed:
                return None
            self._arrived = anyio.Event()
            self._reader_waits = True
            await self._arrived.wait()
        if len(self._ready) >= _BUFFER:
            self._taken.set()
        return self._ready.popleft()

    def close(self) -> None:
        """Let the reader end once everything has been taken."""
        self._closed = True
        self._arrived.set()


class Reports:
    """The reports of a run, as they come: an asynchronous iterator, one per account."""

    def __init__(self, queue: Queue, stop: Callable[[Failure], None]) -> None:
        self._queue = queue
        self._stop = stop

    def stop(self, failure: Failure) -> None:
        """End the run: what is in flight is cut, every account left gets ``failure``."""
        self._stop(failure)

    def __aiter__(self) -> Reports:
        return self

    async def __anext__(self) -> Report:
        report = await self._queue.get()
        if report is None:
            raise StopAsyncIteration
        return report
