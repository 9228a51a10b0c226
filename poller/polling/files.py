"""Which auth files a run is about, and how a run that goes on finds them again."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import anyio

from poller.authfiles.find import find
from poller.authfiles.folders import no_answer, patience_s
from poller.authfiles.path_list import open_path_list
from poller.authfiles.read import AuthFile
from poller.process.own_folders import current_folder
from poller.process.threads import run_in_thread
from poller.settings import UsageError
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.authfiles.path_list import PathList
    from poller.settings import Settings

    Named = str | os.PathLike[str] | AuthFile


class Files(NamedTuple):
    """The auth files that there are at first."""

    found: list[AuthFile]
    find_again: Callable[[], list[AuthFile]] | None
    """Returns those that there are by now; takes time. None where that cannot change."""


async def files_of(accounts: tuple[Named, ...], settings: Settings) -> list[AuthFile]:
    """Return the auth files that are asked for.

    Raises:
        UsageError: there are none, or not what was asked for, or their folder does not answer.
    """
    ready = [each for each in accounts if isinstance(each, AuthFile)]
    if ready:
        return ready
    names = tuple(each for each in accounts if not isinstance(each, AuthFile))
    work = partial(find, settings, environ=os.environ, cwd=current_folder(), accounts=names or None)
    with anyio.move_on_after(patience_s(settings)):
        return await run_in_thread(work, abandon_on_cancel=True)
    raise no_answer(settings)


async def listed_files(accounts: tuple[Named, ...], settings: Settings) -> PathList:
    """Return the list of paths that is asked for; close it.

    Raises:
        UsageError: it cannot be opened, or accounts are named besides.
    """
    if accounts or settings.accounts:
        raise UsageError(
            "ACCOUNT and --files-from: only one of them can be given; "
            "put the paths into the list, or leave the list out"
        )
    named = settings.files_from or ""
    with anyio.move_on_after(settings.deadline_s or math.inf):
        return await open_path_list(
            named, cwd=current_folder(), shows_addresses=settings.show_identity
        )
    raise UsageError(
        f"--files-from {printable(named)}: could not be opened within {settings.deadline_s:g} s"
    )


async def files_of_rounds(accounts: tuple[Named, ...], settings: Settings) -> Files:
    """Return the auth files that rounds begin with, and what finds them again.

    Raises:
        UsageError: as :func:`files_of` and :func:`listed_files`.
    """
    if settings.files_from is not None:
        paths = await listed_files(accounts, settings)
        try:
            return Files(await paths.next(), None)
        finally:
            paths.close()
    found = await files_of(accounts, settings)
    if any(isinstance(each, AuthFile) for each in accounts):
        return Files(found, None)
    names = tuple(os.fspath(each) for each in accounts if not isinstance(each, AuthFile))
    given = replace(settings, accounts=names or settings.accounts)
    return Files(found, partial(_find_again, given, current_folder()))


def _find_again(settings: Settings, cwd: str) -> list[AuthFile]:
    """Return what there is by now; what is asked for and is not there any more is left out."""
    try:
        return find(settings, environ=os.environ, cwd=cwd)
    except UsageError:
        found: list[AuthFile] = []
        for each in settings.accounts:
            try:
                found += find(settings, environ=os.environ, cwd=cwd, accounts=(each,))
            except UsageError:
                continue
        return found
