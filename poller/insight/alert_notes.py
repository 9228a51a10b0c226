"""What a rule remembers, and tells, while one round is evaluated."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from poller.insight.alert_rules import AlertKind, Mark, MarkKey, Told
from poller.insight.changes import FLEET_ACCOUNTS, FLEET_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poller.insight.alert_rules import AlertRule, Watched
    from poller.values import Usage


class Word(NamedTuple):
    """What one answer says about something that can fire."""

    holds: bool
    """As it is believed."""
    agrees: bool
    """As it was answered."""
    over: bool
    """Whether it has ended, which may come later than ``holds`` ceases."""
    before: float | None = None
    after: float | None = None
    until: float | None = None
    answers: int = 1
    """How many in a row it takes at least."""


class Edge(Enum):
    """What became of something that can fire."""

    BEGINS = "begins"
    LASTS = "lasts"
    """Long enough to be told again."""
    ENDS = "ends"


class Notes:
    """One rule in one round: its marks, and what it tells."""

    def __init__(
        self,
        rule: AlertRule,
        here: Sequence[Watched],
        marks: Mapping[MarkKey, Mark],
        *,
        now: float,
        reminds: bool,
    ) -> None:
        self.rule = rule
        self.here = here
        """The rule's accounts."""
        self.now = now
        self.enough = max(FLEET_ACCOUNTS, ceil(FLEET_SHARE * len(here)))
        """How many of them are most."""
        self.told: list[Told] = []
        self.changed: dict[MarkKey, Mark] = {}
        self._marks = marks
        self._reminds = reminds
        self._windows: dict[tuple[int, str], list[str]] = {}
        for key in marks:
            self._windows.setdefault((key.account, key.change), []).append(key.window)

    def windows(self, account: int, change: AlertKind) -> Iterable[str]:
        """Return the windows of which something was remembered."""
        return self._windows.get((account, change), ())

    def told_before(self, account: int, change: AlertKind) -> set[str]:
        """Return the windows of which a change was told, and not over, before this round."""
        return {
            name
            for name in self.windows(account, change)
            if (mark := self._marks[MarkKey(account, change, name)]).firing
            and mark.told_at is not None
        }

    def unasked(self, since: float) -> int:
        """Return how many accounts answered last before ``since``, and not in this round."""
        return sum(
            not one.fresh
            and one.known.report.failure is None
            and one.known.report.observed_at < since
            for one in self.here
        )

    def mark(self, key: MarkKey) -> Mark | None:
        """Return what is remembered by now."""
        return self.changed.get(key) or self._marks.get(key)

    def put(self, key: MarkKey, mark: Mark) -> None:
        """Remember."""
        self.changed[key] = mark

    def step(self, key: MarkKey, word: Word) -> Edge | None:
        """Note what an answer says; return the edge. What fires is yet untold."""
        mark = self.mark(key)
        if mark is None:  # the baseline
            self.put(key, Mark(word.holds, since=self.now))
            return None
        if mark.firing:
            if word.over:
                self.put(key, Mark(since=self.now))
                return Edge.ENDS
            if mark.agreeing:  # against it
                self.put(key, replace(mark, agreeing=0))
            return Edge.LASTS if self.is_due(mark) else None
        needed = max(self.rule.answers, word.answers)
        agreeing = min(mark.agreeing + 1, needed) if word.agrees else 0
        if word.holds and agreeing >= needed:
            self.put(key, Mark(firing=True, since=self.now))
            return Edge.BEGINS
        if agreeing != mark.agreeing:
            since = mark.since if mark.agreeing else self.now
            self.put(key, replace(mark, agreeing=agreeing, since=since))
        return None

    def is_due(self, mark: Mark) -> bool:
        """Whether what lasts is told again."""
        remind_s = self.rule.remind_s
        if not remind_s or not self._reminds or mark.told_at is None:
            return False
        return not 0 <= self.now - mark.told_at < remind_s  # also where the clock was set back

    def note_told(self, key: MarkKey) -> None:
        """Remember that it was told now."""
        mark = self.mark(key) or Mark()
        self.put(key, replace(mark, told_at=self.now))

    def level(self, one: Watched, change: AlertKind, window: str, word: Word) -> None:
        """Take one answer's word on something, and tell its edge."""
        key = MarkKey(one.id, change, window)
        was = self.mark(key)
        edge = self.step(key, word)
        told = self.told_of(one, change, window or None, word)
        if edge is Edge.ENDS:
            if was is not None and was.told_at is not None:
                self.told.append(replace(told, over=True))
        elif edge is not None:
            self.told.append(told)
            self.note_told(key)

    def told_of(self, one: Watched, change: AlertKind, window: str | None, word: Word) -> Told:
        """Return what to tell of a word; it is not told yet."""
        known = one.known
        return Told(
            *(known.account, known.key, change, self.now),
            window=window,
            before=word.before,
            after=word.after,
            until=word.until,
        )

    def tell(self, one: Watched, change: AlertKind, window: str | None, **figures: object) -> None:
        """Tell of one account; ``figures`` are fields of ``Told``."""
        told = Told(one.known.account, one.known.key, change, self.now, window=window)
        self.told.append(replace(told, **figures))  # type: ignore[arg-type] # Told's fields

    def tell_all(self, change: AlertKind, count: int, **figures: object) -> None:
        """Tell of ``count`` accounts together; likewise."""
        told = Told(None, None, change, self.now, accounts=count)
        self.told.append(replace(told, **figures))  # type: ignore[arg-type] # likewise


def least_left(usage: Usage | None) -> float | None:
    """Return the least of an account's windows."""
    return None if usage is None else usage.remaining_percent
