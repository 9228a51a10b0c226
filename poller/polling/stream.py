"""Reports on their way from the accounts to the reader."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from poller.values import Failure, Report

_BUFFER = 64
"""Reports that wait for a slow reader before the polling slows down."""


class ReportQueue:
    """A bounded queue with one reader, in order of arrival."""

    def __init__(self) -> None:
        self._ready: deque[Report] = deque()
        self._closed = self._was_cut = False
        self._reader_waits = False
        self._arrived = anyio.Event()
        self._taken = anyio.Event()

    def offer(self, report: Report) -> bool:
        """Hand a report over without waiting; say whether there was room."""
        if len(self._ready) >= _BUFFER:
            return False
        self._ready.append(report)
        if self._reader_waits:  # an event costs something, and most reports find it set
            self._reader_waits = False
            self._arrived.set()
        return True

    async def put(self, report: Report) -> None:
        """Hand a report over; if this is cancelled while it waits, it was not handed over."""
        while not self.offer(report):
            if self._taken.is_set():
                self._taken = anyio.Event()
            await self._taken.wait()

    async def get(self) -> Report:
        """Take the next report; raises StopAsyncIteration at the end."""
        while not self._ready:
            if self._was_cut:
                raise RuntimeError("this round was left: read its reports inside its async with")
            if self._closed:
                raise StopAsyncIteration
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

    def cut(self) -> None:
        """Give the reader nothing more, unless all has come."""
        if not self._closed:
            self._was_cut = True
            self._ready.clear()
            self.close()


@dataclass(slots=True)
class Notices:
    """What a round noticed beside its reports, for commands to tell."""

    readable_by_others: list[str] = field(default_factory=list[str])
    """Auth files that their group or everybody may read; as shown."""
    same_logins: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Labels of accounts that are the same login or account."""
    list_trouble: str | None = None
    """Why the list of paths ended before its end."""
    lost_agents: list[str] = field(default_factory=list[str])
    """Agents that were lost before they had told their accounts."""
    agents_without_accounts: dict[str, str] = field(default_factory=dict[str, str])
    """Agents that have none, and no shared folder, with the reason they tell."""
    clock_offsets: dict[str, float] = field(default_factory=dict[str, float])
    """Agents whose clocks are off against this machine's, in seconds."""
    are_elsewhere: bool = False
    """Whether the accounts lie on other machines only."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a round waits for while nothing can start."""

    pause_left_s: float = 0.0
    """The upstream asked for a pause."""
    silent_s: float = 0.0
    """For so long the upstream has looked dead."""
    patience_left_s: float = 0.0
    """After this the accounts left are given up."""


class Reports:
    """The reports of a round as they come: an asynchronous iterator, one per account."""

    def __init__(
        self,
        queue: ReportQueue,
        notices: Notices,
        *,
        stop: Callable[[Failure], None],
        total: Callable[[], int | None],
        waiting: Callable[[], Waiting | None],
    ) -> None:
        self.notices = notices
        self.total = total
        """Return about how many reports there will be; None while that is unknown."""
        self.waiting = waiting
        """Return what keeps requests from starting; None where nothing does."""
        self.stop = stop
        """End the round: cut what is in flight, give every account left this failure."""
        self._queue = queue

    def leave(self) -> None:
        """Take note that the round is over, or left: then nothing more is to be read."""
        self._queue.cut()

    def __aiter__(self) -> Reports:
        return self

    def __anext__(self) -> Awaitable[Report]:
        return self._queue.get()


class InputOrder:
    """Holds reports back until those before them have come."""

    def __init__(self) -> None:
        self._next = 0
        self._labels: dict[int, list[str]] = {}
        """Of the accounts found in each file, by its position."""
        self._held: dict[int, list[Report]] = {}

    def expect(self, position: int, labels: list[str]) -> list[Report]:
        """Record which accounts a file holds; return the reports that are due now."""
        self._labels[position] = labels
        return self._due()

    def push(self, report: Report) -> list[Report]:
        """Take a report; return those that are due now, in order."""
        self._held.setdefault(report.position, []).append(report)
        return self._due()

    def drain(self) -> list[Report]:
        """Return every report still held, in order, whatever is missing between them."""
        held, self._held = self._held, {}
        return [report for position in sorted(held) for report in held[position]]

    def _due(self) -> list[Report]:
        due: list[Report] = []
        while (labels := self._labels.get(self._next)) is not None:
            held = self._held.get(self._next, [])
            if len(held) < len(labels):
                break
            places = {label: place for place, label in enumerate(labels)}
            due += sorted(held, key=lambda report: places[report.account])
            del self._labels[self._next]
            self._held.pop(self._next, None)
            self._next += 1
        return due
