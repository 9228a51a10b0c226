"""The files that refreshing keeps beside an auth file: its lock, its draft, its rescue files.

Whatever lies there is a stranger's until proven. No link is followed, and a file is used only
where it is a regular one, with a single name, that belongs to the user who runs this program
and that nobody else may write. Owner and mode are changed only on files just created.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from poller.renewal import refusals
from poller.renewal.refusals import RefreshRefusedError

if TYPE_CHECKING:
    from collections.abc import Generator

SIZE_CAP = 1 << 20
"""Bytes of a file that are read at most; real auth files have 3,000."""

# Without O_NONBLOCK, opening a FIFO waits for somebody to write into it.
_FLAGS: int = sum(
    getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY")
)
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def lock_path(path: str) -> str:
    """Return where an auth file's lock is. It is never removed.

    A process that waits for the lock of a removed file would hold a lock that means nothing.
    """
    return _hidden(path, "lock")


def draft_path(path: str) -> str:
    """Return where the new file is written before it takes the old one's name.

    It is always the same, so that what a killed run left can be found.
    """
    return _hidden(path, "refreshing")


def _hidden(path: str, purpose: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{purpose}")  # no auth file's name begins with a dot


def rescue_paths(path: str) -> list[str]:
    """Return the files of tokens that could not be put into the auth file at ``path``."""
    folder, name = os.path.split(path)
    names = sorted(each for each in os.listdir(folder) if each.startswith(f"{name}.rescue"))
    return [os.path.join(folder, each) for each in names]


def free_rescue_path(path: str) -> str:
    """Return a name for a new rescue file."""
    number, name = 1, f"{path}.rescue"
    while os.path.lexists(name):
        number += 1
        name = f"{path}.rescue-{number}"
    return name


def create(path: str) -> int:
    """Create a file for its owner alone, whatever the umask; return its descriptor.

    Raises:
        OSError: it exists already, or cannot be created.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_own(path: str) -> int:
    """Open an existing file for reading and writing; return its descriptor.

    Raises:
        RefreshRefusedError: it may be somebody else's.
        OSError: it does not exist, or cannot be opened.
    """
    _require_own(path, os.lstat(path))  # before it is opened: opening a device may do something
    descriptor = os.open(path, os.O_RDWR | _FLAGS)
    try:
        _require_own(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_own(path: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        why = "is a symbolic link"
    elif not stat.S_ISREG(status.st_mode):
        why = "is not a regular file"
    elif status.st_nlink > 1:
        why = "has a second name (a hard link)"
    elif status.st_uid != os.geteuid():
        why = "belongs to another user"
    elif status.st_mode & OTHERS_WRITE:
        why = "may be written by others"
    else:
        return
    raise RefreshRefusedError(refusals.untrusted(path, why))


def read_own(path: str) -> bytes | None:
    """Return what a file holds; None where there is none.

    Raises:
        RefreshRefusedError: it may be somebody else's.
        OSError: it cannot be read.
    """
    with suppress(FileNotFoundError), closing(open_own(path)) as descriptor:
        return read_whole(descriptor)
    return None


def read_regular(path: str) -> tuple[bytes, os.stat_result]:
    """Return the content and status of a regular file, regardless of its owner; follows no link.

    Raises:
        OSError: it cannot be read, or is no regular file of at most 1 MiB.
    """
    with closing(os.open(path, os.O_RDONLY | _FLAGS)) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return read_whole(descriptor), status


def read_whole(descriptor: int) -> bytes:
    """Return an open file's content.

    Raises:
        OSError: it cannot be read, or is larger than 1 MiB.
    """
    content = b""
    while more := os.pread(descriptor, SIZE_CAP + 1 - len(content), len(content)):
        content += more
    if len(content) > SIZE_CAP:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content


def write_whole(descriptor: int, content: bytes, *, offset: int = 0) -> None:
    """Write all of ``content``, unsynced.

    Raises:
        OSError: there is no room for it, or it cannot be written.
    """
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], offset + done)


@contextmanager
def closing(descriptor: int) -> Generator[int]:
    """Close a descriptor in the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
