"""Show an answer as it came, without the tokens it may hold or echo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import orjson

from poller.text import MASK, masked

if TYPE_CHECKING:
    from poller.values import Response, Secret

_RAW_TEXT_BYTES = 64 << 10
"""Of an answer that is no JSON."""
_HOLDS_TOKENS = frozenset(
    {
        "accesstoken",
        "refreshtoken",
        "idtoken",
        "sessiontoken",
        "token",
        "authorization",
        "proxyauthorization",
        "cookie",
        "setcookie",
        "apikey",
        "openaiapikey",
        "clientsecret",
        "secret",
        "password",
    }
)
"""Names of members and headers whose values are never shown; see :func:`_holds_token`."""
_TOKEN_IN_TEXT = re.compile(
    r"((?:access|refresh|id|session)[_-]?token|authorization|cookie|api[_-]?key)"
    r"""(["']?\s{0,8}[:=]\s{0,8}["']?(?:(?:bearer|basic)\s)?)[^\s"'&,;<>]+""",
    re.IGNORECASE,
)


def raw_json(response: Response | None, secrets: tuple[Secret, ...]) -> object:
    """Return the answer's JSON; its text where it is none, or too deep to be written.

    Tokens are masked: those of ``secrets``, whole or in part, what is shaped like one, and
    whatever stands under a name that tokens are kept under.
    """
    if response is None:
        return None
    try:
        payload: object = orjson.loads(response.body)
        orjson.dumps([payload])  # as deep as it will stand in the record
        return _without_tokens(payload, secrets)
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        text = response.body[:_RAW_TEXT_BYTES].decode(errors="replace")
        return masked(_TOKEN_IN_TEXT.sub(rf"\1\2{MASK}", text), secrets)


def _without_tokens(value: object, secrets: tuple[Secret, ...]) -> object:
    if isinstance(value, str):
        return masked(value, secrets)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {
            masked(key, secrets): MASK
            if member is not None and _holds_token(key)
            else _without_tokens(member, secrets)
            for key, member in members
        }
    if isinstance(value, list):
        return [_without_tokens(member, secrets) for member in cast("list[object]", value)]
    return value


def _holds_token(name: str) -> bool:
    """Say whether that is where tokens are kept: ``access_token``, ``accessToken`` and so on."""
    return name.replace("_", "").replace("-", "").lower() in _HOLDS_TOKENS


def raw_headers(response: Response | None, secrets: tuple[Secret, ...]) -> dict[str, object] | None:
    """Return names and values; those of one name as HTTP joins them, with a comma.

    Masked as :func:`raw_json` does; cookies are tokens too.
    """
    if response is None:
        return None
    headers: dict[str, object] = {}
    for name, value in response.headers:
        shown = MASK if _holds_token(name) else masked(value, secrets)
        key = masked(name, secrets)
        headers[key] = f"{headers[key]}, {shown}" if key in headers else shown
    return headers
