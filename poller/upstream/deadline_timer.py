"""One timer for all requests in flight.

A timer for each request would nearly always be cancelled unused. Here a request records its
deadline, and the one timer wakes at the earliest deadline that it knew when it last woke.
"""

from __future__ import annotations

import asyncio


class DeadlineTimer:
    """Cancels tasks at their deadlines, as ``asyncio.timeout`` does for one task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: dict[asyncio.Task[object], float] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, task: asyncio.Task[object], in_s: float) -> None:
        """Cancel ``task`` in ``in_s`` seconds, unless it is cleared before."""
        at = self._loop.time() + in_s
        self._due[task] = at
        if self._timer is None or at < self._timer.when():
            self._wake_at(at)

    def clear(self, task: asyncio.Task[object]) -> bool:
        """Forget a task's deadline; return whether it was cancelled, and take that back."""
        self._due.pop(task, None)
        if task not in self._expired:
            return False
        self._expired.remove(task)
        task.uncancel()
        return True

    def _wake_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._loop.time()
        for task in [task for task, at in self._due.items() if at <= now]:
            del self._due[task]
            self._expired.add(task)
            task.cancel()
        if self._due:
            self._wake_at(min(self._due.values()))
