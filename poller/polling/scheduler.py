"""One round: many accounts, a fixed set of workers, slots and bounds.

A worker takes the next account and makes its first attempt; only an account that fails
gets a task of its own, which asks for a slot again for each further attempt. A slot is
held while a request is in flight, never while waiting.
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from poller.polling.cancellation import ignoring_stray_cancellation, reraise_unless_stray
from poller.polling.in_flight import InFlight
from poller.polling.policy import FIRST_STARTS, RetryBudget
from poller.polling.retry import persist
from poller.polling.stream import InputOrder, ReportQueue, Reports, Waiting
from poller.values import (
    Failure,
    FailureKind,
    Retry,
    internal_failure,
    unexpected_failure,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from poller.authfiles.read import Account
    from poller.polling.breaker import UpstreamHealth
    from poller.polling.parts import HandsOutAccounts, MakesAttempts, Outcome
    from poller.settings import Settings
    from poller.values import Report

logger = logging.getLogger("poller")

_SILENT_FROM_S = 3.0
"""For so long nothing has to come before it is worth a word."""
_LIST_FAILURES = 5
"""So often taking the next account may fail before the round is given up."""


@asynccontextmanager
async def open_round(
    feed: HandsOutAccounts,
    attempts: MakesAttempts,
    health: UpstreamHealth,
    settings: Settings,
) -> AsyncGenerator[Reports]:
    """Poll every account of ``feed`` once; yield the stream of their reports.

    At most ``settings.concurrency`` requests are in flight; ``settings.deadline_s`` counts
    from here. ``health`` outlives the round. Leaving the context early cancels what is in
    flight.
    """
    raised: Exception | None = None
    running = _Round(feed, attempts, health, settings)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.run)
        try:
            yield running.reports
        except Exception as error:  # noqa: BLE001 - raised again below, outside the group
            raised = error
        tasks.cancel_scope.cancel()
    if raised is not None:
        raise raised


class _Round:
    """The state of one round."""

    def __init__(
        self,
        feed: HandsOutAccounts,
        attempts: MakesAttempts,
        health: UpstreamHealth,
        settings: Settings,
    ) -> None:
        self._feed = feed
        self._attempts = attempts
        self._health = health
        self._concurrency = settings.concurrency
        self._deadline_s = settings.deadline_s
        self._retries = settings.retries
        self._slots = anyio.Semaphore(settings.concurrency, fast_acquire=True)
        # Accounts in flight or waiting are bounded at 8 times the concurrency, 64 at least.
        waiting = max(64, 8 * settings.concurrency) - settings.concurrency
        self._waiting = anyio.Semaphore(waiting, fast_acquire=True)
        self._workers = 0
        self._lost_slots = 0
        self._list_failures = 0
        self._answered_at = time.monotonic()
        self._budget = RetryBudget()
        self._breaker_moved = anyio.Event()
        self._gate_shut = False  # so that the good path asks one thing before it starts
        self._no_more_probes = False
        self._in_flight: dict[str, InFlight] = {}
        self._left_over: Failure | None = None
        self._tasks = anyio.create_task_group()
        self._order: InputOrder | None = None
        if settings.ordered:
            self._order, feed.found = InputOrder(), self._expect
        self._queue = ReportQueue()
        self.reports = Reports(
            self._queue,
            feed.notices,
            stop=self.stop,
            total=lambda: feed.total,
            waiting=self._waits_for,
        )

    async def run(self) -> None:
        """Run to the end: every account gets its report, then the stream is closed."""
        try:
            async with self._tasks:
                if self._deadline_s is not None:
                    self._tasks.cancel_scope.deadline = anyio.current_time() + self._deadline_s
                if self._health.breaker.is_open or self._health.pause_left_s(now=time.monotonic()):
                    self._gate_shut = True
                if self._health.breaker.is_open:
                    self._tasks.start_soon(self._probe)
                self._start_workers(min(self._concurrency, FIRST_STARTS))
        except Exception as error:  # noqa: BLE001 - no account shall pay with its record
            self._give_up(unexpected_failure(error))
        if self._left_over is None and self._tasks.cancel_scope.cancelled_caught:
            self._give_up(_past_deadline(self._deadline_s or 0.0))
        await self._conclude_left()
        self._queue.close()

    def stop(self, failure: Failure) -> None:
        """Cut what is in flight; every account left gets ``failure``."""
        self._give_up(failure)
        self._tasks.cancel_scope.cancel()

    def _give_up(self, failure: Failure) -> None:
        self._left_over = failure
        self._gate_shut = True

    def _waits_for(self) -> Waiting | None:
        now, breaker = time.monotonic(), self._health.breaker
        left_s = max(0.0, self._tasks.cancel_scope.deadline - anyio.current_time())
        if breaker.is_open:
            silent_s = max(breaker.open_for_s(now=now), now - self._answered_at)
            left_s = min(left_s, breaker.patience_left_s(now=now))
            return Waiting(silent_s=silent_s, patience_left_s=left_s)
        pause_left_s = self._health.pause_left_s(now=now)
        if pause_left_s > 0:
            return Waiting(pause_left_s=pause_left_s)
        silent_s = now - self._answered_at
        if silent_s < _SILENT_FROM_S or not self._in_flight:
            return None
        deadlines_s = map(self._attempts.deadline_left_s, self._in_flight.values())
        return Waiting(silent_s=silent_s, patience_left_s=min(left_s, max(0.0, *deadlines_s)))

    # Accounts

    def _start_workers(self, count: int) -> None:
        self._workers += count
        for _ in range(count):
            self._tasks.start_soon(ignoring_stray_cancellation, self._work)

    async def _work(self) -> None:
        while True:
            account: Account | None = None
            try:
                if self._gate_shut:
                    await self._admitted()
                account = await self._feed.next()
                if account is None:
                    return
                await self._start(account)
            except BaseException as error:  # noqa: BLE001 - raised again where it must be
                await self._contain_error(error, account)

    async def _conclude_left(self) -> None:
        """Report what was cut, and every account that was not tried."""
        failure = self._left_over
        if failure is None:
            if not self._in_flight and not self._feed.known_left:
                return
            failure = internal_failure("it ended before this account")
        for polled in list(self._in_flight.values()):
            await self._put(polled.report or self._attempts.conclude(polled, failure))
        self._in_flight.clear()
        async for account in self._feed.rest(failure):
            outcome = account.outcome if isinstance(account.outcome, Failure) else failure
            await self._finish(InFlight(account, self._retries), outcome)
        if self._order is not None:
            await self._deliver(self._order.drain())

    # Attempts

    async def _start(self, account: Account, *, probe: bool = False) -> None:
        """Make an account's first attempt; hand it on if that is not its end."""
        polled = self._in_flight[account.label] = InFlight(account, self._retries)
        known = account.outcome
        if isinstance(known, Failure) and not self._attempts.may_renew(polled, known):
            await self._finish(polled, known)
            return
        if not await self._enter_slot(probe=probe) and self._left_over is not None:
            await self._finish(polled, self._left_over)
            return
        self._budget.started += 1
        outcome = await self._attempt(polled)
        failed = isinstance(outcome, Failure)
        if (failed or self._health.breaker.is_counting) and polled.requests_sent:
            self._update_breaker(outcome)
        if isinstance(outcome, Failure) and self._attempts.may_retry(polled, outcome):
            await self._waiting.acquire()
            self._tasks.start_soon(ignoring_stray_cancellation, self._persist, polled, outcome)
            return
        await self._finish(polled, outcome)

    async def _persist(self, polled: InFlight, failure: Failure) -> None:
        """See a failed account through its retries."""
        try:
            outcome = await self._retried(polled, failure)
            if polled.needs_confirmation or self._attempts.may_renew(polled, outcome):
                await self._slots.acquire()
                outcome = await self._confirm(polled, outcome)
            await self._finish(polled, outcome)
        except BaseException as error:  # noqa: BLE001 - raised again where it must be
            await self._contain_error(error, polled.account)
        finally:
            self._waiting.release()

    async def _retried(self, polled: InFlight, failure: Failure) -> Outcome:
        last = failure

        async def again() -> Outcome:
            nonlocal last
            entered = False
            with anyio.move_on_after(self._attempts.deadline_left_s(polled)):
                entered = await self._enter_slot()
            if not entered:
                return replace(last, retry_now=Retry.NEVER)
            outcome = await self._attempt(polled)
            last = outcome if isinstance(outcome, Failure) else last
            return outcome

        def may_retry(failure: Failure, _attempts: int, wait_s: float) -> bool:
            if self._left_over is not None:
                return False
            if not self._attempts.may_retry(polled, failure, wait_s=wait_s):
                return False
            return self._budget.take(
                again=polled.requests_sent > 1, instead_of_confirmation=polled.needs_confirmation
            )

        return await persist(failure, again, may_retry=may_retry, sleep=anyio.sleep)

    async def _enter_slot(self, *, probe: bool = False) -> bool:
        """Wait for what keeps requests from starting, then hold a slot; False if none will."""
        while not self._gate_shut or probe or await self._admitted():
            try:
                self._slots.acquire_nowait()
            except anyio.WouldBlock:
                await self._slots.acquire()
                if self._gate_shut and not probe:  # meanwhile
                    self._slots.release()
                    continue
            return True
        return False

    async def _attempt(self, polled: InFlight) -> Outcome:
        """Make one attempt in the slot that is held, and give the slot back."""
        lost, before = False, polled.requests_sent
        try:
            outcome = await self._attempts.attempt(polled)
            lost = isinstance(outcome, Failure) and self._costs_its_slot(outcome)
        finally:
            if not lost:
                self._slots.release()
        self._health.answers += 1
        if not (isinstance(outcome, Failure) and outcome.host_at_fault):
            self._answered_at = time.monotonic()
        if isinstance(outcome, Failure):
            self._budget.failed_confirmations += max(0, polled.requests_sent - before - 1)
            self._note_failure(polled, outcome)
        return outcome

    async def _confirm(self, polled: InFlight, outcome: Outcome) -> Outcome:
        before = polled.requests_sent
        try:
            confirmed = await self._attempts.confirm(polled, outcome)
        finally:
            self._slots.release()
        if isinstance(confirmed, Failure):
            self._budget.failed_confirmations += polled.requests_sent - before
        return confirmed

    async def _finish(self, polled: InFlight, outcome: Outcome) -> None:
        report = self._attempts.conclude(polled, outcome)
        if self._order is not None or not self._queue.offer(report):
            await self._put(report)
        self._in_flight.pop(polled.account.label, None)

    async def _expect(self, position: int, accounts: list[Account]) -> None:
        if self._order is not None:
            labels = [account.label for account in accounts]
            await self._deliver(self._order.expect(position, labels))

    async def _put(self, report: Report) -> None:
        if self._order is None:
            await self._queue.put(report)
        else:
            await self._deliver(self._order.push(report))

    async def _deliver(self, reports: Iterable[Report]) -> None:
        for report in reports:
            await self._queue.put(report)

    async def _contain_error(self, error: BaseException, account: Account | None) -> None:
        """Let what went wrong with one account cost that account alone.

        A bug, no memory, or a cancellation that none of our scopes asked for; any other
        cancellation is raised again. Without an account, taking the next one failed: that is
        tried again, but not for ever.
        """
        if not isinstance(error, Exception):
            reraise_unless_stray(error)
        if account is None:
            self._list_failures += 1
            if self._list_failures >= _LIST_FAILURES:
                self.stop(unexpected_failure(error))
            await checkpoint()
            return
        polled = self._in_flight.get(account.label)
        if polled is not None:
            failure = unexpected_failure(error)
            await self._put(polled.report or self._attempts.conclude(polled, failure))
            self._in_flight.pop(account.label, None)

    # The upstream

    async def _admitted(self) -> bool:
        """Wait while the upstream asked for a pause or looks dead; False once given up."""
        while self._left_over is None:
            wait_s = self._health.pause_left_s(now=time.monotonic())
            if wait_s > 0:
                await anyio.sleep(wait_s)
            elif self._health.breaker.is_open and not self._no_more_probes:
                await self._breaker_moved.wait()
            else:
                self._gate_shut = False
                return True
        return False

    def _note_failure(self, polled: InFlight, failure: Failure) -> None:
        """Record what any attempt's failure says about the upstream."""
        if polled.requests_sent:
            label, kind = polled.account.label, failure.kind.value
            logger.info(
                "%s: attempt %d: %s: %s", label, polled.requests_sent, kind, failure.message
            )
        if failure.retry_after_s is not None:
            self._health.note_retry_after(failure, now=time.monotonic())
            self._gate_shut = True

    def _costs_its_slot(self, failure: Failure) -> bool:
        """Say whether concurrency goes down: this machine has too little for as many."""
        short = failure.kind is FailureKind.LOCAL_RESOURCE
        lost = short and self._concurrency - self._lost_slots > 1
        self._lost_slots += lost
        return lost

    def _update_breaker(self, outcome: Outcome) -> None:
        """Tell the breaker how a first attempt ended; probe once it opens."""
        breaker = self._health.breaker
        failure = outcome if isinstance(outcome, Failure) else None
        was_open = breaker.is_open
        more = self._feed.known_left
        breaker.note(failure, now=time.monotonic(), more=more)
        if breaker.has_answered and self._workers < self._concurrency:
            self._start_workers(self._concurrency - self._workers)
        if was_open and not breaker.is_open:
            self._breaker_moved.set()
        elif not was_open and breaker.is_open:
            self._breaker_moved = anyio.Event()
            self._gate_shut = True
            logger.info("the upstream looks dead; trying one account now and then")
            if more:
                self._tasks.start_soon(self._probe)
            else:
                self._no_more_probes = True

    async def _probe(self) -> None:
        """Try one account now and then, until the upstream answers or patience is over."""
        moved = self._breaker_moved
        try:
            await self._probe_until(moved)
        except Exception:  # noqa: BLE001 - the accounts that wait for it go on without
            self._health.breaker.close()
        finally:
            moved.set()

    async def _probe_until(self, moved: anyio.Event) -> None:
        breaker = self._health.breaker
        while breaker.is_open and not moved.is_set():
            now = time.monotonic()
            wait_s, left_s = breaker.probe_in_s(now=now), breaker.patience_left_s(now=now)
            await anyio.sleep(min(wait_s, left_s))
            if left_s < wait_s:
                self._give_up(_circuit_open(breaker.last_failure))
                return
            if breaker.probe_in_s(now=time.monotonic()):  # another round has just probed
                continue
            breaker.probed(now=time.monotonic())
            if not await self._probe_one():
                self._no_more_probes = True
                return

    async def _probe_one(self) -> bool:
        """Ask for one account drawn at random; False where none is left to ask for."""
        while (account := await self._feed.draw(random)) is not None:
            try:
                await self._start(account, probe=True)
            except BaseException as error:  # noqa: BLE001 - raised again where it must be
                await self._contain_error(error, account)
            if not isinstance(account.outcome, Failure):
                return True
        return False


def _past_deadline(deadline_s: float) -> Failure:
    return Failure(
        FailureKind.DEADLINE,
        f"the run's deadline of {deadline_s:g} s passed",
        "try again later, or allow more with --deadline",
        may_work_later=True,
    )


def _circuit_open(last: Failure | None) -> Failure:
    because = "" if last is None else f": {last.message}"
    return Failure(
        FailureKind.CIRCUIT_OPEN,
        f"not asked: the upstream looks dead{because}",
        "try again later, or wait longer with --patience",
        may_work_later=True,
    )
