"""Where a round's accounts come from: each is handed out once, and read when it is taken."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from poller.authfiles.duplicates import DuplicateFinder
from poller.authfiles.labels import UniqueLabels, shown
from poller.authfiles.read import AuthFile, Reading, accounts_of, read_into
from poller.authfiles.reread import read_slowly
from poller.polling.files import files_of, listed_files
from poller.polling.stream import Notices
from poller.process.own_folders import current_folder
from poller.process.threads import run_in_thread
from poller.settings import UsageError
from poller.values import Credential, Failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from poller.authfiles.read import Account
    from poller.polling.parts import Chance, Found
    from poller.settings import Settings

    Named = str | os.PathLike[str] | AuthFile

_BATCH = 256
"""Files that are read in one go: it takes 5 ms, and each beginning disturbs the loop."""
_LOW = _BATCH // 2
"""So few accounts left make a worker read the next batch, while the others go on."""
_BATCH_S = 0.1
"""A batch ends after this, so that on a slow disk those that were read are asked for soon."""
_SLOW_S = 1.0
"""After this a file is waited for apart, so that it holds up no other."""
_COMPARED = 10_000
"""Accounts that are compared with each other, so that memory stays flat."""
_LAST_READING_S = 1.4
"""For reading the files that are left when a round is stopped: it has 2 s to end."""
_RECORD_S = 30e-6
"""What an account costs that gets only its record: twice the 14 µs measured."""


class MoreFiles(Protocol):
    """Files that come in while others are polled."""

    @property
    def trouble(self) -> str | None:
        """Why they ended too early; None where they did not."""
        ...

    async def next(self) -> list[AuthFile]:
        """Return the next ones; nothing at the end."""
        ...

    def left(self) -> list[AuthFile]:
        """Return those that have come and were not handed out."""
        ...


class AccountFeed:
    """The accounts of some auth files, in input order or drawn at random."""

    def __init__(
        self,
        files: Iterable[AuthFile] = (),
        *,
        more: MoreFiles | None = None,
        clock: Callable[[], float] = time.time,
        within_s: float = 60.0,
    ) -> None:
        """Take ``files``, then what ``more`` brings.

        A file that does not answer ``within_s`` seconds is given up. ``clock`` tells Unix
        seconds.
        """
        self.notices = Notices()
        self.found: Found | None = None
        """Awaited with the accounts of each file that was read."""
        self._labels = UniqueLabels()  # with a colon: <file>:<name> may be another file's own
        self._files: deque[tuple[int, AuthFile]] = deque()
        self._slow: deque[tuple[int, AuthFile]] = deque()
        """Files that are to be read again, or did not answer, each to be read alone."""
        self._count = 0
        self._add(files)
        self._more = more
        self._clock = clock
        self._within_s = within_s
        self._turn = anyio.Lock()
        self._ready: deque[Account] = deque()
        self._being_read = 0
        self._was_read = anyio.Event()
        self._duplicates = DuplicateFinder(_COMPARED)
        self._accounts = self._files_read = 0

    @property
    def known_left(self) -> bool:
        """Whether there are files or accounts that are known and not handed out."""
        return bool(self._ready or self._files or self._slow)

    @property
    def total(self) -> int | None:
        """About how many accounts there are in all; None while more may come."""
        if self._more is not None:
            return None
        return self._accounts + self._count - self._files_read  # a file counts as one till read

    async def next(self) -> Account | None:
        """Return the next account; None when there are no more."""
        if self._should_read_ahead():
            await self._read_ahead()
        while not self._ready:
            if self._slow:
                await self._read_alone(self._slow.popleft())
            elif self._files or self._more is not None:
                await self._read_ahead()
            elif self._being_read:  # by other workers, who may find several accounts
                await self._was_read.wait()
            else:
                return None
        return self._ready.popleft()

    def _should_read_ahead(self) -> bool:
        """Say whether few accounts are ready, more files are known, and nobody reads them."""
        return len(self._ready) <= _LOW and bool(self._files) and not self._turn.locked()

    async def draw(self, chance: Chance) -> Account | None:
        """Return any account that is known and not handed out; None where there is none."""
        while self._files:
            place = chance.randrange(len(self._files))
            drawn, before = self._files[place], len(self._ready)
            del self._files[place]
            await self._read_alone(drawn)
            if len(self._ready) > before:
                return self._ready.pop()
        return self._ready.popleft() if self._ready else None

    async def rest(self, unread: Failure) -> AsyncGenerator[Account]:
        """Yield all accounts that were not handed out, soon.

        Files are read as far as there is time; the accounts of the others have ``unread``
        for an outcome. Of ``more``, only what has come. There is nothing left afterwards.
        """
        while self._ready:
            yield self._ready.popleft()
        if self._more is not None:
            self._add(self._more.left())
        files = [*self._files, *self._slow]
        self._slow, self._files, self._more = deque(), deque(), None
        until = time.monotonic() + _LAST_READING_S - len(files) * _RECORD_S
        readings: list[Reading] = []
        if files:
            with anyio.move_on_after(_LAST_READING_S):
                await self._read_into(readings, files, until=until)
        for number, (position, file) in enumerate(files):
            reading = readings[number].settled() if number < len(readings) else Reading(unread)
            await self._take(position, file, reading)
            while self._ready:
                yield self._ready.popleft()

    async def _read_ahead(self) -> None:
        """Read the next batch of files, in one thread: one for each costs ten times as much."""
        async with self._turn:
            if self._ready and (len(self._ready) > _LOW or not self._files):
                return  # another worker has read it
            if not self._files and self._more is not None:
                await self._wait_for_more(self._more)
            batch = deque(self._files.popleft() for _ in range(min(_BATCH, len(self._files))))
            readings: list[Reading] = []
            try:
                with anyio.move_on_after(_SLOW_S) as waiting:
                    until = time.monotonic() + _BATCH_S
                    await self._read_into(readings, list(batch), until=until)
                for reading in tuple(readings):
                    position, file = batch.popleft()
                    if reading.waits_s:
                        self._slow.append((position, file))
                    else:
                        await self._take(position, file, reading)
                if batch and waiting.cancelled_caught:  # the next one does not answer
                    self._slow.append(batch.popleft())
            finally:  # none is lost; stopped halfway, what was read is read again for its record
                self._files.extendleft(reversed(batch))

    async def _read_into(
        self,
        readings: list[Reading],
        files: list[tuple[int, AuthFile]],
        *,
        until: float = math.inf,
    ) -> None:
        work = partial(
            read_into, readings, [file for _, file in files], clock=self._clock, until=until
        )
        await run_in_thread(work, abandon_on_cancel=True)

    async def _wait_for_more(self, more: MoreFiles) -> None:
        files = await more.next()
        self._add(files)
        self.notices.list_trouble = more.trouble
        if not files:
            self._more = None

    def _add(self, files: Iterable[AuthFile]) -> None:
        for file in files:
            if ":" in file.label:
                self._labels.claim(file.label)
            self._files.append((self._count, file))
            self._count += 1

    async def _read_alone(self, numbered: tuple[int, AuthFile]) -> None:
        """Read one file, however long it takes, and make its accounts ready."""
        position, file = numbered
        self._being_read += 1
        try:
            reading = await read_slowly(file, clock=self._clock, within_s=self._within_s)
        except anyio.get_cancelled_exc_class():
            self._slow.appendleft(numbered)
            raise
        finally:
            self._being_read -= 1
            self._was_read.set()
            self._was_read = anyio.Event()
        await self._take(position, file, reading)

    async def _take(self, position: int, file: AuthFile, reading: Reading) -> None:
        """Make the accounts of a file that was read ready to be handed out."""
        accounts = accounts_of(file, position, reading)
        if accounts and accounts[0].label != file.label:
            accounts = [
                account._replace(label=self._labels.claim(account.label)) for account in accounts
            ]
        self._files_read += 1
        self._accounts += len(accounts)
        self._ready += accounts
        for account in accounts:
            self._notice(account)
        if self.found is not None:
            await self.found(position, accounts)

    def _notice(self, account: Account) -> None:
        others = self.notices.readable_by_others
        if account.readable_by_others and (not others or others[-1] != account.source):
            others.append(account.source)
        if isinstance(account.outcome, Credential):
            same_login, same_account = self._duplicates.note(account.label, account.outcome)
            first = same_login or same_account
            if first is not None:
                self.notices.same_logins.append((first, account.label))


@asynccontextmanager
async def open_feed(
    accounts: Iterable[Named] | AsyncIterable[Named],
    settings: Settings,
    *,
    clock: Callable[[], float],
) -> AsyncGenerator[AccountFeed]:
    """Find the auth files that are asked for; yield what hands out their accounts.

    Raises:
        UsageError: there are none, or not what was asked for.
    """
    make = partial(AccountFeed, clock=clock, within_s=settings.account_deadline_s)
    if isinstance(accounts, AsyncIterable):
        yield make(more=_Incoming(accounts, settings))
        return
    given = tuple(accounts)
    if settings.files_from is None or any(isinstance(each, AuthFile) for each in given):
        yield make(await files_of(given, settings))
        return
    paths = await listed_files(given, settings)
    try:
        yield make(more=paths)
    finally:
        paths.close()


class _Incoming:
    """Auth files of accounts that come in one at a time."""

    trouble: str | None = None

    def __init__(self, accounts: AsyncIterable[Named], settings: Settings) -> None:
        self._accounts = aiter(accounts)
        self._settings = replace(settings, accounts=(), files_from=None)
        self._labels = UniqueLabels()

    async def next(self) -> list[AuthFile]:
        """Return the files of the next account; nothing at the end."""
        async for account in self._accounts:
            try:
                files = await files_of((account,), self._settings)
            except UsageError:  # the round has begun: it is a report of its own
                name = os.fspath(account) if not isinstance(account, AuthFile) else account.label
                label = shown(name, shows_addresses=self._settings.show_identity)
                files = [AuthFile(label, name, os.path.join(current_folder(), name))]
            return [replace(file, label=self._labels.claim(file.label)) for file in files]
        return []

    def left(self) -> list[AuthFile]:
        """Return nothing: what has come was handed out."""
        return []
