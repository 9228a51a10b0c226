"""Make text from outside safe to show.

Upstream answers, file names and claims may hold escape sequences, bidi marks or an
echo of a token. Whatever is meant for a terminal, a record or a log line passes here.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.values import Secret

PIECE = 12
"""Characters of a token in a row that count as a leak."""

MASK = "***"

_BLOCK, _STEP = 8, 4
"""Bytes of a block of a token, and how far one begins after another: every piece has one whole."""
_ACCOUNTS_REMEMBERED = 256
_TEXTS_REMEMBERED = 1024
_FEW_ACCOUNTS, _FEW_TEXTS, _SHORT_TEXT = 16, 64, 200
"""Up to so many accounts, or different texts, are compared one by one, each so many characters
at most: building an index takes a tenth of all that an account costs."""
_HALF = PIECE // 2
_IN_TOKENS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
"""What nearly all tokens are made of, in lower case."""

_VISIBLE_ASCII = bytes(range(0x21, 0x7F))

_TOKEN_SHAPED = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}|\b(?:rt_|rt\.|sess-|sk-)[\w.-]{8,}", re.IGNORECASE
)

_NAME_LENGTH = 64
_NAME_REVERSED = re.compile(r"[^\s@/:;,<>()\"]+")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}(?:xn--[\w-]{1,59}|[^\W\d_]{2,63})")
"""Of an e-mail address: with a dot in it, and letters at its end (``@example.com-plus``)."""


def printable(text: str) -> str:
    r"""Return ``text`` with every character that could steer a terminal spelled out.

    Control and format characters, bidi marks, line and paragraph separators, lone
    surrogates and unassigned code points become ``\x1b``, ``\u202e`` or ``\U000e0001``;
    letters of every script, and plain spaces of every width, stay.
    """
    if text.isprintable():
        return text
    spelled = {
        ord(char): _spelled(char)
        for char in set(text)  # few, of a text that may be long
        if not (char.isprintable() or unicodedata.category(char) == "Zs")
    }
    return text.translate(spelled)


def short_addresses(text: str) -> str:
    """Return ``text`` with the e-mail addresses in it cut to what their owner knows them by.

    ``alice.liddell@example.com`` becomes ``al…ll@e…``; what stands around it stays.
    """
    shown, end = "", 0
    at = text.find("@")
    while at >= 0:  # a search for the whole from every place would take 0.1 ms for some names
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None:
            name = _NAME_REVERSED.match(text[max(end, at - _NAME_LENGTH) : at][::-1])
            if name is not None:
                shown += text[end : at - len(name[0])] + _shortened(name[0][::-1], domain[0])
                end = domain.end()
        at = text.find("@", at + 1)
    return shown + text[end:]


def _shortened(name: str, domain: str) -> str:
    ends = (name[:2], name[-2:]) if len(name) > 5 else (name[: 1 + (len(name) > 2)], "")
    return f"{ends[0]}…{ends[1]}@{domain[:1]}…"


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

    No ``PIECE`` characters in a row of any of ``tokens`` are left, in upper or lower case.
    Whatever is shaped like a token goes, too, as it may be somebody else's. A little more
    may go than that: eight characters of a token can be enough, and up to three letters
    or digits that touch a token go with it.
    """
    if len(text) < PIECE:
        return text
    blocks = {block for token in tokens for block in _blocks(_lower(token))}
    return _TOKEN_SHAPED.sub(MASK, _without(text, (blocks,)))


def _lower(text: str) -> bytes:
    """Return ``text`` as UTF-8 with A-Z in lower case and nothing else changed."""
    return text.encode("utf-8", "surrogatepass").lower()


def _blocks(token: bytes) -> Iterator[int]:
    """Return every fourth run of eight bytes, as numbers; none where a token has no piece."""
    if len(token) < PIECE:
        return iter(())
    return chain(_every_eighth(token, 0), _every_eighth(token, _STEP))


def _every_eighth(seen: bytes, start: int) -> memoryview[int]:
    """Return the runs of eight bytes that begin at ``start``, eight later, and so on.

    Read as numbers in C, this takes a third of the time that slices of a string take.
    """
    whole = (len(seen) - start) // _BLOCK * _BLOCK
    return memoryview(seen)[start : start + max(0, whole)].cast("Q")


def _without(text: str, indexes: Iterable[set[int]]) -> str:
    """Return ``text`` with all that is made of blocks replaced, in time linear in its length.

    A piece of a token in the text holds a whole block of it, and blocks overlap: what they
    leave of a run is three characters at either end.
    """
    said = text.encode("utf-8", "surrogatepass")
    seen = said.lower()
    found = [
        (start, blocks)
        for blocks in indexes
        for start in range(_BLOCK)
        if blocks and not blocks.isdisjoint(_every_eighth(seen, start))
    ]
    if not found:
        return text
    hits = [
        start + _BLOCK * place
        for start, blocks in found
        for place, block in enumerate(_every_eighth(seen, start))
        if block in blocks
    ]
    kept = bytearray()
    end = 0
    for first, last in _runs(sorted(hits)):
        start, stop = _widened(seen, max(end, first), last)
        kept += said[end:start] + MASK.encode()
        end = stop
    return (kept + said[end:]).decode("utf-8", "surrogatepass")


