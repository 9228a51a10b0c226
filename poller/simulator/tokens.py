"""The token endpoint: refresh tokens that work once, and every way that goes wrong.

A made-up refresh token tells whose it is, so nothing has to be known beforehand; what is
kept is which were spent, and what became of each every time it was sent. A fault stands
at a refresh token's end, after ``~``, or in ``Logins.fault`` for all of them; ``xN``
after it means the first N refreshes of a login. Names of faults:

``reused`` ``expired`` ``invalidated`` ``invalid_grant`` refuse for good; ``NNN`` answers
that status and spends nothing, ``spent-NNN`` after it spent the token; ``slow-D`` spends
at once and answers after D, ``late-D`` waits first; ``dropped`` ``closed`` ``hang``
``empty`` ``html`` spend the token, and the answer never comes; ``unheard`` drops the
connection and spends nothing; ``edge`` is the edge's challenge; ``kept`` answers without
a new refresh token, and the old one lives on; ``no-tokens`` spends it for nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import orjson

from poller.simulator.accounts import ACCESS_TOKEN_LIFE_S, access_claims, jwt, refresh_token_of
from poller.simulator.plays import End, Play, duration_s
from poller.simulator.wire import HTML, Caller, Request, Stamp, answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOKEN_PATH = b"/oauth/token"

_FOR_GOOD: Mapping[str, tuple[int, object]] = MappingProxyType(
    {
        **{
            name: (401, {"error": {"code": f"refresh_token_{name}", "message": "made up"}})
            for name in ("reused", "expired", "invalidated")
        },
        "invalid_grant": (400, {"error": "invalid_grant", "error_description": "made up"}),
    }
)
_UNANSWERED: Mapping[str, End] = MappingProxyType(
    {"dropped": End.RESET, "closed": End.CLOSE, "hang": End.HANG}
)
_TIMES = re.compile(r"(?P<what>.+?)(?:x(?P<first>\d+))?", re.DOTALL)


@dataclass(slots=True)
class _Login:
    """One user's login to one workspace: a line of refresh tokens, one of them alive."""

    alive: str
    access_token: str | None = None
    """The newest given out; None before the first refresh."""
    asked: int = 0
    ended: bool = False


