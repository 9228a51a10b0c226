"""Moments and lengths of time as a table tells them, in one time zone and language."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from poller.present.catalogue import ENGLISH

if TYPE_CHECKING:
    from datetime import tzinfo

    from poller.present.words import Words

_WEEKDAYS = range(1, 7)
"""Days ahead that a weekday names without doubt."""
_SAME_YEAR = 300
"""Days off that a date without its year names without doubt."""
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


class Clock:
    """Tell moments as seen from ``now`` (Unix seconds); ``timezone`` None is local time."""

    def __init__(self, timezone: tzinfo | None, *, now: float, words: Words = ENGLISH) -> None:
        self._timezone = timezone
        self._words = words
        self._now = datetime.fromtimestamp(now, UTC).astimezone(timezone)
        self._today = self._now.toordinal()
        self._told: dict[int, str] = {}
        self._told_short: dict[int, str] = {}

    @property
    def zone(self) -> str:
        """The zone's IANA name, or the abbreviation that local time goes by."""
        key = getattr(self._timezone, "key", None)
        return key if isinstance(key, str) else self._now.tzname() or self._words.local_time

    @property
    def now(self) -> str:
        """Date and time of now."""
        return self._tell(self._now, self._words.date)

    def is_today(self, at: float) -> bool:
        """Tell whether the day of ``at`` is today's."""
        return self._moment(at).toordinal() == self._today

    def text(self, at: float) -> str:
        """Return ``16:04`` for today, else date and time: ``Mon 23 Nov 16:04``."""
        minute = int(at // _MINUTE_S)
        told = self._told.get(minute)
        if told is None:
            told = self._told[minute] = self._tell_full(at)
        return told

    def dated(self, at: float) -> str:
        """Return date and time, also of today."""
        return self._tell(self._moment(at), self._words.date)

    def short(self, at: float) -> str:
        """Return less of it: ``Mon 16:04`` within six days, else ``12 Dec 16:04``."""
        minute = int(at // _MINUTE_S)
        told = self._told_short.get(minute)
        if told is None:
            told = self._told_short[minute] = self._tell_short(at)
        return told

    def _tell_full(self, at: float) -> str:
        moment = self._moment(at)
        return self._tell(moment, "" if moment.toordinal() == self._today else self._words.date)

    def _tell_short(self, at: float) -> str:
        moment = self._moment(at)
        days = moment.toordinal() - self._today
        if days in _WEEKDAYS:
            return self._tell(moment, "{weekday}")
        return self._tell(moment, self._words.short_date if days else "")

    def _tell(self, moment: datetime, date: str) -> str:
        time = f"{moment.hour:02}:{moment.minute:02}"
        if not date:
            return time
        day = date.format(
            weekday=self._words.weekdays[moment.weekday()],
            day=moment.day,
            month=self._words.months[moment.month - 1],
            number=moment.month,
        )
        if abs(moment.toordinal() - self._today) > _SAME_YEAR:
            day = self._words.with_year.format(date=day, year=moment.year)
        return f"{day} {time}"

    def _moment(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, UTC).astimezone(self._timezone)


def span(seconds: float, words: Words = ENGLISH) -> str:
    """Return a length of time in its two largest units: ``58 min``, ``3 h 20 min``, ``2 d 4 h``."""
    minutes, hours, days = words.units
    if seconds < _MINUTE_S:
        return words.under_a_minute
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)}{minutes}"
    if seconds < _DAY_S:
        return _two(seconds, (_HOUR_S, hours), (_MINUTE_S, minutes))
    return _two(seconds, (_DAY_S, days), (_HOUR_S, hours))


def _two(seconds: float, large: tuple[int, str], small: tuple[int, str]) -> str:
    whole, rest = divmod(int(seconds), large[0])
    parts = rest // small[0]
    return f"{whole}{large[1]} {parts}{small[1]}" if parts else f"{whole}{large[1]}"


def rough_span(seconds: float, words: Words = ENGLISH) -> str:
    """Return a length of time in its largest unit, as people say it: ``5 days``, ``1 hour``."""
    if seconds < _MINUTE_S:
        return words.under_a_minute
    lengths_s = (_MINUTE_S, _HOUR_S, _DAY_S)
    place = max(place for place in range(3) if seconds >= lengths_s[place])
    count = int(seconds // lengths_s[place])
    return f"{count}{words.counted(words.long_units[place], count)}"
