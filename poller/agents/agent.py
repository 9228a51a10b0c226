"""An agent: takes jobs from a NATS server, asks for the accounts they name, tells what came.

It decides nothing and keeps nothing: which account is asked, when, how long and how often is
the collector's, and each job tells all that its attempt needs to know. A job names one of
this machine's own accounts, or a file below a shared folder; where requests go, and with
what, only this machine's settings say.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.agents import subjects
from poller.agents.jobs import Jobs
from poller.agents.listing import tell_accounts
from poller.agents.reading import decoded
from poller.agents.wire import (
    Call,
    Job,
    JobResult,
    Presence,
    Welcome,
    encoded,
)
from poller.values import unexpected_failure

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from poller.agents.link import Arrived, Link
    from poller.agents.shared_folder import SharedFolder
    from poller.polling.account import Attempts
    from poller.settings import Settings

logger = logging.getLogger("poller")

_TICK_S = 0.5
_PRESENT_S = 2.0
"""Between two signs that it is there, while somebody collects."""
_IN_PROGRESS_S = 1.5
"""Between two signs that a job is in progress; the server waits 5 s for one."""
_RUN_ENDS_S = 10.0
"""A collector that is unheard for so long is taken for gone: nothing is asked for it."""
_GAP_S = 3.0
"""A clock that jumps by more: this machine slept, and others have its jobs by now."""
_PULL_S = 5.0
_PULL = b'{"batch":1,"expires":5000000000}'
_MOST_PULLS = 32
"""Jobs that are waited for at once; each takes the place of one in flight."""
_LONGEST_S = 900.0
"""What a job may take at most, whatever it says."""
_LATE_S = 60.0
"""Leeway for a job whose collector has not told its time."""
_STATUS = "Status"
_NO_JOB = frozenset({"404", "408"})
_ACK, _IN_PROGRESS, _TERM = b"+ACK", b"+WPI", b"+TERM"
_LATER = b'-NAK {"delay": 2000000000}'


@dataclass(slots=True, eq=False)
class _Run:
    """A collector's run, as far as an agent has to know it."""

    heard_at: float
    ahead_s: float = 0.0
    """Its clock less our monotonic one."""
    is_welcomed: bool = False


@dataclass(slots=True, eq=False)
class _Source:
    """A consumer that jobs are pulled from."""

    stream: str
    consumer: str
    inbox: str
    made: str
    runs: set[str] = field(default_factory=set[str])
    """Those whose jobs come from it."""
    pulls: deque[float] = field(default_factory=deque[float])
    """When each that has no answer yet was sent; monotonic seconds."""


@dataclass(slots=True, eq=False)
class _Running:
    """A job that was taken."""

    job: Job
    reply: str
    signed_at: float
    scope: anyio.CancelScope


