"""Who is let in: from which host name, from which site, with which token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.web import BaseRequest

LOGIN_LASTS_S = 30 * 86_400
_OPEN_PATHS, _OPEN_FOLDER = frozenset({"/healthz", "/login"}), "/static/"
"""What needs no token: these say nothing of any account."""

_COOKIE, _COOKIE_WITH_TLS = "poller", "__Host-poller"
"""A ``__Host-`` cookie belongs to this host alone and is sent over TLS only (RFC 6265bis)."""
_MOST_BODY = 16_384
"""Bytes of a login form: the longest token, with every character of it escaped."""


@dataclass(frozen=True, slots=True)
class NotLetIn:
    """Why a request is not answered: the HTTP status and a sentence for a person."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server."""

    token: bytes | None = None
    """What a request has to know; None lets everybody in who reaches the server."""
    tls: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    """Names that ``Host`` may say besides the server's own addresses; lower case."""

    @property
    def cookie(self) -> str:
        """The name of the login cookie."""
        return _COOKIE_WITH_TLS if self.tls else _COOKIE

    def refusal(self, request: BaseRequest, *, now: float) -> NotLetIn | None:
        """Return why ``request`` is not answered; None where it is. ``now``: Unix seconds."""
        if not self._names_us(request):
            return NotLetIn(421, "this server does not answer to that Host; see --allow-host")
        if _is_cross_site(request):
            return NotLetIn(403, "requests from other sites are not answered")
        path = request.raw_path.partition("?")[0]
        if path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER):
            return None
        if self.knows_token(request, now=now):
            return None
        return NotLetIn(
            401, "a token is needed: send Authorization: Bearer TOKEN, or log in at /login"
        )

    def knows_token(self, request: BaseRequest, *, now: float) -> bool:
        """Tell whether the request shows the token, or the cookie of a login."""
        if self.token is None:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return self._is_login(request.cookies.get(self.cookie, ""), now)

    def is_token(self, given: str) -> bool:
        """Tell whether ``given`` is the token; takes the same time whatever it is."""
        # aiohttp hands bytes that are no UTF-8 over as lone surrogates.
        presented = sha256(given.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(presented, sha256(self.token or b"").digest())

    def login_cookie(self, *, now: float) -> str:
        """Return the cookie's value after a login: when it ends, and a MAC of that."""
        expires_at = f"{now + LOGIN_LASTS_S:.0f}"
        return f"{expires_at}.{self._mac(expires_at)}"

    def _is_login(self, value: str, now: float) -> bool:
        expires_at, _, mac = value.partition(".")
        right = hmac.compare_digest(_bytes(mac), _bytes(self._mac(expires_at)))
        return right and expires_at.isascii() and expires_at.isdigit() and int(expires_at) > now

    def _mac(self, expires_at: str) -> str:
        return hmac.new(self.token or b"", b"login until " + _bytes(expires_at), sha256).hexdigest()

    def _names_us(self, request: BaseRequest) -> bool:
        """Tell whether ``Host`` is ours: a page elsewhere whose name was pointed here is not."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not request.raw_path.startswith("/"):
            return False
        name = host_name(hosts[0])
        if name == "localhost" or name in self.allowed_hosts:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or name == _own_address(request)


def is_own_origin(request: BaseRequest) -> bool:
    """Tell whether ``Origin`` is this server's own.

    The scheme may differ: a proxy in front may speak TLS.
    """
    scheme, _, authority = request.headers.get("Origin", "").partition("://")
    return scheme in ("http", "https") and authority.lower() == request.headers["Host"].lower()


async def login_token(request: BaseRequest) -> str | None:
    """Return the token of a login form; None where the body is none."""
    from urllib.parse import parse_qs

    if request.content_type != "application/x-www-form-urlencoded":
        return None
    body = b""
    while len(body) < _MOST_BODY and (piece := await request.content.read(_MOST_BODY)):
        body += piece
    try:
        fields: Mapping[str, list[str]] = parse_qs(body.decode(), max_num_fields=4)
    except ValueError:
        return None
    return fields.get("token", [None])[0]


def host_name(host: str) -> str:
    """Return what a ``Host`` header names, in lower case, without the port."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _own_address(request: BaseRequest) -> str | None:
    transport = request.transport
    own = transport.get_extra_info("sockname") if transport is not None else None
    return str(own[0]).partition("%")[0].removeprefix("::ffff:") if own else None


def _is_cross_site(request: BaseRequest) -> bool:
    """Tell whether a page of another site sent it; links that people follow are not meant."""
    headers = request.headers
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        followed = headers.get("Sec-Fetch-Mode") == "navigate"
        whole_page = headers.get("Sec-Fetch-Dest") == "document"
        return not (request.method in ("GET", "HEAD") and followed and whole_page)
    return "Origin" in headers and not is_own_origin(request)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
