"""The token endpoint: refresh tokens that work once, and every way a refresh goes wrong.

A made-up refresh token says whose it is, so logins need no registration. The endpoint
remembers which tokens were spent, and the outcome of every request. A fault stands after
``~`` at a refresh token's end, or in ``Logins.fault`` for all of them; ``xN`` after it
limits it to a login's first N refreshes. Names of faults:

- ``reused``, ``expired``, ``invalidated``, ``invalid_grant``: final refusals
- ``NNN``: that status, and nothing is spent; ``spent-NNN``: the token is spent first
- ``slow-DURATION``: the token is spent at once, the response comes later;
  ``late-DURATION``: both come later
- ``dropped``, ``closed``, ``hang``, ``empty``, ``html``, ``cut``: the token is spent, and
  the new tokens never arrive
- ``unheard``: the connection is reset, and nothing is spent
- ``edge``: the edge's challenge page
- ``kept``: no new refresh token; the old one stays valid
- ``no-tokens``: the token is spent for an empty object
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import orjson

from poller.simulator.accounts import ACCESS_TOKEN_LIFE_S, access_claims, jwt, refresh_token_of
from poller.simulator.counting import Waiters
from poller.simulator.scripted import AfterLastByte, ScriptedResponse, duration_s
from poller.simulator.wire import HTML, Caller, Request, VaryingHeaders, http_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from poller.simulator.clock import TellsTime

TOKEN_PATH = b"/oauth/token"

_FINAL_REFUSALS: Mapping[str, tuple[int, object]] = MappingProxyType(
    {
        **{
            name: (401, {"error": {"code": f"refresh_token_{name}", "message": "made up"}})
            for name in ("reused", "expired", "invalidated")
        },
        "invalid_grant": (400, {"error": "invalid_grant", "error_description": "made up"}),
    }
)
_UNANSWERED: Mapping[str, AfterLastByte] = MappingProxyType(
    {"dropped": AfterLastByte.RESET, "closed": AfterLastByte.CLOSE, "hang": AfterLastByte.HANG}
)
_FAULT = re.compile(r"(?P<what>.+?)(?:x(?P<first>\d{1,9}))?", re.DOTALL)


@dataclass(slots=True)
class _Login:
    """One user's login to one workspace: refresh tokens in a row, the last one valid."""

    refresh_token: str
    """The one that is valid now."""
    access_token: str | None = None
    """The newest one issued; None before the first refresh."""
    refreshes: int = 0
    is_ended: bool = False


@dataclass(slots=True)
class Logins:
    """What the token endpoint knows and counts."""

    fault: str = ""
    """The fault of every refresh; may be set at any time."""
    strict: bool = False
    """Whether the usage endpoint refuses tokens that have expired or were replaced."""
    clock: TellsTime = time
    """What the lives of tokens are measured by."""
    life_s: float = ACCESS_TOKEN_LIFE_S
    """How long the access tokens issued here live, in seconds."""
    outcomes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The outcome of every request, by refresh token: ``renewed``, ``reused``, …"""
    spent_at_s: dict[str, float] = field(default_factory=dict[str, float])
    """When each spent refresh token was spent; monotonic seconds."""
    _logins: dict[tuple[str, str | None], _Login] = field(
        default_factory=dict[tuple[str, "str | None"], _Login]
    )
    _waiters: Waiters = field(default_factory=Waiters)

    @property
    def requests(self) -> int:
        """How many refreshes were requested."""
        return sum(map(len, self.outcomes.values()))

    async def reached(self, requests: int) -> None:
        """Return as soon as so many refreshes have been requested."""
        await self._waiters.until(requests, so_far=self.requests)

    def alive(self, user_id: str, account_id: str | None) -> str | None:
        """Return a login's valid refresh token; None if it ended or was never refreshed."""
        login = self._logins.get((user_id, account_id))
        return None if login is None or login.is_ended else login.refresh_token

    def objection(self, request: Request, caller: Caller) -> str | None:
        """Return the code with which a strict usage endpoint refuses a token, or None."""
        if not self.strict:
            return None
        if caller.expires_at is not None and caller.expires_at <= self.clock.time():
            return "token_expired"
        login = self._logins.get((caller.user_id or "", caller.account_id))
        if login is None or login.access_token is None:
            return None
        if login.is_ended:
            return "token_invalidated"
        sent = request.headers[b"authorization"].decode("latin-1").removeprefix("Bearer ")
        return None if sent == login.access_token else "token_expired"

    def refresh(self, request: Request, varying: VaryingHeaders) -> bytes | ScriptedResponse:
        """Answer one request for new tokens, and count it."""
        token = _sent(request)
        owner = _owner(token)
        if request.method != b"POST" or owner is None:
            self._count(token, "not_understood")
            return http_response(varying, 400, orjson.dumps({"error": "invalid_request"}))
        login = self._logins.setdefault((owner.user_id, owner.account_id), _Login(token))
        login.refreshes += 1
        if token != login.refresh_token:
            login.is_ended = True  # as the real endpoint does: reuse logs everybody out
            return self._refused(token, "reused", varying)
        if login.is_ended:
            return self._refused(token, "invalidated", varying)
        return self._outcome(token, owner, login, varying)

    def _count(self, token: str, outcome: str) -> None:
        self.outcomes.setdefault(token, []).append(outcome)
        self._waiters.note(self.requests)

    def _refused(self, token: str, name: str, varying: VaryingHeaders) -> bytes:
        self._count(token, name)
        status, body = _FINAL_REFUSALS[name]
        return http_response(varying, status, orjson.dumps(body))

    def _outcome(
        self, token: str, owner: _TokenOwner, login: _Login, varying: VaryingHeaders
    ) -> bytes | ScriptedResponse:
        name, arg = self._fault(owner, login)
        if name in _FINAL_REFUSALS:
            return self._refused(token, name, varying)
        if name == "late":
            self._count(token, "asked")
            return ScriptedResponse(
                self._late(token, owner, login, varying=varying, wait_s=duration_s(arg))
            )
        if name == "unheard":
            self._count(token, "unheard")
            return ScriptedResponse((), AfterLastByte.RESET)
        if name.isdigit() or name == "edge":
            self._count(token, name)
            return _blocked(varying) if name == "edge" else _error(varying, int(name))
        granted = orjson.dumps(self._granted(token, owner, login, keeps=name == "kept"))
        return _response_after_spending(name, arg, varying, granted)

    def _fault(self, owner: _TokenOwner, login: _Login) -> tuple[str, str]:
        found = _FAULT.fullmatch(owner.fault or self.fault)
        if found is None or (found["first"] and login.refreshes > int(found["first"])):
            return "", ""
        name, _, arg = found["what"].partition("-")
        return (found["what"], "") if found["what"] == "no-tokens" else (name, arg)

    def _late(
        self,
        token: str,
        owner: _TokenOwner,
        login: _Login,
        *,
        varying: VaryingHeaders,
        wait_s: float,
    ) -> Iterator[bytes | float]:
        yield wait_s
        granted = self._granted(token, owner, login, counted=True)
        yield http_response(varying, 200, orjson.dumps(granted))

    def _granted(
        self,
        token: str,
        owner: _TokenOwner,
        login: _Login,
        *,
        keeps: bool = False,
        counted: bool = False,
    ) -> dict[str, object]:
        """Spend a refresh token, and return the new tokens."""
        if counted:
            self.outcomes[token][-1] = "renewed"
        else:
            self._count(token, "kept" if keeps else "renewed")
        self.spent_at_s[token] = time.monotonic()
        who = owner.claims(self.clock.time() + self.life_s, serial=login.refreshes)
        login.access_token = jwt(who)
        granted: dict[str, object] = {"access_token": login.access_token, "id_token": jwt(who)}
        if not keeps:
            login.refresh_token = owner.next()
            granted["refresh_token"] = login.refresh_token
        return {**granted, "token_type": "Bearer", "expires_in": int(self.life_s)}


