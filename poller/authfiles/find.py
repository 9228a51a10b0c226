"""Find out which auth files a run is about: names, patterns, paths, folders, lists.

Folders are listed, not read: a file is opened here only where a name or pattern may
mean one account in a file that holds several, and where nothing but reading tells
whether a folder holds any auth file at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.authfiles.labels import Folder, Listing, Taken, is_auth_name
from poller.authfiles.naming import choose, logins_of
from poller.authfiles.path_list import Arrivals, parts_of
from poller.authfiles.picks import FolderPicks, Pick
from poller.settings import UsageError
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poller.settings import Settings

DEFAULT_FOLDER = "account"
"""Where auth files are looked for when nothing else is said."""

_PUT_THERE = (
    "copy each account's ~/.codex/auth.json there as NAME.auth.json, "
    "or see it work first with `poller --demo`"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run is about, in input order; hand it to a ``Source``."""

    picks: Sequence[Pick] = ()
    arrivals: Arrivals | None = None
    """Paths that are still coming in, in place of ``picks``."""


def discover(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    cwd: str,
    accounts: Iterable[str | os.PathLike[str]] | None = None,
    stdin: int = 0,
) -> Selection:
    """Return the auth files that ``settings`` ask for.

    ``accounts`` stands in for the settings' own, where given; a ``PathLike`` among them
    is a path whatever it looks like. ``cwd`` is absolute. Folders are not needed, and
    not looked at, where a list of paths is given.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for.
    """
    given = settings.accounts if accounts is None else tuple(accounts)
    if settings.files_from is not None:
        if given:
            raise UsageError(
                "ACCOUNT and --files-from: only one of them can be given; "
                "put the paths into the list, or leave the list out"
            )
        return Selection(arrivals=_arrivals(settings.files_from, cwd=cwd, stdin=stdin))
    if given:
        return Selection(picks=choose(given, lambda: _folders(settings, environ, cwd), cwd=cwd))
    folders = _folders(settings, environ, cwd)
    _require_some(folders, cwd)
    return Selection(picks=FolderPicks(Listing(folders), cwd=cwd))


def in_memory(files: Iterable[tuple[str, bytes]]) -> Selection:
    """Return a selection of auth files that are given as name and content."""
    taken = Taken()
    return Selection(
        [
            Pick(taken.unique(printable(name)), printable(name), None, content)
            for name, content in files
        ]
    )


def _arrivals(files_from: str, *, cwd: str, stdin: int) -> Arrivals:
    shown = "standard input" if files_from == "-" else printable(files_from)
    try:
        if files_from == "-":
            return Arrivals(stdin, cwd=cwd, owned=False)
        flags: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(os.path.join(cwd, files_from), flags)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--files-from {shown}: cannot be read ({_reason(error)}); "
            "name a file with one path a line, or - for standard input"
        ) from None
    if os.path.isdir(os.path.join(cwd, files_from)):
        os.close(descriptor)
        raise UsageError(f"--files-from {shown}: a folder; give it as --account-dir {shown}")
    return Arrivals(descriptor, cwd=cwd, owned=True)


def _folders(settings: Settings, environ: Mapping[str, str], cwd: str) -> Sequence[Folder]:
    """List the folders asked for; by default ``account``, else the Codex CLI's own file."""
    if settings.account_dirs is None:
        if os.path.isdir(os.path.join(cwd, DEFAULT_FOLDER)):
            return [_folder(DEFAULT_FOLDER, cwd)]
        return [_codex_home(environ, cwd)]
    folders = {
        os.path.normpath(os.path.join(cwd, path)): path
        for path in map(os.path.expanduser, reversed(settings.account_dirs))
    }
    return [_folder(path, cwd) for path in reversed(folders.values())]


def _folder(path: str, cwd: str) -> Folder:
    where = os.path.join(cwd, path)
    try:
        found = os.listdir(where)
    except (OSError, ValueError) as error:
        raise UsageError(_unlistable(path, error)) from None
    names = sorted(name for name in found if name.endswith(".json") and name[0] != ".")
    return Folder(path, parts_of(os.path.normpath(where)), names)


def _unlistable(path: str, error: OSError | ValueError) -> str:
    shown = printable(path)
    if isinstance(error, NotADirectoryError):
        return f"{shown}: not a folder; to poll one file, give its path: poller {shown}"
    if isinstance(error, FileNotFoundError):
        return f"{shown}: no such folder; --account-dir names a folder of auth files"
    return f"{shown}: the folder cannot be listed ({_reason(error)}); check its permissions"


def _codex_home(environ: Mapping[str, str], cwd: str) -> Folder:
    home = environ.get("HOME") or os.path.expanduser("~")
    path = environ.get("CODEX_HOME") or os.path.join(home, ".codex")
    where = os.path.normpath(os.path.join(cwd, path))
    if not os.path.lexists(os.path.join(where, "auth.json")):
        raise UsageError(
            f"no accounts: there is no folder {DEFAULT_FOLDER}/ here and no "
            f"{printable(os.path.join(path, 'auth.json'))}; log in with `codex login`, name "
            "auth files or --account-dir DIR, or see it work first with `poller --demo`"
        )
    return Folder(path, parts_of(where), ("auth.json",))


def _require_some(folders: Sequence[Folder], cwd: str) -> None:
    """Raise where there is no auth file; read only where names alone do not tell."""
    if any(is_auth_name(name) for folder in folders for name in folder.names):
        return
    for folder in folders:
        for name in folder.names:
            if logins_of(os.path.join(cwd, folder.path, name)):
                return
    shown = ", ".join(printable(os.path.join(folder.path, "")) for folder in folders)
    raise UsageError(f"no auth files in {shown}; {_PUT_THERE}")


def _reason(error: OSError | ValueError) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or "no such name is possible").lower()
