"""What an auth file says of an account, as one line of JSON: `poller list --format jsonl`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.present.record import error_of, line_of, utc
from poller.values import SCHEMA_VERSION

if TYPE_CHECKING:
    from poller.values import FileEntry


def serialize(entry: FileEntry, *, now: float, show_identity: bool = False) -> bytes:
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
        "readable_by_others": entry.readable_by_others,
        "same_login_as": entry.same_login_as,
        "same_account_as": entry.same_account_as,
        "error": error_of(entry.failure),
    }
    if show_identity:
        record["email"] = entry.identity.email
        record["user_id"] = entry.identity.user_id
        record["account_id"] = entry.identity.account_id
    return line_of(record)