def _runs(hits: list[int]) -> Iterator[tuple[int, int]]:
    """Yield where blocks that touch begin and end."""
    first, end = hits[0], hits[0] + _BLOCK
    for at in hits:
        if at > end:
            yield first, end
            first = at
        end = at + _BLOCK
    yield first, end


def _widened(seen: bytes, start: int, stop: int) -> tuple[int, int]:
    """Take in what is left of a token at either end of its blocks: letters, digits, ``._-``."""
    least, most = max(0, start - _STEP + 1), min(len(seen), stop + _STEP - 1)
    while start > least and seen[start - 1] in _IN_TOKENS:
        start -= 1
    while stop < most and seen[stop] in _IN_TOKENS:
        stop += 1
    return start, stop


class KnownTokens:
    """The tokens a run has seen, to keep them out of every text that comes from outside.

    Remembers those of the last 256 accounts at least: an answer is checked against
    its own account's tokens and everybody else's. ``add`` is for one thread; ``mask`` may
    be called from others meanwhile: what it reads is replaced whole, or only grows.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, list[tuple[Secret, ...]]] = (0, [])
        """How many accounts were forgotten, and the tokens of each since."""
        self._index: tuple[set[int], set[int], int, int] = (set(), set(), 0, 0)
        """Blocks of older and of later accounts; the number of the first and after the last."""
        self._clean: dict[str, int] = {}
        """Texts without a token in them, and how many accounts they were checked against.

        Nearly all answers say the same few texts: those are checked against new tokens only.
        """

    def add(self, secrets: Iterable[Secret]) -> None:
        """Remember one account's tokens."""
        forgotten, accounts = self._seen
        accounts.append(tuple(secrets))
        if len(accounts) == 2 * _ACCOUNTS_REMEMBERED:
            self._seen = forgotten + _ACCOUNTS_REMEMBERED, accounts[_ACCOUNTS_REMEMBERED:]

    def mask(self, text: str) -> str:
        """Return ``text`` without any of the tokens; see :func:`masked`."""
        if len(text) < PIECE:
            return text
        forgotten, accounts = self._seen
        added = forgotten + len(accounts)
        checked = self._clean.get(text)
        if checked == added:
            return text
        new = accounts[max(0, (checked or 0) - forgotten) :]
        few = len(new) <= _FEW_ACCOUNTS or len(self._clean) < _FEW_TEXTS
        one_by_one = len(text) <= _SHORT_TEXT and few
        clean = text
        if not (one_by_one and _shares_nothing(text, new)):
            clean = _without(text, self._indexes())
        if checked is None:
            clean = _TOKEN_SHAPED.sub(MASK, clean)
        if clean == text and len(text) <= _SHORT_TEXT:
            if len(self._clean) >= _TEXTS_REMEMBERED:
                self._clean.clear()
            self._clean[text] = added
        return clean

    def _indexes(self) -> tuple[set[int], set[int]]:
        """Return the blocks of all tokens that are remembered, and of some older ones.

        Built when first needed. There are two, so that none has to be built anew when
        tokens are forgotten: the older is dropped as a whole.
        """
        forgotten, accounts = self._seen
        older, later, first, end = self._index
        if forgotten > first:  # the older holds none that is remembered
            older, later, first = later, set[int](), end
        new = accounts[max(0, end - forgotten) :]
        for tokens in new:
            later.update(_blocks(_joined(tokens)))
        self._index = older, later, first, max(end, forgotten) + len(new)
        return older, later


def _joined(tokens: Iterable[Secret]) -> bytes:
    return _lower("\n".join([token.reveal() for token in tokens]))


def _shares_nothing(text: str, accounts: Iterable[Iterable[Secret]]) -> bool:
    """Say whether no piece of ``text`` can be in the tokens: every piece holds a whole half."""
    seen = _lower(text)
    halves = [seen[at : at + _HALF] for at in range(_HALF, len(seen) - _HALF + 1, _HALF + 1)]
    return not any(half in tokens for tokens in map(_joined, accounts) for half in halves)


def os_error_text(error: OSError | ValueError) -> str:
    """Return the system's words for an error, in lower case; never its path or own text.

    A ValueError is what a name gives that no file can have.
    """
    if not isinstance(error, OSError):
        return "not a valid name"
    return (error.strerror or "input/output error").lower()
