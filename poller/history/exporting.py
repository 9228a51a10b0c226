"""Spans as lines: JSON, or CSV for spreadsheets. ``importing.py`` reads both again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.present.csv import lines
from poller.present.record import line_of, utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.history.reading import StoredSpan

COLUMNS = ("account", "key", "window", "since", "until", "polls", "used_percent", "reset_at")


def json_line(span: StoredSpan) -> bytes:
    """Return a span as one line of JSON; times are ISO 8601 in UTC, as in records."""
    return line_of(_members(span))


def csv_heading() -> bytes:
    """Return the line of column names."""
    return lines([COLUMNS])


def csv_lines(spans: Iterable[StoredSpan]) -> bytes:
    """Return spans as CSV, UTF-8, lines ended by CRLF."""
    return lines(_members(span).values() for span in spans)


def _members(span: StoredSpan) -> dict[str, object]:
    return {
        "account": span.account,
        "key": span.key,
        "window": span.window,
        "since": utc(span.since),
        "until": utc(span.until),
        "polls": span.polls,
        "used_percent": span.used_percent,
        "reset_at": utc(span.reset_at),
    }