@dataclass(slots=True)
class Logins:
    """What the token endpoint knows and counts."""

    fault: str = ""
    """What every refresh meets; may be set at any time."""
    strict: bool = False
    """Whether the usage endpoint refuses tokens that have expired or were replaced."""
    life_s: float = ACCESS_TOKEN_LIFE_S
    """Of the access tokens given out."""
    outcomes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What became of each refresh token every time it was sent: ``renewed``, ``reused``, …"""
    spent_at_s: dict[str, float] = field(default_factory=dict[str, float])
    """When each refresh token that was spent was; monotonic seconds."""
    _logins: dict[tuple[str, str | None], _Login] = field(
        default_factory=dict[tuple[str, "str | None"], _Login]
    )
    _waiting: list[tuple[int, asyncio.Future[None]]] = field(
        default_factory=list[tuple[int, "asyncio.Future[None]"]]
    )

    @property
    def requests(self) -> int:
        """How many refreshes were asked for."""
        return sum(map(len, self.outcomes.values()))

    async def reached(self, requests: int) -> None:
        """Return as soon as so many refreshes have been asked for."""
        if self.requests < requests:
            arrived = asyncio.get_running_loop().create_future()
            self._waiting.append((requests, arrived))
            await arrived

    def alive(self, user_id: str, account_id: str | None) -> str | None:
        """Return the refresh token of a login that works now; None of one never refreshed."""
        login = self._logins.get((user_id, account_id))
        return None if login is None or login.ended else login.alive

    def objection(self, request: Request, caller: Caller) -> str | None:
        """Return why the usage endpoint refuses a token, where it is strict."""
        if not self.strict:
            return None
        if caller.expires_at is not None and caller.expires_at <= time.time():
            return "token_expired"
        login = self._logins.get((caller.user_id or "", caller.account_id))
        if login is None or login.access_token is None:
            return None
        if login.ended:
            return "token_invalidated"
        sent = request.headers[b"authorization"].decode("latin-1").removeprefix("Bearer ")
        return None if sent == login.access_token else "token_expired"

    def renew(self, request: Request, stamp: Stamp) -> bytes | Play:
        """Answer one request for new tokens, and count it."""
        token = _sent(request)
        whose = _whose(token)
        if request.method != b"POST" or whose is None:
            self._count(token, "not_understood")
            return answer(stamp, 400, orjson.dumps({"error": "invalid_request"}))
        login = self._logins.setdefault((whose.user_id, whose.account_id), _Login(token))
        login.asked += 1
        if token != login.alive:
            login.ended = True  # as the real one does: reuse logs everybody out
            return self._refused(token, "reused", stamp)
        if login.ended:
            return self._refused(token, "invalidated", stamp)
        return self._acted(token, whose, login, stamp)

    def _count(self, token: str, outcome: str) -> None:
        self.outcomes.setdefault(token, []).append(outcome)
        for requests, arrived in self._waiting:
            if requests <= self.requests and not arrived.done():
                arrived.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    def _refused(self, token: str, name: str, stamp: Stamp) -> bytes:
        self._count(token, name)
        status, body = _FOR_GOOD[name]
        return answer(stamp, status, orjson.dumps(body))

    def _acted(self, token: str, whose: _Whose, login: _Login, stamp: Stamp) -> bytes | Play:
        name, arg = self._fault(whose, login)
        if name in _FOR_GOOD:
            return self._refused(token, name, stamp)
        if name == "late":
            self._count(token, "asked")
            return Play(self._late(token, whose, login, stamp=stamp, wait_s=duration_s(arg)))
        if name == "unheard":
            self._count(token, "unheard")
            return Play((), End.RESET)
        if name.isdigit() or name == "edge":
            self._count(token, name)
            return _blocked(stamp) if name == "edge" else _error(stamp, int(name))
        granted = orjson.dumps(self._granted(token, whose, login, keeps=name == "kept"))
        return _after_spending(name, arg, stamp, granted)

    def _fault(self, whose: _Whose, login: _Login) -> tuple[str, str]:
        found = _TIMES.fullmatch(whose.fault or self.fault)
        if found is None or (found["first"] and login.asked > int(found["first"])):
            return "", ""
        name, _, arg = found["what"].partition("-")
        return (found["what"], "") if found["what"] == "no-tokens" else (name, arg)

    def _late(
        self, token: str, whose: _Whose, login: _Login, *, stamp: Stamp, wait_s: float
    ) -> Iterator[bytes | float]:
        yield wait_s
        granted = self._granted(token, whose, login, counted=True)
        yield answer(stamp, 200, orjson.dumps(granted))

    def _granted(
        self,
        token: str,
        whose: _Whose,
        login: _Login,
        *,
        keeps: bool = False,
        counted: bool = False,
    ) -> dict[str, object]:
        """Spend a refresh token, and return what comes for it."""
        if counted:
            self.outcomes[token][-1] = "renewed"
        else:
            self._count(token, "kept" if keeps else "renewed")
        self.spent_at_s[token] = time.monotonic()
        who = whose.claims(time.time() + self.life_s, serial=login.asked)
        login.access_token = jwt(who)
        granted: dict[str, object] = {"access_token": login.access_token, "id_token": jwt(who)}
        if not keeps:
            login.alive = whose.next()
            granted["refresh_token"] = login.alive
        return {**granted, "token_type": "Bearer", "expires_in": int(self.life_s)}


def _after_spending(name: str, arg: str, stamp: Stamp, granted: bytes) -> bytes | Play:
    """Return what is answered once the token is spent."""
    if name in _UNANSWERED:
        return Play((), _UNANSWERED[name])
    match name:
        case "spent":
            return _error(stamp, int(arg))
        case "slow":
            return Play((duration_s(arg), answer(stamp, 200, granted)))
        case "cut":
            return Play((answer(stamp, 200, granted)[:-20],), End.CLOSE)
        case "empty" | "html":
            page = b"<html></html>" if name == "html" else b""
            return answer(stamp, 200, page, content_type=HTML)
        case "no-tokens":
            return answer(stamp, 200, b"{}")
        case _:
            return answer(stamp, 200, granted)


def _error(stamp: Stamp, status: int) -> bytes:
    return answer(stamp, status, orjson.dumps({"error": {"message": f"made up: {status}"}}))


def _blocked(stamp: Stamp) -> bytes:
    extra = b"cf-mitigated: challenge\r\n"
    return answer(stamp, 403, b"<html>Just a moment...</html>", content_type=HTML, extra=extra)


@dataclass(frozen=True, slots=True)
class _Whose:
    """What a made-up refresh token tells."""

    user_id: str
    account_id: str | None
    plan: str | None
    email: str | None
    generation: int
    fault: str

    def next(self) -> str:
        """Return the one that comes after it."""
        return refresh_token_of(
            self.user_id,
            self.account_id,
            plan=self.plan,
            email=self.email,
            generation=self.generation + 1,
            fault=self.fault,
        )

    def claims(self, expires_at: float, *, serial: int) -> dict[str, object]:
        """Return those of a new access token, no two alike."""
        claims = access_claims(
            self.user_id, self.account_id, plan=self.plan, email=self.email, expires_at=expires_at
        )
        return {**claims, "jti": f"{claims['jti']}-{self.generation}-{serial}"}


def _sent(request: Request) -> str:
    try:
        members = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return ""
    found = cast("dict[str, object]", members) if isinstance(members, dict) else {}
    return str(found.get("refresh_token", ""))


def _whose(token: str) -> _Whose | None:
    told, _, fault = token.removeprefix("rt_").partition("~")
    try:
        members = orjson.loads(base64.urlsafe_b64decode(told + "=="))
        user_id, account_id, plan, email, generation = members
    except (binascii.Error, ValueError, TypeError):
        return None
    return _Whose(user_id, account_id, plan, email, generation, fault)
