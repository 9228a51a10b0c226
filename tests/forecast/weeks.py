"""Made-up accounts as the upstream tells of them: resets, flaps, gaps, whole percentages.

What comes out is the interface of the judge: lines for the forecasting program (samples,
misses, asks), and for every ask what became of each window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, TypeAlias

from tests.forecast.people import MINUTE_S, WEEK_MINUTES, demand, draw_person

Line: TypeAlias = dict[str, Any]

BEGAN_AT = 1_789_948_800  # a Monday, 00:00 UTC
POLL_S = 300
ASK_S = 900
LENGTHS = {"five_hour": 18_000, "weekly": 604_800}


class Truth(NamedTuple):
    """What became of one window after one ask."""

    id: int
    account: str
    window: str
    at: float
    reset_at: float
    runs_out: bool
    out_at: float | None
    age_hours: float


@dataclass(slots=True)
class Meter:
    """A window as the upstream counts it."""

    length: int
    used: float = 0.0
    reset_at: int | None = None
    exhausted: bool = False
    ends: list[tuple[int, bool]] = field(default_factory=list)
    """When cycles ended (Unix seconds), and whether by running out."""

    def roll(self, now: int) -> None:
        if self.reset_at is not None and now >= self.reset_at:
            self.clear(now)

    def clear(self, now: int) -> None:
        self.ends.append((now, False))
        self.used, self.reset_at, self.exhausted = 0.0, None, False

    def burn(self, percent: float, now: int) -> None:
        if self.reset_at is None:
            self.reset_at = now + self.length
        self.used = min(100.0, self.used + percent)
        if self.used >= 100 and not self.exhausted:
            self.exhausted = True
            self.ends.append((now, True))


@dataclass(frozen=True, slots=True)
class Manner:
    """How the upstream tells one account's figures."""

    decimals: int | None
    """Digits behind the point; None: rounded down to whole percent."""
    jitter_s: int
    flaps: float
    """How many of 1,000 answers are another account's, or of another hour."""
    dips: float
    """How many of 1,000 answers begin a step back of some points."""
    misses: float
    """How many of 1,000 polls fail."""
    idle_reset: str
    """What stands for the reset of a window that has not begun: slides, null or past."""
    five_hours: bool
    """Whether there is such a window."""


def draw_manner(random: Random) -> Manner:
    return Manner(
        decimals=random.choices((None, 0, 1), (6, 3, 1))[0],
        jitter_s=random.choices((1, 60, 240), (8, 1, 1))[0],
        flaps=random.choice((0, 0, 0, 5, 20)),
        dips=random.choice((0, 0, 1, 3)),
        misses=random.choice((2, 5, 20)),
        idle_reset=random.choices(("slides", "null", "past"), (6, 2, 2))[0],
        five_hours=random.random() < 0.93,
    )


def told(meter: Meter, manner: Manner, *, at: int, dip: int, random: Random) -> Line:
    """Return a window as an answer tells it."""
    used = meter.used - dip if meter.used > dip else meter.used
    used = float(int(used)) if manner.decimals is None else round(used, manner.decimals)
    reset_at: int | None
    if meter.reset_at is not None:
        reset_at = meter.reset_at + random.randint(-manner.jitter_s, manner.jitter_s)
    elif manner.idle_reset == "slides":
        reset_at = at + meter.length
    else:
        reset_at = None if manner.idle_reset == "null" else at - 100
    return {"used_percent": used, "reset_at": reset_at, "window_seconds": meter.length}


