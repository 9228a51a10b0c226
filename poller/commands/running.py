"""What commands that poll do alike while they run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio

from poller.upstream.exchange import room_for_connections

if TYPE_CHECKING:
    from poller.deliver.stdout import Writer
    from poller.settings import Settings

_READER_CHECK_S = 0.25


def within_limits(settings: Settings) -> Settings:
    """Lower the concurrency to the files this process may open.

    A quarter of them is for connections that lie idle while new ones are in use.
    """
    most = max(1, room_for_connections() * 3 // 4)
    return replace(settings, concurrency=min(settings.concurrency, most))


async def reader_gone(stdout: Writer) -> None:
    """Return soon after the reader of a pipe has gone, also while nothing is written."""
    while not stdout.reader_is_gone():  # noqa: ASYNC110 - a pipe sets no event
        await anyio.sleep(_READER_CHECK_S)


def error_name(error: BaseException) -> str:
    """Name an error by its classes: its text may hold anything."""
    if isinstance(error, BaseExceptionGroup):
        several = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return ", ".join(map(error_name, several))
    return type(error).__name__
