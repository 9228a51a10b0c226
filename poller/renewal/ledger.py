"""What happened to every refresh token that was sent from here, so that none is sent twice.

It is recorded in two places. The ledger, a folder of the user's with a file for each token,
covers every copy of a login. The auth file's lock covers every home directory that the file is
refreshed from. Both name a token by a digest and hold none. The ledger's files are never
removed: a copy with a token long spent may turn up years later.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from poller.process.own_folders import make_private_folder, own_state_folder
from poller.renewal import refusals
from poller.renewal.beside import OTHERS_WRITE, read_own, write_whole
from poller.renewal.locks import lock
from poller.renewal.refusals import RefreshRefusedError
from poller.renewal.token_state import TokenState, parse, safer, serialize

if TYPE_CHECKING:
    from poller.renewal.locks import DiskWork

_ENTRY_AT_MOST = 1 << 16
_ENTRY_LENGTH = 1024
"""Bytes of a file of the ledger, without the auth file's path that stands in it."""
_SLOT = 256
"""Bytes of a record in a lock: a power of two, so that no write crosses a disk block."""
_SLOTS = 256
_KEY_LENGTH = 40


class TokenEntry:
    """What is recorded of one refresh token. Nobody else can write it meanwhile."""

    def __init__(self, key: str, descriptor: int, lock_records: LockRecords) -> None:
        """``descriptor`` is of the token's file in the ledger, locked."""
        self.key = key
        self._descriptor = descriptor
        self._lock_records = lock_records

    def read(self) -> TokenState:
        """Return what is known; what cannot be read may have been sent."""
        state = parse(os.pread(self._descriptor, _ENTRY_AT_MOST, 0))
        return safer(state, self._lock_records.read(self.key), key=self.key)

    def reserve(self, path: str) -> None:
        """Reserve disk space for a state with the file at ``path``, so that writing it cannot fail.

        Raises:
            OSError: there is no room.
        """
        end = os.fstat(self._descriptor).st_size
        missing = _ENTRY_LENGTH + len(json.dumps(path)) - end
        if missing > 0:
            write_whole(self._descriptor, b" " * missing, offset=end)
            os.fsync(self._descriptor)
        self._lock_records.reserve(self.key)

    def write(self, state: TokenState) -> None:
        """Record a state, on disk before this returns.

        Raises:
            OSError: it cannot be written.
        """
        self.write_unsynced(state)
        self.sync()

    def write_unsynced(self, state: TokenState) -> None:
        """Record a state: it survives this process, if not the machine.

        Raises:
            OSError: it cannot be written.
        """
        content = serialize(state)
        write_whole(self._descriptor, content.ljust(os.fstat(self._descriptor).st_size))
        self._lock_records.write(self.key, state)

    def sync(self) -> None:
        """Make what was written survive the machine.

        Raises:
            OSError: it could not be written.
        """
        os.fsync(self._descriptor)
        self._lock_records.sync()


class LockRecords:
    """What an auth file's lock records: the last 256 tokens that were sent for the file.

    Each has a slot of 256 bytes: the token's key, then its state without the file.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        """``descriptor`` is the lock's, held; ``path`` is the auth file's."""
        self._descriptor = descriptor
        self._path = path

    def read(self, key: str) -> TokenState:
        """Return what is recorded of the token with that key."""
        found = (state for _, recorded, state in self._slots() if recorded == key)
        return replace(next(found, TokenState()), file=self._path)

    def reserve(self, key: str) -> None:
        """Reserve disk space for a token's state; one that is recorded stays.

        Raises:
            OSError: there is no room.
        """
        slots = self._slots()
        if any(recorded == key for _, recorded, _ in slots):
            return
        offset = len(slots) * _SLOT
        if len(slots) >= _SLOTS:
            offset = min(slots, key=lambda slot: slot[2].at)[0]
        self._write(offset, key, TokenState())
        self.sync()

    def write(self, key: str, state: TokenState) -> None:
        """Record a state where space was reserved for it, unsynced.

        Raises:
            OSError: it cannot be written.
        """
        for offset, recorded, _ in self._slots():
            if recorded == key:
                self._write(offset, key, state)

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
                parse(content[offset + _KEY_LENGTH : offset + _SLOT]),
            )
            for offset in range(0, len(content), _SLOT)
        ]

    def _write(self, offset: int, key: str, state: TokenState) -> None:
        content = key.encode() + serialize(replace(state, file=""))
        write_whole(self._descriptor, content.ljust(_SLOT), offset=offset)


class Ledger:
    """The user's folder with a file for each token."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def entry(self, key: str, lock_records: LockRecords, *, disk: DiskWork) -> TokenEntry:
        """Lock a token's file, and return what is recorded of the token.

        Raises:
            RefreshRefusedError: as :func:`poller.renewal.locks.lock`, or the folder may be
                somebody else's.
            OSError: the folder or the file cannot be created or opened.
        """
        await disk.run(partial(_make_own_folder, self._folder))
        descriptor = await lock(self._path(key), disk=disk)
        return TokenEntry(key, descriptor, lock_records)

    def glance(self, key: str) -> TokenState:
        """Return what is recorded now of a token, without locking it.

        Raises:
            RefreshRefusedError: the file may be somebody else's.
            OSError: it cannot be read.
        """
        return parse(read_own(self._path(key)) or b"")

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, f"{key}.json")


def own_folder() -> str | None:
    """Return the user's folder for the ledger; None where no home folder is known."""
    folder = own_state_folder()
    return None if folder is None else os.path.join(folder, "logins")


def _make_own_folder(folder: str) -> None:
    make_private_folder(folder)
    status = os.stat(folder)
    if status.st_uid != os.geteuid() or status.st_mode & OTHERS_WRITE:
        why = "belongs to another user, or others may write to it"
        raise RefreshRefusedError(refusals.untrusted(folder, why))
