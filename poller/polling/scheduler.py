"""Many accounts: a fixed set of workers, slots and bounds.

A worker takes the next account and makes its first attempt; only an account that fails
gets a task of its own, which asks for a slot again for each further attempt. A slot is
held while a request is in flight, never while waiting.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from poller.polling.account import Attempts, Poll
from poller.polling.policy import FIRST_STARTS, PAUSE_SHARES, Breaker, Pace, Pause, RetryBudget
from poller.polling.retry import persist
from poller.polling.stream import Queue, Reports
from poller.values import Failure, FailureKind, Retry, internal_failure, unexpected_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from poller.authfiles import Account, Source
    from poller.polling.account import Fetches, Outcome, Renews
    from poller.settings import Settings

_TROUBLES = 5
"""So often the list of accounts may fail to give one before the run is given up."""


@asynccontextmanager
async def fan_out(  # noqa: PLR0913 - what a round is made of, each named
    source: Source,
    client: Fetches,
    settings: Settings,
    *,
    note: Callable[[str], None] | None = None,
    renewals: Renews | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncGenerator[Reports]:
    """Poll every account of ``source``; yield the stream of their reports.

    At most ``settings.concurrency`` requests are in flight; ``settings.deadline_s`` counts
    from here. Leaving the context early cancels what is under way. ``note`` is told what
    goes on, a line at a time; ``renewals`` renew expired logins, where that was asked for;
    ``clock`` tells Unix seconds.
    """
    raised: Exception | None = None
    queue = Queue()
    pace = None if settings.rate is None else Pace(settings.rate)
    run = _Run(
        source,
        Attempts(client, settings, pace=pace, renewals=renewals, clock=clock),
        settings,
        queue=queue,
        note=note,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run.go)
        if settings.deadline_s is not None:
            tasks.start_soon(_end_after, settings.deadline_s, run)
        try:
            yield Reports(queue, run.stop)
        except Exception as error:  # noqa: BLE001 - raised again below, outside the group
            raised = error
        tasks.cancel_scope.cancel()
    if raised is not None:
        raise raised


class _Run:
    """The state of one run."""

    def __init__(
        self,
        source: Source,
        attempts: Attempts,
        settings: Settings,
        *,
        queue: Queue,
        note: Callable[[str], None] | None,
    ) -> None:
        self._source = source
        self._attempts = attempts
        self._queue = queue
        self._note = note
        self._concurrency = settings.concurrency
        self._slots = anyio.Semaphore(settings.concurrency, fast_acquire=True)
        # Accounts under way are bounded at 8 times the concurrency, 64 at least.
        waiting = max(64, 8 * settings.concurrency) - settings.concurrency
        self._waiting = anyio.Semaphore(waiting, fast_acquire=True)
        self._workers = 0
        self._lost_slots = 0
        self._troubles = 0
        self._answers = 0
        self._budget = RetryBudget()
        self._pauses = {retry: Pause(share) for retry, share in PAUSE_SHARES.items()}
        self._breaker = Breaker(settings.patience_s)
        self._breaker_moved = anyio.Event()
        self._gate_shut = False  # so that the good path asks one thing before it starts
        self._under_way: dict[int, Poll] = {}
        self._left_over: Failure | None = None
        self._tasks = anyio.create_task_group()

    async def go(self) -> None:
        """Run to the end: every account its report, then the stream is closed."""
        try:
            async with self._tasks:
                self._hire(min(self._concurrency, FIRST_STARTS))
        except Exception as error:  # noqa: BLE001 - no account is to pay with its record
            self._give_up(unexpected_failure(error))
        await self._conclude_left()
        self._queue.close()

    def _hire(self, workers: int) -> None:
        self._workers += workers
        for _ in range(workers):
            self._tasks.start_soon(_kept, self._work)

    def stop(self, failure: Failure) -> None:
        """Cut what is in flight; every account left gets ``failure``."""
        self._give_up(failure)
        self._tasks.cancel_scope.cancel()

    def _give_up(self, failure: Failure) -> None:
        self._left_over = failure
        self._gate_shut = True

    async def _conclude_left(self) -> None:
        """Report what was cut, and every account not yet tried."""
        failure = self._left_over
        if failure is None:
            if not self._under_way and not self._source.known_left:
                return
            failure = internal_failure("it ended before this account")
        for poll in self._under_way.values():
            await self._queue.put(poll.report or self._attempts.conclude(poll, failure))
        self._under_way.clear()
        for account in await self._source.remaining(unread=failure):
            outcome = account.outcome if isinstance(account.outcome, Failure) else failure
            await self._finish(Poll(account), outcome)

    async def _work(self) -> None:
        while True:
            account: Account | None = None
            try:
                if self._gate_shut:
                    await self._admitted()
                account = await self._source.next()
                if account is None:
                    return
                await self._start(account)
            except BaseException as error:  # noqa: BLE001 - raised again where it must be
                await self._survive(error, account)

    async def _survive(self, error: BaseException, account: Account | None) -> None:
        """Let what went wrong with one account cost that account alone.

        A bug, no memory, or a cancellation that nobody here asked for; the run's own is
        raised again. Without an account it was the list of them: that is asked again, but
        not for ever.
        """
        if not isinstance(error, Exception):
            _let_through(error)
        if account is None:
            self._troubles += 1
            if self._troubles >= _TROUBLES:
                self.stop(unexpected_failure(error))
            await checkpoint()
            return
        poll = self._under_way.get(account.position)
        if poll is not None:
            await self._queue.put(
                poll.report or self._attempts.conclude(poll, unexpected_failure(error))
            )
            self._under_way.pop(account.position, None)

    async def _start(self, account: Account, *, probe: bool = False) -> None:
        """Make an account's first attempt; hand it on where that is not its end."""
        poll = self._under_way[account.position] = Poll(account)
        known = account.outcome
        if isinstance(known, Failure) and not self._attempts.may_renew(poll, known):
            await self._finish(poll, known)
            return
        if not await self._enter_slot(probe=probe) and self._left_over is not None:
            await self._finish(poll, self._left_over)
            return
        self._budget.started += 1
        outcome = await self._attempt(poll)
        if (isinstance(outcome, Failure) or self._breaker.is_counting) and poll.attempts:
            self._watch(outcome)
        if isinstance(outcome, Failure) and self._attempts.may_retry(poll, outcome):
            await self._waiting.acquire()
            self._tasks.start_soon(_kept, self._persist, poll, outcome)
            return
        await self._finish(poll, outcome)

    async def _persist(self, poll: Poll, failure: Failure) -> None:
        """See a failed account through its retries."""
        try:
            outcome = await self._retried(poll, failure)
            if poll.unproven or self._attempts.may_renew(poll, outcome):
                await self._slots.acquire()
                outcome = await self._proven(poll, outcome)
            await self._finish(poll, outcome)
        except BaseException as error:  # noqa: BLE001 - raised again where it must be
            await self._survive(error, poll.account)
        finally:
            self._waiting.release()

    async def _retried(self, poll: Poll, failure: Failure) -> Outcome:
        last = failure

        async def again() -> Outcome:
            nonlocal last
            entered = False
            with anyio.move_on_after(self._attempts.deadline_left_s(poll)):
                entered = await self._enter_slot()
            if not entered:
                return replace(last, retry_now=Retry.NEVER)
            outcome = await self._attempt(poll)
            last = outcome if isinstance(outcome, Failure) else last
            return outcome

        def may_retry(failure: Failure, _attempts: int, wait_s: float) -> bool:
            if self._left_over is not None:
                return False
            if not self._attempts.may_retry(poll, failure, wait_s=wait_s):
                return False
            return self._budget.take(again=poll.attempts > 1, instead_of_proof=poll.unproven)

        return await persist(failure, again, may_retry=may_retry, sleep=anyio.sleep)

    async def _enter_slot(self, *, probe: bool = False) -> bool:
        """Wait for what keeps requests from starting, then hold a slot; False where none will."""
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

    async def _attempt(self, poll: Poll) -> Outcome:
        """Make one attempt in the slot that is held, and give the slot back."""
        lost, before = False, poll.attempts
        try:
            outcome = await self._attempts.attempt(poll)
            lost = isinstance(outcome, Failure) and self._costs_its_slot(outcome)
        finally:
            if not lost:
                self._slots.release()
        self._answers += 1
        if isinstance(outcome, Failure):
            self._budget.failed_proofs += max(0, poll.attempts - before - 1)
            self._heed(poll, outcome)
        return outcome

    async def _proven(self, poll: Poll, outcome: Outcome) -> Outcome:
        before = poll.attempts
        try:
            proven = await self._attempts.prove(poll, outcome)
        finally:
            self._slots.release()
        if isinstance(proven, Failure):
            self._budget.failed_proofs += poll.attempts - before
        return proven

    async def _finish(self, poll: Poll, outcome: Outcome) -> None:
        report = self._attempts.conclude(poll, outcome)
        if not self._queue.offer(report):
            await self._queue.put(report)
        self._under_way.pop(poll.account.position, None)

    async def _admitted(self) -> bool:
        """Wait while the upstream has asked for a pause, or looks dead; False once given up."""
        while self._left_over is None:
            now = time.monotonic()
            wait_s = max(pause.left_s(now=now) for pause in self._pauses.values())
            if wait_s > 0:
                await anyio.sleep(wait_s)
            elif self._breaker.is_open:
                await self._breaker_moved.wait()
            else:
                self._gate_shut = False
                return True
        return False

    def _heed(self, poll: Poll, outcome: Failure) -> None:
        """Take note of what any attempt's failure says about the upstream."""
        if self._note is not None:
            attempt = f"attempt {poll.attempts}"
            self._note(f"{poll.account.label}: {attempt}: {outcome.kind}: {outcome.message}")
        if outcome.retry_after_s is not None:
            pause = self._pauses[outcome.retry_now]
            pause.note(outcome.retry_after_s, now=time.monotonic(), answers=self._answers)
            self._gate_shut = True

    def _costs_its_slot(self, outcome: Failure) -> bool:
        """Tell whether concurrency goes down: this machine has too little for as many."""
        short = outcome.kind is FailureKind.LOCAL_RESOURCE
        lost = short and self._concurrency - self._lost_slots > 1
        self._lost_slots += lost
        return lost

    def _watch(self, outcome: Outcome) -> None:
        """Tell the breaker of a first attempt's end, and look after it once it opens."""
        failure = outcome if isinstance(outcome, Failure) else None
        was_open = self._breaker.is_open
        more = self._source.known_left
        self._breaker.note(failure, now=time.monotonic(), more=more)
        if self._breaker.has_answered and self._workers < self._concurrency:
            self._hire(self._concurrency - self._workers)
        if was_open and not self._breaker.is_open:
            self._breaker_moved.set()
        elif not was_open and self._breaker.is_open and failure is not None:
            self._breaker_moved = anyio.Event()
            self._gate_shut = True
            self._tasks.start_soon(self._probe, failure)

    async def _probe(self, last: Failure) -> None:
        """Try one account now and then, until the upstream answers or patience is over."""
        moved = self._breaker_moved
        try:
            await self._probe_until(moved, last)
        except Exception:  # noqa: BLE001 - whoever waits for it goes on without
            self._breaker.close()
        finally:
            moved.set()

    async def _probe_until(self, moved: anyio.Event, last: Failure) -> None:
        while self._breaker.is_open and not moved.is_set():
            wait_s = self._breaker.probe_wait_s()
            left_s = self._breaker.patience_left_s(now=time.monotonic())
            await anyio.sleep(min(wait_s, left_s))
            if left_s <= wait_s:
                self._give_up(_circuit_open(last))
                break
            if not await self._probe_one():
                self._breaker.close()

    async def _probe_one(self) -> bool:
        """Ask for one account drawn at random; False where none is left to ask for."""
        while (account := await self._source.draw(random)) is not None:
            try:
                await self._start(account, probe=True)
            except BaseException as error:  # noqa: BLE001 - raised again where it must be
                await self._survive(error, account)
            if not isinstance(account.outcome, Failure):
                return True
        return False


