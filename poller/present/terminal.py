"""What a terminal can show, and text cut and padded to its cells."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_STDERR = 2
_WIDTH = 80
"""Cells of a terminal that does not tell its width."""
_FILE_WIDTH = 100
"""Cells of a line in a file or pipe, where COLUMNS does not tell (as watch does)."""


class Traits(NamedTuple):
    """How a table may be drawn on a stream."""

    color: bool
    unicode: bool
    """Whether more than ASCII may be drawn; names of accounts are shown as they are."""
    width: int
    """Cells."""


class Marks(NamedTuple):
    """The signs a table is drawn with."""

    cut: str
    """Something is missing here."""
    none: str
    """There is no such thing."""
    dot: str
    leads_to: str
    frees: str
    """This reset ends a block."""
    used_up: str
    """An extra limit is used up."""
    beneath: str
    """Belongs to the account above."""
    full: str
    parts: str
    """A bar's last cell: nothing, and how many parts of it are full."""
    usable: str
    """Empty where a word is to stand, as for the states that follow."""
    unknown: str
    blocked: str
    failed: str


UNICODE = Marks("…", "–", "·", "→", "←", "◆", "└", "█", " ▏▎▍▌▋▊▉", "✓", "?", "■", "✗")  # noqa: RUF001 - the dash is meant
ASCII = Marks("~", "-", "-", "->", "<", "*", "-", "#", " ", "", "", "", "")


_MOST_COLUMNS, _DIGITS = 10_000, 9


def traits(stream: TextIO | None, environ: Mapping[str, str], *, color: str = "auto") -> Traits:
    """Tell what may be drawn on ``stream``: nothing but ASCII on a dumb or ASCII one.

    Args:
        stream: Where the table goes; None for nowhere.
        environ: Honoured are ``NO_COLOR`` (no-color.org), ``FORCE_COLOR`` (force-color.org),
            ``TERM=dumb``, ``COLUMNS`` and the locale.
        color: ``always`` and ``never`` overrule the environment; ``auto`` asks it.
    """
    unicode = environ.get("TERM") != "dumb" and _speaks_utf8(stream, environ)
    is_terminal = stream is not None and stream.isatty()
    wanted = {"always": True, "never": False}.get(color)
    if wanted is None:
        forced = bool(environ.get("FORCE_COLOR"))
        wanted = not environ.get("NO_COLOR") and (forced or (is_terminal and unicode))
    return Traits(color=wanted, unicode=unicode, width=_columns(stream, environ))


def _speaks_utf8(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    names = (environ.get(key) for key in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), getattr(stream, "encoding", None) or "")
    return "utf8" in locale.lower().replace("-", "")


def _columns(stream: TextIO | None, environ: Mapping[str, str]) -> int:
    told = environ.get("COLUMNS", "")[:_DIGITS]
    if told.isascii() and told.isdigit() and int(told):
        return min(int(told), _MOST_COLUMNS)
    if stream is None:
        return _FILE_WIDTH
    try:
        descriptor = stream.fileno()
        is_terminal, is_pipe = stream.isatty(), stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except (OSError, ValueError):
        return _WIDTH if stream.isatty() else _FILE_WIDTH
    try:
        # The reader of a pipe (less, head) most likely shows it where standard error is.
        size = os.get_terminal_size(_STDERR if is_pipe else descriptor)
    except (OSError, ValueError):
        return _WIDTH if is_terminal else _FILE_WIDTH
    return size.columns or _WIDTH


def cells(text: str) -> int:
    """Return how many cells of a terminal ``text`` takes: a Chinese character takes two."""
    return len(text) if text.isascii() else _cells(text)


def _cells(text: str) -> int:
    from wcwidth import wcswidth  # here, as it takes a moment that ASCII names need not pay

    return max(0, wcswidth(text))


def padded(text: str, width: int) -> str:
    """Return ``text`` with spaces up to ``width`` cells."""
    return text + " " * (width - cells(text))


def right(text: str, width: int) -> str:
    """Return ``text`` with spaces before it up to ``width`` cells."""
    return " " * (width - cells(text)) + text


def cut(text: str, width: int, mark: str) -> str:
    """Return ``text`` within ``width`` cells, ended by ``mark`` where something is gone."""
    return text if cells(text) <= width else _head(text, width - len(mark)) + mark[:width]


def cut_middle(text: str, width: int, mark: str) -> str:
    """Return ``text`` within ``width`` cells, ``mark`` in its middle where something is gone.

    Names of a pool often share their beginning, sometimes their end.
    """
    if cells(text) <= width:
        return text
    tail = _tail(text, (width - len(mark)) // 2)
    return _head(text, width - len(mark) - cells(tail)) + mark[:width] + tail


def _head(text: str, width: int) -> str:
    # measured whole, not by the character: a variation selector widens the one before it
    while text and cells(text) > width:
        text = text[: max(0, width)] if text.isascii() else text[:-1]
    return text


def _tail(text: str, width: int) -> str:
    while text and cells(text) > width:
        text = text[len(text) - max(0, width) :] if text.isascii() else text[1:]
    return text
