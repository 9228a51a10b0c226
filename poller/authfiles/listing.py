"""The accounts of files that are read at once, for commands that send no request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from poller.authfiles.find import find
from poller.authfiles.folders import no_answer, patience_s
from poller.authfiles.labels import UniqueLabels
from poller.authfiles.read import Reading, accounts_of, read_into
from poller.process.patience import has_ended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poller.authfiles.read import Account, AuthFile
    from poller.settings import Settings


def found_in_time(settings: Settings, *, environ: Mapping[str, str], cwd: str) -> list[AuthFile]:
    """Return the auth files that ``settings`` ask for; see :func:`poller.authfiles.find.find`.

    Raises:
        UsageError: there are none, or not what was asked for, or their folder does not answer.
    """
    found: list[AuthFile] = []

    def look() -> None:
        found.extend(find(settings, environ=environ, cwd=cwd))

    if not has_ended(look, within_s=patience_s(settings)):
        raise no_answer(settings)
    return found


def accounts_in(
    files: Sequence[AuthFile], *, now: float, within_s: float
) -> list[list[Account] | None]:
    """Return the accounts of each file; None for one that is to be read with patience.

    That is one that may be half written, and all from one on that does not answer in time.
    ``now`` is in Unix seconds.
    """
    readings: list[Reading] = []
    has_ended(partial(read_into, readings, files, clock=lambda: now), within_s=within_s)
    labels = UniqueLabels(file.label for file in files if ":" in file.label)
    found: list[list[Account] | None] = [None] * len(files)
    for position, (file, said) in enumerate(zip(files, tuple(readings), strict=False)):
        if not said.waits_s:
            accounts = accounts_of(file, position, said)
            found[position] = [
                account
                if account.label == file.label
                else account._replace(label=labels.claim(account.label))
                for account in accounts
            ]
    return found
