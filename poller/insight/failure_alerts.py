"""What the alerts say of failures: each alone, or an incident where most accounts share one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from poller.insight.alert_notes import Edge, Word
from poller.insight.alert_rules import LOGIN_KINDS, AlertKind, Mark, MarkKey
from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.alert_notes import Notes
    from poller.insight.alert_rules import Watched

_K = AlertKind
_OUTAGE_KNOWN_S = 600.0
"""How long a failure waits at most until the other accounts tell whether it is an outage."""
_INCIDENT = MarkKey(0, _K.INCIDENT)
_ABSORBED = "incident"
"""Kept of a failure that an incident tells."""
_BREAKER = FailureKind.CIRCUIT_OPEN
_OF_THE_HOST = frozenset(kind for kind in FailureKind if kind.exit_class in (2, 3)) - {
    *LOGIN_KINDS,
    FailureKind.PAYMENT_REQUIRED,
    FailureKind.FORBIDDEN,
}
"""Failures that say nothing of the account."""


class _Failing(NamedTuple):
    """An account that fails."""

    one: Watched
    kind: FailureKind
    mark: Mark


def end_failures(notes: Notes, one: Watched) -> None:
    """Take an answer: whatever failed before is over."""
    rule = notes.rule
    untold = not (rule.tells(_K.LOGIN) or rule.tells(_K.FAILED))
    restored = False
    for change in (_K.LOGIN, _K.FAILED):
        key = MarkKey(one.id, change)
        was = notes.mark(key)
        edge = notes.step(key, Word(holds=False, agrees=False, over=True))
        if edge is not Edge.ENDS or was is None or was.kept == _ABSORBED:
            continue
        if rule.tells(_K.RESTORED):
            if not restored and (untold or was.told_at is not None):
                notes.tell(one, _K.RESTORED, None, before=was.kept)
                restored = True
        elif was.told_at is not None:
            notes.tell(one, change, None, over=True, before=was.kept)


def take_failure(notes: Notes, one: Watched, kind: FailureKind) -> None:
    """Count a failure; :func:`tell_failures` tells it, once all are counted."""
    key = _failure_key(one.id, kind)
    mark = notes.mark(key)
    if kind is FailureKind.CANCELLED or mark is None:  # it never answered: no baseline
        return
    if not mark.firing:
        agreeing = min(mark.agreeing + 1, notes.rule.answers)
        since = notes.now if agreeing > mark.agreeing else mark.since
        notes.put(key, replace(mark, agreeing=agreeing, since=since))
    elif notes.is_due(mark):
        _tell_failure(notes, _Failing(one, kind, mark))


def _tell_failure(notes: Notes, each: _Failing) -> None:
    key = _failure_key(each.one.id, each.kind)
    tells = notes.rule.tells(AlertKind(key.change))
    if tells:
        notes.tell(each.one, AlertKind(key.change), None, after=each.kind.value)
    since = each.mark.since if each.mark.firing else notes.now
    told_at = notes.now if tells else None
    notes.put(key, Mark(firing=True, since=since, told_at=told_at, kept=each.kind.value))


def tell_failures(notes: Notes) -> None:
    """Tell failures: one incident where most accounts share one, else each."""
    begun = [each for one in notes.here if (each := _failing(notes, one)) is not None]
    failing = [
        each for each in begun if each.mark.firing or each.mark.agreeing >= notes.rule.answers
    ]
    shared = _shared(each.kind for each in failing)
    incident = notes.mark(_INCIDENT) or Mark()
    same = FailureKind(incident.kept) if incident.firing and incident.kept else None
    if same is None and shared:
        most = max(shared, key=lambda kind: shared[kind])
        same = most if shared[most] >= notes.enough else None
    alike = [each for each in failing if same is not None and _is_alike(each.kind, same)]
    if incident.firing and 2 * len(alike) < notes.enough:
        notes.tell_all(_K.INCIDENT, len(notes.here), over=True, before=incident.kept)
        notes.put(_INCIDENT, Mark(since=notes.now))
        # Who still fails by the next look fails alone.
        for each in alike:
            notes.put(_failure_key(each.one.id, each.kind), Mark(since=notes.now))
    elif same is not None:
        if not incident.firing or notes.is_due(incident):
            notes.tell_all(_K.INCIDENT, len(alike), after=same.value)
            since = incident.since if incident.firing else notes.now
            mark = Mark(firing=True, since=since, told_at=notes.now, kept=same.value)
            notes.put(_INCIDENT, mark)
        for each in alike:
            if each.mark.kept != _ABSORBED:
                mark = Mark(firing=True, since=each.mark.since, kept=_ABSORBED)
                notes.put(_failure_key(each.one.id, each.kind), mark)
    part_of_it = {each.one.id for each in alike}
    may_share = _shared(each.kind for each in begun)
    for each in failing:
        alone = not each.mark.firing and each.one.id not in part_of_it
        if alone and not _may_be_outage(notes, each, may_share):
            _tell_failure(notes, each)


def _failing(notes: Notes, one: Watched) -> _Failing | None:
    """Return an account that has begun to fail, whether often enough or not yet."""
    failure = one.known.report.failure
    if failure is None or failure.kind is FailureKind.CANCELLED:
        return None
    mark = notes.mark(_failure_key(one.id, failure.kind))
    if mark is None or not (mark.firing or mark.agreeing):
        return None
    return _Failing(one, failure.kind, mark)


def _may_be_outage(notes: Notes, each: _Failing, may_share: Mapping[FailureKind, int]) -> bool:
    """Whether accounts that were not asked since, or not often enough, may make it an incident."""
    since = each.mark.since or 0
    alike = max((n for kind, n in may_share.items() if _is_alike(each.kind, kind)), default=0)
    known = not 0 <= notes.now - since < _OUTAGE_KNOWN_S
    return not known and alike + notes.unasked(since) >= notes.enough


def _shared(kinds: Iterable[FailureKind]) -> Mapping[FailureKind, int]:
    """Count failures by kind. A breaker opens because of another one: it counts with that."""
    counts = Counter(kinds)
    others = [kind for kind in counts if kind in _OF_THE_HOST and kind is not _BREAKER]
    if _BREAKER in counts and others:
        counts[max(others, key=lambda kind: counts[kind])] += counts.pop(_BREAKER)
    return counts


def _is_alike(kind: FailureKind, same: FailureKind) -> bool:
    """Whether a failure is part of an incident: of its kind, or the same host's trouble."""
    return kind is same or (kind in _OF_THE_HOST and same in _OF_THE_HOST)


def _failure_key(account: int, kind: FailureKind) -> MarkKey:
    return MarkKey(account, _K.LOGIN if kind in LOGIN_KINDS else _K.FAILED)
