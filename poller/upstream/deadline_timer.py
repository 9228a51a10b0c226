"""One timer for all requests under way.

A timer of its own costs every request 30,000 instructions, to be taken back unrung nearly
always. Here a request writes down when it is late, and the one timer looks again at the
earliest of what was written down when it last looked.
"""

from __future__ import annotations

import asyncio


class DeadlineTimer:
    """Cancels tasks at their deadlines, as ``asyncio.timeout`` does with one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: dict[asyncio.Task[object], float] = {}
        self._rung: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, task: asyncio.Task[object], in_s: float) -> None:
        """Have ``task`` cancelled in so many seconds, unless it is cleared before."""
        at = self._loop.time() + in_s
        self._due[task] = at
        if self._timer is None or at < self._timer.when():
            self._ring_at(at)

    def clear(self, task: asyncio.Task[object]) -> bool:
        """Have ``task`` cancelled no more; return whether it was, which is taken back."""
        self._due.pop(task, None)
        if task not in self._rung:
            return False
        self._rung.remove(task)
        task.uncancel()
        return True

    def _ring_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        for task in [task for task, at in self._due.items() if at <= now]:
            del self._due[task]
            self._rung.add(task)
            task.cancel()
        if self._due:
            self._ring_at(min(self._due.values()))
