r"""Keep an answer as it came, without the tokens it may hold or echo.

How far that goes: a token that the run knows is found by any 12 characters of it in a row,
in upper or lower case, as they are or in one of these forms, or in a mix of the first three:

- percent-encoded (``%65yJ``),
- as HTML entities (``&#101;``, ``&#x65;``, ``&period;``),
- with JSON or JavaScript escapes (``\u0065``, ``\x65``, ``\/``),
- in Base64, of either alphabet, alone or amid other text that was encoded with it,
- in hexadecimal digits.

The last two are also found where one of the first three is laid over them; no other form is
taken apart twice. Not found: a token cut into pieces of fewer than 12 characters; one that is
compressed, encrypted, reversed or encoded in any other way; Base64 in the wrong case; and,
encoded, a token with other characters than letters, digits and ``.-_~+/=``, as none has.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import TYPE_CHECKING, cast

import orjson

from poller.text import MASK, PIECE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    Mask: TypeAlias = Callable[[str], str]

_RAW_BYTES = 64 << 10
"""Of an answer that is kept; an honest one has 1-2 kB."""
_HEADERS_BYTES = 64 << 10
"""Of all headers of an answer."""
_HOLDS_TOKENS = ("token", "authorization", "cookie", "apikey", "secret", "password")
"""How names of members and headers end whose values are never shown; see :func:`_holds_token`."""
_TOKEN_IN_TEXT = re.compile(
    r"((?:access|refresh|id|session)[_-]?token|authorization|cookie|api[_-]?key)"
    r"""(["']?\s{0,8}[:=]\s{0,8}["']?(?:(?:bearer|basic)\s)?)[^\s"'&,;<>]+""",
    re.IGNORECASE,
)
_ESCAPED = (
    r"%[0-9a-f]{2}|&#x[0-9a-f]{1,6};|&#[0-9]{1,7};|&[a-z]{2,8};"
    r"|\\{1,2}u[0-9a-f]{4}|\\{1,2}x[0-9a-f]{2}|\\{1,2}/"
)
_ESCAPE = re.compile(_ESCAPED, re.IGNORECASE)
_WORD = re.compile(rf"(?:[\w.~+/=-]|{_ESCAPED}){{12,}}", re.IGNORECASE | re.ASCII)
"""What may be a piece of a token in some form."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{24,}", re.IGNORECASE)
_VISIBLE = re.compile(rb"[!-~]{12,}")


def raw_json(body: bytes, mask: Mask) -> object:
    """Return an answer's JSON; the first 64 KiB of its text where it is none, or longer.

    JSON that is too deep to be written is kept as text, too. ``mask`` takes known tokens
    out of a text. Whatever stands under a name that tokens are kept under goes, too.
    """
    try:
        if len(body) <= _RAW_BYTES:
            payload: object = orjson.loads(body)
            orjson.dumps([payload])  # as deep as it will stand in the record
            return _without_tokens(payload, mask)
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        pass
    text = body[:_RAW_BYTES].decode(errors="replace")
    return _shown(_TOKEN_IN_TEXT.sub(rf"\1\2{MASK}", text), mask)


def raw_headers(headers: Iterable[tuple[str, str]], mask: Mask) -> dict[str, str]:
    """Return names and values; those of one name joined with a comma, as HTTP does.

    Masked as :func:`raw_json` does; cookies are tokens, too. Of more than 64 KiB the first
    are returned.
    """
    kept: dict[str, list[str]] = {}
    left = _HEADERS_BYTES
    for name, value in headers:
        left -= len(f"{name}: {value}".encode("utf-8", "surrogatepass"))
        if left < 0:
            break
        shown = MASK if _holds_token(name) else _shown(value, mask)
        kept.setdefault(_shown(name, mask), []).append(shown)
    return {name: ", ".join(values) for name, values in kept.items()}


def _shown(text: str, mask: Mask) -> str:
    """Return a text without tokens, in any form that is promised."""

    def word(found: re.Match[str]) -> str:
        forms = _decoded(found[0])
        return MASK if any(mask(form) != form for form in forms) else found[0]

    return text if len(text) < PIECE else mask(_WORD.sub(word, text))


def _decoded(word: str) -> Iterator[str]:
    """Yield what a word may stand for, as far as that can hold a piece of a token."""
    plain = _ESCAPE.sub(_unescaped, word)
    if plain != word:
        yield plain
    for found in _BASE64.finditer(plain):
        run = found[0].replace("-", "+").replace("_", "/")
        for start in range(4):  # other text may stand before it
            whole = len(run) - ((len(run) - start) % 4 == 1)
            for visible in _VISIBLE.findall(a2b_base64(f"{run[start:whole]}==")):
                yield visible.decode()
    for found in _HEXADECIMAL.finditer(plain):
        for start in range(2):
            whole = len(found[0]) - (len(found[0]) - start) % 2
            for visible in _VISIBLE.findall(bytes.fromhex(found[0][start:whole])):
                yield visible.decode()


def _unescaped(found: re.Match[str]) -> str:
    escape = found[0]
    if escape.startswith("&"):
        from html import unescape  # 3 ms that hardly any run needs

        return unescape(escape)
    return "/" if escape.endswith("/") else chr(int(escape.lstrip("%\\uUxX"), 16))


def _without_tokens(value: object, mask: Mask) -> object:
    if isinstance(value, str):
        return _shown(value, mask)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {
            _shown(key, mask): MASK
            if member is not None and _holds_token(key)
            else _without_tokens(member, mask)
            for key, member in members
        }
    if isinstance(value, list):
        return [_without_tokens(member, mask) for member in cast("list[object]", value)]
    return value


def _holds_token(name: str) -> bool:
    """Say whether tokens are kept under a name: ``access_token``, ``X-Auth-Token`` and so on."""
    return name.replace("_", "").replace("-", "").lower().endswith(_HOLDS_TOKENS)
