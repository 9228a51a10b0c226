"""One window's observations, cleaned: what is believed, what was burnt, what happened.

Answers flap, reset times jitter, windows vanish and come back. Everything that looks at a
window over time reads it through here, and nothing reads raw samples. A look costs O(1),
and the state is small enough to keep one for every window of every account.

A look that contradicts what is believed is *held*: it is shown, and marked, but it counts
for nothing until another one agrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from math import isfinite

JITTER_S = 300.0
"""How far two reset times may lie apart and still be the same one."""
GAP_S = 66 * 60.0
"""Looks further apart leave a gap: an hour, the longest wait between polls, and its jitter."""
EXHAUSTED_PERCENT = 99.5
"""From here on a rounded figure says 100, and demand no longer shows."""

_AGREEING_PERCENT = 4.0
"""How much lower the second look at a change may be; also the largest step that is noise."""
_LEAP_PERCENT = 40.0
"""A rise in one answer that needs a second look."""
_LOWER_AFTER_S = 15 * 60.0
_LOWER_AFTER_LOOKS = 3
"""How long, and how often, a lower level must be seen while the reset time stays."""
_ENDED_AFTER_LOOKS = 2
"""How many answers in a row must lack a window before it is gone."""
_NEVER_AT = 1e11
"""Unix seconds that can only be a mistake: some format's milliseconds, or worse."""
_CLOCK_SET_BACK_S = 3600.0
"""A look older than the last by less is a late answer; by more, the clock was set back."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one answer says about one window; None where it says nothing."""

    at: float
    """Unix seconds."""
    used_percent: float | None
    """0-100."""
    reset_at: float | None
    """Unix seconds."""
    window_seconds: float | None
    plan: str | None = None
    blocked: bool = False
    """Whether the upstream refuses the account. No window shows demand meanwhile."""


class EventKind(StrEnum):
    """What can happen to a window besides being used."""

    RESET = "reset"
    EARLY_RESET = "early_reset"
    """A new cycle before the told end of the old one."""
    LOWERED = "lowered"
    """The level fell within a cycle."""
    PLAN_CHANGED = "plan_changed"
    GAP = "gap"
    """Nobody looked."""
    WINDOW_ENDED = "window_ended"
    """The upstream no longer reports the window."""
    CLOCK_SET_BACK = "clock_set_back"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened between two instants."""

    kind: EventKind
    since: float
    """Unix seconds."""
    until: float
    """Unix seconds; before ``since`` where the clock was set back."""
    before: float | str | None = None
    """Used percent; the plan's name where the plan changed."""
    after: float | str | None = None


@dataclass(frozen=True, slots=True)
class Burnt:
    """What was burnt, evenly, between two instants (Unix seconds). 0 is known idleness."""

    since: float
    until: float
    percent: float
    polled: bool
    """Whether looks were close together: False across a gap, or before the first look."""


@dataclass(frozen=True, slots=True)
class Span:
    """A believed value and the time over which it was seen (Unix seconds)."""

    since: float
    until: float
    used_percent: float
    reset_at: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """What one observation changed."""

    used_percent: float | None
    """The believed level; None where there is none."""
    reset_at: float | None
    """The believed reset (Unix seconds); None while the window has not begun."""
    held: bool
    """Whether the figure that the upstream told is another one, and not believed."""
    burnt: Burnt | None = None
    """None where nothing is known: a held look, or an exhausted window."""
    ended: Span | None = None
    """The span that ended before this look."""
    events: tuple[Event, ...] = ()


class _Doubt(Enum):
    """Why a look needs another one that agrees."""

    STALE = "an answer from before the last reset"
    PLAN = "another plan"
    RESET = "a lower level and another reset time"
    LOWER = "a lower level"
    LEAP = "a much higher level"


_BELIEVED_AS = {_Doubt.RESET: EventKind.EARLY_RESET, _Doubt.LOWER: EventKind.LOWERED}


@dataclass(frozen=True, slots=True)
class _Reading:
    """An observation whose figures make sense, and the cycle they speak of."""

    at: float
    used: float
    reset_at: float | None
    """None where the window has not begun, or its end is not told."""
    begun: bool
    """Whether the cycle runs. Before its first use a window's end slides along."""
    start: float | None
    """Nothing of ``used`` was burnt before this; None where the length is not known."""
    plan: str | None
    blocked: bool


@dataclass(slots=True)
class _Held:
    """A look that waits for another one that agrees."""

    doubt: _Doubt
    first: _Reading
    looks: int = 1


