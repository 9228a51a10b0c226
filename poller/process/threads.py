"""Blocking work off the event loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_NO_THREAD = "new thread"
"""What threading says, which has no class of its own for it."""


async def run_in_thread(work: Callable[[], T], *, abandon_on_cancel: bool = False) -> T:
    """Return what ``work`` returns, done in a thread; on the loop where none can be started.

    With ``abandon_on_cancel`` a cancelled caller does not wait for it, and the thread ends
    by itself, or never. Every call has room of its own: threads that hang in one file must
    not keep others from theirs.
    """
    try:
        return await to_thread.run_sync(
            work, abandon_on_cancel=abandon_on_cancel, limiter=CapacityLimiter(1)
        )
    except RuntimeError as error:
        if _NO_THREAD not in str(error):
            raise
        return work()


class UnjoinedThreads(ThreadPoolExecutor):
    """A pool whose shutdown waits for no thread: a look-up may hang for minutes."""

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - the base's signature
        """Let go of the threads without waiting for them, whatever ``wait`` says."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