def account_weeks(
    name: str, *, seed: int, weeks: int, fleet_resets: list[int]
) -> tuple[list[Line], list[Truth]]:
    """Play one account; ids of asks count from 0."""
    random = Random(f"{seed}:{name}")  # one stream of chance an account, whatever the others do
    person, manner = draw_person(random), draw_manner(random)
    shown_minutes = weeks * WEEK_MINUTES
    # Played on for a week, so that what became of the last asks is known, whatever it was:
    # without it only those that ran out would be.
    minutes = shown_minutes + WEEK_MINUTES + 24 * 60
    wanted = demand(person, random, began_at=BEGAN_AT, minutes=minutes)
    meters = {
        window: Meter(length)
        for window, length in LENGTHS.items()
        if window == "weekly" or manner.five_hours
    }
    offset = random.randrange(POLL_S)
    until_gap, dips, dip = -1, 0, 0
    moves = [random.randrange(minutes) for _ in range(weeks) if random.random() < 0.05]
    changes = [random.randrange(minutes) for _ in range(weeks) if random.random() < 0.04]
    lines: list[Line] = []
    pending: list[tuple[int, str, float, int]] = []
    asks = 0
    for minute in range(minutes):
        now = BEGAN_AT + minute * MINUTE_S
        for meter in meters.values():
            meter.roll(now)
        _play_upstream(meters["weekly"], minute, moves=moves, changes=changes, random=random)
        if minute in fleet_resets:
            for meter in meters.values():
                meter.clear(now)
        if wanted[minute] and not any(meter.exhausted for meter in meters.values()):
            for window, meter in meters.items():
                cost = 1.0 if window == "five_hour" else person.week_per_five_hours
                meter.burn(wanted[minute] * cost, now)
        if minute >= shown_minutes or minute % (POLL_S // MINUTE_S):
            continue
        at = now + offset % MINUTE_S
        if minute > until_gap and random.random() < manner.misses / 1000:
            length = random.choice((1, 1, 1, 6, 48, 150)) * (POLL_S // MINUTE_S)
            until_gap = minute + length - 1
        if minute <= until_gap:
            lines.append({"type": "miss", "account": name, "t": at})
            continue
        if dips == 0 and random.random() < manner.dips / 1000:
            dips, dip = random.randint(1, 2), random.randint(1, 4)
        dips, dip = max(0, dips - 1), dip if dips else 0
        windows = {
            window: told(meter, manner, at=at, dip=dip, random=random)
            for window, meter in meters.items()
        }
        flapped = random.random() < manner.flaps / 1000
        shown = windows
        if flapped:
            shown = {
                window: {
                    **figures,
                    "used_percent": 2.0,
                    "reset_at": at + meters[window].length // 2,
                }
                for window, figures in windows.items()
            }
        lines.append({"type": "sample", "account": name, "t": at, "windows": shown})
        if minute % (ASK_S // MINUTE_S):
            continue
        lines.append({"type": "ask", "account": name, "t": at + 1, "id": asks})
        pending.extend(
            (asks, window, figures["reset_at"], at + 1)
            for window, figures in windows.items()
            if 0 < figures["used_percent"] < 99.5 and not meters[window].exhausted
        )
        asks += 1
    return lines, [
        Truth(
            ask,
            name,
            window,
            at,
            reset_at,
            ran_out,
            end if ran_out else None,
            (at - BEGAN_AT) / 3600,
        )
        for ask, window, reset_at, at in pending
        for end, ran_out in [_next_end(meters[window], at)]
        if end
    ]


def _play_upstream(
    week: Meter, minute: int, *, moves: list[int], changes: list[int], random: Random
) -> None:
    """Move a reset, or change the plan, where that is due."""
    if minute in moves and week.reset_at is not None:
        now = BEGAN_AT + minute * MINUTE_S
        week.reset_at = max(now + 3600, week.reset_at - random.randrange(3 * 86_400))
    if minute in changes:
        week.used *= random.choice((0.5, 0.5, 0.25))
        week.exhausted = False


def _next_end(meter: Meter, at: float) -> tuple[int, bool]:
    return next(((end, out) for end, out in meter.ends if end > at), (0, False))


def generate(*, accounts: int, weeks: int, seed: int) -> tuple[list[Line], list[Truth]]:
    """Return the lines of a stream, in the order of time, and the truth about its asks."""
    random = Random(seed)
    fleet_resets = [
        random.randrange(weeks * WEEK_MINUTES) for _ in range(weeks) if random.random() < 0.06
    ]
    lines: list[Line] = []
    truth: list[Truth] = []
    first = 0
    for number in range(accounts):
        ours, came = account_weeks(
            f"a{number:02d}", seed=seed, weeks=weeks, fleet_resets=fleet_resets
        )
        for line in ours:
            if line["type"] == "ask":
                line["id"] += first
        truth.extend(each._replace(id=each.id + first) for each in came)
        lines.extend(ours)
        first += sum(line["type"] == "ask" for line in ours)
    lines.sort(key=lambda line: line["t"])
    return lines, truth
