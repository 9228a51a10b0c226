"""Looks for auth files that are new, changed or gone, also while a disk does not answer."""

from __future__ import annotations

import os
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import anyio

from poller.process.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poller.authfiles.read import AuthFile

Signature: TypeAlias = tuple[int, int, int] | None
"""What tells that a file has changed: its time, size and inode; None where it is missing."""

_FILE_WITHIN_S = 1.0
"""A file that does not answer for so long is passed over."""
_LOOK_WITHIN_S = 5.0
"""What all of one kind may take together: nobody is asked meanwhile."""


class FileLooks:
    """Looks again and again; whoever does not answer is not looked at again before they do."""

    def __init__(self, find: Callable[[], list[AuthFile]]) -> None:
        self._find = find
        self._is_finding = False
        self._hanging: set[str] = set()
        """Files that are being looked at, mostly by a thread that was given up."""

    async def found(self) -> list[AuthFile] | None:
        """Return the files that there are by now; None where a folder does not answer."""
        if self._is_finding:
            return None

        def find() -> list[AuthFile]:
            self._is_finding = True
            try:
                return self._find()
            finally:
                self._is_finding = False

        with anyio.move_on_after(_LOOK_WITHIN_S):
            return await run_in_thread(find, abandon_on_cancel=True)
        return None

    async def signatures(self, paths: Iterable[str]) -> dict[str, Signature]:
        """Return the signature of each file that answers."""
        left, found = deque(paths), dict[str, Signature]()
        until = time.monotonic() + _LOOK_WITHIN_S
        while left and time.monotonic() < until:
            with anyio.move_on_after(_FILE_WITHIN_S):
                await run_in_thread(partial(self._look, left, found), abandon_on_cancel=True)
        left.clear()
        return dict(found)

    def _look(self, left: deque[str], found: dict[str, Signature]) -> None:
        while left:
            path = left.popleft()
            if path in self._hanging:
                continue
            self._hanging.add(path)
            try:
                found[path] = _signature_of(path)
            finally:
                self._hanging.discard(path)


def _signature_of(path: str) -> Signature:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
