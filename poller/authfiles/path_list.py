"""A list of paths, one a line, from a file or a pipe: ``--files-from``."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.authfiles.find import listed
from poller.process.threads import run_in_thread
from poller.settings import UsageError
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from poller.authfiles.read import AuthFile

_STDIN = 0
_CHUNK = 1 << 16
_LINE_LENGTH = 8192
"""Bytes; no path is longer, and a list without line breaks must not fill memory."""
_BOM = "\ufeff"


class PathList:
    """The auth files of a list, which is read to its end before the first is handed out."""

    def __init__(
        self, descriptor: int, *, cwd: str, owned: bool, shows_addresses: bool = False
    ) -> None:
        """Read from ``descriptor``; close it at the end if it is ``owned``."""
        self.trouble: str | None = None
        """Why the list ended before its end; None where it did not."""
        self._descriptor = descriptor
        self._owned = owned
        self._cwd = cwd
        self._shows_addresses = shows_addresses
        self._paths: list[str] = []
        self._rest = b""
        self._at_start = True
        self._handed_out = False

    async def next(self) -> list[AuthFile]:
        """Return all files of the list, once it has been read; nothing after that."""
        if self._handed_out:
            return []
        while chunk := await self._chunk():
            self._take(chunk)
        self._take(b"\n")
        return self.left()

    def left(self) -> list[AuthFile]:
        """Return the files that were read so far and not handed out."""
        if self._handed_out:
            return []
        self._handed_out = True
        return listed(self._paths, cwd=self._cwd, shows_addresses=self._shows_addresses)

    def close(self) -> None:
        """Close what it was read from."""
        if self._owned:
            os.close(self._descriptor)

    async def _chunk(self) -> bytes:
        read = partial(os.read, self._descriptor, _CHUNK)
        while True:
            try:
                return await run_in_thread(read, abandon_on_cancel=True)
            except BlockingIOError:  # another process that shares the pipe made it so
                await anyio.wait_readable(self._descriptor)
            except OSError as error:
                self.trouble = f"the list of paths broke off: {os_error_text(error)}"
                return b""

    def _take(self, chunk: bytes) -> None:
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:_LINE_LENGTH]
        for line in lines:
            path = os.fsdecode(line[:_LINE_LENGTH].removesuffix(b"\r"))
            if self._at_start:
                path, self._at_start = path.removeprefix(_BOM), False
            if path.strip():
                self._paths.append(path)


async def open_path_list(files_from: str, *, cwd: str, shows_addresses: bool = False) -> PathList:
    """Open the list of paths ``files_from``; ``-`` is standard input.

    Raises:
        UsageError: it cannot be opened, or is a folder.
    """
    try:
        if files_from == "-":
            os.fstat(_STDIN)
            return PathList(_STDIN, cwd=cwd, owned=False, shows_addresses=shows_addresses)
        path = os.path.join(cwd, files_from)
        if await run_in_thread(partial(os.path.isdir, path), abandon_on_cancel=True):
            shown = printable(files_from)
            raise UsageError(f"--files-from {shown}: a folder; give it as --account-dir {shown}")
        # A named pipe is waited for here until somebody writes into it.
        flags: int = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
        descriptor = await run_in_thread(partial(os.open, path, flags), abandon_on_cancel=True)
    except (OSError, ValueError) as error:
        why = os_error_text(error)
        shown = "standard input" if files_from == "-" else printable(files_from)
        raise UsageError(
            f"--files-from {shown}: cannot be read ({why}); "
            "name a file with one path a line, or - for standard input"
        ) from None
    return PathList(descriptor, cwd=cwd, owned=True, shows_addresses=shows_addresses)
