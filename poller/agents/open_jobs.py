"""Jobs that have no answer yet: stored, answered once, asked again where they got lost."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from poller.agents import streams, subjects
from poller.agents.wire import encoded
from poller.values import Failure, FailureKind

if TYPE_CHECKING:
    from poller.agents.crew import Crew, Machine
    from poller.agents.link import Link
    from poller.agents.wire import Job, JobResult

_LOOK_AGAIN_S = 15.0
"""Beyond its timeouts, before the server is asked whether it still has a job."""
_IS_IT_THERE = "check that poller agent runs there and reaches the NATS server"


@dataclass(slots=True, eq=False)
class _OpenJob:
    job: Job
    subject: str
    machine: Machine | None
    """The only one that may answer; None: any that has the folder."""
    answer: asyncio.Future[tuple[str, JobResult] | Failure]
    stored_as: str
    asked_at: float
    """Monotonic seconds."""


class OpenJobs:
    """All jobs of a collector that have no answer yet."""

    def __init__(self, link: Link, crew: Crew, *, timeout_s: float) -> None:
        """``timeout_s`` is that of one request."""
        self._link = link
        self._crew = crew
        self._patient_s = 2 * timeout_s + _LOOK_AGAIN_S
        self._open: dict[str, _OpenJob] = {}

    async def answer_to(
        self, job: Job, machine: Machine | None, *, within_s: float
    ) -> tuple[str, JobResult] | Failure:
        """Have a job done; return who did it and what came, or why nobody did.

        ``machine`` is the only one that can; None means all that have the folder.
        """
        subject = subjects.jobs(job.to, job.run, is_shared=machine is None)
        answer: asyncio.Future[tuple[str, JobResult] | Failure]
        answer = asyncio.get_running_loop().create_future()
        opened = _OpenJob(job, subject, machine, answer, job.id, time.monotonic())
        self._open[job.id] = opened
        self._crew.open_jobs += 1
        if machine is not None:
            machine.open_jobs += 1
        try:
            await self._link.store(subject, encoded(job), id=job.id)
            with anyio.move_on_after(within_s):
                return await answer
            return _unanswered(machine)
        finally:
            del self._open[job.id]
            self._link.forget(opened.stored_as)
            self._crew.open_jobs -= 1
            if machine is not None:
                machine.open_jobs -= 1
            self._crew.pulse()

    def take(self, sender: str, result: JobResult) -> None:
        """Take an agent's answer: the first that comes from whom it may come."""
        opened = self._meant(result.job, sender)
        if opened is not None:
            opened.answer.set_result((sender, result))

    def take_unread(self, sender: str, job: str) -> None:
        """Take an answer to a job that cannot be read; likewise."""
        opened = self._meant(job, sender)
        if opened is not None:
            opened.answer.set_result(unbelievable(sender))

    def _meant(self, job: str, sender: str) -> _OpenJob | None:
        """Return an open job that an agent may answer."""
        opened = self._open.get(job)
        if opened is None or opened.answer.done():  # late, or a second time
            return None
        if opened.machine is not None:
            is_meant = opened.machine.name == sender
        else:
            machine = self._crew.machines.get(sender)
            is_meant = machine is not None and opened.job.to in machine.shared
        return opened if is_meant else None

    def let_go(self, machine: Machine) -> None:
        """Answer the jobs that only a lost agent could."""
        for opened in self._open.values():
            if opened.machine is machine and not opened.answer.done():
                opened.answer.set_result(lost(machine, "while this account was asked"))

    async def store_all(self) -> None:
        """Store all again; what the server still has, it stores once."""
        for opened in tuple(self._open.values()):
            await self._link.store(opened.subject, encoded(opened.job), id=opened.stored_as)

    async def look(self, *, now: float) -> None:
        """Ask again what the server does not have any more, and nobody has answered."""
        for opened in tuple(self._open.values()):
            if now - opened.asked_at > self._patient_s and not opened.answer.done():
                opened.asked_at = now
                place = subjects.place(opened.job.to, is_shared=opened.machine is None)
                if await streams.is_idle(self._link, *place):
                    self._link.forget(opened.stored_as)
                    opened.stored_as = os.urandom(16).hex()
                    await self._link.store(opened.subject, encoded(opened.job), id=opened.stored_as)


def lost(machine: Machine | None, when: str) -> Failure:
    """Return the failure of an account whose machine was lost."""
    who = "all agents were" if machine is None else f"the agent {machine.name} was"
    return worker_lost(f"{who} lost {when}")


def _unanswered(machine: Machine | None) -> Failure:
    who = "any agent" if machine is None else f"the agent {machine.name}"
    return worker_lost(f"no answer came from {who} in time")


def unbelievable(machine: str) -> Failure:
    """Return the failure of an account whose agent has answered what cannot be."""
    return worker_lost(
        f"what the agent {machine} answered makes no sense",
        "check that it runs the same version of poller",
    )


def worker_lost(message: str, hint: str = _IS_IT_THERE) -> Failure:
    """Return the failure of an account whose agent gave no answer, or none to believe."""
    return Failure(FailureKind.WORKER_LOST, message, hint, may_work_later=True)
