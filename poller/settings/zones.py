"""Which time zone an unknown name may stand for."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from poller.settings.quoting import nearest

_ZONE_OF = {
    name: zone
    for zone, names in {
        "Africa/Johannesburg": "sast",
        "Africa/Lagos": "wat",
        "Africa/Nairobi": "eat",
        "America/Anchorage": "akst akdt",
        "America/Argentina/Buenos_Aires": "art",
        "America/Chicago": "cdt",
        "America/Denver": "mdt",
        "America/Halifax": "adt ast",
        "America/Los_Angeles": "pst pdt pt san_francisco seattle",
        "America/New_York": "edt et boston washington",
        "America/Sao_Paulo": "brt",
        "America/St_Johns": "nst ndt",
        "Asia/Bangkok": "ict",
        "Asia/Dubai": "gst",
        "Asia/Hong_Kong": "hkt",
        "Asia/Jakarta": "wib",
        "Asia/Karachi": "pkt",
        "Asia/Kolkata": "ist mumbai delhi new_delhi bangalore bengaluru",
        "Asia/Manila": "pht",
        "Asia/Seoul": "kst",
        # US Central writes CST as well, and more people live by China's.
        "Asia/Shanghai": "cst beijing shenzhen guangzhou hangzhou",
        "Asia/Singapore": "sgt",
        "Asia/Tokyo": "jst",
        "Australia/Adelaide": "acst acdt",
        "Australia/Perth": "awst",
        "Australia/Sydney": "aest aedt",
        "Europe/Athens": "eest",
        "Europe/Berlin": "cest munich hamburg frankfurt cologne",
        "Europe/Lisbon": "west",
        "Europe/London": "bst",
        "Europe/Moscow": "msk",
        "Pacific/Auckland": "nzst nzdt",
    }.items()
    for name in names.split()
}
"""Abbreviations and cities in use that the IANA database does not know."""

_OFFSET = re.compile(r"(?:utc|gmt)?([+-])(\d\d?)(?::?00)?", re.ASCII)
_CHINA = ("+", 8)


def zone_meant(value: str) -> str | None:
    """Return the IANA zone that ``value`` most likely stands for, or None."""
    if value.startswith(("/", ".")):
        return None
    known = available_timezones()
    place = value.casefold().replace(" ", "_")
    if offset := _OFFSET.fullmatch(place):
        return _zone_at(offset[1], int(offset[2]), known)
    place = place.rpartition("/")[2]
    if place in _ZONE_OF:
        return _ZONE_OF[place]
    zones = sorted(known)
    exact = (zone for zone in zones if zone.casefold().rpartition("/")[2] == place)
    return next(exact, None) or nearest(value, zones)


def _zone_at(sign: str, hours: int, known: set[str]) -> str | None:
    """Return a zone so many hours from UTC; POSIX counts the other way round."""
    if (sign, hours) == _CHINA:
        return "Asia/Shanghai"
    zone = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
    return zone if zone in known else None
