"""The time zone that people are told times in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo


def zone_of(name: str | None, environ: Mapping[str, str]) -> tzinfo | None:
    """Return a time zone by its IANA name, else the environment's; None means local time.

    ``TZ`` is looked up here, as the system falls back to UTC without a word where it has
    no zone files; the zones of the package ``tzdata`` will do.
    """
    from zoneinfo import ZoneInfo

    if name is not None:
        return ZoneInfo(name)
    try:
        return ZoneInfo(environ["TZ"].removeprefix(":"))
    except (KeyError, ValueError, OSError):  # not set, not a name, or an unknown one
        return None
