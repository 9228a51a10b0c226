"""What changed between two states of the accounts, in the words of ``diff`` and the alerts.

A percentage that only moved is no change. Both states are compared by what is believed, so
a flapped answer is none either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from poller.insight.series import JITTER_S
from poller.insight.standing import begun, length_s
from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.insight.standing import Standing
    from poller.values import Usage, Window

LOW_PERCENT = 10.0
FLEET_SHARE, FLEET_ACCOUNTS = 0.6, 5
"""So large a share of the accounts, and at least so many of them, are the whole fleet."""

_NOISE_PERCENT = 4.0
"""As in the clean series: a level that falls by no more was corrected, unless a cycle that
begins says otherwise."""


class ChangeKind(StrEnum):
    """What can change. Before and after are remaining percent unless said."""

    EXHAUSTED = "exhausted"
    """A window, or where none is named the account, has nothing left."""
    BACK = "back"
    """It has something left again, and the account is not blocked by anything else."""
    LOW = "low"
    """Less is left than was asked for, but something."""
    RESET = "reset"
    """A new cycle after the told end of the old one."""
    EARLY_RESET = "early_reset"
    """A new cycle before it."""
    FAILED = "failed"
    """Before and after are kinds of failure; before is None where it answered."""
    RESTORED = "restored"
    """It answers again. Before is the kind of failure."""
    PLAN_CHANGED = "plan_changed"
    """Before and after are plans."""
    APPEARED = "appeared"
    """Not there before. After is remaining percent, or the kind where it failed."""
    GONE = "gone"
    """Not there any more. Before is remaining percent, or the kind where it failed."""
    FLEET_RESET = "fleet_reset"
    """Most accounts were reset early together; no single account is named."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed for one account."""

    account: str | None
    key: str | None
    change: ChangeKind
    window: str | None = None
    before: float | str | None = None
    after: float | str | None = None
    accounts: int = 1
    """How many accounts it stands for."""


def changes(
    before: Iterable[Standing], after: Iterable[Standing], *, below: float = LOW_PERCENT
) -> list[Change]:
    """Return what changed, account by account in the order of ``after``, gone ones last.

    Accounts are the same by key, else by label. ``below`` (percent left) is what low means.
    A failure changes nothing but ``failed``: figures are compared between answers.
    """
    old = list(before)
    by_key = {one.key: one for one in old if one.key}
    by_label = {one.account: one for one in old}
    came: list[Change] = []
    seen: set[str] = set()
    for new in after:
        known = by_key.get(new.key) if new.key else None
        if known is None:
            known = by_label.get(new.account)
            if known is not None and known.key and new.key:
                known = None  # another login under the same label
        if known is None:
            came.append(Change(new.account, new.key, ChangeKind.APPEARED, after=_gist(new)))
        else:
            seen.add(known.identity)
            came.extend(_compared(known, new, below))
    came.extend(
        Change(one.account, one.key, ChangeKind.GONE, before=_gist(one))
        for one in old
        if one.identity not in seen
    )
    return came


def gathered(found: Iterable[Change], *, of: int) -> list[Change]:
    """Return the changes with the early resets of a whole fleet made one ``fleet_reset``.

    ``of`` is how many accounts there are. The window is named where it is the same for all.
    """
    found = list(found)
    early = [one for one in found if one.change is ChangeKind.EARLY_RESET]
    accounts = {one.key or one.account for one in early}
    if len(accounts) < max(FLEET_ACCOUNTS, FLEET_SHARE * of):
        return found
    windows = {one.window for one in early}
    window = windows.pop() if len(windows) == 1 else None
    others = [one for one in found if one.change is not ChangeKind.EARLY_RESET]
    return [Change(None, None, ChangeKind.FLEET_RESET, window, accounts=len(accounts)), *others]


def _gist(one: Standing) -> float | str | None:
    if one.report.failure is not None:
        return one.report.failure.kind.value
    return None if one.usage is None else one.usage.remaining_percent


