"""Put new tokens into an auth file: reserve the space, write, then take over the name."""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from poller.renewal import beside, refusals
from poller.renewal.beside import closing, create, read_regular, write_whole
from poller.renewal.rewriting import rewritten
from poller.text import os_error_text

if TYPE_CHECKING:
    from poller.renewal.tokens import Tokens
    from poller.values import Failure, Secret

_ROOM_FOR_TOKENS = 3 * 8192
_ATTEMPTS = 8
"""At replacing a file that somebody else keeps writing."""
_HALF_WRITTEN_WAITS_S = (0.0, 0.02, 0.05, 0.1)
"""Before each reading of a file that somebody may be writing."""
_PERMISSIONS = 0o777
_ACL = "system.posix_acl_access"
_ACL_HEADER, _ACL_ENTRY, _ACL_GROUP = 4, "<HHI", 0x04
"""Of Linux: a version; tag, permissions and id; the tag of the file's own group."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The file that will replace an auth file; beside it, its disk space reserved and synced."""

    path: str
    """The auth file's, real."""
    content: bytes = field(repr=False)
    """What the auth file held when the space was reserved."""
    mode: int
    """The auth file's permissions, likewise."""
    group: int
    descriptor: int

    @property
    def is_there(self) -> bool:
        """Whether the file still has its name: somebody may clear the folder meanwhile."""
        try:
            named = os.lstat(beside.draft_path(self.path))
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self.descriptor))

    def discard(self) -> None:
        """Give the space back."""
        if self.is_there:
            with suppress(OSError):
                os.unlink(beside.draft_path(self.path))
        os.close(self.descriptor)

    def write_unsynced(self, spent: Secret, tokens: Tokens, *, now: float) -> None:
        """Write the new content: it survives this process, if not the machine."""
        with suppress(OSError):  # replace_file() comes next, and tells of it
            write_whole(self.descriptor, rewritten(self.content, spent, tokens, now=now) or b"")


@dataclass(frozen=True, slots=True)
class Saved:
    """New tokens that are on disk."""

    place: str
    """The file that holds them."""
    failure: Failure | None = None
    """Why that is not the auth file; None where it is."""


def reserve(path: str, content: bytes, status: os.stat_result) -> Draft:
    """Reserve disk space beside an auth file, whose content and status are given.

    Raises:
        RefreshRefusedError: what lies in the draft's place may be somebody else's.
        OSError: there is no space, or the folder cannot be written. Nothing is left behind.
    """
    set_draft_aside(path)
    mode = _permissions(path, status)
    draft = Draft(path, content, mode, status.st_gid, create(beside.draft_path(path)))
    try:
        write_whole(draft.descriptor, b" " * (len(content) + _ROOM_FOR_TOKENS))
        os.fsync(draft.descriptor)
    except BaseException:
        draft.discard()
        raise
    return draft


def set_draft_aside(path: str) -> None:
    """Clear the draft's place. What a killed run left there whole becomes a rescue file.

    Raises:
        RefreshRefusedError: it may be somebody else's; it is left as it is.
        OSError: the folder cannot be written.
    """
    draft = beside.draft_path(path)
    left = beside.read_own(draft)
    if left is None:
        return
    if _is_json(left):
        os.replace(draft, beside.free_rescue_path(path))
    else:
        os.unlink(draft)


def replace_file(
    draft: Draft, spent: Secret, tokens: Tokens, *, now: float, kept_in: str | None = None
) -> Saved:
    """Put the tokens into the file, on disk before this returns; ``now`` is Unix seconds.

    A writer that takes no lock may have written the file meanwhile. It is read again at the
    last moment, and left as it is where it no longer holds the spent token. Then, and where it
    cannot be replaced, the new tokens go into a rescue file, unless they are ``kept_in`` a file
    already; the failure, ``refresh_unsaved``, names it.
    """
    content = draft.content
    try:
        for _ in range(_ATTEMPTS):
            new = rewritten(content, spent, tokens, now=now)
            if new is None:
                break
            draft = _there(draft)
            _fill(draft.descriptor, new)
            found = _once_whole(draft.path, content)
            if found == content and draft.is_there:
                os.replace(beside.draft_path(draft.path), draft.path)
                with closing(draft.descriptor):
                    _restore_mode(draft)
                    _sync_folder(draft.path)
                return Saved(draft.path)
            content = found
        why = "the file was changed meanwhile"
    except OSError as error:
        why = os_error_text(error)
    if kept_in is not None:
        draft.discard()
    place = kept_in or rescue(draft, spent, tokens, now=now)
    return Saved(place, refusals.unsaved(place, why))


def rescue(draft: Draft, spent: Secret, tokens: Tokens, *, now: float) -> str:
    """Keep new tokens in a file beside the auth file, for its owner alone; return its path."""
    place = beside.draft_path(draft.path)
    new = rewritten(draft.content, spent, tokens, now=now) or draft.content
    with closing(draft.descriptor):
        with suppress(OSError):
            _fill(draft.descriptor, new)
        with suppress(OSError):
            free = beside.free_rescue_path(draft.path)
            if draft.is_there:
                os.replace(place, free)
            else:
                with closing(create(free)) as descriptor:
                    _fill(descriptor, new)
            place = free
            _sync_folder(place)
    return place


def _there(draft: Draft) -> Draft:
    """Return the draft, made again where it was cleared away.

    Raises:
        OSError: something else lies in its place.
    """
    if draft.is_there:
        return draft
    descriptor = create(beside.draft_path(draft.path))
    os.close(draft.descriptor)
    return replace(draft, descriptor=descriptor)


def _fill(descriptor: int, content: bytes) -> None:
    write_whole(descriptor, content)
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def _once_whole(path: str, expected: bytes) -> bytes:
    """Return what the file holds now; no JSON where it is no file, or stays half written."""
    content = b""
    for wait_s in _HALF_WRITTEN_WAITS_S:
        time.sleep(wait_s)
        try:
            content, _ = read_regular(path)
        except OSError:
            content = b""
        if content == expected or _is_json(content):
            break
    return content


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def _permissions(path: str, status: os.stat_result) -> int:
    """Return what a file's owner, its group and everybody may do: no setuid bit, no ACL entry.

    Where there is an ACL, the group's bits of the mode are what anybody named in it may do at
    most, and not what the group may.
    """
    mode = status.st_mode & _PERMISSIONS
    try:
        acl = os.getxattr(path, _ACL)
    except (OSError, AttributeError):  # none there, or none on this system
        return mode
    for tag, permissions, _ in struct.iter_unpack(_ACL_ENTRY, acl[_ACL_HEADER:]):
        if tag == _ACL_GROUP:
            mode &= 0o707 | permissions << 3
    return mode


def _restore_mode(draft: Draft) -> None:
    """Give the new file the old one's group and permissions, and no entry of a default ACL.

    Where the group is not ours to give, the group gets no permissions.
    """
    mode = draft.mode
    with suppress(OSError, AttributeError):  # no ACL there, or none on this system
        os.removexattr(draft.descriptor, _ACL)
    with suppress(OSError):  # then the file stays its owner's alone
        if os.fstat(draft.descriptor).st_gid != draft.group:
            try:
                os.fchown(draft.descriptor, -1, draft.group)
            except PermissionError:
                mode &= ~0o070
        os.fchmod(draft.descriptor, mode)


def _sync_folder(path: str) -> None:
    folder = os.path.dirname(path) or os.curdir
    with suppress(OSError), closing(os.open(folder, os.O_RDONLY)) as descriptor:
        os.fsync(descriptor)  # some file systems cannot
