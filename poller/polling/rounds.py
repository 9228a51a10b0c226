"""Rounds that never stop: accounts asked again and again, files that come and go.

The first look asks every account at once, as a single round does. After that each account
has turns of its own (`turns.Turns`): planned, or at a fixed interval. Every turn is a small
round over what outlives rounds: connections, pauses, breaker, rate.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import anyio

from poller.polling.file_looks import FileLooks
from poller.polling.plan import CLOCK_SLACK_S, LEAST_S, MOST_S, waits_for_file
from poller.polling.roster import Roster, Tracked
from poller.polling.scheduler import open_round
from poller.polling.stream import Notices
from poller.text import os_error_text
from poller.values import FailureKind, Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.streams.memory import MemoryObjectReceiveStream

    from poller.authfiles.read import Account, AuthFile
    from poller.polling.breaker import UpstreamHealth
    from poller.polling.file_looks import Signature
    from poller.polling.files import Files
    from poller.polling.parts import HandsOutAccounts, MakesAttempts
    from poller.polling.stream import Waiting
    from poller.polling.turns import Turns
    from poller.process.clock import RunsOn
    from poller.settings import Settings
    from poller.values import Failure, Report

logger = logging.getLogger("poller")

_FILES_EVERY_S = 30.0
"""Real seconds between two looks for auth files: changes are noticed within a minute."""
_LOOK_S = 20.0
"""The longest wait between two looks at the plan, so that it notices when clocks are set."""
_BUFFER = 64
"""Reports that wait for a slow reader before the polling slows down."""
_NEVER_SEEN: Signature = (0, 0, 0)
Came: TypeAlias = "Report | Snapshot"


class Upstream(NamedTuple):
    """What is asked, and with what, for all rounds of a process."""

    open_feed: Callable[[Sequence[AuthFile]], AbstractAsyncContextManager[HandsOutAccounts]]
    attempts: MakesAttempts
    health: UpstreamHealth
    settings: Settings


class Rounds:
    """The reports of rounds that never stop; made by `poller.rounds`.

    Iterate over it for whole rounds: a :class:`Snapshot` each time every account has been
    asked once more, with the latest report of each. Or take :meth:`each` for reports as they
    come. Either way a reader that is slow slows the polling.
    """

    def __init__(
        self,
        files: Files,
        turns: Turns,
        upstream: Upstream,
        *,
        clock: RunsOn,
        turn_clock: Callable[[], float],
    ) -> None:
        self.notices = Notices()
        """What the first look noticed beside its reports."""
        self.waiting: Callable[[], Waiting | None] = lambda: None
        """Return what keeps the first look waiting; None where nothing does."""
        self.total: Callable[[], int | None] = lambda: None
        """Return about how many accounts the first look asks; None while nobody knows."""
        self.paused = False
        """Whether no further turn begins; change it with :meth:`pause`."""
        self._files, find = files
        self._looks = None if find is None else FileLooks(find)
        self._turns, self._upstream = turns, upstream
        self._clock, self._now = clock, turn_clock
        self._roster = Roster()
        self._looked_at = time.monotonic()
        self._signatures: dict[str, Signature] = {}
        self._in_flight: set[Tracked] = set()
        self._missed: set[Tracked] = set()
        """Who was not asked, or in vain, while the upstream was dead."""
        self._free = anyio.Semaphore(turns.at_once)
        self._woken = anyio.Event()
        self._requests = 0
        self._began_at = self._repeated_at = clock.time()
        self._clock_at = self._began_at
        """Unix seconds when the clock was looked at last."""
        self._first_look_ended = False
        self._puts, self._takes = anyio.create_memory_object_stream[Came](_BUFFER)

    # For the reader

    def __aiter__(self) -> Rounds:
        return self

    async def __anext__(self) -> Snapshot:
        async for came in self.each():
            if isinstance(came, Snapshot):
                return came
        raise StopAsyncIteration

    def each(self) -> MemoryObjectReceiveStream[Came]:
        """Return the stream of reports as they come, each round's Snapshot after its last."""
        return self._takes

    @property
    def interval_s(self) -> float:
        """The longest time between two requests for an account that can be asked."""
        return self._turns.longest_wait_s

    @property
    def accounts(self) -> list[str]:
        """The labels of the accounts that there are now, in the order they were found."""
        return [known.label for known in self._roster]

    @property
    def asks_next_at(self) -> float | None:
        """When the next request is due (Unix seconds); None where nobody can be asked."""
        now = self._now()
        turn = self._turns.next(now)
        if turn is None or self.paused or not self._first_look_ended:
            return None
        return self._clock.time() + max(0.0, turn[1] - now)

    @property
    def dead_since(self) -> float | None:
        """Since when (Unix seconds) the upstream has looked dead; None where it does not."""
        breaker = self._upstream.health.breaker
        if not breaker.is_open:
            return None
        open_for_s = breaker.open_for_s(now=time.monotonic())
        return self._clock.time() - open_for_s * self._clock.speed

    def pause(self, *, paused: bool) -> None:
        """Begin no further turn, or go on."""
        self.paused = paused
        self._woken.set()

    def ask_now(self) -> float | None:
        """Have every account asked as soon as it may be: a minute after it was asked last.

        Returns when the first may be (Unix seconds); None where nobody can be asked.
        """
        now = self._clock.time()
        soonest: float | None = None
        for known in self._roster:
            if self._roster.is_parked(known) or known.report is None:
                continue
            wait_s = min(max(0.0, known.report.observed_at + LEAST_S - now), LEAST_S)
            self._turns.changed(known.label, self._now() + wait_s)
            soonest = now + wait_s if soonest is None else min(soonest, now + wait_s)
        self._woken.set()
        return soonest

    # The rounds

    async def run(self) -> None:
        """Ask for ever."""
        async with self._puts:
            await self._look_first()
            async with anyio.create_task_group() as tasks:
                while True:
                    await self._free.acquire()
                    known = await self._whose_turn()
                    self._turns.begun(known.label, self._now())
                    self._in_flight.add(known)
                    tasks.start_soon(self._turn, known)

    async def _look_first(self) -> None:
        began_at = self._now()
        if self._looks is not None:
            paths = [file.path for file in self._files if file.path is not None]
            self._signatures = await self._looks.signatures(paths)
        await self._ask(self._files, self._upstream.settings)
        self._files, self._repeated_at = [], self._clock.time()
        self._turns.begin(self.accounts, began_at)
        self._first_look_ended = True
        await self._end_round()

    async def _whose_turn(self) -> Tracked:
        while True:
            if self._looks is not None and time.monotonic() - self._looked_at >= _FILES_EVERY_S:
                self._looked_at = time.monotonic()
                try:
                    await self._look_for_files(self._looks)
                except OSError as error:  # a drive that is gone: those known are asked on
                    logger.warning("cannot look for auth files: %s", os_error_text(error))
            self._note_clock()
            now = self._now()
            turn = None if self.paused else self._turns.next(now)
            if turn is not None and turn[1] <= now:
                known = self._roster.named(turn[0])
                if known is not None and known not in self._in_flight:
                    return known
                self._turns.begun(turn[0], now)  # it is still being asked, and misses this turn
                continue
            # Also where the clock was set back meanwhile.
            due = not 0 <= self._clock.time() - self._repeated_at < MOST_S
            if turn is None and due:
                await self._repeat(self._roster.parked_behind())  # nobody can be asked
                await self._end_round()
            wait_s = _LOOK_S if turn is None else min(turn[1] - now, _LOOK_S)
            self._woken = anyio.Event()
            with anyio.move_on_after(wait_s / self._clock.speed):
                await self._woken.wait()

    def _note_clock(self) -> None:
        """Have those asked again whose token had expired by a clock that was ahead."""
        back_s, self._clock_at = self._clock_at - self._clock.time(), self._clock.time()
        if back_s <= CLOCK_SLACK_S:
            return
        for known in self._roster:
            failure = None if known.report is None else known.report.failure
            if failure is not None and failure.kind is FailureKind.TOKEN_EXPIRED:
                self._roster.park(known, parked=False)
                self._turns.changed(known.label, self._now())

    async def _turn(self, known: Tracked) -> None:
        try:
            if self._roster.is_parked(known):
                await self._repeat([known])
            else:
                settings, is_dead = self._upstream.settings, self._upstream.health.breaker.is_open
                single = self._turns.plans_retries or is_dead
                await self._ask([known.file], replace(settings, retries=0) if single else settings)
        finally:
            self._in_flight.discard(known)
            self._free.release()
        await self._end_round()

    async def _ask(self, files: Sequence[AuthFile], settings: Settings) -> None:
        """Ask for the accounts of some files in one round."""
        upstream = self._upstream
        found: dict[str, Tracked] = {}

        async def note(position: int, accounts: list[Account]) -> None:
            here, gone = self._roster.found(files[position], accounts)
            self._forget(gone)
            for account, known in zip(accounts, here, strict=True):
                found[account.label] = known
                self._turns.add(known.label, self._now())

        async with upstream.open_feed(files) as feed:
            feed.found = note
            async with open_round(feed, upstream.attempts, upstream.health, settings) as reports:
                if not self._first_look_ended:
                    self.notices = reports.notices
                    self.waiting, self.total = reports.waiting, reports.total
                async for report in reports:
                    await self._take(found[report.account], report)

    async def _take(self, known: Tracked, report: Report) -> None:
        failure, is_dead = report.failure, self._upstream.health.breaker.is_open
        if self._has_left(known, failure):
            return
        self._roster.park(known, parked=failure is not None and waits_for_file(failure))
        self._requests += report.attempts
        report = replace(report, account=known.label, position=known.position)
        self._turns.ended(report, self._now())
        if is_dead and failure is not None:
            self._missed.add(known)
        elif self._missed and not is_dead:
            for missed in self._missed:
                self._turns.changed(missed.label, self._now())
            self._missed.clear()
        await self._put(known, report)

    def _has_left(self, known: Tracked, failure: Failure | None) -> bool:
        """Forget an account whose turn finds that its file is gone, before the next look does."""
        missing = failure is not None and failure.kind is FailureKind.FILE_MISSING
        if not (missing and self._first_look_ended and self._looks) or known.file.include_disabled:
            return False
        self._forget(self._roster.leave(known))
        if known.file.path is not None:  # should it come back as it was
            self._signatures.pop(known.file.path, None)
        self._looked_at = -math.inf  # it may lie there under another name
        return True

    async def _repeat(self, parked: Sequence[Tracked]) -> None:
        """Report once more what it is of no use to ask again."""
        self._repeated_at = self._clock.time()
        for known in parked:
            if known.report is not None:
                again = replace(
                    known.report, observed_at=self._clock.time(), attempts=0, elapsed_s=None
                )
                await self._put(known, replace(again, refreshed=False))

    async def _put(self, known: Tracked, report: Report) -> None:
        self._roster.asked(known)
        known.report = replace(report, round=known.asked)
        await self._puts.send(known.report)

    async def _end_round(self) -> None:
        """Hand out a Snapshot where every account has been asked once more."""
        if self._turns.plans_retries and not self._roster.all_parked:
            await self._repeat(self._roster.parked_behind())  # they have no turns
        if not self._first_look_ended or not self._roster.end_round():
            return
        reports = tuple([known.report for known in self._roster if known.report is not None])
        began_at, self._began_at = self._began_at, self._clock.time()
        requests, self._requests = self._requests, 0
        ok = sum(report.ok for report in reports)
        await self._puts.send(
            Snapshot(began_at, self._began_at, len(reports), ok, requests, reports)
        )

    # Files

    async def _look_for_files(self, looks: FileLooks) -> None:
        """Notice auth files that are new, changed or gone."""
        files = await looks.found()
        if files is None:  # those known are asked on
            logger.warning("cannot look for auth files: their folder does not answer")
            return
        found = (file.path for file in files if file.path is not None)
        paths = {*found, *self._roster.paths}
        signatures = await looks.signatures(paths)
        before = self._signatures
        self._signatures = {path: before[path] for path in paths if path in before} | signatures
        self._forget(self._roster.without(files))
        there = {file.path: file for file in files}
        for path, signature in signatures.items():
            if before.get(path, _NEVER_SEEN) == signature:
                continue
            known = self._roster.whom_to_ask(path, there.get(path))
            if known is None:
                continue
            if known in self._in_flight:  # with what the file held before
                self._signatures[path] = before.get(path, _NEVER_SEEN)
                continue
            self._roster.park(known, parked=False)
            self._turns.add(known.label, self._now())
            self._turns.changed(known.label, self._now())

    def _forget(self, gone: Sequence[Tracked]) -> None:
        for known in gone:
            self._turns.remove(known.label)
            self._missed.discard(known)


@asynccontextmanager
async def open_rounds(rounds: Rounds) -> AsyncGenerator[Rounds]:
    """Have rounds run as long as the context lasts; leaving it cancels what is in flight."""
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rounds.run)
        try:
            yield rounds
        except Exception as error:  # noqa: BLE001 - raised again below, outside the group
            raised = error
        tasks.cancel_scope.cancel()
    rounds.each().close()
    if raised is not None:
        raise raised
