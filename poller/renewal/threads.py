"""Disk work off the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def off_loop(work: Callable[[], T]) -> T:
    """Do ``work`` in a thread, to its end; on the loop where no thread is to be had.

    The limiter is its own: threads that hang in reading other files must not keep new
    tokens from the disk.
    """
    try:
        return await to_thread.run_sync(work, limiter=CapacityLimiter(1))
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        return work()
