"""What is known of all accounts at one time, as report and page show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.insight.choice import ENOUGH_PERCENT, Wanted, choose
from poller.insight.pool import NO_WEIGHTS, pool
from poller.insight.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poller.insight.changes import Change
    from poller.insight.choice import Choice, NoChoice
    from poller.insight.pool import Pool
    from poller.insight.standing import Standing
    from poller.insight.timeline import Timeline
    from poller.present.charts import Course
    from poller.values import Forecast


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that changed."""

    at: float | None
    """Unix seconds; None where only before and after are known."""
    change: Change


@dataclass(frozen=True, slots=True)
class Past:
    """How the windows of one account went."""

    courses: tuple[Course, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that is known now; made by :func:`overview`."""

    now: float
    """Unix seconds."""
    standings: Sequence[Standing]
    pool: Pool
    choice: Choice | NoChoice
    timeline: Timeline
    forecasts: Mapping[str, Mapping[str, Forecast]]
    """By account and window."""
    changes: tuple[Happening, ...] = ()
    """The newest first."""
    changes_since: float | None = None
    """From when on they were looked for; Unix seconds."""
    dead_since: float | None = None
    """Since when the upstream has not answered anybody; None while it does."""
    asks_next_at: float | None = None
    """When somebody is asked next; None where nobody is."""


def overview(  # noqa: PLR0913 - what is known, each named
    standings: Iterable[Standing],
    *,
    now: float,
    forecasts: Mapping[str, Mapping[str, Forecast]],
    rates: Mapping[str, Mapping[str, float]] | None = None,
    weights: Mapping[str, float] = NO_WEIGHTS,
    changes: Iterable[Happening] = (),
    changes_since: float | None = None,
    dead_since: float | None = None,
    asks_next_at: float | None = None,
) -> Overview:
    """Return what there is to show of the accounts; fields as of :class:`Overview`.

    ``rates`` are what is burnt now, percent an hour by account and window; without them the
    forecasts' are taken. ``weights`` are the pool's, by plan.
    """
    standings = list(standings)
    rates = rates or {
        account: {name: one.percent_per_hour for name, one in windows.items()}
        for account, windows in forecasts.items()
    }
    return Overview(
        now=now,
        standings=standings,
        pool=pool(standings, now=now, weights=weights),
        choice=choose(standings, Wanted(ENOUGH_PERCENT), now=now),
        timeline=timeline(standings, now=now, rates=rates, weights=weights),
        forecasts=forecasts,
        changes=tuple(changes),
        changes_since=changes_since,
        dead_since=dead_since,
        asks_next_at=asks_next_at,
    )
