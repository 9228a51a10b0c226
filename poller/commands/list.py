"""``poller list``: what the auth files say, without asking anybody."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from poller.authfiles.describe import entry_of
from poller.authfiles.duplicates import DuplicateFinder
from poller.commands.demo import demo_files
from poller.commands.ending import ended_by
from poller.commands.language import language_for
from poller.deliver.printing import STDOUT, shows_table
from poller.deliver.stderr import say
from poller.deliver.stdout import ReaderGone, ResultsLost, Writer
from poller.polling.feed import open_feed
from poller.present.file_record import serialize
from poller.process import exit_codes
from poller.process.clock import zone_of
from poller.process.own_folders import codex_files
from poller.process.stopping import stop_on_signal
from poller.process.threads import run_in_thread
from poller.renewal.eligibility import refreshable
from poller.settings import UsageError
from poller.values import Identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from poller.polling.feed import AccountFeed
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import FileEntry

_READ_WITHIN_S = 10.0
"""For a file on a disk that is slow, or dead."""
_CODEX_WITHIN_S = 1.0


def list_accounts(settings: Settings, interrupts: Interrupts) -> int:
    """List what a poll with these settings would ask for; return the exit code.

    That is 0, or 1 where an account could not be polled. Nothing is sent anywhere. The
    demo's made-up accounts end well whatever they are.
    """
    try:
        return anyio.run(_list, settings, interrupts)
    except ReaderGone:
        return exit_codes.READER_GONE
    except ResultsLost as error:
        say(f"poller: {error}")
        return exit_codes.RESULTS_LOST
    except Exception as error:  # noqa: BLE001 - the last resort
        return ended_by(error)


async def _list(settings: Settings, interrupts: Interrupts) -> int:
    given = () if settings.demo is None else demo_files(settings.demo)
    as_table = shows_table(settings.format)
    entries: list[FileEntry] = []
    asked = replace(settings, demo=None, account_deadline_s=_READ_WITHIN_S)
    async with open_feed(given, asked, clock=time.time) as feed:
        listed = _entries(feed)
        with anyio.CancelScope() as scope:
            stop_on_signal(interrupts, lambda _: scope.cancel())
            as_they_come = not (as_table or settings.ordered)
            async for entry in _written(listed, settings) if as_they_come else listed:
                entries.append(entry)  # noqa: PERF401 - a signal keeps what was read
    if interrupts.number is None and not entries:
        raise UsageError("nothing to list: no account is named, or all are disabled")
    entries.sort(key=lambda entry: entry.position)
    if as_table:
        await _write_table(entries, settings)
    elif settings.ordered:
        await _write_lines(entries, settings)
    if feed.notices.list_trouble is not None:
        say(f"poller: {feed.notices.list_trouble}")
    if interrupts.number is not None:
        return 128 + interrupts.number
    failed = any(entry.failure is not None for entry in entries)
    return int(failed and settings.demo is None)


async def _entries(feed: AccountFeed) -> AsyncIterator[FileEntry]:
    duplicates, codex_own = DuplicateFinder(), await _codex_files()
    while (account := await feed.next()) is not None:
        refresh = refreshable(account.path, account.held, codex_own=codex_own)
        yield entry_of(account, duplicates, refresh=refresh)


async def _codex_files() -> tuple[str, ...]:
    """Return the Codex CLI's own files; none of them where their disk does not answer."""
    files = codex_files(os.environ)
    with anyio.move_on_after(_CODEX_WITHIN_S):
        await run_in_thread(
            lambda: [os.path.exists(file) for file in files], abandon_on_cancel=True
        )
        return files
    return ()


async def _written(
    listed: AsyncIterator[FileEntry], settings: Settings
) -> AsyncIterator[FileEntry]:
    """Write each entry as a line of JSON as it is read."""
    async for entry in listed:
        await _write_lines([entry], settings)
        yield entry


async def _write_lines(entries: list[FileEntry], settings: Settings) -> None:
    writer = Writer(STDOUT)
    for entry in entries:
        line = serialize(entry, now=time.time(), show_identity=settings.show_identity)
        await writer.write(line)


async def _write_table(entries: list[FileEntry], settings: Settings) -> None:
    from poller.present.files_table import FilesTable
    from poller.present.terminal import traits

    zone = zone_of(settings.timezone, os.environ)
    table = FilesTable(zone, language=language_for(settings, os.environ))
    for entry in entries:
        table.add(entry if settings.show_identity else replace(entry, identity=Identity()))
    look = traits(sys.stdout, os.environ, color=settings.color)
    writer = Writer(STDOUT)
    for piece in table.render(
        width=look.width, color=look.color, unicode=look.unicode, now=time.time()
    ):
        await writer.write(piece.encode())
