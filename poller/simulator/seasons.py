"""Seasons: stretches of time at whose start every meter of an account is empty.

What an account shows depends on all its use since its windows were last empty. Seasons
bound how far back that has to be followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from poller.simulator.payloads import FIVE_HOURS_S, WEEK_S
from poller.simulator.quota import month_after, month_of

DAY_S = 86_400

_FLEET_S = 28 * DAY_S
_FLEET_JITTER_S = 7 * DAY_S
_OWN_MONTHS_S = 61 * DAY_S


class Cycle(Enum):
    """What empties an account's meters at the start of a season."""

    FLEET = "fleet"
    """The upstream resets all paid plans early, about every four weeks."""
    OWN_MONTHS = "own months"
    """A monthly window has run out twice, at the account's own time."""
    CALENDAR = "calendar"
    """A calendar month begins, in UTC."""


@dataclass(frozen=True, slots=True)
class EarlyReset:
    """Windows that are emptied before their time."""

    at: int
    """Unix seconds."""
    cleared: tuple[int, ...]
    """Lengths of the windows, in seconds."""


@dataclass(frozen=True, slots=True)
class Season:
    """One season; times are Unix seconds."""

    number: int
    start_at: int
    end_at: int
    resets: tuple[EarlyReset, ...] = ()
    """Early resets of everybody within it."""


def season_of(cycle: Cycle, at: int, *, seed: int, phase: int) -> Season:
    """Return the season that ``at`` belongs to.

    ``seed`` is the world's: a fleet is reset at the same time everywhere in it. ``phase``
    (seconds, any whole number) shifts an account's own months.
    """
    match cycle:
        case Cycle.FLEET:
            return _fleet_season(at, seed)
        case Cycle.OWN_MONTHS:
            number = (at - phase % _OWN_MONTHS_S) // _OWN_MONTHS_S
            start_at = number * _OWN_MONTHS_S + phase % _OWN_MONTHS_S
            return Season(number, start_at, start_at + _OWN_MONTHS_S)
        case Cycle.CALENDAR:
            start_at = month_of(at)
            return Season(start_at // DAY_S, start_at, month_after(at))


def _fleet_season(at: int, seed: int) -> Season:
    number = at // _FLEET_S
    if at < _fleet_reset_at(seed, number):
        number -= 1
    start_at = _fleet_reset_at(seed, number)
    rng = Random(f"resets {seed} {number}")
    return Season(
        number,
        start_at,
        _fleet_reset_at(seed, number + 1),
        (  # a real reset may clear one window and not the other
            EarlyReset(start_at + rng.randrange(5 * DAY_S, 11 * DAY_S), (FIVE_HOURS_S,)),
            EarlyReset(start_at + rng.randrange(12 * DAY_S, 20 * DAY_S), (FIVE_HOURS_S, WEEK_S)),
        ),
    )


def _fleet_reset_at(seed: int, number: int) -> int:
    return number * _FLEET_S + Random(f"season {seed} {number}").randrange(_FLEET_JITTER_S)
