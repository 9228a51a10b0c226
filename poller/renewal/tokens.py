"""What new tokens are, which login they belong to, and when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from poller.authfiles.claims import read_claims
from poller.usage.identity import IdentityMatch, match_identity
from poller.values import Identity

if TYPE_CHECKING:
    from poller.values import Credential, Failure, Secret

DUE_WITHIN_S = 300
"""A token that expires within this time is renewed before it is sent."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint granted. What is None did not come: the old one stays."""

    access_token: Secret | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    expires_at: float | None = None
    """Unix seconds, of the access token; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there are no new tokens."""

    failure: Failure
    spent: bool
    """Whether the refresh token must never be sent again."""


def login_key(refresh_token: Secret) -> str:
    """Return what names a login without giving it away: a digest of its refresh token."""
    return sha256(refresh_token.reveal().encode()).hexdigest()[:40]


def is_due(credential: Credential, *, now: float) -> bool:
    """Return whether the access token has expired, or does so within :data:`DUE_WITHIN_S`."""
    return credential.expires_at is not None and credential.expires_at - DUE_WITHIN_S < now


def is_same_account(one: Credential, other: Credential) -> bool:
    """Return whether two credentials are for one workspace, and not for two users of it."""
    users = {one.user_id, other.user_id} - {None}
    return one.account_id == other.account_id and len(users) < 2


def is_newer(found: Credential, stale: Credential, *, now: float) -> bool:
    """Return whether ``found`` may work where ``stale`` has failed."""
    if found.access_token == stale.access_token or is_due(found, now=now):
        return False
    if found.expires_at is None or stale.expires_at is None:
        return True
    return found.expires_at >= stale.expires_at


def are_anothers(tokens: Tokens, held: Credential) -> bool:
    """Return whether new tokens name another login than the one that they were asked for with.

    They may differ from what the file says where the old token did so, too: some people edit
    the account id in the file to ask for another workspace of theirs.
    """
    pairs = ((tokens.access_token, held.access_token), (tokens.id_token, held.id_token))
    return any(
        match_identity(asked=held, answered=_identity(new)) is IdentityMatch.DIFFERENT
        and match_identity(asked=_identity(old), answered=_identity(new))
        is not IdentityMatch.CONFIRMED
        for new, old in pairs
    )


def _identity(token: Secret | None) -> Identity:
    claims = read_claims(None if token is None else token.reveal())
    return Identity(claims.user_id, claims.account_id, claims.email)
