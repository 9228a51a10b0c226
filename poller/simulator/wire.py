"""HTTP as bytes: requests parsed, responses built, nothing corrected."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import orjson

JSON = b"application/json"
HTML = b"text/html; charset=UTF-8"

_LIKE_REAL = (
    b"CF-Cache-Status: DYNAMIC\r\n"
    b"Strict-Transport-Security: max-age=31536000; includeSubDomains; preload\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"cross-origin-opener-policy: same-origin-allow-popups\r\n"
    b"referrer-policy: strict-origin-when-cross-origin\r\n"
    b"vary: Accept-Encoding\r\n"
    b'alt-svc: h3=":443"; ma=86400\r\n'
    b"Server: cloudflare\r\n"
)
_MOST_LENGTH_DIGITS = 20
"""Python refuses to read numbers of more than 4,300 digits."""
_COOKIES_LAST_UNTIL = b"Thu, 31-Dec-37 23:55:55 GMT"


class BadRequestError(Exception):
    """The bytes are not an HTTP request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: bytes
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    """By lower-case name; where one is repeated, the last counts."""
    head: bytes
    """The head as it arrived, without the blank line."""
    body: bytes = b""

    @property
    def asks_for_counts(self) -> bool:
        """Whether it asks for the server's counts, and so is not counted itself."""
        return self.path in (b"/stats", b"/stats/reset")

    @property
    def closes(self) -> bool:
        """Whether the client wants the connection closed after the response."""
        return self.headers.get(b"connection", b"").lower() == b"close"

    @property
    def takes_gzip(self) -> bool:
        """Whether the client accepts a compressed response."""
        return b"gzip" in self.headers.get(b"accept-encoding", b"")

    @property
    def body_length(self) -> int:
        """Bytes that follow the head.

        Raises:
            BadRequestError: the length is missing or not a number.
        """
        length = self.headers.get(b"content-length", b"0")
        if b"transfer-encoding" in self.headers or not length.isdigit():
            raise BadRequestError
        return int(length[:_MOST_LENGTH_DIGITS])

    @property
    def host(self) -> str | None:
        """The name or address it was sent to, without the port; None without a Host header."""
        header = self.headers.get(b"host")
        if header is None:
            return None
        host = header.decode("latin-1").lower()
        if host.startswith("["):
            return host[1:].partition("]")[0] or host
        return host.partition(":")[0]


def request_of(head: bytes) -> Request:
    """Parse a request's head.

    Raises:
        BadRequestError: the first line is not ``METHOD target HTTP/1.x``.
    """
    lines = head.split(b"\r\n")
    first = lines[0].split(b" ")
    if len(first) != 3 or not first[2].startswith(b"HTTP/1."):
        raise BadRequestError
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    path, _, query = _origin_form(first[1]).partition(b"?")
    return Request(first[0], path, query, headers, head)


def _origin_form(target: bytes) -> bytes:
    """Return the path of a target, which is a whole URL where it is sent to a proxy."""
    if target.startswith(b"/"):
        return target
    _, _, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2]


def header_pairs(head: bytes) -> tuple[tuple[str, str], ...]:
    """Return a head's headers in order and in their own case."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return tuple(
        (name.decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in pairs
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, by the token's claims and the account id; None where unknown."""

    user_id: str | None = None
    account_id: str | None = None
    plan: str | None = None
    email: str | None = None
    expires_at: float | None = None
    """Unix seconds of the token's ``exp``."""


def caller_of(request: Request) -> Caller:
    """Return who sent a request; a claim that is missing or of a wrong type is unknown."""
    claims = _claims(request.headers.get(b"authorization", b""))
    auth = _object(claims.get("https://api.openai.com/auth"))
    profile = _object(claims.get("https://api.openai.com/profile"))
    sent = request.headers.get(b"chatgpt-account-id")
    expires_at = claims.get("exp")
    return Caller(
        user_id=_text(auth.get("chatgpt_user_id")) or _text(auth.get("user_id")),
        account_id=sent.decode("latin-1") if sent else _text(auth.get("chatgpt_account_id")),
        plan=_text(auth.get("chatgpt_plan_type")),
        email=_text(profile.get("email")) or _text(claims.get("email")),
        expires_at=expires_at if isinstance(expires_at, int) else None,
    )


def _claims(authorization: bytes) -> dict[str, object]:
    parts = authorization.split(b".")
    if len(parts) < 2:
        return {}
    try:
        return _object(orjson.loads(base64.urlsafe_b64decode(parts[1] + b"==")))
    except (binascii.Error, orjson.JSONDecodeError):
        return {}


def _object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True)
class VaryingHeaders:
    """Headers that differ from response to response."""

    date: bytes
    """The Date header."""
    serial: int
    """The number of the response; request id and cookies are made of it."""


def http_response(  # noqa: PLR0913 - the parts of a response
    varying: VaryingHeaders,
    status: int,
    body: bytes,
    *,
    content_type: bytes = JSON,
    length: int | None = -1,
    extra: bytes = b"",
    closes: bool = False,
) -> bytes:
    """Return a response as the real upstream sends it: a dozen headers, two cookies.

    ``length`` is the Content-Length: -1 for the true one, None for no such header.
    ``extra`` is whole header lines, each with its CRLF. The cookies have neither Domain
    nor Secure, so that a client that keeps cookies sends them back, which is counted.
    """
    content_length = len(body) if length == -1 else length
    return b"".join(
        (
            b"HTTP/1.1 %d %s\r\nDate: %s\r\n" % (status, _reason(status), varying.date),
            b"Content-Type: %s\r\n" % content_type,
            b"" if content_length is None else b"Content-Length: %d\r\n" % content_length,
            b"Connection: close\r\n" if closes else b"Connection: keep-alive\r\n",
            b"CF-RAY: %016x-AMS\r\n" % (varying.serial * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF),
            b"Set-Cookie: __cf_bm=%0172x; path=/; expires=%s; HttpOnly; SameSite=None\r\n"
            % (varying.serial, _COOKIES_LAST_UNTIL),
            b"Set-Cookie: _cfuvid=%059x; path=/; HttpOnly; SameSite=None\r\n" % varying.serial,
            _LIKE_REAL,
            extra,
            b"\r\n",
            body,
        )
    )


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unknown"
