"""What refreshing a token means: who needs it, what is sent, what the answers say.

A refresh token works once. Whoever sends one a second time logs everybody out, so every
answer is sorted by the one question that matters: may the token have been spent?
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from poller.authfiles.claims import read_claims
from poller.upstream.transport_errors import TransportError, transport_failure
from poller.usage.json_values import mapping, text
from poller.usage.response import machine_code, refusal
from poller.values import Credential, Failure, FailureKind, Response, Retry, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_URL = "https://auth.openai.com/oauth/token"  # noqa: S105 - an address
CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The Codex CLI's own, which the tokens in its files were issued to."""
SOON_S = 300
"""A token that expires within this time is renewed before it is sent."""

_FOR_GOOD = {
    "refresh_token_expired": "its refresh token has expired",
    "refresh_token_reused": "its refresh token was used before, by a copy of this login",
    "refresh_token_invalidated": "its refresh token was withdrawn",
    "invalid_grant": "its refresh token is not accepted",
}
_LOG_IN = (
    "log in again: `codex logout`, `codex login`, then copy the new auth.json here; "
    "one login, one file: a copy that somebody else refreshes goes dead"
)
_USE_CODEX = (
    "the token may be spent, so it is not sent again: use this login in codex once, which "
    "renews the file or says that a new login is needed"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave; what is None did not come, and stays as it is."""

    access_token: Secret | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    expires_at: float | None = None
    """Unix seconds, of the access token; None where nothing tells."""


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
    """Say whether the access token has expired, or does so within :data:`SOON_S`."""
    return credential.expires_at is not None and credential.expires_at - SOON_S < now


def is_same_account(one: Credential, other: Credential) -> bool:
    """Say whether two credentials are of one account: its user, where told, and workspace."""
    users = {one.user_id, other.user_id} - {None}
    return one.account_id == other.account_id and len(users) < 2


def is_newer(found: Credential, stale: Credential, *, now: float) -> bool:
    """Say whether ``found`` is worth asking with where ``stale`` has failed."""
    if found.access_token == stale.access_token or is_due(found, now=now):
        return False
    told = found.expires_at is not None and stale.expires_at is not None
    return not told or (found.expires_at or 0.0) >= (stale.expires_at or 0.0)


def request_body(refresh_token: Secret) -> bytes:
    """Return the JSON that is sent."""
    return orjson.dumps(
        {
            "client_id": CLIENT_ID,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token.reveal(),
        }
    )


def read_tokens(answer: Response | TransportError, *, sent: bool, now: float) -> Tokens | Refusal:
    """Return what became of the one request; ``sent`` says whether it left this machine.

    ``now`` is Unix seconds. Refusals: ``login_required``, ``refresh_unknown``, and where
    the token was certainly not looked at, the kinds of any request. Never raises.
    """
    if isinstance(answer, TransportError):
        return _after_fault(answer, sent=sent)
    if answer.status == 200 and answer.header("cf-mitigated") is None:
        return _granted(answer.body, now=now) or unknown("its answer held no tokens")
    return _refused(answer, now=now)


def _granted(body: bytes, *, now: float) -> Tokens | None:
    try:
        members = mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
    if members is None or text(members, "access_token") is None:
        return None
    access_token = _secret(members, "access_token")
    return Tokens(
        access_token,
        _secret(members, "refresh_token"),
        _secret(members, "id_token"),
        _expires_at(members, now=now),
    )


def _secret(members: Mapping[str, object], key: str) -> Secret | None:
    found = text(members, key)
    return None if found is None else Secret(found)


def _expires_at(members: Mapping[str, object], *, now: float) -> float | None:
    told = read_claims(text(members, "access_token")).expires_at
    life_s = members.get("expires_in")
    if told is None and isinstance(life_s, int) and 0 < life_s < SOON_S * 1_000_000:
        return now + life_s
    return told


def _refused(response: Response, *, now: float) -> Refusal:
    status, code = response.status, machine_code(response.body)
    failure = refusal(response, observed_at=now)
    is_edge = failure.kind is FailureKind.EDGE_BLOCKED
    if not is_edge and (status == 401 or code in _FOR_GOOD):
        return Refusal(login_required(code, status=status), spent=True)
    if not is_edge and (status == 408 or status >= 500 or status < 300):
        return unknown(f"its answer was {status}", code)
    where = (
        "was blocked at its edge" if is_edge else f"was refused by the token endpoint ({status})"
    )
    return Refusal(_of_refreshing(replace(failure, message=f"the request {where}")), spent=False)


def _after_fault(fault: TransportError, *, sent: bool) -> Refusal:
    if sent or fault.answered:
        return unknown("no whole answer came")
    return Refusal(_of_refreshing(transport_failure(fault)), spent=False)


def _of_refreshing(failure: Failure) -> Failure:
    """Return a request's failure as one of refreshing, which is tried once a run."""
    return replace(
        failure,
        message=f"the login could not be refreshed: {failure.message}",
        hint="nothing was spent and the file is as it was: try again later",
        retry_now=Retry.NEVER,
        retry_after_s=None,
        host_at_fault=False,
        may_work_later=True,
    )


def login_required(code: str | None, *, status: int | None = None) -> Failure:
    """Return the failure of a login that no refresh brings back."""
    why = _FOR_GOOD.get(code or "", "its refresh token is not accepted")
    told = "" if status is None else f" ({status})"
    return Failure(FailureKind.LOGIN_REQUIRED, f"the login has ended: {why}{told}", _LOG_IN, code)


def unknown(why: str, code: str | None = None) -> Refusal:
    """Return the refusal of a request that may have spent the token."""
    return Refusal(
        Failure(
            FailureKind.REFRESH_UNKNOWN,
            f"a refresh was sent and {why}; the file was left as it is",
            _USE_CODEX,
            code,
        ),
        spent=True,
    )