@dataclass(slots=True, eq=False)
class Series:
    """One window of one account over time. Hand it every look, in the order they came."""

    span: Span | None = None
    """What is believed, and for how long; None before the first look and after the end."""
    window_seconds: float | None = None
    """The length that was told last."""
    _last_at: float | None = None
    _plan: str | None = None
    _exhausted: bool = False
    _held: _Held | None = None
    _absent: int = 0

    @property
    def reported(self) -> bool:
        """Whether the last answer spoke of the window."""
        return self.span is not None and not self._absent

    def observe(self, seen: Observation, *, watched: bool = False) -> Look:
        """Take the next look. Total: no observation raises.

        ``watched`` says that the time since the last look is no gap, because somebody
        looked and saw nothing new.
        """
        raw = _percent(seen.used_percent)
        if raw is None or not 0 < seen.at < _NEVER_AT:
            return self._unchanged(raw)
        last_at, at = self._last_at, seen.at
        if last_at is not None and at <= last_at and last_at - at < _CLOCK_SET_BACK_S:
            return self._unchanged(raw)
        now = self._reading(seen, raw)
        self._last_at = at
        self._absent = 0
        span = self.span
        if last_at is None:
            return self._begin(now, None)
        if at <= last_at:
            return self._begin(now, last_at, Event(EventKind.CLOCK_SET_BACK, last_at, at))
        polled = watched or at - last_at <= GAP_S
        events = () if polled else (Event(EventKind.GAP, last_at, at),)
        if span is None:
            return self._begin(now, last_at, *events)
        told = _is_told_reset(span, now)
        doubt = self._doubt(span, now, told=told)
        if doubt is not None and not self._confirmed(doubt, now):
            return self._unchanged(raw, events)
        if doubt is _Doubt.PLAN:
            changed = Event(EventKind.PLAN_CHANGED, span.until, at, self._plan, now.plan)
            return self._begin(now, last_at, *events, changed)
        kind = None
        if told or (doubt is _Doubt.RESET and span.reset_at is None):
            kind = EventKind.RESET
        elif doubt is not None:
            kind = _BELIEVED_AS.get(doubt)
        return self._believe(span, now, kind, events, polled=polled)

    def observe_span(self, first: Observation, *, until: float, looks: int) -> list[Look]:
        """Take a stored span: ``looks`` equal looks from ``first.at`` to ``until``."""
        seen = [self.observe(first)]
        ats = ((first.at + until) / 2, until) if looks > 2 else (until,)
        seen.extend(self.observe(replace(first, at=at), watched=True) for at in ats)
        return seen

    def absent(self, at: float) -> Look:
        """Take an answer without the window. The second in a row ends the series."""
        span, last_at = self.span, self._last_at
        if span is None or last_at is None or not last_at < at < _NEVER_AT:
            return self._unchanged(None)
        self._last_at = at
        self._absent += 1
        if self._absent < _ENDED_AFTER_LOOKS:
            return self._unchanged(None)
        self.span = self._held = None
        gone = Event(EventKind.WINDOW_ENDED, span.until, at, span.used_percent, None)
        return Look(None, None, held=False, ended=span, events=(gone,))

    def _reading(self, seen: Observation, used: float) -> _Reading:
        length, reset_at = seen.window_seconds, seen.reset_at
        if length is not None and 0 < length < _NEVER_AT:
            self.window_seconds = length
        length = self.window_seconds
        if reset_at is not None and not 0 < reset_at < _NEVER_AT:
            reset_at = None
        begun = used > 0 or (
            reset_at is not None
            and reset_at > seen.at
            and (length is None or abs(reset_at - seen.at - length) > JITTER_S)
        )
        start = None
        if not begun:
            reset_at = None
            if length is not None:
                start = seen.at - length
        elif length is not None and reset_at is not None:
            start = reset_at - length
        return _Reading(seen.at, used, reset_at, begun, start, seen.plan, seen.blocked)

    def _doubt(self, span: Span, now: _Reading, *, told: bool) -> _Doubt | None:
        """Say why ``now`` cannot be believed yet; None where it can."""
        end, reset_at = span.reset_at, now.reset_at
        moved = _moved(end, reset_at)
        if moved and reset_at is not None and end is not None and reset_at <= now.at < end:
            return _Doubt.STALE
        if now.plan is not None and self._plan is not None and now.plan != self._plan:
            return _Doubt.PLAN
        rise = now.used - span.used_percent
        if rise >= _LEAP_PERCENT and not now.blocked:
            return _Doubt.LEAP
        if told:
            return None
        if rise < 0:
            # A small step back beside a jittering reset is noise, not a new cycle.
            begins = now.start is not None and now.start >= span.until - JITTER_S
            if not now.begun or (moved and (begins or rise < -_AGREEING_PERCENT)):
                return _Doubt.RESET
            return _Doubt.LOWER
        if rise > 0 and end is None and span.used_percent == 0 and now.start is not None:
            # A look that saw no cycle would have seen one that began before.
            return _Doubt.LEAP if now.start < span.until - JITTER_S else None
        # An answer from before an early reset speaks of another cycle, too.
        return _Doubt.LEAP if moved and rise > _AGREEING_PERCENT else None

    def _confirmed(self, doubt: _Doubt, now: _Reading) -> bool:
        """Whether ``now`` says again what the held look said. If not, hold it instead."""
        if doubt is _Doubt.STALE:
            return False
        held = self._held
        if held is None or held.doubt is not doubt or not _agree(doubt, held.first, now):
            self._held = _Held(doubt, now)
            return False
        held.looks += 1
        if doubt is _Doubt.LOWER:
            waited = now.at - held.first.at >= _LOWER_AFTER_S
            return waited and held.looks >= _LOWER_AFTER_LOOKS
        return True

    def _begin(self, now: _Reading, last_at: float | None, *events: Event) -> Look:
        """Start without a level to compare with."""
        burnt = None
        # What a running cycle shows was burnt since it began. One that does not run says
        # nothing: the account may be new.
        since = now.at if now.start is None else now.start
        if now.begun and since < now.at and (last_at is None or since >= last_at):
            burnt = Burnt(since, now.at, now.used, polled=False)
        return self._take(now, burnt, now.at, events)

    def _believe(
        self,
        span: Span,
        now: _Reading,
        kind: EventKind | None,
        events: tuple[Event, ...],
        *,
        polled: bool,
    ) -> Look:
        """Accept a look: work out what was burnt, and since when."""
        level, at, end = span.used_percent, span.until, span.reset_at
        first = now if self._held is None else self._held.first
        since, percent = at, now.used - level
        if kind is EventKind.LOWERED:
            since, percent = first.at, max(0.0, now.used - first.used)
        elif kind is not None:
            # Nobody knows what was burnt between the last look and the new cycle's start.
            idle_since = end if kind is EventKind.RESET else first.at
            start = now.start if now.begun else idle_since
            since, percent = max(at, start or at), now.used
        elif end is None and now.start is not None:
            since = max(at, now.start)
        burnt = None
        if since >= now.at and percent > 0:
            since = at  # the cycle starts ahead of a clock that is behind
        if since < now.at and (kind is not None or not self._exhausted):
            burnt = Burnt(since, now.at, percent, polled)
        if kind is not None:
            events = (*events, Event(kind, at, now.at, level, now.used))
        same = now.used == level and not events and not _moved(end, now.reset_at)
        return self._take(now, burnt, span.since if same else now.at, events)

    def _take(
        self, now: _Reading, burnt: Burnt | None, since: float, events: tuple[Event, ...]
    ) -> Look:
        before, reset_at = self.span, now.reset_at
        # An answer that omits the end of a running cycle does not move it.
        if before is not None and reset_at is None and now.begun:
            reset_at = before.reset_at
        ended = None if before is None or since == before.since else before
        self.span = Span(since, now.at, now.used, reset_at)
        if now.plan is not None:
            self._plan = now.plan
        self._exhausted = now.blocked or now.used >= EXHAUSTED_PERCENT
        self._held = None
        return Look(now.used, reset_at, held=False, burnt=burnt, ended=ended, events=events)

    def _unchanged(self, raw: float | None, events: tuple[Event, ...] = ()) -> Look:
        """Return a look that changes nothing that is believed."""
        span = self.span if self.reported else None
        if span is None:
            return Look(None, None, held=raw is not None, events=events)
        held = raw is not None and raw != span.used_percent
        return Look(span.used_percent, span.reset_at, held=held, events=events)


