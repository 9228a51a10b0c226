"""Watch a folder for whatever is done to it but reading (Linux's inotify)."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAN_WATCH = sys.platform == "linux"
_EVENT = struct.Struct("iIII")
_DONE = {
    0x002: "modified",
    0x004: "attributes changed",
    0x008: "closed after writing",
    0x040: "moved away",
    0x080: "moved in",
    0x100: "created",
    0x200: "deleted",
    0x400: "folder deleted",
    0x800: "folder moved",
}
_OPENED = 0x020


class Seen(list[tuple[str, str]]):
    """What was done to which file, in order; whole once the watching has ended."""

    def __init__(self, queue: int) -> None:
        super().__init__()
        self._queue = queue

    def read(self) -> None:
        """Take in what the kernel has noted so far."""
        self += _events(self._queue)

    async def until(self, done: str, name: str) -> None:
        """Return as soon as that was done to that file."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._queue, arrived.set)
        try:
            while (done, name) not in self:
                await arrived.wait()
                arrived.clear()
                self.read()
        finally:
            loop.remove_reader(self._queue)


@contextmanager
def watched(folder: Path) -> Iterator[Seen]:
    """Watch a folder; yield what is seen, which is whole once the context is left.

    Opening is noted too, as ``opened``: the proof that something was watched.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    seen = Seen(queue)
    try:
        mask = sum(_DONE) | _OPENED
        if libc.inotify_add_watch(queue, os.fsencode(folder), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        yield seen
        seen.read()
    finally:
        os.close(queue)


def _events(queue: int) -> Iterator[tuple[str, str]]:
    while True:
        try:
            read = os.read(queue, 1 << 16)
        except BlockingIOError:
            return
        while read:
            _, mask, _, length = _EVENT.unpack_from(read)
            name = os.fsdecode(read[_EVENT.size : _EVENT.size + length].rstrip(b"\0"))
            done = next((what for bit, what in _DONE.items() if mask & bit), "opened")
            yield done, name
            read = read[_EVENT.size + length :]
