"""How good the forecast would have been: one account's past, played again look by look.

At the first look of every half hour the forecast is asked what it knew then, and beside it
the simplest of all: that the window empties as fast as since its start. What came of it tells
which of them was right.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import fmean, median
from typing import TYPE_CHECKING

from poller.insight.forecast import Outlook
from poller.insight.series import EXHAUSTED_PERCENT, GAP_S, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from poller.insight.series import Look, Observation

ASKED_EVERY_S = 1800
WINDOWS = ("five_hour", "weekly")
"""Those that have a forecast."""
LEADS_H = {"five_hour": (0.5, 1.0, 3.0), "weekly": (6.0, 24.0, 72.0)}
"""Hours before a window ran out at which times are compared."""
BINS = (0.0, 0.05, 0.25, 0.5, 0.75, 1.0)
"""Chances between which what was said is compared with how often it came."""

_LEAD_TOLERANCE = 0.25
_CERTAIN = 0.5
_TENTHS = 10
_RESETS = {EventKind.RESET, EventKind.EARLY_RESET}
_CUTS = {EventKind.PLAN_CHANGED, EventKind.WINDOW_ENDED, EventKind.CLOCK_SET_BACK}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said at one time of one window; times in Unix seconds."""

    at: float
    chance: float
    likely_at: float | None
    likely_from: float | None
    likely_to: float | None
    naive_at: float | None
    """When the window is empty at the pace since its start; None where that is not before
    its reset."""
    reset_at: float
    cycle: int
    """The same for all that was said between two resets."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was said, and what came."""

    asked: Asked
    ran_out: bool
    out_at: float | None
    """Unix seconds; None where it did not run out, or nobody looked when it did."""


@dataclass(slots=True)
class Played:
    """What came of one kind of window."""

    answers: list[Answered] = field(default_factory=list[Answered])
    unsaid: int = 0
    """How often too little was known to say something."""


@dataclass(frozen=True, slots=True)
class Lead:
    """How far off the times were, so long before a window ran out."""

    hours: float
    count: int
    error_h: float | None
    """The median; None where nothing was said at that time."""
    naive_error_h: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """What was said between two chances."""

    count: int
    said: float
    came: float
    """The mean chance, and how often it came."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good the forecast of one kind of window was."""

    asked: int
    unsaid: int
    cycles: int
    """Within a cycle one answer is much like the next: so many are independent."""
    ran_out: int
    """Cycles that ended so."""
    brier: float
    """Mean squared error of the chance: 0 is perfect."""
    brier_naive: float
    brier_average: float
    """Of saying always how often it came, which nobody knew then."""
    calibration_error: float
    """Mean gap between chance and frequency, over tenths."""
    certain: int
    """How often the chance was half or more and the window ran out in sight."""
    covered: float | None
    """How many of these 80 percent intervals held the time."""
    bins: tuple[Bin, ...]
    """Between ``BINS``."""
    leads: tuple[Lead, ...]


def replay(
    spans: Iterable[tuple[str, Observation, float, int]], *, since: float = 0.0
) -> dict[str, Played]:
    """Play one account's spans, as they began; return what came, by window.

    ``since`` (Unix seconds): what was before is learnt from, and not asked about.
    """
    by_window: dict[str, list[tuple[Observation, float]]] = defaultdict(list)
    for name, first, until, _ in spans:
        by_window[name].append((first, until))
    player = _Player(since)
    last_at = 0.0
    for at, seen in _answers(by_window):
        player.take(at, seen)
        last_at = at
    return player.played(last_at)


