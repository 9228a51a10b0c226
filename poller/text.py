"""Make text from outside safe to show.

Upstream answers, file names and claims may hold escape sequences, bidi marks or an
echo of a token. Whatever is meant for a terminal, a record or a log line passes here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.values import Secret

PIECE = 12
"""Characters of a token in a row that count as a leak."""

MASK = "***"

_VISIBLE_ASCII = bytes(range(0x21, 0x7F))

_TOKEN_SHAPED = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}|\b(?:rt_|rt\.|sess-|sk-)[\w.-]{8,}")


def printable(text: str) -> str:
    r"""Return ``text`` with every character that could steer a terminal spelled out.

    Control and format characters, bidi marks, line and paragraph separators, lone
    surrogates and unassigned code points become ``\x1b``, ``\u202e`` or ``\U000e0001``;
    letters of every script, and plain spaces of every width, stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or unicodedata.category(char) == "Zs" else _spelled(char)
        for char in text
    )


def is_visible(text: str) -> bool:
    """Say whether all of it is ASCII that leaves ink; raises UnicodeEncodeError, TypeError.

    Both for lone surrogates, which parsed JSON has none of.
    """
    # What JSON need not escape has no controls; a tenth of what looking at each one costs.
    if len(orjson.dumps(text)) == len(text) + 2:
        return " " not in text and "\x7f" not in text
    return not text.encode().translate(None, _VISIBLE_ASCII)


def _spelled(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that was not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """Return ``text`` with every token in it, whole or in part, replaced by ``***``.

    A part is any ``PIECE`` characters in a row of one of ``secrets``; whatever is
    shaped like a token goes too, as it may be somebody else's.
    """
    if len(text) < PIECE:
        return text
    for secret in secrets:
        text = _without(text, secret.reveal())
    return _TOKEN_SHAPED.sub(MASK, text)


def _without(text: str, secret: str) -> str:
    kept: list[str] = []
    half = PIECE // 2
    start = index = 0
    while index <= len(text) - PIECE:
        if text[index + half : index + PIECE] not in secret:
            index += half + 1  # no piece that begins up to there can do without this half
            continue
        if text[index : index + PIECE] not in secret:
            index += 1
            continue
        end = index + PIECE
        while end < len(text) and text[end - PIECE + 1 : end + 1] in secret:
            end += 1
        kept += (text[start:index], MASK)
        start = index = end
    return "".join((*kept, text[start:]))
