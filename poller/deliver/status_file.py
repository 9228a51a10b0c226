"""A file that always holds one whole line: ``--status-file``."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.deliver.files import create_draft
from poller.process.threads import run_in_thread
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable

_WITHIN_S = 2.0
"""A disk that does not answer for so long is given up, until it does."""


class StatusFile:
    """Where a line is kept for bars that read a file rather than run a command."""

    def __init__(self, path: str, *, on_trouble: Callable[[str], None]) -> None:
        """``on_trouble`` is called with a sentence; once, however long the trouble lasts."""
        self._path = path
        self._on_trouble = on_trouble
        self._written: str | None = None
        self._told = False
        self._is_writing = False
        self._free = anyio.Lock()

    async def write(self, line: str, *, anew: bool = False) -> None:
        """Put the line in the old one's place, unless it is the same; never raises OSError.

        ``anew``: also where it is the same, as the file may have been removed meanwhile.
        """
        async with self._free:
            if anew or line != self._written:
                await self._write(line)

    async def leave(self, line: str) -> None:
        """Write the last line, unless none was ever written."""
        if self._written is not None:
            await self.write(line)

    async def _write(self, line: str) -> None:
        if self._is_writing:  # a thread that was given up
            return
        try:
            with anyio.move_on_after(_WITHIN_S, shield=True) as writing:
                work = partial(self._replace, f"{line}\n".encode())
                await run_in_thread(work, abandon_on_cancel=True)
            if writing.cancelled_caught:
                raise OSError(errno.ETIMEDOUT, "its disk does not answer")  # noqa: TRY301 - as others
        except (OSError, ValueError) as error:
            self._written = None
            if not self._told:
                self._told = True
                why = os_error_text(error)
                self._on_trouble(
                    f"--status-file {printable(self._path)}: cannot be written ({why}): "
                    "name a file in a folder that you can write to"
                )
            return
        self._written, self._told = line, False

    def _replace(self, content: bytes) -> None:
        self._is_writing = True
        try:
            _replace(self._path, content)
        finally:
            self._is_writing = False


def _replace(path: str, content: bytes) -> None:
    draft, descriptor = create_draft(path)
    try:
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
