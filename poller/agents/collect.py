"""The collector: what makes a round's attempts where agents ask.

Everything that decides is the scheduler's, as on one machine. An attempt is a job: it is
stored on the server, taken by an agent, and answered with a record. What is lost on the way
is asked again; what comes twice counts once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from poller.agents import streams, subjects
from poller.agents.crew import CLOCK_LEEWAY_S, LOST_AFTER_S, Crew
from poller.agents.records import Records
from poller.agents.wire import (
    Call,
    Job,
    JobLimits,
    JobResult,
    Listing,
    Presence,
    Welcome,
    decoded,
    encoded,
    login_digest,
    state_of,
)
from poller.polling.policy import Pace, worth_retrying
from poller.usage.identity import account_key
from poller.values import Failure, FailureKind, Identity, Report, Usage, internal_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.agents.crew import Machine
    from poller.agents.link import Arrived, Link
    from poller.agents.shared_folder import SharedFolder
    from poller.polling.in_flight import InFlight
    from poller.polling.parts import Outcome
    from poller.settings import Settings

logger = logging.getLogger("poller")

CALL_S = 1.0
"""So long agents are called for before those that are there are all."""
_CALL_AGAIN_S = 2.0
_GRACE_S = 25.0
"""Beyond an account's deadline, before a job is taken for lost."""
_TICK_S = 0.25
_GAP_S = 3.0
"""A clock that jumps by more: this machine slept."""
_CATCH_UP_S = 3.0
"""For reading what came while the server was away, before what is open is asked again."""
_LOOK_AGAIN_S = 15.0
"""Beyond its timeouts, before the server is asked whether it still has a job."""
_RELIST_S = 25.0
"""So often agents are asked for their accounts where rounds follow: changes are noticed."""
_REQUESTS_OF_ONE = 10
"""Requests that one attempt can take at most; an agent that tells more is not believed."""


@dataclass(slots=True, eq=False)
class _Open:
    """A job that has no answer yet."""

    job: Job
    stream: str
    subject: str
    consumer: str
    machine: Machine | None
    """The only one that may answer; None: any that has the folder."""
    answer: asyncio.Future[tuple[str, JobResult] | None]
    stored_as: str
    asked_at: float
    """Monotonic seconds."""


@dataclass(slots=True)
class _Answered:
    """What is known of an account from its last answer."""

    machine: str
    result: JobResult


