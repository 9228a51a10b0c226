"""Keep an answer as it came, without the tokens it may hold or echo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import orjson

from poller.text import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Mask: TypeAlias = Callable[[str], str]

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


def raw_json(body: bytes, mask: Mask) -> object:
    """Return an answer's JSON; its text where it is none, or too deep to be written.

    ``mask`` takes known tokens out of a text. Whatever stands under a name that tokens are
    kept under goes, too.
    """
    try:
        payload: object = orjson.loads(body)
        orjson.dumps([payload])  # as deep as it will stand in the record
        return _without_tokens(payload, mask)
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        text = body[:_RAW_TEXT_BYTES].decode(errors="replace")
        return mask(_TOKEN_IN_TEXT.sub(rf"\1\2{MASK}", text))


def _without_tokens(value: object, mask: Mask) -> object:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {
            mask(key): MASK
            if member is not None and _holds_token(key)
            else _without_tokens(member, mask)
            for key, member in members
        }
    if isinstance(value, list):
        return [_without_tokens(member, mask) for member in cast("list[object]", value)]
    return value


def _holds_token(name: str) -> bool:
    """Say whether tokens are kept under a name: ``access_token``, ``accessToken`` and so on."""
    return name.replace("_", "").replace("-", "").lower() in _HOLDS_TOKENS


def raw_headers(headers: Iterable[tuple[str, str]], mask: Mask) -> dict[str, str]:
    """Return names and values; those of one name joined with a comma, as HTTP does.

    Masked as :func:`raw_json` does; cookies are tokens, too.
    """
    kept: dict[str, str] = {}
    for name, value in headers:
        shown = MASK if _holds_token(name) else mask(value)
        key = mask(name)
        kept[key] = f"{kept[key]}, {shown}" if key in kept else shown
    return kept
