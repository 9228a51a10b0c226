"""The folders that auth files are looked for in, listed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.process.own_folders import default_codex_home
from poller.settings import UsageError
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poller.settings import Settings

_MOMENT_S, _LONG_S = 1.0, 10.0
"""The latter is more than listing a hundred thousand files takes on any disk that works."""
DEFAULT_FOLDER = "account"
"""Where auth files are looked for when nothing else is said."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of auth files, listed."""

    source: str
    """Its path as it was given."""
    path: str
    """The same, absolute and normal."""
    names: Sequence[str]
    """Of its files that may be auth files, sorted."""
    missing: str | None = None
    """The folder that was looked for before, and is not there."""

    def files(self) -> list[tuple[str, str]]:
        """Return the path of each file as given, and absolute."""
        inside = os.path.join(self.path, "")
        paths = [inside + name for name in self.names]
        if self.source == self.path:  # of 100,000, each string is 9 MB
            return list(zip(paths, paths, strict=True))
        given = os.path.join(self.source, "")
        return list(zip([given + name for name in self.names], paths, strict=True))


def list_folders(settings: Settings, environ: Mapping[str, str], cwd: str) -> Sequence[Folder]:
    """List the folders asked for; by default ``account``, else the Codex CLI's own.

    Raises:
        UsageError: one of them cannot be listed, or there is none.
    """
    if settings.account_dirs is None:
        if os.path.isdir(os.path.join(cwd, DEFAULT_FOLDER)):
            return [_folder(DEFAULT_FOLDER, cwd)]
        return [_codex_home(environ, cwd)]
    folders = {
        os.path.normpath(os.path.join(cwd, path)): path
        for path in map(os.path.expanduser, reversed(settings.account_dirs))
    }
    return [_folder(path, cwd) for path in reversed(folders.values())]


def patience_s(settings: Settings) -> float:
    """Return how long the folders have to answer: a moment beyond a run's deadline at most."""
    by_deadline = math.inf if settings.deadline_s is None else settings.deadline_s + _MOMENT_S
    return min(max(settings.account_deadline_s, _LONG_S), by_deadline)


def no_answer(settings: Settings) -> UsageError:
    """Return the mistake of folders that have not answered in time."""
    shown = ", ".join(map(printable, settings.account_dirs or (DEFAULT_FOLDER,)))
    return UsageError(
        f"{shown}: auth files could not be looked for within {patience_s(settings):g} s; "
        "check the drive or the network mount"
    )


def _folder(source: str, cwd: str) -> Folder:
    path = os.path.normpath(os.path.join(cwd, source))
    try:
        found = os.listdir(path)
    except (OSError, ValueError) as error:
        raise UsageError(_unlistable(source, error)) from None
    names = sorted(name for name in found if name.endswith(".json") and name[0] != ".")
    return Folder(source, path, names)


def _unlistable(source: str, error: OSError | ValueError) -> str:
    shown = printable(source)
    if isinstance(error, NotADirectoryError):
        return f"{shown}: not a folder; to poll one file, give its path: poller {shown}"
    if isinstance(error, FileNotFoundError):
        return f"{shown}: no such folder; --account-dir names a folder of auth files"
    why = os_error_text(error)
    return f"{shown}: the folder cannot be listed ({why}); check its permissions"


def _codex_home(environ: Mapping[str, str], cwd: str) -> Folder:
    source = environ.get("CODEX_HOME") or default_codex_home(environ) or ""  # no home is known
    path = os.path.normpath(os.path.join(cwd, source))
    if not source or not os.path.lexists(os.path.join(path, "auth.json")):
        own = printable(os.path.join(source, "auth.json")) if source else "home folder is known"
        raise UsageError(
            f"no accounts: there is no folder {DEFAULT_FOLDER}/ here and no {own}; "
            "log in with `codex login`, name auth files or --account-dir DIR, or see it work first "
            "with `poller --demo`"
        )
    return Folder(source, path, ("auth.json",), missing=DEFAULT_FOLDER)
