"""Write whole lines to standard output, in order, without blocking the event loop."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
from typing import TYPE_CHECKING

import anyio

from poller.text import os_error_text

if TYPE_CHECKING:
    from collections.abc import Callable

_PIPE_BUF = getattr(select, "PIPE_BUF", 512)
"""Bytes that a pipe takes whole once it says that it is writable (POSIX)."""
_FINISH_S = 1.0
"""How long a line that was begun is finished after a cancellation."""
_LOOK_AGAIN_S = 0.02
"""Between two tries where the loop cannot wait for the descriptor."""


class ReaderGone(Exception):  # noqa: N818 - no error of ours: the reader has seen enough
    """Nobody reads standard output any more."""


class ResultsLost(Exception):  # noqa: N818 - says what happened, as its message does
    """Standard output takes no more, so results are lost."""


class Writer:
    """Write whole lines to a descriptor, in order, without ever blocking the event loop.

    One task at a time awaits ``write()``. The descriptor's flags are never changed: other
    processes share them. A pipe is polled first and given no more than it takes at once, a
    socket is written to without waiting, a terminal is opened a second time. Files, and
    everything on Windows, are written to directly.

    A pipe that another process writes to as well may still fill up between question and
    write, and would then block until its reader reads.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._offer = _way_into(fd)
        self._rest = memoryview(b"")
        self._begun = False
        self._hangups = _poll(fd, 0)

    def reader_is_gone(self) -> bool:
        """Say whether the reader has closed its end; takes one system call."""
        if self._hangups is None:
            return False
        gone = select.POLLERR | select.POLLHUP
        return any(events & gone for _, events in self._hangups.poll(0))

    async def write(self, line: bytes) -> None:
        """Return when the kernel has every byte of ``line``.

        A cancelled write has either written nothing of its line, or goes on until the line
        is whole, for a second at most; what is missing even then precedes the next line.
        Returns without yielding to the loop if the line is taken at once.

        Raises:
            ReaderGone: nobody reads any more.
            ResultsLost: the descriptor takes no more: a full disk, a closed descriptor.
        """
        if self._rest:
            await self._finish_line()
        self._rest, self._begun = memoryview(line), False
        if not self._push():
            await self._finish_line()

    async def finish(self) -> None:
        """Do nothing: every line was handed to the kernel."""

    def close(self) -> None:
        """Do nothing: the descriptor is not ours to close."""

    async def _finish_line(self) -> None:
        try:
            await self._pushed()
        except anyio.get_cancelled_exc_class():
            if not self._begun:
                self._rest = memoryview(b"")
                raise
            with (
                contextlib.suppress(ReaderGone, ResultsLost),
                anyio.move_on_after(_FINISH_S, shield=True),
            ):
                await self._pushed()
            raise

    async def _pushed(self) -> None:
        while not self._push():
            await self._room()

    def _push(self) -> bool:
        """Write as much as is taken now; say whether that was all."""
        while self._rest:
            try:
                taken = self._offer(self._rest)
            except BlockingIOError:
                return False
            except OSError as error:
                raise _ours(error) from None
            except MemoryError:
                raise _lost("out of memory") from None
            if not taken:
                return False
            self._rest, self._begun = self._rest[taken:], True
        return True

    async def _room(self) -> None:
        try:
            await anyio.wait_writable(self._fd)
        except (OSError, ValueError, NotImplementedError):  # kqueue refuses some terminals
            await anyio.sleep(_LOOK_AGAIN_S)


def _ours(error: OSError) -> ReaderGone | ResultsLost:
    if error.errno in (errno.EPIPE, errno.ECONNRESET):
        return ReaderGone("nobody reads the results any more")
    return _lost("it is closed" if error.errno == errno.EBADF else os_error_text(error))


def _lost(reason: str) -> ResultsLost:
    return ResultsLost(
        f"the results cannot be written to standard output: {reason}; "
        "what is missing there is lost: send them elsewhere and run again"
    )


def _way_into(fd: int) -> Callable[[memoryview], int]:
    """Return what writes bytes to ``fd`` and returns how many it took; 0 for none now."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:  # closed: the first write says so
        mode = 0
    if stat.S_ISSOCK(mode):
        return _into_socket(fd)
    if stat.S_ISCHR(mode) and os.isatty(fd):
        return _into_terminal(fd)
    if stat.S_ISFIFO(mode):
        return _into_pieces(fd, _PIPE_BUF)
    return lambda view: os.write(fd, view)


def _into_socket(fd: int) -> Callable[[memoryview], int]:
    def offer(view: memoryview) -> int:
        borrowed = socket.socket(fileno=fd)
        try:
            return borrowed.send(view, socket.MSG_DONTWAIT)
        finally:
            borrowed.detach()

    return offer


def _into_terminal(fd: int) -> Callable[[memoryview], int]:
    """Open the terminal once more, so that being non-blocking affects nobody else."""
    try:
        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except (OSError, AttributeError):  # no /dev here, somebody else's terminal, Windows
        return _into_pieces(fd, 64)
    return lambda view: os.write(own, view)


def _into_pieces(fd: int, size: int) -> Callable[[memoryview], int]:
    poll = _poll(fd, select.POLLOUT) if hasattr(select, "poll") else None
    if poll is None:
        return lambda view: os.write(fd, view)

    def offer(view: memoryview) -> int:
        return os.write(fd, view[:size]) if poll.poll(0) else 0

    return offer


def _poll(fd: int, events: int) -> select.poll | None:
    if fd < 0 or not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(fd, events)
    return poll
