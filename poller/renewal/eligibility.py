"""Which auth files may be refreshed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.renewal.beside import closing

if TYPE_CHECKING:
    from poller.values import Credential


@dataclass(frozen=True, slots=True)
class CodexHome:
    """The Codex CLI's own files, and what may be done to them."""

    files: tuple[str, ...] = ()
    """Absolute paths, which may be links; following them takes time where the disk does."""
    is_protected: bool = True
    """Whether they, and logins that they hold, are left alone."""


def obstacle(path: str, *, codex_own: tuple[str, ...]) -> str | None:
    """Return what keeps the file at a real path from being refreshed; None where nothing does.

    ``codex_home``, ``hard_link``, ``mounted``, ``not_a_file``, ``not_writable`` or
    ``unsupported``.
    """
    try:
        status = os.stat(path)
        if any(_is_same(path, own) for own in codex_own):
            return "codex_home"
        if not stat.S_ISREG(status.st_mode):
            return "not_a_file"
        if os.name == "nt":
            return "unsupported"
        if status.st_nlink > 1:
            return "hard_link"
        folder = os.path.dirname(path) or os.curdir
        if not _is_ours(status, folder):
            return "not_writable"
        return None if _mount_of(path) == _mount_of(folder) else "mounted"
    except (OSError, ValueError):
        return "not_a_file"


def _is_ours(status: os.stat_result, folder: str) -> bool:
    """Return whether a file is the user's, in a folder that they can write to.

    Root can write anywhere. In somebody else's folder its rights could be turned against others,
    by links that are put there meanwhile, so it refreshes only what is root's.
    """
    user = os.geteuid()
    if user == 0 and os.stat(folder).st_uid != 0:
        return False
    effective = os.access in os.supports_effective_ids
    can_write = os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)
    return can_write and status.st_uid == user


def _mount_of(path: str) -> str | None:
    """Return what names the mount that a path is on; None where the system does not tell.

    A file that is mounted by itself, as single files are into containers, cannot be replaced.
    """
    try:
        with (
            closing(os.open(path, os.O_PATH | os.O_CLOEXEC)) as descriptor,
            open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as told,
        ):
            return next((line for line in told if line.startswith("mnt_id:")), None)
    except (OSError, AttributeError):
        return None


def _is_same(path: str, other: str) -> bool:
    try:
        return path == other or os.path.samefile(path, other)
    except OSError:
        return False


def refreshable(
    path: str | None, credential: Credential | None, *, codex_own: tuple[str, ...]
) -> str | None:
    """Return how an account can be refreshed, for a listing.

    ``in_place`` with ``--refresh``, or what stands against it: ``no_refresh_token`` and
    those of :func:`obstacle`. None where there is no credential, or no file.
    """
    if path is None or credential is None:
        return None
    if credential.refresh_token is None:
        return "no_refresh_token"
    real = os.path.realpath(path)
    return obstacle(real, codex_own=codex_own) or "in_place"
