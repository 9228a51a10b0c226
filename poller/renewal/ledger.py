"""What happened to every refresh token that was sent from here, so that none is sent twice.

Each note stands in two places. In the ledger, a folder of the user's with a page for each
token, it covers every copy of a login. In the auth file's lock it covers every user and home
directory that refreshes this file. Both name a token by a digest and hold none. Pages are
never removed: a copy with a token long spent may turn up years later.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from poller.renewal import refusals, token_state
from poller.renewal.beside import OTHERS_WRITE, read_own, write_whole
from poller.renewal.locks import lock
from poller.renewal.refusals import RefreshRefusedError
from poller.renewal.token_state import TokenState

if TYPE_CHECKING:
    from poller.renewal.locks import DiskWork

_PAGE_AT_MOST = 1 << 16
_ROOM = 1024
"""Bytes of a page beside the file's name."""
_SLOT = 256
"""Bytes of a note in a lock file: a power of two, so that no write crosses a disk block."""
_SLOTS = 256
_KEY_LENGTH = 40


class TokenEntry:
    """What is noted of one refresh token. Nobody else can write it meanwhile."""

    def __init__(self, key: str, *, page: int, lock_notes: LockNotes) -> None:
        """``page`` is the descriptor of the token's page, locked."""
        self.key = key
        self._page = page
        self._lock_notes = lock_notes

    def read(self) -> TokenState:
        """Return what is known; what cannot be read may have been sent."""
        noted = token_state.parse(os.pread(self._page, _PAGE_AT_MOST, 0))
        return token_state.safer(noted, self._lock_notes.read(self.key), key=self.key)

    def reserve(self, path: str) -> None:
        """Make room for a note about the file at ``path``, so that writing it cannot fail later.

        Raises:
            OSError: there is no room.
        """
        end = os.fstat(self._page).st_size
        missing = _ROOM + len(json.dumps(path)) - end
        if missing > 0:
            write_whole(self._page, b" " * missing, offset=end)
            os.fsync(self._page)
        self._lock_notes.reserve(self.key)

    def write(self, note: TokenState) -> None:
        """Write a note, on disk before this returns.

        Raises:
            OSError: it cannot be written.
        """
        self.write_unsynced(note)
        self.sync()

    def write_unsynced(self, note: TokenState) -> None:
        """Write a note that survives this process, if not the machine.

        Raises:
            OSError: it cannot be written.
        """
        content = token_state.serialize(note)
        write_whole(self._page, content.ljust(os.fstat(self._page).st_size))
        self._lock_notes.write(self.key, note)

    def sync(self) -> None:
        """Make what was written survive the machine.

        Raises:
            OSError: it could not be written.
        """
        os.fsync(self._page)
        self._lock_notes.sync()


class LockNotes:
    """The notes in an auth file's lock: of the last 256 tokens that were sent for it.

    Each is a slot of 256 bytes: the token's key, then the note without its file.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        """``descriptor`` is the lock's, held; ``path`` is the auth file's."""
        self._descriptor = descriptor
        self._path = path

    def read(self, key: str) -> TokenState:
        """Return what is noted of a token."""
        noted = (note for _, known, note in self._slots() if known == key)
        return replace(next(noted, TokenState()), file=self._path)

    def reserve(self, key: str) -> None:
        """Make room for a note; one that is there already stays.

        Raises:
            OSError: there is no room.
        """
        slots = self._slots()
        if any(known == key for _, known, _ in slots):
            return
        offset = len(slots) * _SLOT
        if len(slots) >= _SLOTS:
            offset = min(slots, key=lambda slot: slot[2].at)[0]
        self._write(offset, key, TokenState())
        self.sync()

    def write(self, key: str, note: TokenState) -> None:
        """Write a note where room was made for it, unsynced.

        Raises:
            OSError: it cannot be written.
        """
        for offset, known, _ in self._slots():
            if known == key:
                self._write(offset, key, note)

    def sync(self) -> None:
        """Make what was written survive the machine.

        Raises:
            OSError: it could not be written.
        """
        os.fsync(self._descriptor)

    def _slots(self) -> list[tuple[int, str, TokenState]]:
        content = os.pread(self._descriptor, _SLOTS * _SLOT, 0)
        return [
            (
                offset,
                content[offset : offset + _KEY_LENGTH].decode("ascii", "replace"),
                token_state.parse(content[offset + _KEY_LENGTH : offset + _SLOT]),
            )
            for offset in range(0, len(content), _SLOT)
        ]

    def _write(self, offset: int, key: str, note: TokenState) -> None:
        content = key.encode() + token_state.serialize(replace(note, file=""))
        write_whole(self._descriptor, content.ljust(_SLOT), offset=offset)


class Ledger:
    """The user's folder of pages, one for each token."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def entry(self, key: str, lock_notes: LockNotes, *, disk: DiskWork) -> TokenEntry:
        """Lock a token's page, and return what is noted of that token.

        Raises:
            RefreshRefusedError: as :func:`poller.renewal.locks.lock`, or the folder may be
                somebody else's.
            OSError: the folder or the page cannot be created or opened.
        """
        await disk.run(partial(_make_own_folder, self._folder))
        page = await lock(self._path(key), disk=disk)
        return TokenEntry(key, page=page, lock_notes=lock_notes)

    def glance(self, key: str) -> TokenState:
        """Return what a page says now, without locking it.

        Raises:
            RefreshRefusedError: the page may be somebody else's.
            OSError: it cannot be read.
        """
        return token_state.parse(read_own(self._path(key)) or b"")

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, f"{key}.json")


def own_folder() -> str | None:
    """Return the user's folder for pages; None where no home folder is known."""
    from platformdirs import user_state_dir

    try:
        folder = user_state_dir("poller", appauthor=False)
    except RuntimeError:
        return None
    return os.path.join(folder, "logins") if os.path.isabs(folder) else None


def _make_own_folder(folder: str) -> None:
    """Create a folder, and those it stands in, for their owner alone whatever the umask."""
    try:
        os.mkdir(folder, 0o700)
    except FileNotFoundError:
        _make_own_folder(os.path.dirname(folder))
        _make_own_folder(folder)
    except FileExistsError:
        status = os.stat(folder)
        if status.st_uid != os.geteuid() or status.st_mode & OTHERS_WRITE:
            why = "belongs to another user, or others may write to it"
            raise RefreshRefusedError(refusals.untrusted(folder, why)) from None
    else:
        os.chmod(folder, 0o700)