class Collector:
    """Makes the attempts of a round on other machines; see `MakesAttempts`."""

    clock_offset_s: float | None = None
    """Which clock is off is said of each agent's."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        *,
        folder: SharedFolder | None,
        clock: Callable[[], float],
    ) -> None:
        """``folder`` is the shared one whose accounts are asked for; None: agents' own."""
        self.run = os.urandom(8).hex()
        self.crew = Crew(None if folder is None else folder.name)
        self._folder = folder
        self.offsets: dict[str, float] = {}
        """Clocks of agents that are too far off to say nothing, by name."""
        self._settings = settings
        self._limits = JobLimits(
            settings.timeout_s,
            settings.retries,
            settings.account_deadline_s,
            settings.show_identity,
            settings.raw_json,
            settings.raw_headers,
        )
        self._link = link
        self._clock = clock
        self._pace = None if settings.rate is None else Pace(settings.rate)
        self._mark = self.run.encode()
        self._open: dict[str, _Open] = {}
        self._answered: dict[str, _Answered] = {}
        self.follows = False
        """Whether accounts are asked for again and again."""
        self._called_at = self._called_first_at = -1e9
        self._alone_since: float | None = None
        self._records = Records(link, self._on_record)

    # What the scheduler asks for

    async def attempt(self, polled: InFlight) -> Outcome:
        """Have one attempt made; never raises."""
        return await self._ask(polled, None)

    async def confirm(self, polled: InFlight, outcome: Outcome) -> Outcome:
        """Have an account's last outcome confirmed; never raises."""
        if not isinstance(outcome, Failure):
            return outcome
        return await self._ask(polled, outcome)

    def may_retry(self, polled: InFlight, failure: Failure, *, wait_s: float = 0.0) -> bool:
        """Say whether the failure's kind and the account's deadline allow another attempt."""
        attempts = polled.policy_attempts
        if not worth_retrying(failure, attempts=attempts, retries=polled.retries):
            return False
        return max(wait_s, failure.retry_after_s or 0.0) < self.deadline_left_s(polled)

    def deadline_left_s(self, polled: InFlight) -> float:
        """Return the seconds until the account's deadline."""
        deadline_s = self._settings.account_deadline_s
        if polled.started_at is None:
            return deadline_s
        return polled.started_at + deadline_s - time.monotonic()

    def may_renew(self, polled: InFlight, outcome: Outcome) -> bool:  # noqa: ARG002 - as it is asked
        """Return False: logins are renewed by the agent that has their file."""
        return False

    def conclude(self, polled: InFlight, outcome: Outcome) -> Report:
        """Return the account's report, and keep it in ``polled``."""
        ended_at = time.monotonic()
        account = polled.account
        held = polled.credential or account.held
        answered = self._answered.pop(account.label, None)
        told = None if answered is None else answered.result
        listed = None if self._folder is not None else self.crew.held.get(account.label)
        own = None if held is None else held.identity
        identity = _merged(None if told is None else told.identity, own)
        key = None if held is None else account_key(held.user_id, held.account_id)
        expires_at = None if held is None else held.expires_at
        if listed is not None:
            key, expires_at = listed[1].key, listed[1].expires_at
        polled.report = Report(
            position=account.position,
            account=account.label,
            source=account.source,
            observed_at=self._clock(),
            usage=replace(outcome, identity=identity) if isinstance(outcome, Usage) else None,
            failure=outcome if isinstance(outcome, Failure) else None,
            http_status=polled.http_status,
            attempts=polled.requests_sent,
            elapsed_s=None if polled.started_at is None else ended_at - polled.started_at,
            refreshed=polled.refreshed,
            machine=None if answered is None else answered.machine,
            key=key or (told.key if told is not None else None),
            identity=identity,
            raw=polled.raw,
            headers=polled.headers,
            expires_at=told.expires_at if told is not None and told.expires_at else expires_at,
        )
        return polled.report

    # Jobs

    async def _ask(self, polled: InFlight, confirms: Failure | None) -> Outcome:
        try:
            answer = await self._answer(polled, confirms)
        except Exception as error:  # noqa: BLE001 - the one catch-all: always a report
            return internal_failure(type(error).__name__)
        if isinstance(answer, Failure):
            return answer
        machine, result = answer
        before = polled.requests_sent
        if not before <= result.state.requests_sent <= before + _REQUESTS_OF_ONE:
            return _unbelievable(machine)
        result.state.put_into(polled)
        polled.http_status = result.http_status or polled.http_status
        polled.raw, polled.headers = (
            result.raw,
            None if result.headers is None else {**result.headers},
        )
        if polled.started_at is None and result.took_s is not None:
            polled.started_at = time.monotonic() - result.took_s
        if self._pace is not None:  # what confirmed an answer followed at once: others wait for it
            for _ in range(result.state.requests_sent - before - 1):
                self._pace.wait_s(now=time.monotonic())
        self._answered[polled.account.label] = _Answered(machine, result)
        if isinstance(result.outcome, Failure) and result.outcome.kind is FailureKind.CANCELLED:
            return _unbelievable(machine)
        return result.outcome

    async def _answer(
        self, polled: InFlight, confirms: Failure | None
    ) -> tuple[str, JobResult] | Failure:
        machine, account, login = None, "", polled.account.login
        login = None if login is None else login_digest(login)
        if self._folder is not None:
            inside = self._folder.relative(polled.account.path)
            if isinstance(inside, Failure):
                return inside
            account = inside
        else:
            told = self.crew.held.get(polled.account.label)
            if told is None:
                return _GONE
            machine, account = self.crew.machines[told[0]], told[1].label
        if not await self._has_place(machine):
            return _lost(machine, "before it was asked")
        if self._pace is not None:
            await anyio.sleep(self._pace.wait_s(now=time.monotonic()))
        left_s = max(0.001, self.deadline_left_s(polled))
        job = Job(
            id=os.urandom(16).hex(),
            run=self.run,
            to=machine.name if machine is not None else self.crew.folder or "",
            is_shared=machine is None,
            account=account,
            login=login,
            not_after=self._clock() + left_s + _GRACE_S,
            left_s=None if polled.started_at is None else left_s,
            limits=replace(self._limits, retries=polled.retries),
            state=state_of(polled),
            confirms=confirms,
        )
        return await self._answer_to(job, machine, within_s=left_s + _GRACE_S)

    async def _has_place(self, machine: Machine | None) -> bool:
        """Wait until a job would be taken at once; False where nobody is left to take it."""
        while not self._link.is_closed.is_set():
            is_there = bool(self.crew.living) if machine is None else not machine.is_lost
            if is_there and self._link.is_up and self.crew.has_place(machine):
                return True
            if not is_there and (machine is not None or self._are_all_gone()):
                return False
            await self.crew.moved(_TICK_S)
        return False

    def _are_all_gone(self) -> bool:
        """Say whether no agent has been there for as long as a dead upstream is waited for."""
        since = self._alone_since
        return since is not None and time.monotonic() - since > self._settings.patience_s

    async def _answer_to(
        self, job: Job, machine: Machine | None, *, within_s: float
    ) -> tuple[str, JobResult] | Failure:
        if machine is not None:
            subject = subjects.own_jobs(machine.name, self.run)
        else:
            subject = subjects.shared_jobs(job.to, self.run)
        now = time.monotonic()
        answer = asyncio.get_running_loop().create_future()
        stream, consumer = _place_of(job.to, is_shared=machine is None)
        opened = _Open(job, stream, subject, consumer, machine, answer, job.id, now)
        self._open[job.id] = opened
        self.crew.open_jobs += 1
        if machine is not None:
            machine.open_jobs += 1
        try:
            await self._link.store(subject, encoded(job), id=job.id)
            with anyio.move_on_after(within_s):
                came = await answer
                return came if came is not None else _lost(machine, "while it was asked")
            return _unanswered(machine)
        finally:
            del self._open[job.id]
            self._link.forget(opened.stored_as)
            self.crew.open_jobs -= 1
            if machine is not None:
                machine.open_jobs -= 1
            self.crew.pulse()

    # What arrives

    async def _on_presence(self, message: Arrived) -> None:
        """Take note of an agent; welcome one that is new."""
        told = decoded(message.data)
        if not isinstance(told, Presence):
            return
        name, now = subjects.last_part(message.subject), time.monotonic()
        if not subjects.NAME.fullmatch(name):
            return
        if told.leaves:
            self.crew.hear(name, told, now=now, at=self._clock())
            self._let_go(self.crew.machines.get(name))
            return
        machine = self.crew.hear(name, told, now=now, at=self._clock())
        if machine is None or self.run in told.runs:
            return
        offset_s = told.at - self._clock()
        if abs(offset_s) > CLOCK_LEEWAY_S:
            self.offsets[name] = offset_s
        if machine in self.crew.fitting:
            logger.info("agent %s is there", name)
            await self._welcome(machine)

    async def _welcome(self, machine: Machine) -> None:
        """Make what the agent pulls from, and tell it so: before, its pulls get no answer."""
        wanted = self.crew.folder
        stream, consumer = _place_of(wanted or machine.name, is_shared=wanted is not None)
        jobs = subjects.OWN_JOBS if wanted is None else subjects.SHARED_JOBS
        try:
            made = await streams.consumer(
                self._link, stream, consumer, f"{jobs}.{wanted or machine.name}.*"
            )
        except Exception as error:  # noqa: BLE001 - nats-py's: the server is away, or busy
            logger.info("agent %s is welcomed later: %s", machine.name, type(error).__name__)
            machine.made = ""
            return
        machine.made = made
        lists = wanted is None
        told = Welcome(self.run, self._clock(), stream, consumer, made, lists)
        await self._link.send(subjects.welcome(machine.name), encoded(told))

    def _on_record(self, sender: str, content: bytes) -> None:
        """Take what an agent has answered."""
        if self._mark not in content:  # another collector's
            return
        told = decoded(content)
        if isinstance(told, JobResult) and told.run == self.run:
            self._take(sender, told)
        elif isinstance(told, Listing) and told.run == self.run:
            self.crew.take_list(sender, told, now=time.monotonic())

    def _take(self, sender: str, result: JobResult) -> None:
        opened = self._open.get(result.job)
        if opened is None or opened.answer.done():  # late, or a second time
            return
        if opened.machine is not None:
            is_meant = opened.machine.name == sender
        else:
            machine = self.crew.machines.get(sender)
            is_meant = machine is not None and opened.job.to in machine.shared
        if is_meant:
            opened.answer.set_result((sender, result))

    def _let_go(self, machine: Machine | None) -> None:
        """Answer the jobs that only a lost agent could."""
        for opened in self._open.values():
            if machine is not None and opened.machine is machine and not opened.answer.done():
                opened.answer.set_result(None)

    # The server

    async def begin(self) -> None:
        """Make the streams, listen to agents, and call for them."""
        await self._records.begin()
        await self._link.hear(f"{subjects.PRESENCE}.*", self._on_presence)
        await self.call()

    async def come_back(self) -> None:
        """Make again what a server that was away may have lost, then ask again what is open."""
        self.crew.excuse(now=time.monotonic())
        try:
            await self._records.catch_up(within_s=_CATCH_UP_S)
            await self.call()
            for machine in self.crew.fitting:
                await self._welcome(machine)
            for opened in tuple(self._open.values()):
                await self._link.store(opened.subject, encoded(opened.job), id=opened.stored_as)
        except Exception as error:  # noqa: BLE001 - nats-py's: it is tried again
            logger.info("the NATS server is back, but not ready: %s", type(error).__name__)

    async def call(self) -> None:
        """Call for agents."""
        self._called_at = time.monotonic()
        if self._called_first_at < 0:
            self._called_first_at = self._called_at
        await self._link.send(subjects.CALL, encoded(Call(self.run)))

    async def run_clock(self) -> None:
        """Do what is due from time to time, for as long as the collection is open."""
        last = time.monotonic()
        while True:
            await anyio.sleep(_TICK_S)
            now = time.monotonic()
            if now - last > _GAP_S or not self._link.is_up:
                self.crew.excuse(now=now)
            last = now
            if self._link.is_up:
                await self._look(now)

    async def _look(self, now: float) -> None:
        for machine in self.crew.lose(now=now):
            logger.warning("agent %s has not been heard for %g s", machine.name, LOST_AFTER_S)
            self._let_go(machine)
        if self.crew.living:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        if now - self._called_at >= _CALL_AGAIN_S:
            await self.call()
            for machine in self.crew.living:
                is_old = self.follows and now - machine.listed_at > _RELIST_S
                if not machine.made or is_old:
                    await self._welcome(machine)
        await self._link.store_again(now=now)
        if self._records.is_silent:
            await self.come_back()
        patient_s = 2 * self._settings.timeout_s + _LOOK_AGAIN_S
        for opened in tuple(self._open.values()):
            if now - opened.asked_at > patient_s and not opened.answer.done():
                await self._ask_again(opened, now=now)

    async def _ask_again(self, opened: _Open, *, now: float) -> None:
        """Store a job again that the server does not have any more, and nobody has answered."""
        opened.asked_at = now
        try:
            is_gone = await streams.is_idle(self._link, opened.stream, opened.consumer)
        except Exception:  # noqa: BLE001 - nats-py's: another time
            return
        if is_gone:
            self._link.forget(opened.stored_as)
            opened.stored_as = os.urandom(16).hex()
            await self._link.store(opened.subject, encoded(opened.job), id=opened.stored_as)

    def may_come(self) -> bool:
        """Say whether agents, or accounts of agents, may still come."""
        is_calling = time.monotonic() - self._called_first_at < CALL_S
        return is_calling or not self.crew.are_listed()

    async def leave(self) -> None:
        """Take back what is still to be done, and tell the agents."""
        with anyio.move_on_after(0.7, shield=True):
            await self._link.send(subjects.CALL, encoded(Call(self.run, ends=True)))
            if self._link.is_up:
                await streams.purge(self._link, self.run)
                await self._records.end()


