"""What an auth file says of an account, for a listing: no token comes out of here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from poller.values import Failure, FailureKind, FileEntry, Identity

if TYPE_CHECKING:
    from poller.authfiles.duplicates import DuplicateFinder
    from poller.authfiles.read import Account


def entry_of(account: Account, duplicates: DuplicateFinder, *, refresh: str | None) -> FileEntry:
    """Return the entry of an account; ``refresh`` says whether a refresh could renew it."""
    outcome, held = account.outcome, account.held
    same_login_as, same_account_as = duplicates.note(account.label, held)
    return FileEntry(
        account.position,
        account.label,
        account.source,
        shape=account.shape,
        plan=held.plan if held else None,
        expires_at=held.expires_at if held else None,
        has_refresh_token=held.refresh_token is not None if held else None,
        refresh=refresh,
        mode=None if _hangs(outcome) else _mode(account.path),
        same_login_as=same_login_as,
        same_account_as=same_account_as,
        failure=outcome if isinstance(outcome, Failure) else None,
        identity=held.identity if held else Identity(),
    )


def _hangs(outcome: object) -> bool:
    """Say whether a file was given up, as its disk does not answer."""
    return (
        isinstance(outcome, Failure)
        and outcome.kind is FailureKind.FILE_UNREADABLE
        and outcome.may_work_later
    )


def _mode(path: str | None) -> int | None:
    """Return a file's permission bits; None where there are none to speak of."""
    if path is None or os.name == "nt":
        return None
    try:
        return os.stat(path).st_mode & 0o777
    except (OSError, ValueError):
        return None
