"""Read one auth file, whatever is lying there; never write, rename or touch anything."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from poller.slots import stores_in_slots
from poller.text import os_error_text
from poller.values import Failure, FailureKind, Retry

SIZE_CAP = 1 << 20
"""Bytes; real auth files have 3,000."""

# Without O_NONBLOCK the opening of a FIFO waits for somebody to write into it.
_FLAGS: int = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
_NO_FILE = frozenset({errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP, errno.EISDIR})
_SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read."""

    content: bytes = field(repr=False)
    readable_by_others: bool
    """By its group or by everybody."""


def read(path: str) -> Content | Failure:
    """Return the file's content, at most ``SIZE_CAP`` bytes; never raises, never hangs.

    Failures: ``file_missing``, ``file_unreadable``, ``file_invalid`` (not a regular file,
    too large) and ``local_resource``.
    """
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            return _read(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return _failure(error)
    except ValueError:  # a NUL in its name, or a character that no file name can have
        return Failure(FailureKind.FILE_MISSING, "no file can have that name", _CHECK_PATH)
    except MemoryError:
        return _short_of("memory")


def _read(descriptor: int) -> Content | Failure:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return _no_file(folder=stat.S_ISDIR(status.st_mode))
    if status.st_size > SIZE_CAP:
        return _TOO_LARGE
    content = _whole(descriptor, status.st_size)
    if len(content) > SIZE_CAP:
        return _TOO_LARGE
    others = status.st_mode & (stat.S_IRGRP | stat.S_IROTH)
    return Content(content, readable_by_others=bool(others) and os.name != "nt")


def _whole(descriptor: int, size: int) -> bytes:
    """Read to the end, or to just beyond the cap where the file grows meanwhile."""
    content = os.read(descriptor, size + 1)
    more = content
    while len(content) > size and more and len(content) <= SIZE_CAP:
        more = os.read(descriptor, SIZE_CAP)
        content += more
    return content


_CHECK_PATH = "check the path, or leave the account out"
_TOO_LARGE = Failure(
    FailureKind.FILE_INVALID,
    "the file is larger than 1 MiB: not an auth file",
    _CHECK_PATH,
)


def _no_file(*, folder: bool) -> Failure:
    if folder:
        return Failure(
            FailureKind.FILE_INVALID,
            "a folder, not a file",
            "give folders of auth files with --account-dir",
        )
    return Failure(
        FailureKind.FILE_INVALID,
        "not a regular file but a pipe, socket or device",
        "copy the auth file into a regular file",
    )


def _failure(error: OSError) -> Failure:
    if error.errno in _MISSING:
        return Failure(FailureKind.FILE_MISSING, "no such file", _CHECK_PATH)
    if error.errno in _NO_FILE:
        return _no_file(folder=error.errno == errno.EISDIR)
    reason = os_error_text(error)
    if error.errno in _SHORT_OF:
        return _short_of(reason)
    hint = "make it readable for your user"
    if error.errno not in (errno.EACCES, errno.EPERM):
        hint = _CHECK_PATH
    return Failure(FailureKind.FILE_UNREADABLE, f"the file cannot be read: {reason}", hint)


def _short_of(what: str) -> Failure:
    return Failure(
        FailureKind.LOCAL_RESOURCE,
        f"this machine is short of something: {what}",
        "raise `ulimit -n`, or lower --concurrency",
        retry_now=Retry.TRANSIENT,
        may_work_later=True,
    )
