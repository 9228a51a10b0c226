"""When people use their accounts, and how hard.

A person is drawn once from a seed; what they do on a day is drawn from the same seed and
the day's number alone, so that any day can be asked for without the days before it.

Use is measured in points: one point is one percent of a Plus plan's five hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

DAY_S = 86_400
DAY_STARTS_AT_H = 4
"""A day goes from 4:00 to 4:00 local time, so that a night owl's evening is one piece."""

_UTC_OFFSETS_H = (-8, -5, -3, 0, 1, 2, 5.5, 8, 9, 10)
_SHORTEST_SESSION_S = 120
_INTENSITY_SIGMA = 0.7
_SESSION_SIGMA = 0.5
_SEEDS_A_PERSON = 1 << 20
_WEEKS_FROM = 1 << 19
_SEASONS_FROM = 3 << 18
"""Days, weeks and seasons of a person get seeds of their own: the numbers don't overlap."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How one kind of person works."""

    name: str
    on_weekdays: float
    """Chance that the account is used on a weekday, 0-1."""
    on_weekends: float
    from_h: float
    """Local hours of the day, from 4 to 28: 25 is one in the morning."""
    until_h: float
    sessions: float
    """Sessions on a day of use, on average."""
    session_h: float
    """Hours of a session, on average."""
    points_per_hour: float
    mood_sigma: float = 0.35
    """How much weeks differ: sigma of a lognormal factor."""
    is_regular: bool = False
    """Whether sessions start at the same times every day, as cron jobs do."""


HABITS = (
    Habit("office", 0.92, 0.08, 9, 18.5, sessions=4, session_h=0.9, points_per_hour=30),
    Habit("night owl", 0.75, 0.8, 20, 27.5, sessions=2.5, session_h=1.1, points_per_hour=30),
    Habit("agent", 0.85, 0.85, 4, 28, sessions=3, session_h=2.2, points_per_hour=28),
    Habit(
        "cron", 1, 1, 4, 28, sessions=8, session_h=0.2, points_per_hour=30, is_regular=True
    ),
    Habit(
        "student", 0.5, 0.7, 14, 26, sessions=2.5, session_h=0.8, points_per_hour=28,
        mood_sigma=0.9,
    ),
    Habit("occasional", 0.3, 0.3, 10, 23, sessions=1.3, session_h=0.5, points_per_hour=22),
)  # fmt: skip
_HOW_OFTEN = (8, 4, 3, 2, 3, 2)


@dataclass(frozen=True, slots=True)
class Person:
    """Who uses one account."""

    seed: int
    habit: Habit
    utc_offset_s: int
    intensity: float
    """A factor of all their use."""
    minute_s: int
    """Seconds after the hour at which their cron jobs start."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """Steady use from one Unix second to another."""

    start_at: int
    end_at: int
    points_per_hour: float


def person(seed: int) -> Person:
    """Draw the person of a seed (any whole number below 2^64)."""
    rng = Random(seed)
    return Person(
        seed,
        rng.choices(HABITS, _HOW_OFTEN)[0],
        int(rng.choice(_UTC_OFFSETS_H) * 3_600),
        rng.lognormvariate(0, _INTENSITY_SIGMA),
        rng.randrange(3_600),
    )


def day_of(who: Person, at: float) -> int:
    """Return the number of the local day that ``at`` (Unix seconds) belongs to."""
    return int((at + who.utc_offset_s) // 3_600 - DAY_STARTS_AT_H) // 24


def day_starts_at(who: Person, day: int) -> int:
    """Return the Unix second at which a local day starts."""
    return day * DAY_S + DAY_STARTS_AT_H * 3_600 - who.utc_offset_s


def is_monday(day: int) -> bool:
    """Whether a day's number is a Monday's."""
    return (day + 3) % 7 == 0  # day 0, 1 January 1970, was a Thursday


def season_rng(who: Person, season: int) -> Random:
    """Return what draws the events of a person's season, a number below 262,144."""
    return Random(who.seed * _SEEDS_A_PERSON + _SEASONS_FROM + season)


def _mood(who: Person, day: int) -> float:
    rng = Random(who.seed * _SEEDS_A_PERSON + _WEEKS_FROM + (day + 3) // 7)
    return rng.lognormvariate(0, who.habit.mood_sigma)


def sessions(who: Person, day: int) -> list[Sitting]:
    """Return a day's sessions in order; they don't overlap and stay within the day."""
    habit = who.habit
    rng = Random(who.seed * _SEEDS_A_PERSON + day)
    is_weekend = (day + 3) % 7 >= 5
    if rng.random() >= (habit.on_weekends if is_weekend else habit.on_weekdays):
        return []
    mood = _mood(who, day)
    midnight = day_starts_at(who, day) - DAY_STARTS_AT_H * 3_600
    until = midnight + int(habit.until_h * 3_600)
    starts = [midnight + int(hour * 3_600) for hour in _starting_hours(who, rng)]
    found: list[Sitting] = []
    for start, next_start in zip(starts, [*starts[1:], until], strict=True):
        length_s = max(_SHORTEST_SESSION_S, int(rng.expovariate(1 / habit.session_h) * 3_600))
        pace = habit.points_per_hour * who.intensity * mood * rng.lognormvariate(0, _SESSION_SIGMA)
        end = min(start + length_s, next_start)
        if end > start:
            found.append(Sitting(start, end, pace))
    return found


def _starting_hours(who: Person, rng: Random) -> list[float]:
    habit = who.habit
    if habit.is_regular:
        count = int(habit.sessions)
        every_h = (habit.until_h - habit.from_h) / count
        return [habit.from_h + each * every_h + who.minute_s / 3_600 for each in range(count)]
    count = max(1, round(rng.gauss(habit.sessions, habit.sessions / 3)))
    return sorted(rng.uniform(habit.from_h, habit.until_h) for _ in range(count))
