"""One value of parsed JSON, however it is spelled; None where it is none that can be meant.

Total: nothing here raises, whatever the value.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from poller.text import masked, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_MILLISECONDS_FROM = 1e11
"""A time above this is in milliseconds; as seconds it would lie in the year 5138."""
EARLIEST_AT, LATEST_AT = 1_577_836_800, 4_133_980_799
"""2020-01-01 to 2100-12-31; a reset outside is unknown."""

ID_LENGTH = 8192
"""Characters of a token or an identifier; longer ones fit no header."""
TEXT_LENGTH = 200
"""Characters of a plan, a name or another text that is shown."""
_NUMBER_LENGTH = 40
"""Characters of a number; what is longer is nonsense, and would cost time to read."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_AMOUNT = re.compile(r"(-?)(?:[$€£¥] ?)?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)?")


def mapping(value: object) -> Mapping[str, object] | None:
    """Return a JSON object as it is, anything else as None."""
    # Ten of these an account: typing.cast would be called, too.
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def truth(value: object) -> bool | None:
    """Return true or false as it is, anything else as None."""
    return value if isinstance(value, bool) else None


def text(members: Mapping[str, object], key: str) -> str | None:
    """Return a member that is a string and not empty."""
    value = members.get(key)
    return value if isinstance(value, str) and value else None


def first_text(members: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    """Return the first of ``keys`` whose value is a string that is not empty."""
    for key in keys:
        value = members.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def short_text(value: object, length: int = TEXT_LENGTH) -> str | None:
    """Return a text that is not empty, printable, cut to so many characters."""
    if not isinstance(value, str) or not value:
        return None
    if len(value) <= length and value.isprintable():
        return value
    return printable(value[:length])[:length]


def tokenless_text(value: object, length: int = TEXT_LENGTH) -> str | None:
    """Return the same of what another program wrote, without what is shaped like a token."""
    text = short_text(value, length)
    return None if text is None else masked(text)


def number_of(value: object) -> float | None:
    """Return a finite number that came as one or as plain ASCII text; a bool is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str):  # float() alone would take 1_0, inf and digits of other scripts
        plain = len(value) <= _NUMBER_LENGTH and _NUMBER.fullmatch(value.strip())
        value = float(value) if plain else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def amount_of(value: object) -> str | None:
    """Return a sum as a decimal string: no currency sign, separators or exponent."""
    if isinstance(value, str) and len(value) <= _NUMBER_LENGTH:
        if value.isascii() and value.isdigit():
            return value
        match = _AMOUNT.fullmatch(value.strip())
        if match is not None:
            sign, whole, part = match.groups(default="")
            return f"{sign}{whole.replace(',', '')}{part}"
    number = number_of(value)
    if number is None:
        return None
    digits = str(value) if isinstance(value, int) else _digits(number)
    return digits if len(digits) <= _NUMBER_LENGTH else None


def _digits(number: float) -> str:
    digits = repr(number)
    if "e" in digits:
        digits = f"{number:.20f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def moment_of(value: object) -> int | None:
    """Return Unix seconds of a number of seconds or milliseconds, or of ISO 8601 text."""
    number = number_of(value)
    if number is not None:
        return plausible(number / 1000 if number > _MILLISECONDS_FROM else number)
    if not isinstance(value, str) or len(value) > _NUMBER_LENGTH:
        return None
    try:
        moment = datetime.fromisoformat(value.strip().upper())
        return plausible((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def plausible(at: float) -> int | None:
    """Return whole Unix seconds; None for a time that no reset can have."""
    return round(at) if EARLIEST_AT <= at <= LATEST_AT else None
