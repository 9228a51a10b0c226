"""What the token endpoint's answers mean.

Every answer is sorted by the one question that matters: may the refresh token have been spent?
Codes and statuses are those that were seen at the endpoint, and RFC 6749's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from poller.authfiles.claims import read_claims
from poller.renewal import refusals
from poller.renewal.tokens import Refusal, Tokens
from poller.upstream.transport_errors import TransportError, transport_failure
from poller.usage.json_values import mapping, text
from poller.usage.response import machine_code, parsed_body, refusal
from poller.values import Failure, FailureKind, Response, Retry, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The Codex CLI's own, which the tokens in its files were issued to."""

_REGION_CODE = "unsupported_country_region_territory"
_KNOWN_CODES = frozenset(refusals.ENDED_CODES) | {
    _REGION_CODE,
    "invalid_client",
    "invalid_request",
    "rate_limit_exceeded",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
}
"""No other code is passed on: it could be an echo of the token."""
_LONGEST_LIFE_S = 10 * 365 * 86_400


def request_body(refresh_token: Secret) -> bytes:
    """Return the JSON that is sent."""
    return orjson.dumps(
        {
            "client_id": CLIENT_ID,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token.reveal(),
        }
    )


def tokens_or_refusal(response: Response, *, now: float) -> Tokens | Refusal:
    """Return what a whole answer brings; ``now`` is Unix seconds. Never raises.

    Refusals: ``login_required``, ``refresh_unknown``, and, where the token was certainly not
    looked at, the kinds of any request.
    """
    if 200 <= response.status < 300 and response.header("cf-mitigated") is None:
        granted = _granted(response.body, now=now)
        if granted is not None:
            return granted
    return _refusal(response, now=now)


def refusal_without_answer(error: TransportError, *, sent: bool) -> Refusal:
    """Return what a request without a whole answer means; ``sent``: it may have left."""
    if sent or error.answered:
        return _maybe_spent("got no complete reply")
    return _unspent(transport_failure(error))


def _granted(body: bytes, *, now: float) -> Tokens | None:
    try:
        members = mapping(parsed_body(body)) or {}
    except ValueError:
        return None
    access_token, refresh_token, id_token = (
        _secret(members, key) for key in ("access_token", "refresh_token", "id_token")
    )
    if access_token is refresh_token is id_token is None:
        return None
    # One alone counts, too: a new refresh token that is not kept is a login that is lost.
    expires_at = _expires_at(access_token, members, now=now)
    return Tokens(access_token, refresh_token, id_token, expires_at)


def _secret(members: Mapping[str, object], key: str) -> Secret | None:
    found = text(members, key)
    try:
        return None if found is None else Secret(found.encode().decode())
    except UnicodeEncodeError:  # half an emoji, which no file can hold
        return None


def _expires_at(
    access_token: Secret | None, members: Mapping[str, object], *, now: float
) -> float | None:
    if access_token is None:
        return None
    claimed = read_claims(access_token.reveal()).expires_at
    life_s = members.get("expires_in")
    if claimed is None and isinstance(life_s, int) and 0 < life_s < _LONGEST_LIFE_S:
        return now + life_s
    return claimed


def _refusal(response: Response, *, now: float) -> Refusal:
    status, code = response.status, machine_code(response.body)
    if code not in _KNOWN_CODES:
        code = None
    failure = replace(refusal(response, observed_at=now), code=code)
    # An edge or a region that is not served says nothing about the login, whatever the status.
    if failure.kind is FailureKind.EDGE_BLOCKED or code == _REGION_CODE:
        message = "the request was blocked before it reached the login"
        return _unspent(replace(failure, kind=FailureKind.EDGE_BLOCKED, message=message))
    if status == 401 or code in refusals.ENDED_CODES:
        return Refusal(refusals.login_required(code, status=status), spent=True)
    if status in (400, 408) or status >= 500 or status < 300:
        why = "its answer held no tokens" if 200 <= status < 300 else f"its answer was {status}"
        return _maybe_spent(why, code)
    return _unspent(
        replace(failure, message=f"the request was refused by the token endpoint ({status})")
    )


def _maybe_spent(why: str, code: str | None = None) -> Refusal:
    return Refusal(replace(refusals.no_reply(why), code=code), spent=True)


def _unspent(failure: Failure) -> Refusal:
    """Return a request's failure as one of refreshing, which is tried once a run."""
    return Refusal(
        replace(
            failure,
            message=f"the login could not be refreshed: {failure.message}",
            hint="nothing was spent and the file is as it was: try again later",
            retry_now=Retry.NEVER,
            retry_after_s=None,
            host_at_fault=False,
            may_work_later=True,
        ),
        spent=False,
    )
