"""What became of every refresh token that was ever sent from here, so that none is twice.

A page for each, in the user's own state folder, named by a digest of the token: whoever
holds the lock on it is the only one who may send that token. No page holds a token. They
are kept for good: a copy of a login may turn up years later with a token long spent.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from poller.renewal.locks import Lock, lock
from poller.usage.json_values import text

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOM = 1024
_READ_AT_MOST = 1 << 16


class SpendState(StrEnum):
    """How a refresh token stands."""

    FREE = "free"
    """Never sent, or sent and certainly not looked at."""
    SENT = "sent"
    """Sent, and nothing is known of what became of it."""
    RENEWED = "renewed"
    """Spent; its successor is in a file."""
    ENDED = "ended"
    """Refused for good."""


@dataclass(frozen=True, slots=True)
class TokenState:
    """What a page says."""

    state: SpendState = SpendState.FREE
    at: int = 0
    """Unix seconds."""
    file: str = ""
    """Where the new tokens were put."""
    successor: str = ""
    """The key of the refresh token that came for it; its own where none came."""
    code: str = ""
    """The upstream's, of one that has ended."""


class TokenEntry(Lock):
    """The note of one login, held by us alone."""

    def read(self) -> TokenState:
        """Return what it says; what cannot be read says that the token may have been sent."""
        return _note(os.pread(self.descriptor, _READ_AT_MOST, 0))

    def reserve(self, path: str) -> None:
        """Make room for a note about ``path``, so that writing it later cannot fail for want.

        Raises:
            OSError: there is none.
        """
        missing = _ROOM + 8 * len(path) - os.fstat(self.descriptor).st_size
        if missing > 0:
            end = os.fstat(self.descriptor).st_size
            written = os.pwrite(self.descriptor, b" " * missing, end)
            if written < missing:  # the next byte says why
                os.pwrite(self.descriptor, b" ", end + written)
            os.fsync(self.descriptor)

    def write(self, note: TokenState) -> None:
        """Say it, on disk before this returns.

        Raises:
            OSError: it cannot be written.
        """
        size = os.fstat(self.descriptor).st_size
        members = {
            "state": note.state.value,
            "at": note.at,
            "file": note.file,
            "successor": note.successor,
            "code": note.code,
        }
        os.pwrite(self.descriptor, json.dumps(members).encode().ljust(size), 0)
        os.fsync(self.descriptor)


class Ledger:
    """The folder of pages."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def page(self, key: str, *, within_s: float) -> TokenEntry | None:
        """Open and lock a login's page; None where another process held on to it.

        Raises:
            OSError: the folder or the page cannot be made or opened.
        """
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        held = await lock(self._path(key), within_s=within_s)
        return None if held is None else TokenEntry(held.descriptor)

    def glance(self, key: str) -> TokenState:
        """Return what a page says now, without locking it."""
        try:
            with open(self._path(key), "rb") as file:
                return _note(file.read(_READ_AT_MOST))
        except FileNotFoundError:
            return TokenState()

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, f"{key}.json")


def own_folder() -> str:
    """Return the user's folder for pages."""
    from platformdirs import user_state_dir

    return os.path.join(user_state_dir("poller", appauthor=False), "logins")


def _note(content: bytes) -> TokenState:
    if not content.strip():
        return TokenState()
    try:
        members = cast("Mapping[str, object]", json.loads(content))
        at = members["at"]
        return TokenState(
            SpendState(text(members, "state") or ""),
            at if isinstance(at, int) else 0,
            text(members, "file") or "",
            text(members, "successor") or "",
            text(members, "code") or "",
        )
    except (ValueError, KeyError, TypeError):
        return TokenState(SpendState.SENT)
