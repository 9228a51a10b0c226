"""CSV for spreadsheets; reports as such: one row a window."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

from poller.present.record import record_of, utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.values import Report, Window

_COLUMNS = (
    *("account", "key", "plan", "ok", "usable", "window", "used_percent", "remaining_percent"),
    *("window_seconds", "reset_at", "observed_at", "error_kind"),
)
_FORMULA = (*("=", "+", "-", "@", "\t", "\r", "\n"), *("\uff1d", "\uff0b", "\uff0d", "\uff20"))
"""A spreadsheet takes a text that begins so for a formula (OWASP, CSV injection); the last four
are the first in full width."""


def heading() -> bytes:
    """Return the line of column names."""
    return lines([_COLUMNS])


def rows_of(report: Report) -> bytes:
    """Return a report's rows, UTF-8, lines ended by CRLF; one row where it has no window."""
    record = record_of(report)
    before = [record[name] for name in _COLUMNS[:5]]
    after = [record["observed_at"], report.failure and report.failure.kind.value]
    windows = report.usage.windows if report.usage is not None else ()
    return lines([*before, *_window(window), *after] for window in windows or (None,))


def _window(window: Window | None) -> list[object]:
    if window is None:
        return [None] * 5
    left, used, seconds = window.remaining_percent, window.used_percent, window.window_seconds
    return [window.name, used, left, seconds, utc(window.reset_at)]


def lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as CSV, UTF-8, lines ended by CRLF: unknown is empty, a text never a formula."""
    text = StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