class Agent:
    """Asks what collectors tell it to ask."""

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        attempts: Attempts,
        link: Link,
        shared: dict[str, SharedFolder],
    ) -> None:
        """``name`` is unique among the agents of a server; ``shared`` is by name."""
        self.name = name
        self.rival: str | None = None
        """The process that has the same name and was there first."""
        self._concurrency = settings.concurrency
        self._jobs = Jobs(settings, attempts, shared)
        self._link = link
        self._shared = shared
        self._id = os.urandom(8).hex()
        self._since = time.time()
        self._runs: dict[str, _Run] = {}
        self._sources: dict[str, _Source] = {}
        self._running: dict[str, _Running] = {}
        self._places = anyio.Semaphore(self._concurrency)
        self._alive_at = time.monotonic()
        self._walled_at = time.time()
        self._present_at = -1e9
        self._tasks: TaskGroup | None = None
        self._stale_until = 0.0
        """What comes before was sent while this machine slept; monotonic seconds."""
        self._was_puzzled = False
        self._stopped = anyio.Event()

    async def run(self) -> None:
        """Work until :meth:`stop`, or until the server wants nothing of us any more."""
        hear = self._link.hear
        await hear(subjects.CALL, self._on_call)
        await hear(subjects.welcome(self.name), self._on_welcome)
        await hear(subjects.presence(self.name), self._on_own_presence)
        self._link.back = self._begin_anew
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._run_clock)
            await self._be_present()
            await self._stopped.wait()
            tasks.cancel_scope.cancel()
        self._link.back = None
        with anyio.move_on_after(0.5):
            for running in tuple(self._running.values()):
                await self._link.send(running.reply, b"-NAK")
            await self._be_present(leaves=True)
            await self._link.client.flush(timeout=1)

    def stop(self) -> None:
        """Take nothing more; let go of what is in flight, so that others take it."""
        self._stopped.set()

    # What arrives

    async def _on_call(self, message: Arrived) -> None:
        told = decoded(message.data)
        if not isinstance(told, Call):
            return
        if told.ends:
            self._end_run(told.run)
            return
        run = self._runs.get(told.run)
        if run is None:
            self._runs[told.run] = _Run(time.monotonic())
            await self._be_present()
            return
        run.heard_at = time.monotonic()
        if not run.is_welcomed:
            await self._be_present()

    async def _on_welcome(self, message: Arrived) -> None:
        told = decoded(message.data)
        if not isinstance(told, Welcome) or await self._is_stale():
            return
        now = time.monotonic()
        run = self._runs.setdefault(told.run, _Run(now))
        run.heard_at, run.ahead_s, run.is_welcomed = now, told.at - now, True
        source = self._sources.get(told.consumer)
        if source is None:
            if not self._may_pull(told):
                return
            inbox = self._link.inbox(told.consumer)
            source = _Source(told.stream, told.consumer, inbox, told.made)
            self._sources[told.consumer] = source
            await self._link.hear(inbox, partial(self._on_job, source))
        if source.made != told.made:  # what was asked for before gets no answer
            source.made = told.made
            source.pulls.clear()
        source.runs.add(told.run)
        await self._pull()
        if told.lists and self._tasks is not None:
            self._tasks.start_soon(
                partial(
                    tell_accounts, self._link, self._jobs, to=told.run, by=self._id, name=self.name
                )
            )

    def _may_pull(self, told: Welcome) -> bool:
        """Say whether a consumer is one of ours: nothing else is ever asked for."""
        own = subjects.place(self.name, is_shared=False)
        shared = [subjects.place(name, is_shared=True) for name in self._shared]
        return (told.stream, told.consumer) in (own, *shared)

    async def _on_own_presence(self, message: Arrived) -> None:
        told = decoded(message.data)
        if isinstance(told, Presence) and told.agent != self._id and not told.leaves:
            if (told.since, told.agent) < (self._since, self._id):
                self.rival = told.agent
                self.stop()
            else:
                await self._be_present()

    async def _on_job(self, source: _Source, message: Arrived) -> None:
        if source.pulls:
            source.pulls.popleft()
        if not message.reply:  # the server's own word
            status = (message.headers or {}).get(_STATUS)
            if status in _NO_JOB:
                await self._pull()
            else:  # the consumer is gone, or moves
                source.pulls.clear()
            return
        if await self._is_stale():
            return
        now, job = time.monotonic(), decoded(message.data)
        if not isinstance(job, Job) or not self._is_ours(job, source):
            await self._link.send(message.reply, _TERM)
            if not self._was_puzzled:
                self._was_puzzled = True
                logger.warning("a job makes no sense: run the collector's version of poller here")
            return
        running = self._running.get(job.id)
        if running is not None:  # asked again, while it is under way
            running.reply = message.reply
            return
        run = self._runs.get(job.run)
        if run is None or not run.is_welcomed or now - run.heard_at > _RUN_ENDS_S:
            is_late = time.time() > job.not_after + _LATE_S
            await self._link.send(message.reply, _TERM if is_late else _LATER)
            return
        left_s = job.not_after - now - run.ahead_s
        if left_s <= 0:
            await self._link.send(message.reply, _TERM)
            return
        self._take(job, message.reply, left_s=min(left_s, _LONGEST_S), now=now)
        await self._pull()

    def _is_ours(self, job: Job, source: _Source) -> bool:
        """Say whether a job was meant for us; the server may be made to send us another's."""
        is_meant = job.to in self._shared if job.is_shared else job.to == self.name
        return is_meant and source.consumer == subjects.place(job.to, is_shared=job.is_shared)[1]

    # Jobs

    def _take(self, job: Job, reply: str, *, left_s: float, now: float) -> None:
        if self._tasks is None:
            return
        scope = anyio.CancelScope(deadline=anyio.current_time() + left_s)
        self._running[job.id] = _Running(job, reply, now, scope)
        self._tasks.start_soon(self._work, self._running[job.id])

    async def _work(self, running: _Running) -> None:
        job = running.job
        with running.scope:
            try:
                async with self._places:
                    result = await self._jobs.result(job)
            except Exception as error:  # noqa: BLE001 - it costs this job, not those beside it
                result = JobResult(job.id, job.run, unexpected_failure(error), job.state)
            payload = encoded(result)
            if len(payload) > self._link.client.max_payload:
                payload = encoded(replace(result, raw=None, headers=None))
            await self._link.store(
                subjects.records(self.name),
                payload,
                id=os.urandom(16).hex(),
                stored=partial(self._link.send, running.reply, _ACK),
            )
        if self._running.get(job.id) is running:  # else it was asked again since
            del self._running[job.id]
        await self._pull()

    async def _pull(self) -> None:
        """Ask for as many jobs as there is room for."""
        now = time.monotonic()
        room = self._concurrency - len(self._running)
        for source in self._sources.values():
            while source.pulls and now - source.pulls[0] > _PULL_S + 1:
                source.pulls.popleft()
            source.runs &= self._runs.keys()
            if not source.runs or not self._link.is_up:
                continue
            for _ in range(min(room, _MOST_PULLS) - len(source.pulls)):
                source.pulls.append(now)
                await self._link.send(
                    subjects.pull(source.stream, source.consumer), _PULL, reply=source.inbox
                )

    # Time

    async def _be_present(self, *, leaves: bool = False) -> None:
        self._present_at = time.monotonic()
        told = Presence(
            self._id,
            self._since,
            time.time(),
            self._concurrency,
            tuple(self._shared),
            tuple(name for name, run in self._runs.items() if run.is_welcomed),
            leaves=leaves,
        )
        await self._link.send(subjects.presence(self.name), encoded(told))

    async def _run_clock(self) -> None:
        while True:
            now = time.monotonic()
            if self._has_slept(now):
                await self._wake_up(now)
            self._alive_at, self._walled_at = now, time.time()
            await self._look(now)
            await anyio.sleep(_TICK_S)

    async def _look(self, now: float) -> None:
        for run in [one for one, known in self._runs.items() if now - known.heard_at > _RUN_ENDS_S]:
            del self._runs[run]
        for running in tuple(self._running.values()):
            if now - running.signed_at > _IN_PROGRESS_S:
                running.signed_at = now
                await self._link.send(running.reply, _IN_PROGRESS)
        if self._runs and now - self._present_at >= _PRESENT_S:
            await self._be_present()
        await self._link.store_again(now=now)
        await self._pull()
        if self._link.is_closed.is_set() or self._link.is_refused:
            self.stop()

    def _has_slept(self, now: float) -> bool:
        gap_s = max(now - self._alive_at, time.time() - self._walled_at)
        return gap_s > _GAP_S

    async def _is_stale(self) -> bool:
        """Say whether what arrives now was sent while this machine slept."""
        now = time.monotonic()
        if self._has_slept(now):
            await self._wake_up(now)
        return now < self._stale_until

    async def _wake_up(self, now: float) -> None:
        """Drop what was taken before this machine slept: others have it by now."""
        logger.info("this machine slept: its jobs are left to others")
        self._alive_at, self._walled_at = now, time.time()
        for running in tuple(self._running.values()):
            running.scope.cancel()
        self._running.clear()
        self._runs.clear()
        for source in self._sources.values():
            source.pulls.clear()
        self._stale_until = now + _GAP_S

    async def _begin_anew(self) -> None:
        """Pull again where the connection was away: what was asked for before gets no answer."""
        for source in self._sources.values():
            source.pulls.clear()
        await self._be_present()
        await self._pull()

    def _end_run(self, run: str) -> None:
        """Let go of all that was taken for a run that is over."""
        self._runs.pop(run, None)
        for running in tuple(self._running.values()):
            if running.job.run == run:
                running.scope.cancel()