def _compared(old: Standing, new: Standing, below: float) -> Iterator[Change]:
    account, key = new.account, new.key or old.key
    was, now = _failure(old), _failure(new)
    if now is not None and now != was:
        yield Change(account, key, ChangeKind.FAILED, None, was, now)
    if now is None and was is not None:
        yield Change(account, key, ChangeKind.RESTORED, None, was, None)
    before, after = old.usage, new.usage
    if before is None or after is None or old.answered_at is None or new.answered_at is None:
        return
    if before.plan and after.plan and before.plan != after.plan:
        yield Change(account, key, ChangeKind.PLAN_CHANGED, None, before.plan, after.plan)
    times = old.answered_at, new.answered_at
    for kind, window, left, leaves in _window_changes(before, after, times, below):
        yield Change(account, key, kind, window, left, leaves)


def _failure(one: Standing) -> str | None:
    failure = one.report.failure
    if failure is None or failure.kind is FailureKind.CANCELLED:
        return None  # where a run was stopped, nobody asked
    return failure.kind.value


_WindowChange = tuple[ChangeKind, str | None, float | None, float | None]


def _window_changes(
    before: Usage, after: Usage, times: tuple[float, float], below: float
) -> Iterator[_WindowChange]:
    replanned = before.plan and after.plan and before.plan != after.plan
    windows = {window.name: window for window in before.windows}
    told_exhausted = told_back = False
    for new in after.windows:
        old = windows.get(new.name)
        left, leaves = old.remaining_percent if old else None, new.remaining_percent
        if old is None or left is None or leaves is None:
            continue
        # A percent of another plan is another amount.
        kind = None if replanned else _reset(old, new, times)
        if kind is not None:
            yield kind, new.name, left, leaves
        if left > 0 >= leaves:
            told_exhausted = True
            yield ChangeKind.EXHAUSTED, new.name, left, leaves
        elif left <= 0 < leaves and after.usable is not False and not after.on_credits:
            told_back = True
            yield ChangeKind.BACK, new.name, left, leaves
        elif left >= below > leaves > 0:
            yield ChangeKind.LOW, new.name, left, leaves
    # 98 percent used and blocked happens, and so does a window that is no longer reported.
    left, leaves = before.remaining_percent, after.remaining_percent
    if before.usable is not False and after.usable is False and not told_exhausted:
        yield ChangeKind.EXHAUSTED, _window_of(after), left, leaves
    back = before.usable is False and after.usable is True and not after.on_credits
    if back and not told_back:
        yield ChangeKind.BACK, _window_of(before), left, leaves


def _window_of(usage: Usage) -> str | None:
    names = {window.name for window in usage.windows}
    return usage.limited_by if usage.limited_by in names else None


def _reset(old: Window, new: Window, times: tuple[float, float]) -> ChangeKind | None:
    """Return whether a new cycle began between two answers, and whether it was told."""
    was_at, is_at = times
    left, leaves = old.remaining_percent or 0.0, new.remaining_percent or 0.0
    if left >= 100 or is_at <= was_at:
        return None  # nothing was used that could come back
    end, length = old.reset_at, length_s(new)
    goes_on = begun(new, is_at)
    starts_at = new.reset_at - length if goes_on and new.reset_at is not None and length else None
    if end is not None and is_at >= end - JITTER_S:
        # A cycle that goes on beyond its told end is still the same.
        if goes_on and (new.reset_at is None or new.reset_at <= end + JITTER_S):
            return None
        begins = starts_at is not None and starts_at >= end - JITTER_S
        return ChangeKind.RESET if not goes_on or leaves > left or begins else None
    ahead = new.reset_at is not None and new.reset_at > is_at
    moved = ahead and (end is None or abs((new.reset_at or 0) - end) > JITTER_S)
    begins = starts_at is not None and starts_at >= was_at - JITTER_S
    if leaves - left <= _NOISE_PERCENT:
        began = moved and begins and left < leaves < 100
    else:
        began = not goes_on or (moved and (begins or end is not None))
    if not began:
        return None
    return ChangeKind.RESET if end is None else ChangeKind.EARLY_RESET
