"""What ``serve`` shows of what is polled."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from typing import TYPE_CHECKING

from poller.insight.changes import changes, gathered
from poller.present.changes import change_lines
from poller.present.overview import Happening, overview
from poller.present.prometheus import ROUND_BUCKETS_S, Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poller.commands.following import Batch, Following
    from poller.present.overview import Overview
    from poller.values import Report, Snapshot

_CHANGES_KEPT = 1000
"""Of an outage each account has one."""
_TRUE_FOR_S = 10.0
"""How long what follows from the time alone (what is stale, what comes next) is kept."""


class Served:
    """All that is known, for the page, the API and the metrics."""

    def __init__(self, following: Following, *, weights: Mapping[str, float]) -> None:
        """``weights`` are the pool's, by plan."""
        self.version = 0
        """Another one after every report."""
        self.changed: Callable[[bytes], None] = lambda _: None
        """Called with each change as a line of JSON."""
        self._following = following
        self._weights = weights
        self._changes: deque[Happening] = deque(maxlen=_CHANGES_KEPT)
        self._since = following.clock.time()
        self._overview: tuple[int, Overview] | None = None
        self._requests: Counter[str] = Counter()
        self._rounds = [0] * (len(ROUND_BUCKETS_S) + 1)
        self._rounds_s = 0.0
        following.after.append(self._note_changes)

    def overview(self) -> Overview:
        """Return all that is known now."""
        following, now = self._following, self._following.clock.time()
        if self._overview is not None:
            version, known = self._overview
            if version == self.version and 0 <= now - known.now < _TRUE_FOR_S:
                return known
        known = overview(
            following.standings(),
            now=now,
            forecasts=following.forecasts(),
            rates=following.rates(),
            weights=self._weights,
            changes=reversed(self._changes),
            changes_since=self._since,
            dead_since=following.rounds.dead_since,
            asks_next_at=following.rounds.asks_next_at,
        )
        self._overview = self.version, known
        return known

    @property
    def last_round(self) -> Snapshot | None:
        """The round that ended last; None before the first."""
        return self._following.last_round

    @property
    def counted(self) -> Counted:
        """What was counted since the start."""
        alerting = self._following.alerting
        told = {} if alerting is None else dict(alerting.counts)
        return Counted(dict(self._requests), told, list(self._rounds), self._rounds_s)

    @property
    def round_within_s(self) -> float:
        """A round ends within so many seconds unless something is wrong."""
        settings, clock = self._following.session.settings, self._following.clock
        waits_s = settings.account_deadline_s + settings.patience_s
        return 2 * self._following.rounds.interval_s + waits_s * clock.speed

    def note(self, report: Report) -> None:
        """Count a report's requests: the last one by how it ended."""
        self.version += 1
        if report.attempts:
            self._requests["ok" if report.failure is None else report.failure.kind.value] += 1
            self._requests["retried"] += report.attempts - 1

    def note_round(self, snapshot: Snapshot) -> None:
        """Count a round that has ended."""
        self.version += 1
        took_s = max(0.0, snapshot.ended_at - snapshot.started_at)
        self._rounds[bisect_left(ROUND_BUCKETS_S, took_s)] += 1
        self._rounds_s += took_s

    async def _note_changes(self, batch: Batch) -> None:
        following = self._following
        there = {one.account: one for one in following.standings()}
        after = [there[each.account] for each in batch.reports if each.account in there]
        before = [one for one in batch.before if one is not None]
        if not before:  # the first look at everybody
            return
        now = following.clock.time()
        for change in gathered(changes(before, after), of=len(there)):
            self._changes.append(Happening(now, change))
            self.changed(change_lines([change]).rstrip(b"\n"))
        self.version += 1
