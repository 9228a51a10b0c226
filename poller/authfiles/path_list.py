"""Paths that come in one a line, from a file or a pipe, read no faster than needed."""

from __future__ import annotations

import os
import stat
from collections import deque
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from poller.authfiles.labels import Folder, Taken
from poller.authfiles.picks import Pick
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16
_LINE_CAP = 8192
"""Bytes of a line; no path is longer, and a list without line breaks must not fill memory."""


class Arrivals:
    """The picks of a list of paths, as far as it has been read."""

    def __init__(self, descriptor: int, *, cwd: str, owned: bool) -> None:
        """Read from ``descriptor``; close it at the end where it is ``owned``."""
        self.waiting: deque[Pick] = deque()
        self.ended = False
        self.trouble: str | None = None
        """Why the list ended before its end; None where it did not."""
        self._descriptor = descriptor
        self._owned = owned
        self._cwd = cwd
        self._partial = b""
        self._paths = Taken()
        self._labels = Taken()
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._pollable = not self._is_file and os.name != "nt"

    async def more(self) -> None:
        """Wait until something has come, and take it in."""
        try:
            chunk = await self._chunk()
        except BlockingIOError:  # somebody else was faster at a shared pipe
            return
        except OSError as error:
            self.trouble = f"the list of paths broke off: {error.strerror or 'read error'}"
            chunk = b""
        if not chunk:
            self._take(self._partial)
            self.close()
            return
        *lines, rest = (self._partial + chunk).split(b"\n")
        self._partial = rest[:_LINE_CAP]
        for line in lines:
            self._take(line[:_LINE_CAP])

    @property
    def pollable(self) -> bool:
        """Whether waiting for more can be given up without losing what comes meanwhile."""
        return self._is_file or self._pollable

    def close(self) -> None:
        """Take no more."""
        if self._owned and not self.ended:
            os.close(self._descriptor)
        self.ended = True

    async def _chunk(self) -> bytes:
        if self._is_file:
            return os.read(self._descriptor, _CHUNK)
        if self._pollable:
            try:
                await anyio.wait_readable(self._descriptor)
            except PermissionError:  # a device that cannot be waited for, /dev/null among them
                self._pollable = False
            else:
                return os.read(self._descriptor, _CHUNK)
        return await to_thread.run_sync(os.read, self._descriptor, _CHUNK, abandon_on_cancel=True)

    def _take(self, line: bytes) -> None:
        given = os.fsdecode(line.removesuffix(b"\r"))
        if not given.strip():
            return
        path = os.path.join(self._cwd, given)
        if self._paths.claim(os.path.normpath(path)):
            self.waiting.append(Pick(self._label(path), given, path, named=True))

    def _label(self, path: str) -> str:
        for label in _longer_and_longer(path):
            if self._labels.claim(label):
                return label
        return self._labels.unique(printable(path))


def _longer_and_longer(path: str) -> Iterator[str]:
    """Yield a file's stem, then more and more of the path before it, then all of it."""
    folder, name = folder_of(path)
    stem, before = folder.stem(name), folder.before(name)
    for start in range(len(before), -1, -1):
        yield printable("/".join((*before[start:], stem)))
    yield printable("/".join((*folder.parts, name)))


def folder_of(path: str) -> tuple[Folder, str]:
    """Return a folder that holds nothing but this file, and the file's name."""
    directory, name = os.path.split(os.path.normpath(path))
    return Folder(directory, parts_of(directory), (name,)), name


def parts_of(directory: str) -> tuple[str, ...]:
    """Return the parts of an absolute path, the root left out."""
    return tuple(directory.strip(os.sep).split(os.sep)) if directory.strip(os.sep) else ()