async def _kept(work: Callable[..., Awaitable[None]], *of: object) -> None:
    """Do a task's work; one that is cancelled from nowhere at its very end does not end the others.

    A cancellation that finds nothing more to wait for makes the task itself end cancelled,
    and its group with it.
    """
    await work(*of)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        try:
            await checkpoint()
        except asyncio.CancelledError as error:
            _let_through(error)


def _let_through(error: BaseException) -> None:
    """Raise again what ends the run; a cancellation from nowhere is taken back."""
    task = asyncio.current_task()
    asked_for = anyio.current_effective_deadline() == -math.inf
    if asked_for or task is None or not isinstance(error, asyncio.CancelledError):
        raise error
    task.uncancel()


async def _end_after(deadline_s: float, run: _Run) -> None:
    await anyio.sleep(deadline_s)
    run.stop(
        Failure(
            FailureKind.DEADLINE,
            f"the run's deadline of {deadline_s:g} s passed",
            "try again later, or allow more with --deadline",
            may_work_later=True,
        )
    )


def _circuit_open(last: Failure) -> Failure:
    return Failure(
        FailureKind.CIRCUIT_OPEN,
        f"not asked: the upstream looks dead, account after account: {last.message}",
        "try again later, or wait longer with --patience",
        may_work_later=True,
    )
