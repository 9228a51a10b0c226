"""What the alerts say of all accounts side by side: early resets, who is there, the pool."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from poller.insight.alert_notes import Edge, Word, least_left
from poller.insight.alert_rules import AlertKind, Mark, MarkKey
from poller.insight.changes import ChangeKind
from poller.insight.pool import pool
from poller.insight.series import GAP_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.alert_notes import Notes
    from poller.insight.alert_rules import Watched

_K = AlertKind
_TOGETHER_S = 2 * GAP_S
"""Early resets within so long are one: each takes two looks, up to an hour apart."""
_HARDLY_USED_PERCENT = 95.0
"""Left of a window of which so little was used that its reset may be an answer that flapped."""
_RULE = MarkKey(0, "rule")
_FLEET = MarkKey(0, _K.FLEET_RESET)


def tell_early_resets(notes: Notes) -> None:
    """Tell early resets: one for the fleet where most accounts had one, else each."""
    for one in notes.here:
        early = [
            [each.window, each.before, each.after]
            for each in one.resets
            if each.change is ChangeKind.EARLY_RESET
            and notes.rule.watches(each.window)
            and isinstance(each.before, float | int)
            and each.before < _HARDLY_USED_PERCENT
        ]
        if early:
            key = MarkKey(one.id, _K.EARLY_RESET)
            notes.put(key, Mark(firing=True, since=notes.now, kept=json.dumps(early)))
    recent = [(one, mark) for one in notes.here if (mark := _early(notes, one)) is not None]
    fleet = notes.mark(_FLEET)
    known = fleet is not None and _is_recent(notes, fleet)
    if not known and len(recent) >= notes.enough:
        windows = {window for _, mark in recent for window, *_ in json.loads(mark.kept or "[]")}
        window = windows.pop() if len(windows) == 1 else None
        notes.tell_all(_K.FLEET_RESET, len(recent), window=window)
        notes.put(_FLEET, Mark(since=notes.now, told_at=notes.now))
        known = True
    for one, mark in recent:
        tells = notes.rule.tells(_K.EARLY_RESET) and mark.firing and not known
        since = mark.since or 0
        may_be_all = len(recent) + notes.unasked(since) >= notes.enough
        if tells and may_be_all and notes.now - since < GAP_S:
            continue
        if tells:
            for window, before, after in json.loads(mark.kept or "[]"):
                notes.tell(one, _K.EARLY_RESET, window, before=before, after=after)
        if mark.firing:
            notes.put(MarkKey(one.id, _K.EARLY_RESET), replace(mark, firing=False))


def _early(notes: Notes, one: Watched) -> Mark | None:
    mark = notes.mark(MarkKey(one.id, _K.EARLY_RESET))
    return mark if mark is not None and _is_recent(notes, mark) else None


def _is_recent(notes: Notes, mark: Mark) -> bool:
    return mark.since is not None and 0 <= notes.now - mark.since < _TOGETHER_S


def tell_who_is_there(notes: Notes, gone: Iterable[Watched]) -> None:
    """Tell accounts that appeared, which an answer proves, and those that are gone."""
    begun = notes.mark(_RULE) is not None
    if not begun:
        notes.put(_RULE, Mark(since=notes.now))
    for one in notes.here:
        key = MarkKey(one.id, _K.GONE)
        mark = notes.mark(key)
        if (mark is not None and not mark.firing) or one.answer is None:
            continue
        notes.put(key, Mark(since=notes.now))
        if begun and notes.rule.tells(_K.APPEARED):
            notes.tell(one, _K.APPEARED, None, after=least_left(one.known.usage))
    for one in gone:
        key = MarkKey(one.id, _K.GONE)
        mark = notes.mark(key)
        if mark is None or mark.firing:
            continue
        notes.put(key, Mark(firing=True, since=notes.now))
        if notes.rule.tells(_K.GONE):
            failure = one.known.report.failure
            before = least_left(one.known.usage) if failure is None else failure.kind.value
            notes.tell(one, _K.GONE, None, before=before)


def tell_pool(notes: Notes, weights: Mapping[str, float]) -> None:
    """Tell what all accounts have left together."""
    together = pool([one.known for one in notes.here], now=notes.now, weights=weights)
    for window, share in together.windows.items():
        if not notes.rule.watches(window) or share.of <= 0:
            continue
        # A range is low where all of it is, and over where none of it is.
        upper = round(100 * share.upper / share.of, 2)
        lower = round(100 * share.lower / share.of, 2)
        key = MarkKey(0, _K.POOL_LOW, window)
        was = notes.mark(key)
        holds = upper < notes.rule.below
        edge = notes.step(key, Word(holds, holds, lower >= notes.rule.clear))
        count = len(notes.here)
        if edge is Edge.ENDS:
            if was is not None and was.told_at is not None:
                notes.tell_all(_K.POOL_LOW, count, window=window, after=lower, over=True)
        elif edge is not None:
            notes.tell_all(_K.POOL_LOW, count, window=window, after=upper)
            notes.note_told(key)
