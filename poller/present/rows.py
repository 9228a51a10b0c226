"""What a table keeps of a report, and the words for what its account is good for."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from poller.present.times import Clock

FULL, SHORT, TERSE = 0, 1, 2
"""How much a status says."""

_TITLES = {"five_hour": "5h", "weekly": "week", "monthly": "month"}
_REASONS = {"five_hour": "5h", "spend_limit": "spend limit"}

LEFT = struct.Struct("<Hdd")
"""One window of a row: its column, percent left, Unix seconds of its reset; NaN for unknown."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a table keeps of one report."""

    account: str
    plan: str | None
    left: bytes
    """Its windows, ``LEFT`` each: objects would take five times the memory."""
    usable: bool | None
    limited_by: str | None
    by_window: bool
    """Whether what blocks it is one of its windows."""
    usable_at: int | None
    """Unix seconds."""
    note: str | None
    """What else an account that can be used has to tell: credits, a spend limit."""
    kind: str | None
    """Of its failure; None where it answered."""
    hint: str | None

    def windows(self) -> dict[int, tuple[float | None, float | None]]:
        """Return percent left and reset (Unix seconds) by column."""
        return {
            column: (_known(percent), _known(reset_at))
            for column, percent, reset_at in LEFT.iter_unpack(self.left)
        }


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


class Column(NamedTuple):
    """A window that some account has."""

    place: int
    """As in ``Row.left``."""
    name: str
    """As in the records."""

    @property
    def title(self) -> str:
        """Its name over the table: ``5h``, ``week``, ``month 2``, ``15m``."""
        base, _, number = self.name.rpartition("_")
        if base in _TITLES and number.isdecimal():
            return f"{_TITLES[base]} {number}"
        return _TITLES.get(self.name, self.name)


def status(row: Row, form: int, clock: Clock) -> str:
    """Return what a row's account is good for; a failure's hint is not in it."""
    if row.kind is not None:
        return row.kind if form == TERSE else f"failed: {row.kind}"
    if row.usable is None:
        return "unknown"
    if row.usable:
        return _usable(row, form)
    return _blocked(row, form, clock)


def _usable(row: Row, form: int) -> str:
    if row.note is None or form == TERSE:
        return "ok"
    return row.note.partition(":")[0] if form == SHORT else row.note


def _blocked(row: Row, form: int, clock: Clock) -> str:
    """Return what blocks it and how long; in short only what the windows do not tell."""
    reason = _REASONS.get(row.limited_by or "", row.limited_by)
    until = "" if row.usable_at is None else f" until {clock.text(row.usable_at)}"
    if form == TERSE or (form == SHORT and row.by_window):
        return "blocked"
    by = "" if form == SHORT or reason in (None, "unknown") else f" by {reason}"
    return f"blocked{by}{until}"
