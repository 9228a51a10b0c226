"""Make text from outside safe to show.

Upstream answers, file names and claims may hold escape sequences, bidi marks or an
echo of a token. Whatever is meant for a terminal, a record or a log line passes here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.values import Secret

PIECE = 12
"""Characters of a token in a row that count as a leak."""

MASK = "***"

_BLOCK = PIECE // 2
_ACCOUNTS_REMEMBERED = 256
_TEXTS_REMEMBERED = 1024
_FEW_ACCOUNTS, _FEW_TEXTS = 16, 64
"""Up to so many are searched one by one; for more an index is built, which takes its time."""
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

_VISIBLE_ASCII = bytes(range(0x21, 0x7F))

_TOKEN_SHAPED = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}|\b(?:rt_|rt\.|sess-|sk-)[\w.-]{8,}", re.IGNORECASE
)


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


def masked(text: str, tokens: Iterable[str] = ()) -> str:
    """Return ``text`` with every token in it, whole or in part, replaced by ``***``.

    ``tokens`` are in lower case; upper and lower case make no difference. A part is any
    ``PIECE`` characters in a row. Whatever is shaped like a token goes, too, as it may be
    somebody else's.
    """
    if len(text) < PIECE:
        return text
    for token in tokens:
        text = _without(text, token)
    return _TOKEN_SHAPED.sub(MASK, text)


def lower(text: str) -> str:
    """Return ``text`` with A-Z in lower case and nothing else changed, its length least of all."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def _without(text: str, token: str) -> str:
    kept: list[str] = []
    seen = lower(text)
    half = PIECE // 2
    start = index = 0
    while index <= len(seen) - PIECE:
        if seen[index + half : index + PIECE] not in token:
            index += half + 1  # every piece that begins before there contains this half
            continue
        if seen[index : index + PIECE] not in token:
            index += 1
            continue
        end = index + PIECE
        while end < len(seen) and seen[end - PIECE + 1 : end + 1] in token:
            end += 1
        kept += (text[start:index], MASK)
        start = index = end
    return "".join((*kept, text[start:])) if kept else text


class KnownTokens:
    """The tokens a run has seen, to keep them out of every text that comes from outside.

    Remembers those of the last few hundred accounts: an answer is checked against its own
    account's tokens and everybody else's, in time that grows with the text alone.
    """

    def __init__(self) -> None:
        self._accounts: deque[tuple[str, ...]] = deque(maxlen=_ACCOUNTS_REMEMBERED)
        self._added = 0
        self._clean: dict[str, int] = {}
        """Texts without a token in them, and how many accounts they were checked against."""
        self._index: dict[str, str] = {}
        """A token by each of its blocks of half a piece."""
        self._index_from = self._indexed = 0

    def add(self, secrets: Iterable[Secret]) -> None:
        """Remember one account's tokens."""
        self._accounts.append(tuple(lower(secret.reveal()) for secret in secrets))
        self._added += 1

    def mask(self, text: str) -> str:
        """Return ``text`` without any of the tokens; see :func:`masked`."""
        if len(text) < PIECE:
            return text
        new = self._since(self._clean.get(text, 0))
        few = len(new) <= _FEW_ACCOUNTS or len(self._clean) < _FEW_TEXTS
        clean = masked(text, chain.from_iterable(new) if few else self._candidates(text))
        if clean == text:
            if len(self._clean) >= _TEXTS_REMEMBERED:
                self._clean.clear()
            self._clean[text] = self._added
        return clean

    def _since(self, added: int) -> list[tuple[str, ...]]:
        count = min(self._added - added, len(self._accounts))
        return list(islice(reversed(self._accounts), count))

    def _candidates(self, text: str) -> set[str]:
        """Return tokens that share a block with ``text``: every piece holds a whole block."""
        if self._added - self._index_from >= 2 * _ACCOUNTS_REMEMBERED:
            self._index.clear()
            self._index_from = self._indexed = self._added - len(self._accounts)
        for token in chain.from_iterable(self._since(self._indexed)):
            for start in range(0, len(token) - _BLOCK + 1, _BLOCK):
                # Tokens begin alike: of those with the same block any will do.
                self._index.setdefault(token[start : start + _BLOCK], token)
        self._indexed = self._added
        seen = lower(text)
        blocks = {seen[start : start + _BLOCK] for start in range(len(seen) - _BLOCK + 1)}
        return {self._index[block] for block in blocks if block in self._index}


def os_error_text(error: OSError) -> str:
    """Return the system's words for an error, in lower case and without a path."""
    return (error.strerror or "input/output error").lower()
