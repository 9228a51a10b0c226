"""Records read back: what a line of JSON says of an account, as a report again."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from poller.usage.json_values import (
    mapping,
    moment_of,
    number_of,
    short_text,
    tokenless_text,
    truth,
)
from poller.usage.windows import WINDOWS_LIMIT
from poller.values import Failure, FailureKind, Report, Usage, Window

LONGEST_LINE = 1 << 24
"""Bytes; what is longer is no record."""
_LONGEST_S = 1e10
"""Of a window; longer than any calendar has."""

if TYPE_CHECKING:
    from collections.abc import Mapping


def report_in(line: object) -> Report | None:
    """Return the report of a record, parsed; None where it is none.

    Records of any version are read; what they do not say is unknown.
    """
    members = mapping(line)
    if members is None or "ok" not in members:
        return None
    account, at = short_text(members.get("account")), moment_of(members.get("observed_at"))
    if account is None or at is None:
        return None
    report = Report(
        0,
        account,
        short_text(members.get("source")) or "",
        at,
        key=tokenless_text(members.get("key")),
        machine=tokenless_text(members.get("machine")),
    )
    error = mapping(members.get("error"))
    if error is None:
        return replace(report, usage=_usage_in(members))
    return replace(report, failure=_failure_in(error))


def _failure_in(error: Mapping[str, object]) -> Failure:
    try:
        kind = FailureKind(str(error.get("kind")))
    except ValueError:  # a newer poller's
        kind = FailureKind.HTTP_ERROR
    message, hint = tokenless_text(error.get("message")), tokenless_text(error.get("hint"))
    later = error.get("retryable") is True
    return Failure(kind, message or "", hint or "", may_work_later=later)


def _usage_in(members: Mapping[str, object]) -> Usage:
    windows = mapping(members.get("windows")) or {}
    return Usage(
        plan=tokenless_text(members.get("plan")),
        usable=truth(members.get("usable")),
        limited_by=tokenless_text(members.get("limited_by")),
        usable_at=moment_of(members.get("usable_at")),
        windows=tuple(
            _window_in(name, figures)
            for name, value in islice(windows.items(), WINDOWS_LIMIT)
            if (figures := mapping(value)) is not None
        ),
        on_credits=truth(members.get("on_credits")),
    )


def _window_in(name: str, figures: Mapping[str, object]) -> Window:
    left, length = (
        number_of(figures.get("remaining_percent")),
        number_of(figures.get("window_seconds")),
    )
    return Window(
        tokenless_text(name) or "?",
        left if left is not None and 0 <= left <= 100 else None,
        round(length) if length is not None and 0 < length < _LONGEST_S else None,
        moment_of(figures.get("reset_at")),
        truth(figures.get("started")),
    )
