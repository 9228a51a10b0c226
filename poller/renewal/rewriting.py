"""Replace the tokens in an auth file's text, and change nothing else.

The text is not serialized again but spliced: order, indentation, escapes, numbers and unknown
keys stay byte for byte as their tool wrote them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, cast

import orjson

from poller.authfiles.shapes import ACCESS_KEYS, ID_KEYS, REFRESH_KEYS, token_places
from poller.usage.json_values import first_text, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from poller.renewal.tokens import Tokens
    from poller.values import Secret

    _Container: TypeAlias = list[object] | dict[str, object]

_MARKS = (b"{", b"[", b",", b":")
_MARKS_LIMIT = 32_000
"""In a file that is rewritten; a file of a thousand accounts has 23,000."""
_Span = tuple[int, int]
_BOM = "\ufeff"
_LEXEME = re.compile(
    r'[ \t\r\n]*(?:(?P<text>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<mark>[{}\[\],:])'
    r'|(?P<other>[^ \t\r\n{}\[\],:"]+))',
    re.DOTALL,
)
_REFRESHED_KEYS = ("last_refresh", "lastRefresh", "lastRefreshAt", "last_refresh_at")
_EXPIRES_KEYS = ("expires", "expires_at", "expiresAt", "expired")
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True, slots=True)
class _Text:
    """A JSON text with the places of its members' values."""

    document: Mapping[str, object]
    spans: dict[int, dict[str, _Span]]
    """Of each object, by its ``id``: where each member's value stands in the text."""


def can_be_rewritten(content: bytes) -> bool:
    """Say whether rewriting a file takes no longer than anything else may be held up."""
    return sum(map(content.count, _MARKS)) <= _MARKS_LIMIT


def rewritten(content: bytes, spent: Secret, tokens: Tokens, *, now: float) -> bytes | None:
    """Return an auth file's content with new tokens wherever ``spent`` is the refresh token.

    Only what came is replaced, only where it stood before, and beside it the times of the
    refresh and of the expiry; ``now`` is Unix seconds. None where no login in the file has
    that refresh token, or the content is no auth file. Never raises.
    """
    read = _read(content)
    if read is None:
        return None
    text, parsed = read
    edits: dict[_Span, str] = {}
    for members, around in token_places(parsed.document):
        if first_text(members, REFRESH_KEYS) != spent.reveal():
            continue
        for holder in (members, around):
            spans = parsed.spans[id(holder)]
            for key, new in _replacements(holder, tokens, now=now, of_tokens=holder is members):
                edits[spans[key]] = new
    return _spliced(text, edits).encode() if edits else None


def _replacements(
    holder: Mapping[str, object], tokens: Tokens, *, now: float, of_tokens: bool
) -> Iterator[tuple[str, str]]:
    """Yield the keys of an object whose values change, and the new values as JSON."""
    if of_tokens:
        yield from _new_tokens(holder, tokens)
    for keys, at in ((_REFRESHED_KEYS, now), (_EXPIRES_KEYS, tokens.expires_at)):
        for key in keys:
            old = holder.get(key)
            never_yet = old is None and key == "last_refresh" and key in holder
            if at is not None and (never_yet or _is_moment(old)):
                yield key, _moment_like(old, at)


def _new_tokens(holder: Mapping[str, object], tokens: Tokens) -> Iterator[tuple[str, str]]:
    for keys, token in (
        (ACCESS_KEYS, tokens.access_token),
        (REFRESH_KEYS, tokens.refresh_token),
        (ID_KEYS, tokens.id_token),
    ):
        old = first_text(holder, keys)
        if old is None or token is None:
            continue
        for key in keys:
            if holder.get(key) == old:  # some tools write one token under two names
                yield key, orjson.dumps(token.reveal()).decode()


def _is_moment(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _moment_like(old: object, at: float) -> str:
    """Return a moment, in Unix seconds, spelled as the old value: number, its text, or ISO 8601."""
    number = _number(old)
    if number is None:
        moment = datetime.fromtimestamp(at, UTC)
        return f'"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"'
    written = str(int(at * 1000 if number > _MILLISECONDS_FROM else at))
    return f'"{written}"' if isinstance(old, str) else written


def _number(value: object) -> float | None:
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return None
    return float(value) if isinstance(value, int | float | str) else None


def _spliced(text: str, edits: dict[_Span, str]) -> str:
    pieces: list[str] = []
    end = 0
    for (start, until), new in sorted(edits.items()):
        pieces += (text[end:start], new)
        end = until
    return "".join((*pieces, text[end:]))


def _read(content: bytes) -> tuple[str, _Text] | None:
    try:
        text = content.decode()
        orjson.loads(text.removeprefix(_BOM))  # the rest relies on its being valid
    except ValueError:
        return None
    parsed = _parsed(text)
    return None if parsed is None else (text, parsed)


def _parsed(text: str) -> _Text | None:
    """Parse a valid JSON text; None where it is not an object.

    Without recursion: JSON may be nested deeper than Python likes. Of repeated keys the
    last counts, as for every reader.
    """
    spans: dict[int, dict[str, _Span]] = {}
    top: list[object] = []
    stack: list[tuple[_Container, str | None]] = [(top, None)]
    for found in _LEXEME.finditer(text, len(_BOM) if text.startswith(_BOM) else 0):
        mark = found["mark"]
        if mark in ("}", "]"):
            stack.pop()
        elif mark == ",":
            stack[-1] = (stack[-1][0], None)
        elif mark != ":":
            _take(found, stack, spans)
    document = mapping(top[0])
    return None if document is None else _Text(document, spans)


def _take(
    found: re.Match[str],
    stack: list[tuple[_Container, str | None]],
    spans: dict[int, dict[str, _Span]],
) -> None:
    """Put a lexeme where it belongs: a key, a value, or the start of an object or list."""
    holder, key = stack[-1]
    if isinstance(holder, dict) and key is None:
        stack[-1] = (holder, cast("str", orjson.loads(found["text"])))
        return
    opened = _opened(found["mark"])
    item: object = opened
    if opened is None:
        item = orjson.loads(found["text"] or found["other"])
    if isinstance(holder, dict):
        holder[cast("str", key)] = item
        spans[id(holder)][cast("str", key)] = found.span(found.lastgroup or 0)
    else:
        holder.append(item)
    if opened is not None:
        stack.append((opened, None))
    if isinstance(opened, dict):  # its id may be that of one that a repeated key replaced
        spans[id(opened)] = {}


def _opened(mark: str | None) -> _Container | None:
    if mark == "{":
        return {}
    return [] if mark == "[" else None
