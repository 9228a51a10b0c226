"""Run blocking work in a thread, so that the event loop never waits for a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T], *, abandon_on_cancel: bool) -> T:
    """Run `work` in a thread and return its result; run it here where no thread can be started.

    With ``abandon_on_cancel`` a cancellation leaves the thread to itself: for reading, where a
    dead file system may never answer. Without, a cancellation waits for the work to end.
    """
    try:
        # A limiter of its own: threads that hang must not keep others' work from starting.
        return await to_thread.run_sync(
            work, abandon_on_cancel=abandon_on_cancel, limiter=CapacityLimiter(1)
        )
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        return work()
