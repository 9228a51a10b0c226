"""What the files say, without asking anybody: a run without its requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import anyio

from poller import authfiles
from poller.deliver.stdout import Ordered, ReaderGone, ResultsLost, Writer
from poller.present.file_record import serialize
from poller.process import exit_codes
from poller.renewal.eligibility import refreshable
from poller.settings import UsageError
from poller.values import Credential, Failure, FileEntry, Identity

if TYPE_CHECKING:
    from poller.authfiles import Account, Source
    from poller.process.signals import Interrupts
    from poller.settings.model import Settings

_STDOUT = 1


def list_accounts(settings: Settings, interrupts: Interrupts) -> int:
    """List what a run with these settings would poll; return the exit code.

    That is 0, or 1 where an account could not be polled. Nothing is sent anywhere. The
    demo's made-up accounts end well whatever they are.
    """
    try:
        return anyio.run(_list, settings, interrupts)
    except UsageError as error:
        _say(f"poller: {error}")
        return exit_codes.USAGE
    except ReaderGone:
        return exit_codes.READER_GONE
    except ResultsLost as error:
        _say(f"poller: {error}")
        return exit_codes.RESULTS_LOST
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, never a traceback
        _say(f"poller: a bug in this program: {type(error).__name__}; please report it")
        return exit_codes.INTERNAL


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - what is said goes to stderr


async def _list(settings: Settings, interrupts: Interrupts) -> int:
    source = authfiles.Source(_selection(settings))
    reader = _Reader(source, show_identity=settings.show_identity)
    sink = _sink(settings)
    with anyio.CancelScope() as scope:
        _heed_signals(interrupts, scope)
        while (entry := await reader.next()) is not None:
            await sink.take(entry)
    if interrupts.number is None and not reader.count:
        raise UsageError("nothing to list: every account is disabled or none is named")
    await sink.close()
    if source.list_trouble is not None:
        _say(f"poller: {source.list_trouble}")
    if interrupts.number is not None:
        return 128 + interrupts.number
    return int(reader.failed and settings.demo is None)


def _heed_signals(interrupts: Interrupts, scope: anyio.CancelScope) -> None:
    loop = asyncio.get_running_loop()

    def stop(_number: int) -> None:
        loop.call_soon_threadsafe(scope.cancel)

    interrupts.listen(stop)


def _selection(settings: Settings) -> authfiles.Selection:
    if settings.demo is None:
        return authfiles.discover(settings, environ=os.environ, cwd=os.getcwd())
    from poller.simulator.accounts import demo_accounts

    made_up = demo_accounts(settings.demo, now=time.time())
    return authfiles.in_memory((account.name, account.auth_file) for account in made_up)


class _Reader:
    """Makes an entry of each account."""

    def __init__(self, source: Source, *, show_identity: bool) -> None:
        self.count = 0
        self.failed = False
        self._source = source
        self._show_identity = show_identity
        self._kin = authfiles.Kin()

    async def next(self) -> FileEntry | None:
        """Return the next account's entry; None when there are no more."""
        account = await self._source.next()
        return None if account is None else self._entry(account)

    def _entry(self, account: Account) -> FileEntry:
        outcome, held = account.outcome, account.held
        self.count += 1
        self.failed |= not isinstance(outcome, Credential)
        same_login_as, same_account_as = self._kin.note(account.label, held)
        return FileEntry(
            account.position,
            account.label,
            account.source,
            shape=account.shape,
            plan=held.plan if held else None,
            expires_at=held.expires_at if held else None,
            has_refresh_token=held.refresh_token is not None if held else None,
            refresh=refreshable(account.path, held, environ=os.environ),
            mode=_mode(account.path),
            same_login_as=same_login_as,
            same_account_as=same_account_as,
            failure=outcome if isinstance(outcome, Failure) else None,
            identity=held.identity if held and self._show_identity else Identity(),
        )


def _mode(path: str | None) -> int | None:
    """Return a file's permission bits; None where there are none to speak of."""
    if path is None or os.name == "nt":
        return None
    try:
        return os.stat(path).st_mode & 0o777
    except (OSError, ValueError):
        return None


class _Sink(Protocol):
    async def take(self, entry: FileEntry) -> None: ...
    async def close(self) -> None: ...


def _sink(settings: Settings) -> _Sink:
    if settings.format == "table" or (settings.format == "auto" and os.isatty(_STDOUT)):
        return _Table(settings)
    return _Lines(settings)


class _Lines:
    """Entries as JSON Lines, each as it is read."""

    def __init__(self, settings: Settings) -> None:
        self._writer = Writer(_STDOUT)
        self._show_identity = settings.show_identity
        self._order = Ordered() if settings.ordered else None

    async def take(self, entry: FileEntry) -> None:
        line = serialize(entry, now=time.time(), show_identity=self._show_identity)
        due = (line,) if self._order is None else self._order.push(entry.position, line)
        for each in due:
            await self._writer.write(each)

    async def close(self) -> None:
        for line in self._order.drain() if self._order is not None else ():
            await self._writer.write(line)


class _Table:
    """Entries as one table at the end."""

    def __init__(self, settings: Settings) -> None:
        from poller.present.catalogue import language_of
        from poller.present.files_table import FilesTable

        zone = None if settings.timezone is None else ZoneInfo(settings.timezone)
        self._table = FilesTable(zone, language=language_of(os.environ))

    async def take(self, entry: FileEntry) -> None:
        self._table.add(entry)

    async def close(self) -> None:
        from poller.present.terminal import traits

        look, now = traits(sys.stdout, os.environ), time.time()
        writer = Writer(_STDOUT)
        for piece in self._table.render(
            width=look.width, color=look.color, unicode=look.unicode, now=now
        ):
            await writer.write(piece.encode())
