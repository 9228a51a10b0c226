"""Made-up people and what the upstream would tell about them, minute by minute.

Nothing here was fitted to real people: no public history of usage exists. The parameters
are drawn widely, so that a plan that only suits one sort of person shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
DAY_MINUTES = 1440
MONDAY_AT = 1_790_553_600
"""A Monday, 00:00 UTC: all lives begin there."""
LENGTHS_S = {"five_hour": 5 * HOUR_S, "weekly": 7 * DAY_S, "monthly": 30 * DAY_S}

Session = tuple[float, float, float]
"""When it begins, how long it takes (both in minutes), percent of five hours a minute."""


@dataclass(slots=True)
class Track:
    """One window's true state, a value a minute."""

    name: str
    share: float
    """Percent of this window that a percent of five hours costs."""
    used: list[float] = field(default_factory=list[float])
    reset_at: list[int | None] = field(default_factory=list[int | None])
    """None where the window has not begun."""


@dataclass(slots=True)
class Life:
    """What one account goes through; minutes begin at ``began_at``."""

    name: str
    kind: str
    began_at: int
    tracks: tuple[Track, ...]
    blocked: list[bool] = field(default_factory=list[bool])
    """Whether the account is refused: exhausted, and without credits that carry on."""
    has_credits: bool = False

    def minute(self, at: float) -> int:
        return min(int((at - self.began_at) // MINUTE_S), len(self.blocked) - 1)

    def payload(self, at: float) -> dict[str, object]:
        """Return what the upstream would answer."""
        minute = self.minute(at)
        full = any(track.used[minute] >= 100 for track in self.tracks)
        slots = ("primary_window", "secondary_window")
        windows = {
            slot: _told(track, minute, at) for slot, track in zip(slots, self.tracks, strict=False)
        }
        limit = {"allowed": not full, "limit_reached": full, **windows}
        return {
            "plan_type": self.kind,
            "rate_limit": limit if self.tracks else None,
            "credits": {
                "has_credits": self.has_credits,
                "unlimited": False,
                "overage_limit_reached": False,
                "balance": "250" if self.has_credits else "0",
            },
        }


def _told(track: Track, minute: int, at: float) -> dict[str, object]:
    length_s, reset_at = LENGTHS_S[track.name], track.reset_at[minute]
    return {
        "used_percent": int(track.used[minute]),
        "limit_window_seconds": length_s,
        "reset_at": int(at) + length_s if reset_at is None else reset_at,
    }


# Who works when: each draws sessions in local time


def _days(chance: Random, days: int, share: float, *, weekend: bool = True) -> Iterator[int]:
    for day in range(days):
        if chance.random() < share and (weekend or day % 7 < 5):
            yield day * DAY_MINUTES


def _bursts(chance: Random, begin: float, end: float, rate: float) -> Iterator[Session]:
    """Work and think by turns between two minutes."""
    busy, quiet = chance.uniform(4, 25), chance.uniform(3, 20)
    while begin < end:
        length = chance.expovariate(1 / busy)
        yield begin, length, rate * chance.lognormvariate(0, 0.5)
        begin += length + chance.expovariate(1 / quiet)


def _office(chance: Random, days: int) -> Iterator[Session]:
    rate, begins, ends = chance.uniform(0.08, 0.6), chance.gauss(9, 1), chance.gauss(17.5, 1)
    for day in _days(chance, days, 0.9, weekend=False):
        noon = day + 60 * chance.gauss(12.3, 0.4)
        yield from _bursts(chance, day + 60 * chance.gauss(begins, 0.5), noon, rate)
        yield from _bursts(chance, noon + 45, day + 60 * chance.gauss(ends, 0.8), rate)


def _owl(chance: Random, days: int) -> Iterator[Session]:
    rate, begins = chance.uniform(0.1, 0.9), chance.gauss(20.5, 1)
    for day in _days(chance, days, chance.uniform(0.5, 0.95)):
        begin = day + 60 * chance.gauss(begins, 1)
        yield from _bursts(chance, begin, begin + 60 * chance.uniform(2, 7), rate)


def _agent(chance: Random, days: int) -> Iterator[Session]:
    rate, at = chance.uniform(0.04, 0.5), chance.uniform(0, 600)
    while at < days * DAY_MINUTES:
        run = 60 * chance.uniform(2, 20)
        yield from _bursts(chance, at, at + run, rate)
        at += run + 60 * chance.expovariate(1 / chance.uniform(2, 12))


def _cron(chance: Random, days: int) -> Iterator[Session]:
    every, length = 60 * chance.choice([1, 2, 3, 4, 6, 8, 12, 24]), chance.uniform(2, 20)
    costs = chance.uniform(0.5, 3) * every / 60
    for at in range(chance.randrange(every), days * DAY_MINUTES, every):
        if chance.random() < 0.96:
            yield at + chance.random(), length, costs / length * chance.uniform(0.7, 1.4)


def _student(chance: Random, days: int) -> Iterator[Session]:
    rate, share = chance.uniform(0.1, 0.8), chance.uniform(0.25, 0.7)
    for day in _days(chance, days, share):
        for _ in range(chance.randint(1, 3)):
            begin = day + 60 * chance.uniform(11, 24)
            yield from _bursts(chance, begin, begin + chance.uniform(20, 120), rate)


def _sporadic(chance: Random, days: int) -> Iterator[Session]:
    rate = chance.uniform(0.05, 1.2)
    for day in _days(chance, days, 0.2):
        begin = day + chance.uniform(0, DAY_MINUTES)
        yield from _bursts(chance, begin, begin + chance.uniform(5, 90), rate)


def _idle(chance: Random, days: int) -> Iterator[Session]:
    yield from ()


KINDS: dict[str, tuple[Callable[[Random, int], Iterator[Session]], int]] = {
    "office": (_office, 11),
    "owl": (_owl, 6),
    "agent": (_agent, 6),
    "cron": (_cron, 5),
    "student": (_student, 6),
    "sporadic": (_sporadic, 4),
    "idle": (_idle, 2),
}
"""Each sort of person, and how many of forty."""
_WINDOWS = (("five_hour", "weekly"), ("weekly",), ("monthly",), ())
_WINDOWS_SHARE = (31, 3, 4, 2)


@dataclass(frozen=True, slots=True)
class Times:
    """What all people of one population share."""

    vigour: float
    """How fast they burn, beside others."""
    fleet_days: float
    """Between resets that the upstream gives to most accounts unannounced, on average."""

    @classmethod
    def drawn(cls, chance: Random) -> Times:
        return cls(chance.uniform(0.6, 1.8), chance.choice([4, 10, 1000]))


def people(count: int, *, days: int, seed: int, times: Times | None = None) -> list[Life]:
    """Draw ``count`` accounts and live their lives; every seed draws other people."""
    chance = Random(seed)
    kinds = [kind for kind, (_, of_forty) in KINDS.items() for _ in range(of_forty)]
    chance.shuffle(kinds)
    times = times or Times.drawn(chance)
    minutes = range(days * DAY_MINUTES)
    fleet = [m for m in minutes if chance.random() < 1 / (times.fleet_days * DAY_MINUTES)]
    return [
        _life(f"{n:02d}-{kinds[n % 40]}", Random(f"{seed}/{n}"), days, (times, fleet))
        for n in range(count)
    ]


def _life(name: str, chance: Random, days: int, shared: tuple[Times, list[int]]) -> Life:
    times, fleet = shared
    kind = name.partition("-")[2]
    zone = 60 * chance.choice([-8, -7, -5, -3, 0, 1, 2, 5.5, 8, 9])
    demand = _demand(KINDS[kind][0](chance, days + 1), days, zone, vigour=times.vigour)
    names = chance.choices(_WINDOWS, _WINDOWS_SHARE)[0]
    week = chance.uniform(0.08, 0.2)
    shares = {"five_hour": 1.0, "weekly": week, "monthly": week / 4}
    life = Life(
        name,
        kind,
        MONDAY_AT + chance.randrange(MINUTE_S),
        tuple(Track(window, shares[window]) for window in names),
        has_credits=chance.random() < 0.08,
    )
    cleared = {m for m in fleet if chance.random() < 0.7}
    cleared |= {m for m in range(days * DAY_MINUTES) if chance.random() < 0.1 / (7 * DAY_MINUTES)}
    _live(life, demand, cleared)
    return life


def _demand(sessions: Iterator[Session], days: int, zone: float, *, vigour: float) -> list[float]:
    minutes = days * DAY_MINUTES
    demand = [0.0] * minutes
    for begin, length, rate in sessions:
        first = int(begin - zone)
        for minute in range(first, first + max(1, round(length))):
            if 0 <= minute < minutes:
                demand[minute] += vigour * rate
    return demand


def _live(life: Life, demand: list[float], cleared: set[int]) -> None:
    used = [0.0] * len(life.tracks)
    reset_at: list[int | None] = [None] * len(life.tracks)
    for minute, wanted in enumerate(demand):
        now = life.began_at + minute * MINUTE_S
        for i, until in enumerate(reset_at):
            if until is not None and (until <= now or minute in cleared):
                used[i], reset_at[i] = 0.0, None
        if wanted and all(percent < 100 for percent in used):
            for i, track in enumerate(life.tracks):
                used[i] = min(100.0, used[i] + wanted * track.share)
                reset_at[i] = reset_at[i] or now + LENGTHS_S[track.name]
        for i, track in enumerate(life.tracks):
            track.used.append(used[i])
            track.reset_at.append(reset_at[i])
        full = any(percent >= 100 for percent in used)
        life.blocked.append(full and not life.has_credits)
