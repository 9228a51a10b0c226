"""Clocks that the simulator and a whole program can share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol


class TellsTime(Protocol):
    """Anything that tells the time; the module ``time`` is one."""

    def time(self) -> float:
        """Return Unix seconds."""
        ...


@dataclass(frozen=True, slots=True)
class SpedUpClock:
    """A clock that starts at ``now`` and runs ``speed`` times as fast as the real one.

    It follows the monotonic clock, so it neither jumps nor steps back when the system's
    time is set.
    """

    now: float
    """Unix seconds at which it starts."""
    speed: float = 1.0
    """Simulated seconds per real second."""
    started_at_s: float = field(default_factory=time.monotonic)
    """Monotonic seconds at which it started."""

    def time(self) -> float:
        """Return simulated Unix seconds."""
        return self.now + (time.monotonic() - self.started_at_s) * self.speed

    def steady(self) -> float:
        """Return simulated seconds that nobody sets."""
        return self.time()
