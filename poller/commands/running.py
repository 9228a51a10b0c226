"""What commands that poll do alike while they run."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from poller.upstream.exchange import room_for_connections

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from poller.commands.following import Batch, Following
    from poller.deliver.stdout import Writer
    from poller.present.words import Words
    from poller.settings import Settings

_READER_CHECK_S = 0.25
_MINUTE_S, _LEAST_S = 60.0, 1.0
_LEAVES_WITHIN_S = 0.5
"""A process that was told to end has 1.8 s."""


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


@asynccontextmanager
async def keeping_status(
    following: Following,
    settings: Settings,
    *,
    warn: Callable[[str], None],
    came_to_its_end: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[None]:
    """Keep the line of ``poller status`` in a file, where asked for.

    It is written after reports, and on the minute, as figures get old without any. Afterwards
    nobody keeps it: it says that nothing is known, unless the run came to its own end.
    """
    if settings.status_file is None:
        yield
        return
    from poller.commands.status import status_line
    from poller.deliver.status_file import StatusFile

    file, clock = StatusFile(settings.status_file, on_trouble=warn), following.clock

    async def keep(batch: Batch | None = None) -> None:
        now = clock.time()
        line = status_line(following.standings(), settings, now=now).plain
        await file.write(line, anew=batch is None)

    async def keep_each_minute() -> None:
        while True:
            left_s = _MINUTE_S - clock.time() % _MINUTE_S
            await anyio.sleep(max(left_s / clock.speed, _LEAST_S))
            if following.last_round is not None:
                await keep()

    following.after.append(keep)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_each_minute)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()
            if not came_to_its_end():
                following.after.remove(keep)
                with anyio.move_on_after(_LEAVES_WITHIN_S, shield=True):
                    await file.leave(status_line([], settings, now=clock.time()).plain)


def noticed(following: Following, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each thing that the first look noticed beside its reports."""
    from poller.commands.language import words_for
    from poller.commands.notices import warnings

    offset_s = following.session.clock_offset_s if settings.demo is None else None

    def words() -> Words:
        return words_for(settings, os.environ, stream=sys.stderr)

    yield from warnings(following.rounds.notices, (), words, clock_offset_s=offset_s)
