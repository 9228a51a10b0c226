"""What the history knows of the accounts, as what judges accounts side by side takes it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.insight.standing import standing
from poller.present.catalogue import ENGLISH
from poller.values import Failure, FailureKind, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from poller.history.reading import Latest
    from poller.insight.series import Look
    from poller.insight.standing import Standing

_GONE_AFTER_S = 86_400
"""An account that was not asked for so long while others were is no longer there."""
_K = FailureKind
OF_FILES = frozenset(
    {
        *(_K.FILE_MISSING, _K.FILE_UNREADABLE, _K.FILE_INVALID),
        *(_K.NO_CREDENTIALS, _K.INVALID_TOKEN, _K.TOKEN_EXPIRED),
    }
)
"""Kinds that the file itself tells: what was recorded of them says nothing of the file now."""
_LASTING = OF_FILES | frozenset(
    {
        *(_K.LOGIN_REQUIRED, _K.REFRESH_UNKNOWN, _K.REFRESH_UNSAVED, _K.REFRESH_REFUSED),
        *(_K.UNAUTHORIZED, _K.PAYMENT_REQUIRED, _K.FORBIDDEN),
    }
)
"""Kinds that do not pass by themselves; a history keeps no more of a failure than its kind."""
_NO_LOOKS: Mapping[str, Look] = MappingProxyType({})


def standings_of(latest: Iterable[Latest]) -> list[Standing]:
    """Return how each account stood when it was seen last, without those that are gone."""
    stood = (standing_after(reports_of(one)) for one in still_there(latest))
    return [one for one in stood if one is not None]


def still_there(latest: Iterable[Latest]) -> list[Latest]:
    """Return the accounts that were seen, without those that are gone."""
    found = list(latest)
    newest = max((one.seen_at for one in found), default=0)
    return [one for one in found if one.seen_at and newest - one.seen_at < _GONE_AFTER_S]


def reports_of(stored: Latest) -> Iterator[Report]:
    """Yield the last answer, and the failure since, as reports."""
    account, failure = stored.account, stored.failure
    asked = Report(0, account.label, "", 0.0, key=account.key, machine=account.machine)
    if stored.usage is not None and stored.answered_at is not None:
        yield replace(asked, observed_at=stored.answered_at, usage=stored.usage)
    if failure is not None:
        kind = stored.failure_kind or FailureKind.HTTP_ERROR  # a newer poller's
        what, remedy = ENGLISH.sentence(kind, None)
        told = Failure(kind, what, remedy, may_work_later=kind not in _LASTING)
        yield replace(asked, observed_at=failure.until, failure=told)


def standing_after(
    reports: Iterable[Report], looks: Mapping[str, Look] = _NO_LOOKS
) -> Standing | None:
    """Return what is known after an account's reports; ``looks`` are the last, by window."""
    known: Standing | None = None
    for report in reports:
        windows = () if report.usage is None else report.usage.windows
        seen = {window.name: looks[window.name] for window in windows if window.name in looks}
        known = standing(report, known, looks=seen)
    return known
