"""Made-up people: when they work, and how much they then burn.

No public file of real usage is known, so these are guesses about how offices, night owls,
agents and cron jobs behave. A figure measured on them says how one forecast stands to
another, and little about how good it is for anybody real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import exp
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from random import Random

MINUTE_S = 60
WEEK_MINUTES = 7 * 24 * 60

ZONES = (
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Kyiv",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
)
KINDS = ("office", "owl", "agent", "cron", "student", "fleet")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or something, that burns quota."""

    kind: str
    zone: ZoneInfo
    from_hour: float
    """Local hour at which the working day begins."""
    hours: float
    """How long it lasts."""
    weekend: float
    """How much of a working day a weekend's day is."""
    starts_per_hour: float
    """Sessions begun per hour of work."""
    session_minutes: float
    """Median length of a session."""
    spread: float
    """How much sessions differ in how fast they burn (sigma of a lognormal)."""
    mood: float
    """How much days differ from one another (likewise)."""
    weekly_percent: float
    """What a usual week would burn of the weekly window, if nothing stopped it."""
    week_per_five_hours: float
    """Percent of the week that one percent of five hours costs."""


def draw_person(random: Random) -> Person:
    """Draw somebody."""
    kind = random.choices(KINDS, (30, 18, 18, 10, 14, 10))[0]
    from_hour, hours, weekend = {
        "office": (random.gauss(9, 1), random.uniform(7, 10), random.uniform(0, 0.25)),
        "owl": (random.gauss(20, 1.5), random.uniform(5, 8), random.uniform(0.4, 1.2)),
        "agent": (random.gauss(8, 2), random.uniform(10, 18), random.uniform(0.2, 1)),
        "cron": (0.0, 24.0, random.choice((0.0, 1.0, 1.0))),
        "student": (random.gauss(13, 2), random.uniform(8, 12), random.uniform(0.5, 1.5)),
        "fleet": (0.0, 24.0, random.uniform(0.6, 1)),
    }[kind]
    starts, minutes = {
        "office": (random.uniform(0.3, 0.9), random.uniform(20, 60)),
        "owl": (random.uniform(0.3, 0.8), random.uniform(30, 90)),
        "agent": (random.uniform(0.08, 0.3), random.uniform(60, 240)),
        "cron": (random.choice((1.0, 0.5, 0.25, 1 / 12)), random.uniform(3, 25)),
        "student": (random.uniform(0.2, 0.6), random.uniform(20, 80)),
        "fleet": (random.uniform(0.8, 3), random.uniform(5, 30)),
    }[kind]
    return Person(
        kind=kind,
        zone=ZoneInfo(random.choice(ZONES)),
        from_hour=from_hour % 24,
        hours=hours,
        weekend=weekend,
        starts_per_hour=starts,
        session_minutes=minutes,
        spread=0.1 if kind == "cron" else random.uniform(0.4, 1.0),
        mood={"cron": 0.05, "student": 1.0, "fleet": 0.2}.get(kind, random.uniform(0.2, 0.7)),
        weekly_percent=min(400.0, 60 * exp(random.gauss(0, 0.9))),
        week_per_five_hours=0.13 * exp(random.gauss(0, 0.4)),
    )


def demand(person: Person, random: Random, *, began_at: int, minutes: int) -> list[float]:
    """Return what the person wants to burn in each minute, in percent of five hours."""
    wanted = [0.0] * minutes
    minute = 0
    factor, day = 1.0, None
    while minute < minutes:
        local = datetime.fromtimestamp(began_at + minute * MINUTE_S, person.zone)
        hour = local.hour + local.minute / 60
        into = (hour - person.from_hour) % 24
        if local.date() != day and into < person.hours:
            day = local.date()
            factor = exp(random.gauss(0, person.mood))
            if local.weekday() >= 5:
                factor *= person.weekend
        if into >= person.hours:
            minute += max(1, int((24 - into) * 60))
            continue
        if person.kind == "cron":
            wait = 60 / person.starts_per_hour
        else:
            wait = random.expovariate(person.starts_per_hour * min(3, max(0.05, factor)) / 60)
        at = minute + int(wait)
        length = max(2, int(person.session_minutes * exp(random.gauss(0, 0.7))))
        pace = exp(random.gauss(0, person.spread)) * (factor if person.kind == "cron" else 1)
        if at - minute < 6 * 60 or person.kind == "cron":
            for busy in range(at, min(at + length, minutes)):
                wanted[busy] += pace * random.gammavariate(0.5, 2.0)
        minute = at + (0 if person.kind in ("cron", "fleet") else length)
        minute = max(minute, at + 1)
    weeks = minutes / WEEK_MINUTES
    total = sum(wanted)
    scale = person.weekly_percent / person.week_per_five_hours * weeks / total if total else 0
    return [units * scale for units in wanted]
