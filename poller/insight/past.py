"""What one account's windows were like over some time: levels, lowest, use a day, resets."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from poller.insight.series import EXHAUSTED_PERCENT, EventKind, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poller.insight.series import Burnt, Look, Observation

_DAY_S = 86_400.0
_ENOUGH_S = 3600.0
"""Less is too little to speak of a day's use."""
_RESETS = (EventKind.RESET, EventKind.EARLY_RESET)


@dataclass(frozen=True, slots=True)
class Step:
    """What was left, and how long that was seen (Unix seconds)."""

    since: float
    until: float
    remaining_percent: float


@dataclass(frozen=True, slots=True)
class WindowPast:
    """One window over some time."""

    window_seconds: float | None
    steps: tuple[Step, ...]
    """In order; between two of them nobody looked, or nothing was believed."""
    lowest: Step
    percent_per_day: float | None
    """What was used; more than 100 where the window was reset within a day."""
    resets: int
    ran_out: int
    """How often nothing was left."""


@dataclass(slots=True, eq=False)
class _Watched:
    since: float
    series: Series = field(default_factory=Series)
    steps: list[Step] = field(default_factory=list[Step])
    resets: int = 0
    ran_out: int = 0
    burnt_percent: float = 0.0
    known_s: float = 0.0
    _known_until: float = 0.0
    _empty: bool = False

    def take(self, first: Observation, *, until: float, looks: int) -> None:
        came = self.series.observe_span(first, until=until, looks=looks)
        for look in came:
            self._learn(look)
        last = came[-1]
        if until < self.since or last.held or last.used_percent is None:
            return
        at = max(first.at, self.since)
        self.steps.append(Step(at, until, round(100 - last.used_percent, 2)))
        empty = last.used_percent >= EXHAUSTED_PERCENT
        self.ran_out += empty and not self._empty
        if empty:
            self._know(at, until)
        self._empty = empty

    def _learn(self, look: Look) -> None:
        for event in look.events:
            if event.kind in _RESETS:
                self._empty = False
                self.resets += event.until >= self.since
        if look.burnt is not None:
            self._add(look.burnt)

    def _add(self, burnt: Burnt) -> None:
        within_s = self._know(burnt.since, burnt.until)
        self.burnt_percent += burnt.percent * within_s / (burnt.until - burnt.since)

    def _know(self, since: float, until: float) -> float:
        """Return how much of a time is new and not too old."""
        new_s = max(0.0, until - max(since, self.since, self._known_until))
        self.known_s += new_s
        self._known_until = max(until, self._known_until)
        return new_s

    def past(self) -> WindowPast:
        enough = self.known_s >= _ENOUGH_S
        return WindowPast(
            self.series.window_seconds,
            tuple(self.steps),
            min(self.steps, key=lambda step: step.remaining_percent),
            self.burnt_percent / self.known_s * _DAY_S if enough else None,
            self.resets,
            self.ran_out,
        )


def pasts(
    spans: Iterable[tuple[str, Observation, float, int]], *, since: float
) -> dict[str, WindowPast]:
    """Return what one account's windows were like from ``since`` (Unix seconds) on.

    They are by name, the shortest first.
    ``spans`` are window, first look, end and number of looks, in the order they began.
    """
    watched: dict[str, _Watched] = {}
    for name, first, until, looks in spans:
        known = watched.setdefault(name, _Watched(since))
        known.take(first, until=until, looks=looks)
    found = {name: one.past() for name, one in watched.items() if one.steps}
    return dict(sorted(found.items(), key=lambda item: item[1].window_seconds or inf))


def lows(steps: Sequence[Step], *, since: float, until: float, count: int) -> list[float | None]:
    """Return the least that was left in each of ``count`` parts of a time; None for a gap."""
    found: list[float | None] = [None] * count
    part_s = (until - since) / count
    for step in steps:
        first = int((step.since - since) // part_s)
        last = int((step.until - since) // part_s)
        for number in range(max(first, 0), min(last, count - 1) + 1):
            known = found[number]
            if known is None or step.remaining_percent < known:
                found[number] = step.remaining_percent
    return found
