"""A collector's talk with its agents: it calls, welcomes who is there, notices who is lost."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import anyio

from poller.agents import streams, subjects
from poller.agents.crew import CLOCK_LEEWAY_S, LOST_AFTER_S, Crew
from poller.agents.open_jobs import OpenJobs
from poller.agents.reading import decoded, job_in
from poller.agents.records import Records
from poller.agents.wire import Call, JobResult, Listing, Presence, Welcome, encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.agents.crew import Machine
    from poller.agents.link import Arrived, Link

logger = logging.getLogger("poller")

_CALL_S = 1.0
"""So long agents are called for before those that are there are all."""
_CALL_AGAIN_S = 2.0
_TICK_S = 0.25
_GAP_S = 3.0
"""A clock that jumps by more: this machine slept."""
_CATCH_UP_S = 3.0
"""For reading what came while the server was away, before what is open is asked again."""
_RELIST_S = 25.0
"""So often agents are asked for their accounts where rounds follow: changes are noticed."""


class Contact:
    """Keeps in touch with the agents and the server, for as long as a collection is open."""

    def __init__(
        self, link: Link, *, folder: str | None, timeout_s: float, clock: Callable[[], float]
    ) -> None:
        """``folder`` is the shared one that is asked for; None asks for agents' own accounts."""
        self.run = os.urandom(8).hex()
        self.crew = Crew(folder)
        self.jobs = OpenJobs(link, self.crew, timeout_s=timeout_s)
        self.offsets: dict[str, float] = {}
        """Clocks of agents that are too far off to say nothing, by name."""
        self.follows = False
        """Whether accounts are asked for again and again."""
        self.alone_since: float | None = None
        """Since when no agent has been there; monotonic seconds."""
        self._link = link
        self._clock = clock
        self._mark = self.run.encode()
        self._is_ready = True
        self._misunderstood: set[str] = set()
        self._called_at = self._called_first_at = -1e9
        self._records = Records(link, self._on_record)

    async def begin(self) -> None:
        """Make the streams, listen to agents, and call for them."""
        await self._records.begin()
        await self._link.hear(subjects.presence("*"), self._on_presence)
        await self._call()

    def may_come(self) -> bool:
        """Say whether agents, or accounts of agents, may still come."""
        now = time.monotonic()
        return now - self._called_first_at < _CALL_S or not self.crew.are_listed(now=now)

    async def come_back(self) -> None:
        """Make again what a server that was away may have lost, then ask again what is open."""
        self.crew.excuse(now=time.monotonic())
        try:
            await self._records.catch_up(within_s=_CATCH_UP_S)
            await self._call()
            for machine in self.crew.fitting:
                await self._welcome(machine)
            await self.jobs.store_all()
            self._is_ready = True
        except Exception as error:  # noqa: BLE001 - nats-py's: it is tried again
            if self._link.is_up and self._is_ready:
                self._is_ready = False
                logger.warning("the NATS server's JetStream does not answer; waiting for it")
            logger.info("the NATS server is back, but not ready: %s", type(error).__name__)

    async def leave(self) -> None:
        """Take back what is still to be done, and tell the agents."""
        with anyio.move_on_after(0.7, shield=True):
            await self._link.send(subjects.CALL, encoded(Call(self.run, ends=True)))
            if self._link.is_up:
                await streams.purge(self._link, self.run)
                await self._records.end()

    async def _call(self) -> None:
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
                try:
                    await self._look(now)
                except Exception as error:  # noqa: BLE001 - nats-py's, or a bug: it looks again
                    logger.info("could not check on the agents: %s", type(error).__name__)

    async def _look(self, now: float) -> None:
        for machine in self.crew.lose(now=now):
            logger.warning("agent %s has not been heard for %g s", machine.name, LOST_AFTER_S)
            self.jobs.let_go(machine)
        if self.crew.living:
            self.alone_since = None
        elif self.alone_since is None:
            self.alone_since = now
        if now - self._called_at >= _CALL_AGAIN_S:
            await self._call()
            for machine in self.crew.living:
                is_old = self.follows and now - machine.listed_at > _RELIST_S
                if not machine.made or is_old:
                    await self._welcome(machine)
        await self._link.store_again(now=now)
        if self._records.is_silent:
            await self.come_back()
        await self.jobs.look(now=now)

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
            if name in self.crew.machines:
                self.jobs.let_go(self.crew.machines[name])
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
        name, is_shared = wanted or machine.name, wanted is not None
        stream, consumer = subjects.place(name, is_shared=is_shared)
        try:
            jobs = subjects.jobs(name, "*", is_shared=is_shared)
            made = await streams.consumer(self._link, stream, consumer, jobs)
        except Exception as error:  # noqa: BLE001 - nats-py's: the server is away, or busy
            logger.info("agent %s cannot be welcomed yet: %s", machine.name, type(error).__name__)
            machine.made = ""
            return
        machine.made = made
        told = Welcome(self.run, self._clock(), stream, consumer, made, lists=not is_shared)
        await self._link.send(subjects.welcome(machine.name), encoded(told))

    def _on_record(self, sender: str, content: bytes) -> None:
        """Take what an agent has answered."""
        if self._mark not in content:  # another collector's
            return
        told = decoded(content)
        if isinstance(told, JobResult) and told.run == self.run:
            self.jobs.take(sender, told)
        elif isinstance(told, Listing) and told.run == self.run:
            self.crew.take_list(sender, told, now=time.monotonic())
        elif told is None:
            self._take_unread(sender, content)

    def _take_unread(self, sender: str, content: bytes) -> None:
        """Take what an agent of this run has said that means nothing here."""
        if sender not in self.crew.machines:
            return
        if sender not in self._misunderstood:
            self._misunderstood.add(sender)
            logger.warning(
                "what agent %s says makes no sense: run the same version of poller there", sender
            )
        job = job_in(content)
        if job is not None:
            self.jobs.take_unread(sender, job)
