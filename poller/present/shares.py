"""Percentages in whole numbers, and amounts of whole windows."""

from __future__ import annotations

LITTLE_PERCENT = 20
"""Less than this is pointed out."""


def share(percent: float, *, of: int) -> int:
    """Return a share of ``of``: only nothing is none, only everything is all."""
    rounded = round(percent * of / 100)
    if 0 < percent < 100:
        return min(max(rounded, 1), of - 1)
    return rounded


def amount(windows: float) -> str:
    """Return a number of whole windows: ``6.3``, ``9``."""
    return f"{windows:.1f}".removesuffix(".0")
