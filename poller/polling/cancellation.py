"""Tell a cancellation that one of our scopes asked for from a stray one.

A look-up that several tasks share, or a library's own task, may cancel a task that nobody
wanted to end. anyio takes that for the end of the whole task group.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def ignoring_stray_cancellation(work: Callable[..., Awaitable[None]], *of: object) -> None:
    """Run ``work``; swallow a cancellation that comes at its very end from nowhere.

    One that finds nothing more to wait for makes the task end cancelled, and its group
    with it.
    """
    await work(*of)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        try:
            await checkpoint()
        except asyncio.CancelledError as error:
            reraise_unless_stray(error)


def reraise_unless_stray(error: BaseException) -> None:
    """Raise ``error`` again, unless it is a cancellation that none of our scopes asked for."""
    task = asyncio.current_task()
    asked_for = anyio.current_effective_deadline() == -math.inf
    if asked_for or task is None or not isinstance(error, asyncio.CancelledError):
        raise error
    task.uncancel()
