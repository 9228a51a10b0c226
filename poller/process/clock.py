"""The clock that a program lives on, and the time zone that people are told times in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo


class RunsOn(Protocol):
    """A clock that a whole program can live on: the system's, or a demo's that runs faster."""

    @property
    def speed(self) -> float:
        """Its seconds per real second."""
        ...

    def time(self) -> float:
        """Return Unix seconds; people may set them."""
        ...

    def steady(self) -> float:
        """Return seconds that nobody sets and that go on while the machine sleeps."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clock."""

    speed: float = 1.0

    def time(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def steady(self) -> float:
        """Return seconds since the machine was started, where the system counts those."""
        # The monotonic clock of Linux stands still in a suspended machine.
        clock = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if clock is None else time.clock_gettime(clock)


def zone_of(name: str | None, environ: Mapping[str, str]) -> tzinfo | None:
    """Return a time zone by its IANA name, else the environment's; None means local time.

    ``TZ`` is looked up here, as the system falls back to UTC without a word where it has
    no zone files; the zones of the package ``tzdata`` will do.
    """
    from zoneinfo import ZoneInfo

    if name is not None:
        return ZoneInfo(name)
    try:
        return ZoneInfo(environ["TZ"].removeprefix(":"))
    # Not set, not a name, or an unknown one; each part of a name is looked for as a package.
    except (KeyError, ValueError, OSError, RecursionError):
        return None
