"""Locks between processes, waited for without holding up other accounts.

They are flock's, on files of their own. The package filelock takes FIFOs, hard links and other
people's files for locks, and leaves a new file's mode to the umask. What would be left for it
to do is one call.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from poller.process.threads import run_in_thread
from poller.renewal import refusals
from poller.renewal.beside import create, open_own
from poller.renewal.refusals import LOCK_WAIT_S, RefreshRefusedError
from poller.text import os_error_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

_POLL_S = 0.02
_POLL_AT_MOST_S = 0.2
_HANGS_AFTER_S = 0.05


class DiskWork:
    """One renewal's disk work, which is abandoned where a dead disk does not answer.

    A context manager. It closes the files that are kept in it, and so lifts their locks, at the
    end of the renewal; work that was abandoned keeps them until it has ended.
    """

    def __init__(self) -> None:
        self._left = threading.Event()
        self._kept: list[int] = []
        self._running_since: float | None = None
        self._mutex = threading.Lock()

    @property
    def is_left(self) -> bool:
        """Whether the renewal has ended."""
        return self._left.is_set()

    @property
    def hangs(self) -> bool:
        """Whether the disk has not answered for a while."""
        since = self._running_since
        return since is not None and time.monotonic() - since >= _HANGS_AFTER_S

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread; a cancellation leaves it there."""
        return await run_in_thread(partial(self._run, work), abandon_on_cancel=True)

    def keep(self, descriptor: int) -> None:
        """Keep a file open until the end; to be called from the work."""
        self._kept.append(descriptor)

    def _run(self, work: Callable[[], T]) -> T:
        with self._mutex:
            if self._left.is_set():  # before the thread came to run
                raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
            self._running_since = time.monotonic()
        try:
            return work()
        finally:
            with self._mutex:
                self._running_since = None
                if self._left.is_set():
                    self._close()

    def _close(self) -> None:
        while self._kept:
            os.close(self._kept.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with self._mutex:
            self._left.set()
            if self._running_since is None:
                self._close()


async def lock(path: str, *, disk: DiskWork) -> int:
    """Lock the file at ``path``, created where missing; return its descriptor, kept in ``disk``.

    The system lifts the lock however the process ends.

    Raises:
        RefreshRefusedError: another process has held it for 10 s, the file may be somebody
            else's, or its file system has no locks.
        OSError: the file cannot be created or opened.
    """
    until, wait_s = time.monotonic() + LOCK_WAIT_S, _POLL_S
    while (descriptor := await disk.run(partial(_try_to_lock, path, disk))) is None:
        if time.monotonic() >= until:
            raise RefreshRefusedError(refusals.locked())
        await anyio.sleep(wait_s)
        wait_s = min(2 * wait_s, _POLL_AT_MOST_S)
    return descriptor


def _try_to_lock(path: str, disk: DiskWork) -> int | None:
    """Return the locked file's descriptor; None where another process holds the lock."""
    import fcntl  # not on Windows, where nothing comes here

    try:
        descriptor = create(path)
    except FileExistsError:
        descriptor = open_own(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise RefreshRefusedError(refusals.no_locks(path, os_error_text(error))) from None
    disk.keep(descriptor)
    return descriptor
