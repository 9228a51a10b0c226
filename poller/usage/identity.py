"""Whose answer is it.

A kept connection can hold an answer that was meant for the request before. Only an
answer whose identifiers agree with the credential proves that it is this account's.
"""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.values import Credential, Identity


class IdentityMatch(Enum):
    """How an answer's identity stands to the credential's."""

    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"
    """Nothing is present on both sides."""
    DIFFERENT = "different"


def match_identity(*, asked: Identity | Credential, answered: Identity) -> IdentityMatch:
    """Compare who was asked for with who answered.

    Every identifier present on both sides must be equal: the user id and the account
    id, where an answer's account id that equals its user id counts as absent (personal
    accounts). E-mail decides only where neither can be compared. Members of a team
    share an account id: the user id tells them apart.
    """
    user_id, account_id = answered.user_id, answered.account_id
    agrees: bool | None = None
    if user_id is not None and asked.user_id is not None:
        agrees = user_id == asked.user_id
    if account_id is not None and account_id != user_id and asked.account_id is not None:
        agrees = agrees is not False and account_id == asked.account_id
    if agrees is None and asked.email is not None and answered.email is not None:
        agrees = asked.email.casefold() == answered.email.casefold()
    if agrees is None:
        return IdentityMatch.UNKNOWN
    return IdentityMatch.CONFIRMED if agrees else IdentityMatch.DIFFERENT


def account_key(user_id: str | None, account_id: str | None) -> str | None:
    """Return what names a user in a workspace without giving either away: 16 hex digits.

    The first 8 bytes of BLAKE2b over user id, NUL, account id; None where neither is known.
    """
    if user_id is None and account_id is None:
        return None
    whose = f"{user_id or ''}\0{account_id or ''}".encode("utf-8", "surrogatepass")
    return blake2b(whose).digest()[:8].hex()