def _response_after_spending(
    name: str, arg: str, varying: VaryingHeaders, granted: bytes
) -> bytes | ScriptedResponse:
    """Return the response once the token is spent."""
    if name in _UNANSWERED:
        return ScriptedResponse((), _UNANSWERED[name])
    match name:
        case "spent":
            return _error(varying, int(arg))
        case "slow":
            return ScriptedResponse((duration_s(arg), http_response(varying, 200, granted)))
        case "cut":
            return ScriptedResponse(
                (http_response(varying, 200, granted)[:-20],), AfterLastByte.CLOSE
            )
        case "empty" | "html":
            page = b"<html></html>" if name == "html" else b""
            return http_response(varying, 200, page, content_type=HTML)
        case "no-tokens":
            return http_response(varying, 200, b"{}")
        case _:
            return http_response(varying, 200, granted)


def _error(varying: VaryingHeaders, status: int) -> bytes:
    return http_response(
        varying, status, orjson.dumps({"error": {"message": f"made up: {status}"}})
    )


def _blocked(varying: VaryingHeaders) -> bytes:
    extra = b"cf-mitigated: challenge\r\n"
    return http_response(
        varying, 403, b"<html>Just a moment...</html>", content_type=HTML, extra=extra
    )


@dataclass(frozen=True, slots=True)
class _TokenOwner:
    """What a made-up refresh token says about its login."""

    user_id: str
    account_id: str | None
    plan: str | None
    email: str | None
    generation: int
    fault: str

    def next(self) -> str:
        """Return the refresh token that replaces it."""
        return refresh_token_of(
            self.user_id,
            self.account_id,
            plan=self.plan,
            email=self.email,
            generation=self.generation + 1,
            fault=self.fault,
        )

    def claims(self, expires_at: float, *, serial: int) -> dict[str, object]:
        """Return the claims of a new access token, no two of them equal."""
        claims = access_claims(
            self.user_id, self.account_id, plan=self.plan, email=self.email, expires_at=expires_at
        )
        return {**claims, "jti": f"{claims['jti']}-{self.generation}-{serial}"}


def _sent(request: Request) -> str:
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(found, dict):
        return ""
    return str(cast("dict[str, object]", found).get("refresh_token", ""))


def _owner(token: str) -> _TokenOwner | None:
    told, _, fault = token.removeprefix("rt_").partition("~")
    try:
        found = orjson.loads(base64.urlsafe_b64decode(told + "=="))
    except (binascii.Error, ValueError):
        return None
    match found:
        case [
            str(user_id),
            str() | None as account_id,
            str() | None as plan,
            str() | None as email,
            int(generation),
        ]:
            return _TokenOwner(user_id, account_id, plan, email, generation, fault)
        case _:
            return None
