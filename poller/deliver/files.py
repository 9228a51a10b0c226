"""A file that takes the place of an old one once it is whole: ``--output``, a report."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from poller.deliver.stdout import ResultsLost
from poller.process.threads import run_in_thread
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS: int = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_MODE = 0o644


class NewFile:
    """Written beside the old file and renamed at the end; the old one stays whole till then."""

    def __init__(self, path: str, *, option: str = "--output") -> None:
        """Raises ResultsLost where no file can be made beside ``path``; ``option`` named it."""
        self._path, self._option = path, option
        try:
            self._draft, self._descriptor = create_draft(path)
        except (OSError, ValueError) as error:
            raise self._lost(error) from None
        self._open = True

    async def write(self, line: bytes) -> None:
        """Append ``line``; raises ResultsLost."""
        await self._in_thread(partial(_write, self._descriptor, line))

    async def finish(self) -> None:
        """Put the new file in the old one's place; raises ResultsLost."""
        await self._in_thread(self._replace)
        self._open = False

    def close(self) -> None:
        """Remove the new file unless it is finished."""
        if self._open:
            self._open = False
            os.close(self._descriptor)
            with suppress(OSError):
                os.unlink(self._draft)

    def _replace(self) -> None:
        os.fsync(self._descriptor)
        os.replace(self._draft, self._path)
        os.close(self._descriptor)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        try:
            await run_in_thread(work)
        except OSError as error:
            raise self._lost(error) from None

    def _lost(self, error: OSError | ValueError) -> ResultsLost:
        why = os_error_text(error)
        return ResultsLost(
            f"{self._option} {printable(self._path)}: cannot be written ({why}); an older file "
            "is unchanged: name a file in a folder that you can write to"
        )


def create_draft(path: str) -> tuple[str, int]:
    """Create a file beside ``path``, to take its place; return its path and its descriptor.

    Raises:
        OSError, ValueError: none can be created, or what is at ``path`` may not be replaced.
    """
    if _is_special(path):
        raise OSError(errno.EEXIST, "it is a link or not a regular file")
    folder, name = os.path.split(path)
    draft = os.path.join(folder, f".{name}.{secrets.token_hex(4)}")
    return draft, os.open(draft, _FLAGS, _MODE)


def _is_special(path: str) -> bool:
    """Whether a folder, a device, a pipe or a link is there, which no file may replace.

    ``/dev/stdout`` is a link, too, to a regular file where the shell sends it to one.
    """
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False  # nothing is there, or what stands against it shows later


def _write(descriptor: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(descriptor, view) :]
