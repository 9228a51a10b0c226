"""Read ``Retry-After`` in all its forms."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.values import Response

_DIGITS = 9
"""More digits than any wait has; what is longer is nonsense, as endless digits are."""


def retry_after(response: Response, *, now: float) -> float | None:
    """Return the seconds the upstream asks to wait; None where it asks for no sensible wait.

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
    """Return the Unix seconds of an HTTP date, in any of its three forms; None where it is not one.

    All are in UTC by definition (RFC 9110, section 5.6.7), also where they name no zone.
    """
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
