"""What a value must be, the same for a flag and for a key in a file.

A kind reads a flag's text into what TOML would have given, and accepts or refuses that;
a refusal says what was expected and what came, and leaves to the caller where it came
from. Nothing costly is imported before a value that needs it is there.
"""

from __future__ import annotations

import math
import os

from poller.settings import UsageError
from poller.settings.addresses import proxy_address, target_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeGuard

SHOWN = 60
"""Characters of a wrong value that a message shows."""

_HUGE = 10**20  # from here on a whole number is not spelled out: Python may refuse to


class ValueType:
    """What an option takes: how a flag's text is read, what is accepted, how to say so.

    ``action`` is argparse's; ``fit`` returns the value to use, or None for one that does
    not fit; ``guess`` names what may have been meant; ``names`` are all there are, where
    they can be counted.

    A plain class: the help text needs every kind, and no dataclass.
    """

    __slots__ = ("action", "expects", "fit", "guess", "metavar", "names", "read")

    def __init__(  # noqa: PLR0913 - the facts of a kind, each named where it is made
        self,
        expects: str,
        fit: Callable[[object], object],
        *,
        metavar: str = "",
        action: str = "store",
        read: Callable[[str], object] = str,
        guess: Callable[[object], str | None] = lambda _: None,
        names: tuple[str, ...] = (),
    ) -> None:
        self.expects = expects
        self.fit = fit
        self.metavar = metavar
        self.action = action
        self.read = read
        self.guess = guess
        self.names = names

    def validate(self, value: object) -> object:
        """Return the value to use; raise ``UsageError`` (without a place) for a wrong one."""
        fitting = self.fit(value)
        if fitting is not None:
            return fitting
        guess = self.guess(value)
        meant = f"; did you mean {guess!r}?" if guess else ""
        raise UsageError(f"expected {self.expects}, got {quoted(value)}{meant}")


def quoted(value: object) -> str:
    """Return ``value`` as a message may show it: short, printable, without passwords."""
    from poller.text import masked, printable

    if isinstance(value, str):
        # Cut last: a cut before it would leave half of an escape or of a password.
        return f'"{_cut(printable(masked(_without_password(value), ())))}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a huge number"
    if isinstance(value, int | float):
        return str(value)
    if is_list(value):
        return _cut(f"[{', '.join(quoted(item) for item in value[:SHOWN])}]")
    return "a table" if is_table(value) else "a date or time"


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether ``value`` is a list, of anything."""
    return isinstance(value, list)


def is_table(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether ``value`` is a TOML table."""
    return isinstance(value, dict)


def _without_password(text: str) -> str:
    before, at, after = text.rpartition("@")
    if ":" not in before:
        return text
    scheme, slashes, _ = before.partition("://")
    return f"{scheme}{slashes}***{at}{after}" if slashes else f"***{at}{after}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that ``word`` was most likely meant to be."""
    from difflib import get_close_matches

    plain = {_folded(name): name for name in names}
    close = get_close_matches(_folded(word), plain, n=1)
    return plain[close[0]] if close else None


def _folded(name: str) -> str:
    return name.lstrip("-").replace("-", "_").casefold()


def _number_in(text: str) -> object:
    if not text.isascii() or "_" in text or text != text.strip():
        return text
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def whole(low: int, high: int, *, metavar: str = "N", action: str = "store") -> ValueType:
    """Return the kind of whole numbers from ``low`` to ``high``; true and false are none."""

    def fit(value: object) -> object:
        return value if type(value) is int and low <= value <= high else None

    expects = f"a whole number from {low} to {high}"
    return ValueType(expects, fit, metavar=metavar, read=_number_in, action=action)


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _above_zero(value: object) -> object:
    number = _finite(value)
    return number if number is not None and number > 0 else None


def _percent(value: object) -> object:
    number = _finite(value)
    return number if number is not None and 0 <= number <= 100 else None


