"""Why a login was not refreshed, said for a person."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poller.renewal.ledger import SpendState, TokenState
from poller.renewal.locks import WAIT_S
from poller.renewal.tokens import login_required, unknown
from poller.text import printable
from poller.values import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_OBSTACLES: Mapping[str, tuple[str, str]] = {
    "codex_home": (
        "this is the Codex CLI's own file, which a running codex may hold in memory",
        "use codex once with this login, or say --refresh-codex-home while no codex is running",
    ),
    "codex_copy": (
        "the Codex CLI's own file holds the same login, and codex would be logged out",
        "give it a login of its own, or let --refresh-codex-home renew both, codex not running",
    ),
    "hard_link": (
        "the file has a second name (a hard link), which would keep the old tokens",
        "make it a file of its own, or a symbolic link",
    ),
    "not_a_file": ("there is no regular file any more", "run again"),
    "not_writable": (
        "its folder is not yours to write in, or the file is somebody else's",
        "run as the file's owner, or copy the file into a folder of yours",
    ),
    "unsupported": ("this system has no file locks as refreshing needs them", "use codex"),
}


def obstructed(what: str) -> Failure:
    """Return the failure of a file with that :func:`poller.renewal.eligibility.obstacle`."""
    return _refused(*_OBSTACLES[what])


def no_token() -> Failure:
    """Return the failure of a file whose refresh token went away."""
    return _refused(
        "the file holds no refresh token any more",
        "log in again with `codex login`, then copy its auth.json here",
    )


def changed() -> Failure:
    """Return the failure of a file that holds another account by now, or none."""
    return _refused("the file holds another account by now", "run again; nothing was sent")


def _refused(why: str, hint: str) -> Failure:
    return Failure(FailureKind.REFRESH_REFUSED, f"not refreshed: {why}", hint)


def locked() -> Failure:
    """Return the failure of a login that somebody else is busy with."""
    return Failure(
        FailureKind.REFRESH_LOCKED,
        f"not refreshed: another process has held its lock for {WAIT_S:g} s, or its turn came late",
        "nothing was sent: run again; if it stays, look for a poller that hangs",
        may_work_later=True,
    )


def leaving() -> Failure:
    """Return the failure of a login whose turn came when the program was being stopped."""
    return Failure(
        FailureKind.CANCELLED, "not refreshed: the program is being stopped", "run again"
    )


def no_room(why: str) -> Failure:
    """Return the failure of a login whose new tokens could not have been saved."""
    return Failure(
        FailureKind.REFRESH_UNSAVED,
        f"not refreshed: new tokens could not be saved ({why}); nothing was sent",
        "make room, or make the folder writable, and run again",
        may_work_later=True,
    )


def lost(note: TokenState, path: str) -> Failure:
    """Return the failure of a refresh token that was sent before, its successor not in sight.

    ``path`` is of the file that holds it yet.
    """
    if note.state is SpendState.SENT:
        on = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(note.at))
        message = f"its refresh token was sent on {on}, and what came of it is not known"
        return replace(unknown("").failure, message=message)
    message = "its refresh token was spent, and an older copy written over what came for it"
    if note.file != path:
        spent_for = printable(note.file)
        message = f"its refresh token was spent for {spent_for}, which holds this login no more"
    return replace(login_required("refresh_token_reused"), message=message, code=None)
