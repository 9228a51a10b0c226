"""Lines of styled pieces -> what is written: with escape sequences, or without any."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from poller.present.layout import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.present.layout import Line

SCREENFUL = 200
"""Rows that are painted; rich takes seconds for thousands, and nobody looks at their bars."""


_PIECE = 500
"""Lines that are text at the same time: the whole of a long table is as much as its rows."""


def drawn(lines: Iterable[Line], *, color: bool) -> Iterator[str]:
    """Yield the lines as text, each ended, some hundred at a time."""
    if color:
        yield _painted(lines)
        return
    plain = map(_plain, lines)
    while piece := "".join(islice(plain, _PIECE)):
        yield piece


def _plain(line: Line) -> str:
    return "".join([text for text, _ in line]).rstrip() + "\n"


def _painted(lines: Iterable[Line]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    screen = StringIO()
    console = Console(file=screen, force_terminal=True, legacy_windows=False, width=SCREENFUL)
    for line in lines:
        text = Text.assemble(
            *((piece, style) if style != PLAIN else piece for piece, style in line)
        )
        console.print(text, soft_wrap=True)
    return screen.getvalue()
