"""Exclusive locks between processes, waited for without blocking the others' polls."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Self

import anyio

if TYPE_CHECKING:
    from types import TracebackType

WAIT_S = 10.0
"""For a lock that another process holds; then it is given up."""
_FLAGS: int = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_POLL_S = 0.02
_POLL_AT_MOST_S = 0.2


class Lock:
    """A file that is locked for as long as it is open; the system unlocks it on any end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)


async def lock(path: str, *, within_s: float, like: os.stat_result | None = None) -> Lock | None:
    """Lock the file at ``path``, made where it is missing; None where another held on.

    Made, it is readable by its owner alone, who is that of ``like``. It is never removed:
    who waits for a file that is gone would hold a lock that means nothing.

    Raises:
        OSError: the file cannot be made or opened.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        _give_to(descriptor, like)
        if await _locked(descriptor, within_s=within_s):
            return Lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


async def _locked(descriptor: int, *, within_s: float) -> bool:
    import fcntl  # not on Windows, where nothing comes here

    until, wait_s = time.monotonic() + within_s, _POLL_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            await anyio.sleep(wait_s)
            wait_s = min(2 * wait_s, _POLL_AT_MOST_S)
        else:
            return True


def _give_to(descriptor: int, like: os.stat_result | None) -> None:
    """Let whoever owns the file beside it lock it too, where root made it."""
    if like is None or os.geteuid() != 0:
        return
    if os.fstat(descriptor).st_uid != like.st_uid:
        os.fchown(descriptor, like.st_uid, like.st_gid)
