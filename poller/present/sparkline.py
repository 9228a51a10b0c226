"""A curve in one line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCKS, _ASCII = "▁▂▃▄▅▆▇", "_.:-=+*"
"""Without the full block, which would grow together with that of the line above."""
_GAP = " "


def sparkline(percents: Iterable[float | None], *, unicode: bool = True) -> str:
    """Return a character a figure (0-100): the lowest for nothing alone; blank where unknown."""
    levels = _BLOCKS if unicode else _ASCII
    most = len(levels) - 1
    return "".join(
        _GAP if percent is None else levels[min(most, -int(-percent * most // 100))]
        for percent in percents
    )