def choice(*names: str, metavar: str = "F") -> ValueType:
    """Return the kind that is one of ``names``."""
    quoted = [repr(name) for name in names]

    def fit(value: object) -> object:
        return value if value in names else None

    def guess(value: object) -> str | None:
        return nearest(value, names) if isinstance(value, str) else None

    return ValueType(
        f"{', '.join(quoted[:-1])} or {quoted[-1]}", fit, metavar=metavar, guess=guess, names=names
    )


def path_at(value: object) -> str | None:
    """Return a path, ``~`` expanded; None for what the system cannot take for one."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    return os.path.expanduser(value)


def _paths(value: object) -> object:
    listed = value if is_list(value) else [value]
    paths = [path for path in map(path_at, listed) if path is not None]
    return tuple(paths) if len(paths) == len(listed) else None


def _some_paths(value: object) -> object:
    return _paths(value) or None


def _file_there(value: object) -> object:
    path = path_at(value)
    if path is None:
        return None
    if not os.path.exists(path):
        raise UsageError(f"no such file: {quoted(value)}")
    if os.path.isdir(path):
        raise UsageError(f"expected a file, got a folder: {quoted(value)}")
    if not os.access(path, os.R_OK):
        raise UsageError(f"not readable by you: {quoted(value)}")
    return path


def _zone(value: object) -> object:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(value).key if isinstance(value, str) else None
    except (KeyError, OSError, ValueError):  # unknown; a folder of zones; no name at all
        return None


def _zone_meant(value: object) -> str | None:
    from zoneinfo import available_timezones

    if not isinstance(value, str) or value.startswith(("/", ".")):
        return None
    zones = sorted(available_timezones())
    place = value.casefold().replace(" ", "_").rpartition("/")[2]
    exact = (zone for zone in zones if zone.casefold().rpartition("/")[2] == place)
    return next(exact, None) or nearest(value, zones)


def _agent(value: object) -> object:
    if not isinstance(value, str) or not value or value != value.strip():
        return None
    return value if all(" " <= char <= "~" for char in value) else None


def _demo_count(text: str) -> object:
    number = _number_in(text)
    if isinstance(number, str):
        raise UsageError(
            f"expected how many accounts to make up, got {quoted(text)}; "
            "--demo polls made-up accounts only, leave it out to poll yours",
        )
    return number


def _switch(value: object) -> object:
    return value if isinstance(value, bool) else None


NAMES = ValueType("a name, a pattern, a path or a list of them", _paths, metavar="ACCOUNT")
FOLDERS = ValueType("a folder or a list of folders", _some_paths, metavar="DIR", action="append")
PATH = ValueType("a path", path_at, metavar="FILE")
FILE = ValueType("a file", _file_there, metavar="FILE")
MADE_UP = ValueType(
    "a number of accounts from 1 to 100000",
    whole(1, 100_000).fit,
    metavar="[N]",
    read=_demo_count,
)
TARGET = ValueType(
    "an https URL (http only for the addresses 127.x.x.x and [::1], in figures)",
    target_address,
    metavar="URL",
)
PROXY = ValueType("the http:// or https:// URL of a proxy", proxy_address, metavar="URL")
SECONDS = ValueType("a number of seconds above 0", _above_zero, metavar="S", read=_number_in)
RATE = ValueType(
    "a number of requests per second above 0", _above_zero, metavar="N", read=_number_in
)
PERCENT = ValueType("a number from 0 to 100", _percent, metavar="P", read=_number_in)
AGENT = ValueType("printable ASCII characters without blanks around them", _agent)
ZONE = ValueType(
    "an IANA time zone such as 'Europe/Berlin'", _zone, metavar="TZ", guess=_zone_meant
)
SHELL = choice("bash", "zsh", "fish", metavar="SHELL")
SWITCH = ValueType("true or false", _switch, action="store_true")
LEVEL = whole(0, 3, metavar="", action="count")
