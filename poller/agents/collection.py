"""A session whose rounds are asked by agents: who is there, and which accounts there are."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.agents import subjects
from poller.agents.collect import Collector
from poller.agents.contact import Contact
from poller.agents.link import open_link
from poller.agents.own_accounts import OwnAccounts, own_files
from poller.agents.shared_folder import SharedFolder
from poller.authfiles.read import AuthFile
from poller.library import Session
from poller.polling.feed import open_feed
from poller.polling.files import Files, files_of_rounds
from poller.settings import UsageError
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from poller.library import Named
    from poller.polling.parts import HandsOutAccounts
    from poller.settings import Settings

logger = logging.getLogger("poller")

_SERVER_WITHIN_S = 5.0
_LONGEST_CALL_S = 3.0
"""So long agents are called for where none answers."""
_SAY_AGAIN_S = 10.0
_NO_JETSTREAM = (
    "the NATS server has no JetStream, or gives this login no rights to it: poller agent "
    "--server-config NAME... prints a configuration with both"
)
_LOOK_S = 0.25


def _no_streams(error: Exception) -> str:
    why = getattr(error, "description", None)  # of what JetStream has refused
    if not why:
        return _NO_JETSTREAM
    return (
        f"the NATS server cannot keep jobs and records: {printable(str(why))[:200]}; it takes 1 GB "
        "of max_file_store"
    )


@asynccontextmanager
async def open_collection(
    settings: Settings, *, clock: Callable[[], float] = time.time
) -> AsyncGenerator[Session]:
    """Open a session whose rounds are asked by agents.

    Raises:
        UsageError: there is no server, or no agent.
    """
    raised: Exception | None = None
    folder = None if settings.shared is None else SharedFolder.of(settings.shared[0])
    name, inbox = f"poller {subjects.COLLECTOR}", subjects.inbox(subjects.COLLECTOR)
    async with open_link(settings, name=name, inbox=inbox, within_s=_SERVER_WITHIN_S) as link:
        contact = Contact(
            link,
            folder=None if folder is None else folder.name,
            timeout_s=settings.timeout_s,
            clock=clock,
        )
        collector = Collector(settings, link, contact=contact, folder=folder, clock=clock)
        found = _Collection(settings, contact, folder, clock=clock)
        try:
            await contact.begin()
        except Exception as error:  # noqa: BLE001 - nats-py's
            raise UsageError(_no_streams(error)) from None
        link.back = contact.come_back
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(contact.run_clock)
                try:
                    await found.gather()
                    yield Session(
                        settings,
                        collector,
                        open_feed=found.open_feed,
                        files=found.files,
                        clock=clock,
                    )
                except Exception as error:  # noqa: BLE001 - raised again below, outside the group
                    raised = error
                tasks.cancel_scope.cancel()
        finally:
            link.back = None
            await contact.leave()
    if raised is not None:
        raise raised


class _Collection:
    """What there is to ask for."""

    def __init__(
        self,
        settings: Settings,
        contact: Contact,
        folder: SharedFolder | None,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._contact, self._crew = contact, contact.crew
        self._folder = folder
        self._clock = clock

    async def gather(self) -> None:
        """Call until there are agents to ask.

        Raises:
            UsageError: nobody is there after 3 s, or nobody with the folder that is asked for;
                with ``settings.agents``, not as many before the run's deadline.
        """
        wanted, deadline_s = self._settings.agents, self._settings.deadline_s
        began_at = time.monotonic()
        until = began_at + _LONGEST_CALL_S
        told = 0.0
        while len(self._crew.living) < (wanted or 1):
            now = time.monotonic()
            if wanted is None and now >= until:
                raise UsageError(self._nobody())
            if wanted is not None and deadline_s is not None and now - began_at >= deadline_s:
                there = len(self._crew.living)
                raise UsageError(
                    f"{there} of {wanted} agents are there after {deadline_s:g} s (--deadline): "
                    "start the others, or ask for fewer with --agents"
                )
            if wanted is not None and now - told > _SAY_AGAIN_S and now >= until:
                told = now
                logger.warning("%d of %d agents are there", len(self._crew.living), wanted)
            await self._crew.moved(_LOOK_S)

    def _nobody(self) -> str:
        there = sorted(self._crew.machines)
        if not there:
            return (
                f"no agent has answered within {_LONGEST_CALL_S:g} s; start one on each machine: "
                "poller agent --nats URL"
            )
        return (
            f"no agent has the shared folder {self._crew.folder!r}; there are {', '.join(there)}; "
            "start them with --shared NAME=DIR"
        )

    @asynccontextmanager
    async def open_feed(
        self, accounts: Iterable[Named] | AsyncIterable[Named]
    ) -> AsyncGenerator[HandsOutAccounts]:
        """Yield what hands out the accounts that are asked for.

        Raises:
            UsageError: there are none, or not what was asked for.
        """
        if self._folder is not None:
            inside = replace(self._settings, account_dirs=(self._folder.path,))
            async with open_feed(accounts, inside, clock=self._clock) as feed:
                yield feed
                feed.notices.clock_offsets.update(self._contact.offsets)
            return
        if isinstance(accounts, AsyncIterable):
            raise UsageError(
                "accounts: an asynchronous iterable cannot be polled over agents: give a list"
            )
        known = tuple(accounts)
        files = [each for each in known if isinstance(each, AuthFile)]
        if files:
            yield OwnAccounts(self._crew, files=files)
            return
        own = await self._named(tuple(os.fspath(each) for each in known))  # type: ignore[arg-type]
        yield own
        own.notices.lost_agents += [
            machine.name for machine in self._crew.untold(now=time.monotonic())
        ]
        own.notices.agents_without_accounts.update(self._crew.troubles())
        own.notices.clock_offsets.update(self._contact.offsets)

    async def files(self, accounts: tuple[Named, ...], settings: Settings) -> Files:
        """Return the accounts that rounds begin with, and what finds them again."""
        if self._folder is not None:
            inside = replace(settings, account_dirs=(self._folder.path,))
            return await files_of_rounds(accounts, inside)
        self._contact.follows = True
        given = tuple(os.fspath(each) for each in accounts if not isinstance(each, AuthFile))
        await self._named(given)
        while self._contact.may_come():
            await self._crew.moved(_LOOK_S)
        again = partial(own_files, self._crew, given or settings.accounts)
        return Files(again(), again)

    async def _named(self, given: tuple[str, ...]) -> OwnAccounts:
        """Return what hands out own accounts, once those that are named are there."""
        if self._settings.files_from is not None:
            raise UsageError(
                "--files-from: with --nats the files are the agents': name accounts instead"
            )
        given = given or self._settings.accounts
        may_come = self._contact.may_come
        own = OwnAccounts(
            self._crew, given, may_come=lambda: may_come() or bool(self._crew.open_jobs)
        )
        while own.unmatched and self._contact.may_come():
            await self._crew.moved(_LOOK_S)
        if own.unmatched:
            there = ", ".join(sorted(self._crew.machines))
            raise UsageError(f"no account {own.unmatched[0]!r} on {there}")
        return own