def _percent(used: float | None) -> float | None:
    return None if used is None or not isfinite(used) else min(max(used, 0.0), 100.0)


def _moved(end: float | None, reset_at: float | None) -> bool:
    return end is not None and reset_at is not None and abs(reset_at - end) > JITTER_S


def _is_told_reset(span: Span, now: _Reading) -> bool:
    """Whether the cycle is another one, or none, because its told end has come."""
    end = span.reset_at
    if end is None or now.at < end - JITTER_S:
        return False
    if not now.begun:
        return True
    if now.reset_at is not None and now.reset_at <= end + JITTER_S:
        return False  # a cycle that goes on beyond its told end is still the same
    return now.used < span.used_percent or (now.start is not None and now.start >= end - JITTER_S)


def _agree(doubt: _Doubt, first: _Reading, now: _Reading) -> bool:
    """Whether two looks in a row contradict what is believed in the same way."""
    if doubt is _Doubt.PLAN:
        return now.plan == first.plan
    if doubt is _Doubt.LOWER:
        return True
    if now.used < first.used - _AGREEING_PERCENT:
        return False
    if doubt is _Doubt.LEAP or first.begun == now.begun:
        return not _moved(first.reset_at, now.reset_at)
    # First seen before its first use, the cycle may have begun since.
    return now.begun and now.start is not None and now.start >= first.at - JITTER_S
