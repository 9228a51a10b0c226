"""How a message shows a wrong value, and what may have been meant instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from poller.text import masked, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 60
"""Characters of a wrong value that a message shows."""

_HUGE = 10**20
"""Whole numbers from here on are not spelled out: Python may refuse to."""


def quoted(value: object, *, levels: int = 3) -> str:
    """Return ``value`` as a message may show it: short, printable, without passwords.

    Of lists in lists, so many ``levels`` are shown.
    """
    if isinstance(value, str):
        # Cut last: cutting first could leave half of an escape or of a password.
        return f'"{_cut(printable(masked(without_password(value), ())))}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a huge number"
    if isinstance(value, int | float):
        return str(value)
    if is_list(value):
        if not levels:
            return "[…]"
        shown = (quoted(item, levels=levels - 1) for item in value[:SHOWN])
        return _cut(f"[{', '.join(shown)}]")
    return "a table" if is_table(value) else "a date or time"


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether ``value`` is a list, of anything."""
    return isinstance(value, list)


def is_table(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether ``value`` is a TOML table."""
    return isinstance(value, dict)


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that ``word`` was most likely meant to be."""
    from difflib import get_close_matches

    plain = {_folded(name): name for name in names}
    close = get_close_matches(_folded(word), plain, n=1)
    return plain[close[0]] if close else None


def without_password(text: str) -> str:
    """Return a URL or another text with what stands before an ``@`` masked."""
    before, at, after = text.rpartition("@")
    if ":" not in before:
        return text
    scheme, slashes, _ = before.partition("://")
    return f"{scheme}{slashes}***{at}{after}" if slashes else f"***{at}{after}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _folded(name: str) -> str:
    return name.lstrip("-").replace("-", "_").casefold()
