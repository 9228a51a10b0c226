"""What a terminal can show, and text cut and padded to its cells."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_WIDTH = 80
"""Cells of a terminal that does not tell its width, and of a pipe (watch tells COLUMNS)."""


class Traits(NamedTuple):
    """How a table may be drawn on a stream."""

    color: bool
    unicode: bool
    """Whether more than ASCII may be drawn; names of accounts are shown as they are."""
    width: int | None
    """Cells; None where nothing is to be cut."""


class Marks(NamedTuple):
    """The signs a table is drawn with."""

    none: str
    """There is no such thing."""
    cut: str
    dot: str
    full: str
    empty: str


UNICODE = Marks("–", "…", "·", "━", "─")  # noqa: RUF001 - the dash is meant
ASCII = Marks("-", "~", "-", "#", ".")


def traits(stream: TextIO | None, environ: Mapping[str, str]) -> Traits:
    """Tell what may be drawn on ``stream``: nothing but ASCII on a dumb or ASCII one.

    Honours ``NO_COLOR`` (no-color.org), ``TERM=dumb``, ``COLUMNS`` and the locale.
    """
    unicode = environ.get("TERM") != "dumb" and _speaks_utf8(stream, environ)
    terminal = stream if stream is not None and stream.isatty() else None
    color = terminal is not None and unicode and not environ.get("NO_COLOR")
    return Traits(color=color, unicode=unicode, width=_columns(terminal, environ))


def _speaks_utf8(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    names = (environ.get(key) for key in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), getattr(stream, "encoding", None) or "")
    return "utf8" in locale.lower().replace("-", "")


def _columns(terminal: TextIO | None, environ: Mapping[str, str]) -> int:
    told = environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told):
        return int(told)
    if terminal is None:
        return _WIDTH
    try:
        return os.get_terminal_size(terminal.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def cells(text: str) -> int:
    """Return how many cells of a terminal ``text`` takes: a Chinese character takes two."""
    return len(text) if text.isascii() else _cells(text)


def _cells(text: str) -> int:
    from rich.cells import cell_len  # here, as it takes 15 ms that ASCII names need not pay

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Return ``text`` with spaces up to ``width`` cells."""
    return text + " " * (width - cells(text))


def cut(text: str, width: int, mark: str) -> str:
    """Return ``text`` within ``width`` cells, ended by ``mark`` where something is gone."""
    return text if cells(text) <= width else _head(text, width - len(mark)) + mark[:width]


def _head(text: str, width: int) -> str:
    # measured whole, not by the character: a variation selector widens the one before it
    while text and cells(text) > width:
        text = text[: max(0, width)] if text.isascii() else text[:-1]
    return text


def _tail(text: str, width: int) -> str:
    while text and cells(text) > width:
        text = text[len(text) - max(0, width) :] if text.isascii() else text[1:]
    return text


def _cut_front(text: str, width: int, mark: str) -> str:
    return text if cells(text) <= width else mark[:width] + _tail(text, width - len(mark))


def _cut_middle(text: str, width: int, mark: str) -> str:
    if cells(text) <= width:
        return text
    tail = _tail(text, (width - len(mark)) // 2)
    return _head(text, width - len(mark) - cells(tail)) + mark[:width] + tail


def cutter(names: Iterable[str], width: int, mark: str) -> Callable[[str], str]:
    """Return the way to cut ``names`` to ``width`` cells that keeps most of them distinct.

    Names of a pool often share their beginning, sometimes their end.
    """
    known = set(names)

    def distinct(way: Callable[[str, int, str], str]) -> int:
        return len({way(name, width, mark) for name in known})

    best = max((cut, _cut_front, _cut_middle), key=distinct)
    return lambda name: best(name, width, mark)
