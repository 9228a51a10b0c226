"""Put new tokens into an auth file: room first, then the bytes, then the name."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from poller.authfiles.files import Content, read
from poller.renewal.rewriting import rewritten
from poller.text import printable
from poller.values import Failure, FailureKind

if TYPE_CHECKING:
    from poller.renewal.tokens import Tokens
    from poller.values import Secret

_ROOM_FOR_TOKENS = 3 * 8192
_FLAGS: int = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_TRIES = 8
"""At replacing a file that somebody else writes all the time."""
_SETTLES_IN_S = (0.0, 0.02, 0.05, 0.1)
"""Waits before each reading of a file that somebody may be writing just now."""


def spare_path(path: str) -> str:
    """Return where the new file is written before it takes the old one's name.

    Discovery takes no name that begins with a dot. It is one and the same each time, so
    that what a killed run left can be found.
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.refreshing")


@dataclass(frozen=True, slots=True)
class Reserved:
    """Room beside an auth file, written and synced, for the file that shall replace it."""

    path: str
    """The auth file's, real."""
    content: bytes = field(repr=False)
    """What it held when the room was made."""
    spare: str
    descriptor: int

    def discard(self) -> None:
        """Give the room back."""
        with suppress(OSError):
            os.unlink(self.spare)
        os.close(self.descriptor)


def reserve(path: str, content: bytes) -> Reserved:
    """Make room for the new file, with the mode and owner of the old one.

    Raises:
        OSError: there is no room, or the folder cannot be written. Nothing is left behind.
    """
    set_aside(path)
    spare = spare_path(path)
    reserved = Reserved(path, content, spare, os.open(spare, _FLAGS, 0o600))
    try:
        _dress(reserved.descriptor, os.stat(path))
        _write(reserved.descriptor, b" " * (len(content) + _ROOM_FOR_TOKENS))
        os.fsync(reserved.descriptor)
    except BaseException:
        reserved.discard()
        raise
    return reserved


def _dress(descriptor: int, like: os.stat_result) -> None:
    ours = os.fstat(descriptor)
    if (ours.st_uid, ours.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))


def _write(descriptor: int, content: bytes) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], done)


@dataclass(frozen=True, slots=True)
class Saved:
    """New tokens that are on disk."""

    place: str
    """The file that holds them."""
    failure: Failure | None = None
    """Why that is not the file they belong into; None where it is."""


def write_unsynced(reserved: Reserved, spent: Secret, tokens: Tokens, *, now: float) -> None:
    """Write the new file down at once, unsynced: it survives this process, if not the machine."""
    new = rewritten(reserved.content, spent, tokens, now=now)
    with suppress(OSError):  # replace_file() comes next, and has words for it
        _write(reserved.descriptor, new or b"")


def replace_file(reserved: Reserved, spent: Secret, tokens: Tokens, *, now: float) -> Saved:
    """Put the tokens into the file, on disk before this returns; ``now`` is Unix seconds.

    Somebody who takes no lock may have written the file meanwhile: it is read again at
    the last moment, and where it no longer holds the token that was spent, it is left as it
    is. Then, and where it cannot be replaced, the new tokens go into a file beside it,
    which the failure, ``refresh_unsaved``, names.
    """
    content = reserved.content
    try:
        for _ in range(_TRIES):
            new = rewritten(content, spent, tokens, now=now)
            if new is None:
                break
            _fill(reserved.descriptor, new)
            found = _settled(reserved.path, content)
            if found == content:
                os.replace(reserved.spare, reserved.path)
                _sync_folder(reserved.path)
                os.close(reserved.descriptor)
                return Saved(reserved.path)
            content = found
        why = "the file was changed meanwhile"
    except OSError as error:
        why = words(error)
    return _rescued(reserved, spent, tokens, now=now, why=why)


def words(error: OSError) -> str:
    """Return the system's word for an error."""
    return (error.strerror or "input/output error").lower()


def _fill(descriptor: int, content: bytes) -> None:
    _write(descriptor, content)
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def _settled(path: str, expected: bytes) -> bytes:
    """Return what the file holds now; no JSON where it is no file, or stays half written."""
    content = b""
    for wait_s in _SETTLES_IN_S:
        time.sleep(wait_s)
        found = read(path)
        content = found.content if isinstance(found, Content) else b""
        if content == expected or _is_json(content):
            break
    return content


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def _rescued(reserved: Reserved, spent: Secret, tokens: Tokens, *, now: float, why: str) -> Saved:
    """Keep the new tokens beside the file, for its owner alone."""
    place = reserved.spare
    with suppress(OSError):
        new = rewritten(reserved.content, spent, tokens, now=now)
        _fill(reserved.descriptor, new or reserved.content)
    with suppress(OSError):
        os.fchmod(reserved.descriptor, 0o600)
    with suppress(OSError):
        rescue = _free_name(f"{reserved.path}.rescue")
        os.replace(reserved.spare, rescue)
        place = rescue
        _sync_folder(place)
    os.close(reserved.descriptor)
    return Saved(place, _unsaved(place, why))


def _unsaved(place: str, why: str) -> Failure:
    """Say where the tokens are, never what."""
    return Failure(
        FailureKind.REFRESH_UNSAVED,
        f"the new tokens could not be put into the file ({why}); they are in {printable(place)}",
        "put things right and run again with --refresh, which takes them from there, or put "
        "that file in the old one's place",
    )


def set_aside(path: str) -> None:
    """Clear the place of the new file; what a killed run left there whole is kept.

    Raises:
        OSError: the folder cannot be written.
    """
    spare = spare_path(path)
    left = read(spare)
    if isinstance(left, Content) and _is_json(left.content):
        os.chmod(spare, 0o600)
        os.replace(spare, _free_name(f"{path}.rescue"))
        return
    with suppress(FileNotFoundError):
        os.unlink(spare)


def rescue_files(path: str) -> list[str]:
    """Return the files of tokens that could not be put into the one at ``path``."""
    folder, name = os.path.split(path)
    names = sorted(each for each in os.listdir(folder) if each.startswith(f"{name}.rescue"))
    return [os.path.join(folder, each) for each in names]


def _free_name(wanted: str) -> str:
    number, name = 1, wanted
    while os.path.lexists(name):
        number += 1
        name = f"{wanted}-{number}"
    return name


def _sync_folder(path: str) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(os.path.dirname(path) or os.curdir, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
