"""What an account's file says, before anybody is asked: one entry of a listing.

Nothing of it is verified, and none of it is a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.present.record import error_of, line_of, utc
from poller.values import SCHEMA_VERSION, Identity

if TYPE_CHECKING:
    from poller.values import Failure

_OTHERS_READ = 0o044
NOBODY = Identity()


@dataclass(frozen=True, slots=True)
class Entry:
    """What one account's file says; None means unknown."""

    position: int
    """Place in the input, from 0."""
    account: str
    """The label; unique in a run, printable."""
    source: str
    """The file's path as it was given or found; printable."""
    shape: str | None = None
    """Whose file it is: ``codex``, ``opencode``, …"""
    plan: str | None = None
    expires_at: float | None = None
    """Unix seconds of the access token's ``exp``."""
    has_refresh_token: bool | None = None
    refresh: str | None = None
    """How it can be refreshed, ``in_place``, or what stands against it: ``no_refresh_token``, …"""
    mode: int | None = None
    """The file's permission bits; None where there is no file or no such thing."""
    same_login_as: str | None = None
    """The first account before it with the same token."""
    same_account_as: str | None = None
    """The first account before it with the same user and workspace."""
    failure: Failure | None = None
    """Why it cannot be polled; None where it can."""
    identity: Identity = NOBODY
    """Kept only where a run was asked for it."""

    @property
    def others_read(self) -> bool | None:
        """Whether its group or everybody may read the file."""
        return None if self.mode is None else bool(self.mode & _OTHERS_READ)


def serialize(entry: Entry, *, now: float, show_identity: bool = False) -> bytes:
    """Return the entry as one line of JSON; ``now`` is in Unix seconds."""
    expires_at = None if entry.expires_at is None else int(entry.expires_at)
    record: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "account": entry.account,
        "source": entry.source,
        "ok": entry.failure is None,
        "shape": entry.shape,
        "plan": entry.plan,
        "expires_at": utc(expires_at),
        "expires_in_s": None if expires_at is None else round(expires_at - now),
        "refresh_token": entry.has_refresh_token,
        "refresh": entry.refresh,
        "mode": None if entry.mode is None else f"{entry.mode:04o}",
        "readable_by_others": entry.others_read,
        "same_login_as": entry.same_login_as,
        "same_account_as": entry.same_account_as,
        "error": error_of(entry.failure),
    }
    if show_identity:
        record["email"] = entry.identity.email
        record["user_id"] = entry.identity.user_id
        record["account_id"] = entry.identity.account_id
    return line_of(record)
