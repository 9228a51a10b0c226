"""Why a login was not refreshed, in words for a person."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poller.renewal.token_state import SpendState
from poller.text import printable
from poller.values import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.renewal.token_state import TokenState

LOCK_WAIT_S = 10.0
"""For a lock that another process holds."""

_OBSTACLES: Mapping[str, tuple[str, str]] = {
    "codex_home": (
        "this is the Codex CLI's own file, which a running codex may hold in memory",
        "use codex once with this login, or say --refresh-codex-home while no codex is running",
    ),
    "codex_copy": (
        "the Codex CLI's own file holds the same login, and codex would be logged out",
        "give it a login of its own, or renew both while no codex is running: --refresh-codex-home",
    ),
    "hard_link": (
        "the file has a second name (a hard link), which would keep the old tokens",
        "make it a file of its own, or a symbolic link",
    ),
    "mounted": (
        "the file is mounted by itself, as into a container, and cannot be replaced",
        "mount the folder that it is in",
    ),
    "not_a_file": ("there is no regular file any more", "run again"),
    "not_writable": (
        "you cannot write to its folder, or the file or its folder belongs to somebody else",
        "run as the file's owner, even if you are root, or copy it into a folder of yours",
    ),
    "unsupported": ("this system lacks the file locks that refreshing needs", "use codex"),
}
ENDED_CODES: Mapping[str, str] = {
    "refresh_token_expired": "its refresh token has expired",
    "refresh_token_reused": "its refresh token was used before, by a copy of this login",
    "refresh_token_invalidated": "its refresh token was withdrawn",
    "invalid_refresh_token": "its refresh token is not accepted",
    "invalid_grant": "its refresh token is not accepted",
    "app_session_expired": "its session has expired",
    "app_session_terminated": "its session was ended",
    "account_session_expired": "its session has expired",
}
"""The token endpoint's codes for a login that has ended, whatever the status."""


class RefreshRefusedError(Exception):
    """Nothing was sent, and nothing will be; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def obstructed(what: str) -> Failure:
    """Return the failure of a file with that :func:`poller.renewal.eligibility.obstacle`."""
    return _refused(*_OBSTACLES[what])


def no_token() -> Failure:
    """Return the failure of a file whose refresh token is gone."""
    return _refused(
        "the file holds no refresh token any more",
        "log in again with `codex login`, then copy its auth.json here",
    )


def changed() -> Failure:
    """Return the failure of a file that holds another account by now, or none."""
    return _refused("the file holds another account by now", "run again; nothing was sent")


def intricate() -> Failure:
    """Return the failure of a file that would take too long to rewrite."""
    return _refused(
        "the file holds far more than logins",
        "nothing was sent: keep logins in files of their own, a thousand in one at most",
    )


def untrusted(path: str, why: str) -> Failure:
    """Return the failure of a file that somebody else may have put beside the auth file."""
    return _refused(
        f"{printable(path)} {why}, so it may be somebody else's",
        "nothing was sent: look at that file, and remove it if it is not yours",
    )


def no_locks(path: str, why: str) -> Failure:
    """Return the failure of a file system without locks; ``why`` is the system's word."""
    return _refused(
        f"{printable(path)} cannot be locked ({why})",
        "nothing was sent: keep auth files, and the folder that XDG_STATE_HOME names, on a disk "
        "that has file locks",
    )


def _refused(why: str, hint: str) -> Failure:
    return Failure(FailureKind.REFRESH_REFUSED, f"not refreshed: {why}", hint)


def locked() -> Failure:
    """Return the failure of a login that another process is refreshing."""
    return Failure(
        FailureKind.REFRESH_LOCKED,
        f"not refreshed: another process has held its lock for {LOCK_WAIT_S:g} s, or its turn "
        "came late",
        "nothing was sent: run again; if it persists, look for a poller that hangs",
        may_work_later=True,
    )


def disk_hangs() -> Failure:
    """Return the failure of a file whose disk did not answer within the account's time."""
    return Failure(
        FailureKind.FILE_UNREADABLE,
        "not refreshed: the file's disk did not answer in time",
        "nothing was sent: check the disk or the network mount that the file is on",
        may_work_later=True,
    )


def leaving() -> Failure:
    """Return the failure of a login whose turn came while the program was being stopped."""
    return Failure(
        FailureKind.CANCELLED, "not refreshed: the program is being stopped", "run again"
    )


def unreadable(why: str) -> Failure:
    """Return the failure of a file that could be read before and cannot be now."""
    return Failure(
        FailureKind.FILE_UNREADABLE,
        f"not refreshed: the file cannot be read ({why})",
        "nothing was sent: make it readable for your user and run again",
    )


def no_room(why: str) -> Failure:
    """Return the failure of a login whose new tokens could not have been saved."""
    return Failure(
        FailureKind.REFRESH_UNSAVED,
        f"not refreshed: new tokens could not be saved ({why}); nothing was sent",
        "make room, or make the folder writable, and run again",
        may_work_later=True,
    )


def unsaved(place: str, why: str) -> Failure:
    """Return the failure of new tokens that are in ``place`` instead of the auth file."""
    return Failure(
        FailureKind.REFRESH_UNSAVED,
        f"the new tokens could not be put into the file ({why}); they are in {printable(place)}",
        "fix the cause and run again with --refresh, which takes them from there, or put "
        "that file in the old one's place",
    )


def of_another_login(place: str) -> Failure:
    """Return the failure of a refresh that brought another login's tokens, kept in ``place``."""
    return Failure(
        FailureKind.REFRESH_UNSAVED,
        "a refresh brought another login's tokens: the file was left as it is, and they are in "
        f"{printable(place)}",
        "this login's token may be spent: use it in codex once, which renews the file or says "
        "that a new login is needed",
    )


def login_required(code: str | None, *, status: int | None = None) -> Failure:
    """Return the failure of a login that no refresh brings back."""
    why = ENDED_CODES.get(code or "", "its refresh token is not accepted")
    told = "" if status is None else f" ({status})"
    return Failure(
        FailureKind.LOGIN_REQUIRED,
        f"the login has ended: {why}{told}",
        "log in again: `codex logout`, `codex login`, then copy the new auth.json here; one "
        "login, one file: a copy that somebody else refreshes stops working",
        code if code in ENDED_CODES else None,
    )


def no_reply(why: str) -> Failure:
    """Return the failure of a refresh that was sent and may have spent the token."""
    return Failure(
        FailureKind.REFRESH_UNKNOWN,
        f"a refresh was sent and {why}; the file was left as it is",
        "the token may be spent, so it is not sent again: use this login in codex once, which "
        "renews the file or says that a new login is needed",
    )


def spent_before(state: TokenState, path: str) -> Failure:
    """Return the failure of a token that was sent before and whose successor is nowhere.

    ``path`` is the file that still holds it.
    """
    if state.spend_state is SpendState.ENDED:
        return login_required(state.code)
    if state.spend_state is SpendState.REJECTED:
        return of_another_login(state.file if state.file != path else f"{path}.rescue")
    if state.spend_state is SpendState.SENT:
        on = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(state.at))
        message = f"its refresh token was sent on {on}, and the answer is not known"
        return replace(no_reply(""), message=message)
    message = "its refresh token was spent, and an older copy has overwritten its successor"
    if state.file != path:
        spent_for = printable(state.file)
        message = f"its refresh token was spent for {spent_for}, which no longer holds this login"
    return replace(login_required(None), message=message)
