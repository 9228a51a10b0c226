"""Moments as a table tells them: short, in one time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = range(1, 7)
"""Days ahead that a weekday names without doubt."""
_SAME_YEAR = 300
"""Days off that a date without its year names without doubt."""
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


class Clock:
    """Tell moments as seen from ``now`` (Unix seconds); ``timezone`` None is local time.

    Names of days and months are English whatever the locale, as all the rest is.
    """

    def __init__(self, timezone: tzinfo | None, *, now: float) -> None:
        self._timezone = timezone
        self._now = datetime.fromtimestamp(now, UTC).astimezone(timezone)
        self._today = self._now.toordinal()
        self._told: dict[int, str] = {}

    @property
    def zone(self) -> str:
        """The zone's IANA name, or the abbreviation that local time goes by."""
        key = getattr(self._timezone, "key", None)
        return key if isinstance(key, str) else self._now.tzname() or "local time"

    def text(self, at: float) -> str:
        """Return ``16:04`` today, ``Mon 16:04`` within six days, else ``12 Dec``."""
        minute = int(at // _MINUTE_S)
        told = self._told.get(minute)
        if told is None:
            told = self._told[minute] = self._tell(at)
        return told

    def _tell(self, at: float) -> str:
        moment = datetime.fromtimestamp(at, UTC).astimezone(self._timezone)
        days = moment.toordinal() - self._today
        time = f"{moment.hour:02}:{moment.minute:02}"
        if days == 0:
            return time
        if days in _WEEKDAYS:
            return f"{_DAYS[moment.weekday()]} {time}"
        if abs(days) > _SAME_YEAR:
            return f"{_MONTHS[moment.month - 1]} {moment.year}"
        return f"{moment.day} {_MONTHS[moment.month - 1]}"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: ``58 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if seconds < _MINUTE_S:
        return "less than a minute"
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)} min"
    if seconds < _DAY_S:
        return _two(seconds, (_HOUR_S, "h"), (_MINUTE_S, "min"))
    return _two(seconds, (_DAY_S, "d"), (_HOUR_S, "h"))


def _two(seconds: float, large: tuple[int, str], small: tuple[int, str]) -> str:
    whole, rest = divmod(int(seconds), large[0])
    parts = rest // small[0]
    return f"{whole} {large[1]} {parts} {small[1]}" if parts else f"{whole} {large[1]}"
