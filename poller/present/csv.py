"""Reports as CSV for spreadsheets: one row a window."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

from poller.present.record import record_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.values import Report

_COLUMNS = (
    *("account", "key", "plan", "ok", "usable", "window", "used_percent", "remaining_percent"),
    *("window_seconds", "reset_at", "observed_at", "error_kind"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula (OWASP, CSV injection)."""


def heading() -> bytes:
    """Return the line of column names."""
    return _lines([_COLUMNS])


def rows_of(report: Report) -> bytes:
    """Return a report's rows, UTF-8, lines ended by CRLF; one row where it has no window."""
    record = record_of(report)
    windows, error = record["windows"], record["error"]
    assert isinstance(windows, dict)  # noqa: S101 - for the type checker
    kind = error["kind"] if isinstance(error, dict) else None
    before = [record[name] for name in _COLUMNS[:5]]
    after = [record["observed_at"], kind]
    return _lines(
        [*before, name, *(window.get(key) for key in _COLUMNS[6:10]), *after]
        for name, window in (windows or {None: {}}).items()
    )


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> object:
    """Return a value as a cell: unknown is empty, a text never a formula."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
