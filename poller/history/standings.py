"""What the history knows of the accounts, as what judges accounts side by side takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.insight.standing import Standing
from poller.values import Failure, FailureKind, Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.history.reading import Latest

_GONE_AFTER_S = 86_400
"""An account that was not asked for so long while others were is no longer there."""


def standings_of(latest: Iterable[Latest]) -> list[Standing]:
    """Return how each account stood when it was seen last, without those that are gone."""
    found = list(latest)
    newest = max((one.account.last_seen for one in found), default=0)
    return [_standing(one) for one in found if newest - one.account.last_seen < _GONE_AFTER_S]


def _standing(one: Latest) -> Standing:
    account, failure = one.account, None
    if one.failure is not None:
        kind = one.failure_kind or FailureKind.HTTP_ERROR  # a newer poller's
        failure = Failure(kind, "no answer", "poll again")
    at = one.failure.until if one.failure is not None else one.answered_at or 0
    usage = one.usage if failure is None else None
    report = Report(0, account.label, "", at, usage, failure, key=account.key)
    return Standing(report, account.key, one.usage, one.answered_at)