def _answers(
    by_window: dict[str, list[tuple[Observation, float]]],
) -> Iterator[tuple[float, dict[str, Observation]]]:
    """Yield time and windows of all answers that are told from the spans, in order."""
    looks: set[float] = set()
    halves: set[float] = set()
    for spans in by_window.values():
        for first, until in spans:
            looks.update((first.at, until))
            start = -(-first.at // ASKED_EVERY_S) * ASKED_EVERY_S
            halves.update(range(int(start), int(until) + 1, ASKED_EVERY_S))
    places = dict.fromkeys(by_window, 0)
    for at in sorted(looks | halves):
        seen: dict[str, Observation] = {}
        between = False
        for name, spans in by_window.items():
            place = places[name]
            while place < len(spans) and spans[place][1] < at:
                place += 1
            places[name] = place
            if place == len(spans):
                continue
            first = spans[place][0]
            if first.at <= at:
                seen[name] = _at(first, at)
            elif place and first.at - spans[place - 1][1] <= GAP_S:
                between = True
        # Between two looks nobody knows when the figure changed.
        if at in looks or not between:
            yield at, seen


def _at(first: Observation, at: float) -> Observation:
    if at == first.at:
        return first
    figures = first.used_percent, first.reset_at, first.window_seconds
    return type(first)(at, *figures, first.plan, first.blocked)


class _Player:
    def __init__(self, since: float) -> None:
        self._since = since
        self._asked_in = -1
        self._outlook = Outlook()
        self._open: dict[str, list[Asked]] = {name: [] for name in WINDOWS}
        self._cycles: dict[str, int] = dict.fromkeys(WINDOWS, 0)
        self._played = {name: Played() for name in WINDOWS}

    def take(self, at: float, seen: dict[str, Observation]) -> None:
        looks = self._outlook.observe(at, seen)
        for name in WINDOWS:
            if name in looks:
                self._resolve(name, looks[name], at)
        half_hour = int(at // ASKED_EVERY_S)
        if half_hour != self._asked_in and at >= self._since:
            self._asked_in = half_hour
            self._ask(at, seen, looks)

    def _resolve(self, name: str, look: Look, at: float) -> None:
        kinds = {event.kind for event in look.events}
        unseen = EventKind.GAP in kinds
        if kinds & (_RESETS | _CUTS):
            # It may have run out while nobody looked, or was cut off: then nothing is known.
            known = not unseen and not kinds & _CUTS
            self._close(name, ran_out=False if known else None)
        if not look.held and (look.used_percent or 0) >= EXHAUSTED_PERCENT:
            self._close(name, ran_out=True, out_at=None if unseen else at)

    def _close(self, name: str, *, ran_out: bool | None, out_at: float | None = None) -> None:
        if ran_out is not None:
            closed = (Answered(asked, ran_out, out_at) for asked in self._open[name])
            self._played[name].answers.extend(closed)
        self._open[name] = []
        self._cycles[name] += 1

    def _ask(self, at: float, seen: dict[str, Observation], looks: dict[str, Look]) -> None:
        forecasts = self._outlook.forecast(at)
        for name in WINDOWS:
            look = looks.get(name)
            if name not in seen or look is None:
                continue
            used, reset_at = look.used_percent, look.reset_at
            if used is None or not 0 < used < EXHAUSTED_PERCENT:
                continue
            if reset_at is None or reset_at <= at:
                continue
            came = forecasts.get(name)
            if came is None or came.runs_out_chance is None:
                self._played[name].unsaid += 1
                continue
            likely = came.runs_out_at, came.runs_out_from, came.runs_out_to
            naive_at = _naive(used, reset_at, seen[name].window_seconds, at)
            asked = Asked(at, came.runs_out_chance, *likely, naive_at, reset_at, self._cycles[name])
            self._open[name].append(asked)

    def played(self, last_at: float) -> dict[str, Played]:
        # Of what is still under way only what runs out early is known by now.
        for one in self._played.values():
            one.answers = [each for each in one.answers if each.asked.reset_at <= last_at]
        return self._played


def _naive(used: float, reset_at: float, window_seconds: float | None, at: float) -> float | None:
    if window_seconds is None:
        return None
    elapsed_s = max(60.0, at - (reset_at - window_seconds))
    empty_at = at + (100 - used) * elapsed_s / used
    return empty_at if empty_at < reset_at else None


def score(name: str, played: Iterable[Played]) -> Score | None:
    """Sum up what came of one kind of window for several accounts; None for nothing."""
    played = list(played)
    answers = [answer for one in played for answer in one.answers]
    if not answers:
        return None
    cycles = {
        (number, each.asked.cycle): each.ran_out
        for number, one in enumerate(played)
        for each in one.answers
    }
    came = fmean(each.ran_out for each in answers)
    held = [
        (each.asked.likely_from or inf) <= each.out_at <= (each.asked.likely_to or -inf)
        for each in answers
        if each.out_at is not None and each.asked.chance >= _CERTAIN
    ]
    tenths: dict[int, list[float]] = defaultdict(list)
    for each in answers:
        tenth = min(_TENTHS - 1, int(each.asked.chance * _TENTHS))
        tenths[tenth].append(each.asked.chance - each.ran_out)
    return Score(
        asked=len(answers),
        unsaid=sum(one.unsaid for one in played),
        cycles=len(cycles),
        ran_out=sum(cycles.values()),
        brier=fmean((each.asked.chance - each.ran_out) ** 2 for each in answers),
        brier_naive=fmean((each.asked.naive_at is not None) != each.ran_out for each in answers),
        brier_average=came * (1 - came),
        calibration_error=sum(abs(sum(gaps)) for gaps in tenths.values()) / len(answers),
        certain=len(held),
        covered=fmean(held) if held else None,
        bins=tuple(_bins(answers)),
        leads=tuple(_lead(answers, hours) for hours in LEADS_H[name]),
    )


def _bins(answers: Sequence[Answered]) -> Iterator[Bin]:
    for low, high in pairwise(BINS):
        within = [
            each
            for each in answers
            if low <= each.asked.chance < high or each.asked.chance == high == 1
        ]
        said = fmean(each.asked.chance for each in within) if within else 0.0
        yield Bin(len(within), said, fmean(each.ran_out for each in within) if within else 0.0)


def _lead(answers: Sequence[Answered], hours: float) -> Lead:
    ours: list[float] = []
    naive: list[float] = []
    for each in answers:
        asked, out_at = each.asked, each.out_at
        if out_at is None or asked.likely_at is None:
            continue
        if abs((out_at - asked.at) / 3600 - hours) > hours * _LEAD_TOLERANCE:
            continue
        ours.append(abs(asked.likely_at - out_at) / 3600)
        naive.append(abs((asked.naive_at or asked.reset_at) - out_at) / 3600)
    return Lead(hours, len(ours), median(ours) if ours else None, median(naive) if naive else None)
