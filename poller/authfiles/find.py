"""Find out which auth files a run is about: names, patterns, paths, folders, a list.

Folders are listed, not read: a file is opened here only where a name or pattern may mean
one account in a file that holds several, and where nothing but reading tells whether a
folder holds any auth file at all.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from poller.authfiles.folders import list_folders
from poller.authfiles.labels import UniqueLabels, is_auth_name, labels_of
from poller.authfiles.naming import choose
from poller.authfiles.read import AuthFile, proves_itself
from poller.settings import UsageError
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poller.authfiles.folders import Folder
    from poller.settings import Settings

_PUT_THERE = (
    "copy each account's ~/.codex/auth.json there as NAME.auth.json, "
    "or see it work first with `poller --demo`"
)


def find(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    cwd: str,
    accounts: Iterable[str | os.PathLike[str]] | None = None,
) -> list[AuthFile]:
    """Return the auth files that ``settings`` ask for, in input order.

    ``accounts`` stands in for the settings' own, where given; a ``PathLike`` among them is a
    path whatever it looks like. ``cwd`` is absolute, or empty where there is none any more.
    Takes time where the disk does: call it in a thread.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for.
    """
    given = settings.accounts if accounts is None else tuple(accounts)
    if given:
        return choose(
            given,
            partial(list_folders, settings, environ, cwd),
            cwd=cwd,
            shows_addresses=settings.show_identity,
        )
    files = _files_in(list_folders(settings, environ, cwd))
    labels = labels_of([path for _, path in files], shows_addresses=settings.show_identity)
    return [
        AuthFile(
            labels[path],
            source,
            path,
            always_reported=is_auth_name(path.rpartition(os.sep)[2]),
            shows_addresses=settings.show_identity,
        )
        for source, path in files
    ]


def listed(paths: Sequence[str], *, cwd: str, shows_addresses: bool = False) -> list[AuthFile]:
    """Return the auth files of a list of paths, each once."""
    files: dict[str, str] = {}
    for source in paths:
        files.setdefault(os.path.normpath(os.path.join(cwd, source)), source)
    labels = labels_of(files, shows_addresses=shows_addresses)
    return [
        AuthFile(labels[path], source, path, include_disabled=True, shows_addresses=shows_addresses)
        for path, source in files.items()
    ]


def in_memory(files: Iterable[tuple[str, bytes]]) -> list[AuthFile]:
    """Return auth files that are given as name and content."""
    unique = UniqueLabels()
    return [
        AuthFile(unique.claim(printable(name)), name, None, content=content)
        for name, content in files
    ]


def _files_in(folders: Sequence[Folder]) -> list[tuple[str, str]]:
    """Return the files as given and absolute; raise where none can be an auth file.

    They are read only where names alone do not tell.
    """
    files = [file for folder in folders for file in folder.files()]
    if any(is_auth_name(name) for folder in folders for name in folder.names):
        return files
    if any(proves_itself(path) for _, path in files):
        return files
    shown = ", ".join(printable(os.path.join(folder.source, "")) for folder in folders)
    raise UsageError(f"no auth files in {shown}; {_PUT_THERE}")