def _place_of(name: str, *, is_shared: bool) -> tuple[str, str]:
    """Return the stream and the consumer that jobs for an agent, or a folder, are pulled from."""
    return (subjects.SHARED, f"shared-{name}") if is_shared else (subjects.OWN, f"own-{name}")


_GONE = Failure(
    FailureKind.FILE_MISSING,
    "no machine has this account any more",
    "look at the folder of auth files there",
)


def _merged(answered: Identity | None, own: Identity | None) -> Identity:
    theirs, held = answered or Identity(), own or Identity()
    return Identity(
        theirs.user_id or held.user_id,
        theirs.account_id or held.account_id,
        theirs.email or held.email,
    )


def _lost(machine: Machine | None, when: str) -> Failure:
    who = "all agents were" if machine is None else f"the agent {machine.name} was"
    return Failure(
        FailureKind.WORKER_LOST,
        f"{who} lost {when}",
        "see whether poller agent runs there and reaches the NATS server",
        may_work_later=True,
    )


def _unanswered(machine: Machine | None) -> Failure:
    who = "any agent" if machine is None else f"the agent {machine.name}"
    return Failure(
        FailureKind.WORKER_LOST,
        f"no answer came from {who} in time",
        "see whether poller agent runs there and reaches the NATS server",
        may_work_later=True,
    )


def _unbelievable(machine: str) -> Failure:
    return Failure(
        FailureKind.WORKER_LOST,
        f"what the agent {machine} answered makes no sense",
        "see whether the same version of poller runs there",
        may_work_later=True,
    )
