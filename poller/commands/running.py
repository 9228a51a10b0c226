"""What commands that poll do alike while they run."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio

from poller.process import exit_codes
from poller.upstream.exchange import room_for_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poller.commands.following import Batch, Following
    from poller.deliver.stdout import Writer
    from poller.present.words import Words
    from poller.settings import Settings

_READER_CHECK_S = 0.25


def within_limits(settings: Settings) -> Settings:
    """Lower the concurrency to the files this process may open.

    A quarter of them is for connections that lie idle while new ones are in use.
    """
    most = max(1, room_for_connections() * 3 // 4)
    return replace(settings, concurrency=min(settings.concurrency, most))


async def reader_gone(stdout: Writer, *, look_every_s: float = _READER_CHECK_S) -> None:
    """Return soon after the reader of a pipe has gone, also while nothing is written."""
    while not stdout.reader_is_gone():  # noqa: ASYNC110 - a pipe sets no event
        await anyio.sleep(look_every_s)


def error_name(error: BaseException) -> str:
    """Name an error by its classes: its text may hold anything."""
    if isinstance(error, BaseExceptionGroup):
        several = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return ", ".join(map(error_name, several))
    return type(error).__name__


def keep_status(following: Following, settings: Settings, *, warn: Callable[[str], None]) -> None:
    """Have the line of ``poller status`` written to a file after reports, where asked for."""
    if settings.status_file is None:
        return
    from poller.commands.status import status_line
    from poller.deliver.status_file import StatusFile

    file = StatusFile(settings.status_file, on_trouble=warn)

    async def keep(_: Batch) -> None:
        now = following.clock.time()
        await file.write(status_line(following.standings(), settings, now=now).plain)

    following.after.append(keep)


def noticed(following: Following, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each thing that the first look noticed beside its reports."""
    from poller.commands.language import words_for
    from poller.commands.notices import warnings

    offset_s = following.session.clock_offset_s if settings.demo is None else None

    def words() -> Words:
        return words_for(settings, os.environ, stream=sys.stderr)

    tally = exit_codes.Tally()
    yield from warnings(following.rounds.notices, tally, words, clock_offset_s=offset_s)
