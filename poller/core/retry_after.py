"""Read ``Retry-After`` in all its forms."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.core.model import Response

_DIGITS = 9
"""More digits than any wait has; what is longer is nonsense, as endless digits are."""


def retry_after(response: Response, *, now: float) -> float | None:
    """Return the seconds the upstream asks to wait; None where it asks none that makes sense.

    A date is measured against the answer's own ``Date``, as the local clock may be off;
    ``now`` (Unix seconds) stands in where there is none. Zero and the past ask nothing.
    """
    said = (response.header("retry-after") or "").strip()
    if not said:
        return None
    if said.isascii() and said.isdigit():
        seconds = float(said) if len(said) <= _DIGITS else 0.0
    else:
        asked_at = http_date(said)
        sent_at = http_date(response.header("date") or "")
        seconds = 0.0 if asked_at is None else asked_at - (now if sent_at is None else sent_at)
    return seconds if seconds > 0 else None


def http_date(text: str) -> float | None:
    """Return the Unix seconds of an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
