"""What the history keeps of a poll: of a report, of its record, of an exported span. Pure."""

from __future__ import annotations

from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from poller.history.runs import Run
from poller.insight.series import JITTER_S
from poller.insight.standing import USUAL_LENGTHS_S
from poller.usage.json_values import (
    mapping,
    moment_of,
    number_of,
    short_text,
    tokenless_text,
    truth,
)
from poller.usage.windows import WINDOWS_LIMIT
from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.values import Report, Usage

_LATEST_AT = 1 << 40
"""Later than this no clock has ever told."""
_STORED = {True: 1, False: 0, None: None}
"""Truths as SQLite keeps them: for each bool, sqlite3 would look for an adapter."""


class SeenWindow(NamedTuple):
    """One window of an account."""

    name: str
    window_seconds: int | None
    run: Run
    """Of used percent, with two decimals; without a reset where the window has not begun."""


class Observed(NamedTuple):
    """One account in one poll, or in the polls of an exported span."""

    label: str
    key: str | None
    plan: str | None
    machine: str | None
    since: int
    until: int
    """Unix seconds; the same for one poll."""
    windows: tuple[SeenWindow, ...] = ()
    state: Run | None = None
    """Of usable, on credits, limited by; its reset is when the account can be used again."""
    failure: Run | None = None
    """Of its kind."""


def observed(report: Report) -> Observed | None:
    """Return what is kept of a report; None where the account was not looked at."""
    failure, usage = report.failure, report.usage
    cancelled = failure is not None and failure.kind is FailureKind.CANCELLED
    if cancelled or not 0 < report.observed_at < _LATEST_AT:
        return None
    at = int(report.observed_at)
    who = report.account, report.key, None if usage is None else usage.plan, report.machine
    if failure is not None:
        return Observed(*who, at, at, failure=Run(at, at, 1, (failure.kind.value,)))
    if usage is None:
        return None
    value = _STORED[usage.usable], _STORED[usage.on_credits], usage.limited_by
    return Observed(*who, at, at, windows_of(usage, at), Run(at, at, 1, value, usage.usable_at))


def windows_of(usage: Usage, at: int) -> tuple[SeenWindow, ...]:
    """Return a usage's windows that have a figure, as seen at ``at``."""
    seen: list[SeenWindow] = []
    for window in usage.windows:
        left, length_s = window.remaining_percent, window.window_seconds
        if left is not None:
            seen.append(_window(window.name, 100 - left, at, length_s, window.reset_at))
    return tuple(seen)


def observed_in_line(line: object) -> Observed | None:
    """Return what a line of records or of an export tells, parsed; None where it is neither."""
    members = mapping(line)
    label = None if members is None else short_text(members.get("account"))
    if members is None or label is None:
        return None
    told = _Told(members, label, tokenless_text(members.get("key")))
    return _of_span(told) if "since" in members else _of_record(told)


class _Told(NamedTuple):
    members: Mapping[str, object]
    label: str
    key: str | None


def _of_span(told: _Told) -> Observed | None:
    members = told.members
    since, until = _second(members.get("since")), _second(members.get("until"))
    name, used = tokenless_text(members.get("window")), _percent(members.get("used_percent"))
    if since is None or until is None or until < since or name is None or used is None:
        return None
    polls = number_of(members.get("polls"))
    polls = 1 if polls is None else int(min(max(polls, 1), until - since + 1))
    reset_at = moment_of(members.get("reset_at"))
    seen = _window(name, used, until, USUAL_LENGTHS_S.get(name), reset_at)
    run = seen.run._replace(since=since, polls=polls)
    return Observed(told.label, told.key, None, None, since, until, (seen._replace(run=run),))


def _of_record(told: _Told) -> Observed | None:
    members = told.members
    at, error = _second(members.get("observed_at")), mapping(members.get("error"))
    kind = None if error is None else tokenless_text(error.get("kind"))
    if at is None or kind == FailureKind.CANCELLED:
        return None
    who = (
        told.label,
        told.key,
        tokenless_text(members.get("plan")),
        tokenless_text(members.get("machine")),
    )
    if kind is not None:
        return Observed(*who, at, at, failure=Run(at, at, 1, (kind,)))
    blocked_by = tokenless_text(members.get("limited_by"))
    usable, on_credits = truth(members.get("usable")), truth(members.get("on_credits"))
    value = _STORED[usable], _STORED[on_credits], blocked_by
    windows = _windows_in(mapping(members.get("windows")) or {}, at)
    usable_at = moment_of(members.get("usable_at"))
    return Observed(*who, at, at, tuple(windows), Run(at, at, 1, value, usable_at))


def _windows_in(windows: Mapping[str, object], at: int) -> list[SeenWindow]:
    seen: list[SeenWindow] = []
    for name, value in islice(windows.items(), WINDOWS_LIMIT):
        figures, shown = mapping(value) or {}, tokenless_text(name)
        used = _percent(figures.get("used_percent"))
        if used is None:
            left = _percent(figures.get("remaining_percent"))
            used = None if left is None else 100 - left
        if used is None or shown is None:
            continue
        length = number_of(figures.get("window_seconds"))
        length_s = None if length is None or not 1 <= length < _LATEST_AT else round(length)
        seen.append(_window(shown, used, at, length_s, moment_of(figures.get("reset_at"))))
    return seen


def _window(
    name: str, used: float, at: int, window_seconds: int | None, reset_at: int | None
) -> SeenWindow:
    if used % 1:
        used = round(used, 2)
    # The reset of a window that has not begun moves with every look: each would be a new run.
    if used == 0 and reset_at is not None:
        whole = window_seconds is not None and abs(reset_at - at - window_seconds) <= JITTER_S
        if whole or reset_at <= at:
            reset_at = None
    return SeenWindow(name, window_seconds, Run(at, at, 1, (used,), reset_at))


def _second(value: object) -> int | None:
    """Return whole Unix seconds, rounded down; None for a time that nobody can have seen."""
    if isinstance(value, str):
        whole, dot, _ = value.partition(".")
        return moment_of(f"{whole}Z" if dot and value.endswith("Z") else value)
    at = number_of(value)
    return int(at) if at is not None and 0 < at < _LATEST_AT else None


def _percent(value: object) -> float | None:
    used = number_of(value)
    return used if used is not None and isfinite(used) and 0 <= used <= 100 else None
