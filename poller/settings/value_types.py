"""What a value must be, the same for a flag and for a key in a file.

A value type reads a flag's text into what TOML would have given, then accepts or refuses
that. A refusal says what was expected and what came; the caller adds where it came from.
Nothing costly is imported before a value needs it: the help loads this module.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORTEST_S, _LONGEST_S = 0.001, 3650 * 86_400.0
_SLOWEST, _FASTEST = 0.001, 1_000_000.0
"""Requests per second: one in 17 minutes, and more than any machine sends."""
_SHOWN_WINDOWS = {"5h": "five_hour", "week": "weekly", "month": "monthly"}
_WINDOW = r"(?:five_hour|weekly|monthly|[1-9]\d{0,8}[smhd])(?:_\d{1,2})?"
_NAME_LENGTH = 64
_PART_LENGTH = 40
_PART_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_HEAVIEST = 1000.0
HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")


class UsageError(Exception):
    """What was asked for cannot be done: nothing is polled, exit code 64.

    The message is for a person: what, where, what to do instead. It may have several
    lines, one for each mistake. It holds no secret and no control characters.
    """


class ValueType:
    """What an option takes: how a flag's text is read, what is accepted, how to say so.

    ``action`` is argparse's (``append``: may be repeated); ``fit`` returns the value to
    use, or None for one that does not fit; ``guess`` names what may have been meant;
    ``names`` are all there are, where they can be counted.

    A plain class, as ``Option``: the help needs it, and dataclasses take as long to load
    as all of the help.
    """

    __slots__ = ("action", "expects", "fit", "guess", "metavar", "names", "read")

    def __init__(  # noqa: PLR0913 - each is named where a type is made
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

    @property
    def is_optional(self) -> bool:
        """Whether the value may be left out on the command line, as in ``--demo [N]``."""
        return self.metavar.startswith("[")

    def validate(self, value: object) -> object:
        """Return the value to use; raise ``UsageError`` (without a place) for a wrong one."""
        fitting = self.fit(value)
        if fitting is not None:
            return fitting
        from poller.settings.quoting import quoted

        guess = self.guess(value)
        meant = f"; did you mean {guess!r}?" if guess else ""
        raise UsageError(f"expected {self.expects}, got {quoted(value)}{meant}")


def _number_in(text: str) -> object:
    """Return the number that ``text`` is, else ``text`` itself."""
    if not text.isascii() or "_" in text or text != text.strip():
        return text
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def whole(low: int, high: int, *, metavar: str = "N", action: str = "store") -> ValueType:
    """Return the type of whole numbers from ``low`` to ``high``; true and false are not numbers."""

    def fit(value: object) -> object:
        return value if type(value) is int and low <= value <= high else None

    expects = f"a whole number from {low} to {high}"
    return ValueType(expects, fit, metavar=metavar, read=_number_in, action=action)


def choice(*names: str, metavar: str = "F") -> ValueType:
    """Return the type of values that are one of ``names``."""
    listed = [repr(name) for name in names]

    def fit(value: object) -> object:
        return value if value in names else None

    def guess(value: object) -> str | None:
        from poller.settings.quoting import nearest

        return nearest(value, names) if isinstance(value, str) else None

    return ValueType(
        f"{', '.join(listed[:-1])} or {listed[-1]}", fit, metavar=metavar, guess=guess, names=names
    )


def _between(value: object, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if low <= number <= high else None  # NaN is in no range


def _rate(value: object) -> object:
    return _between(value, _SLOWEST, _FASTEST)


def _percent(value: object) -> object:
    return _between(value, 0, 100)


def _duration(value: object) -> object:
    """Return seconds: of a number, or of text such as ``90s``, ``5m``, ``2h``, ``7d``."""
    if isinstance(value, str):
        scale = _SECONDS_IN.get(value[-1:])
        number = _number_in(value if scale is None else value[:-1])
        if not isinstance(number, int | float):
            return None
        value = number * (scale or 1)
    return _between(value, _SHORTEST_S, _LONGEST_S)


def _interval(value: object) -> object:
    return value if value == "auto" else _duration(value)


def _speed(value: object) -> object:
    return _between(value, 1, _FASTEST)


def path_at(value: object) -> str | None:
    """Return a path, ``~`` expanded; None for what the system cannot take for one."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    return os.path.expanduser(value)


def _new_file(value: object) -> object:
    if value == "-":
        raise UsageError("leave it out for standard output, or write ./- for a file of that name")
    return path_at(value)


def _paths(value: object) -> tuple[str, ...] | None:
    from poller.settings.quoting import is_list

    listed = value if is_list(value) else [value]
    paths = [path for path in map(path_at, listed) if path is not None]
    return tuple(paths) if len(paths) == len(listed) else None


def _folders(value: object) -> object:
    return _paths(value) or None


def _folders_here(value: object) -> object:
    folders = _paths(value) or ()
    try:
        here = os.path.realpath(os.getcwd())
        inside = all(os.path.commonpath((here, os.path.realpath(path))) == here for path in folders)
    except (OSError, ValueError):  # the current folder is gone; another drive
        return None
    return folders if folders and inside else None


def _file_there(value: object) -> object:
    path = path_at(value)
    if path is None:
        return None
    from poller.settings.quoting import quoted

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
    # Unknown; a folder of zones; no name at all. Each part of a name is looked for as a package.
    except (KeyError, OSError, ValueError, RecursionError):
        return None


def _zone_meant(value: object) -> str | None:
    from poller.settings.zones import zone_meant

    return zone_meant(value) if isinstance(value, str) else None


def _user_agent(value: object) -> object:
    if not isinstance(value, str) or not value or value != value.strip():
        return None
    return value if all(" " <= char <= "~" for char in value) else None


def _name(value: object) -> object:
    if not isinstance(value, str) or not value or value != value.strip():
        return None
    return value if value.isprintable() and len(value) <= _NAME_LENGTH else None


def _window(value: object) -> object:
    """Return a window's name; tables call the usual ones by shorter names."""
    if not isinstance(value, str):
        return None
    import re

    name = _SHOWN_WINDOWS.get(value, value)
    return name if re.fullmatch(_WINDOW, name, re.ASCII) else None


def _window_meant(value: object) -> str | None:
    from poller.settings.quoting import nearest

    return nearest(value, _SHOWN_WINDOWS.values()) if isinstance(value, str) else None


def _hosts(value: object) -> object:
    from poller.settings.quoting import is_list

    listed = value if is_list(value) else [value]
    names = tuple(str(name).lower() for name in listed if isinstance(name, str) and name)
    fitting = all(HOST_CHARACTERS.issuperset(name) for name in names)
    return names if fitting and len(names) == len(listed) else None


def _demo_count(text: str) -> object:
    number = _number_in(text)
    if isinstance(number, str):
        from poller.settings.quoting import quoted

        raise UsageError(
            f"expected how many accounts to make up, got {quoted(text)}; "
            "--demo polls made-up accounts only, leave it out to poll yours",
        )
    return number


def _part(value: object) -> object:
    fits = isinstance(value, str) and 0 < len(value) <= _PART_LENGTH
    return value if fits and _PART_CHARACTERS.issuperset(str(value)) else None


def _parts(value: object) -> object:
    from poller.settings.quoting import is_list

    listed = value if is_list(value) else [value]
    names = tuple(name for name in map(_part, listed) if isinstance(name, str))
    return names if len(names) == len(listed) == len(set(names)) else None


def _weights(value: object) -> object:
    """Return a mapping of plans to weights."""
    from poller.settings.quoting import is_table, quoted

    if not is_table(value):
        return None
    weights = {plan: _between(weight, 0, _HEAVIEST) for plan, weight in value.items()}
    for plan, weight in weights.items():
        if weight is None:
            raise UsageError(
                f"{quoted(plan)}: expected a number from 0 to {_HEAVIEST:g}, "
                f"got {quoted(value[plan])}"
            )
    return weights


def _switch(value: object) -> object:
    return value if isinstance(value, bool) else None


NAMES = ValueType(
    "a name, a pattern, a path or a list of them", _paths, metavar="ACCOUNT", action="append"
)
FOLDERS = ValueType("a folder or a list of folders", _folders, metavar="DIR", action="append")
FOLDERS_HERE = ValueType("folders inside the current one", _folders_here)
HOSTS = ValueType(
    "a host name without a port, or a list of them", _hosts, metavar="NAME", action="append"
)
PATH = ValueType("a path", path_at, metavar="FILE")
NEW_FILE = ValueType("a path", _new_file, metavar="FILE")
FILE = ValueType("a file", _file_there, metavar="FILE")
MADE_UP = ValueType(
    "a number of accounts from 1 to 100000",
    whole(1, 100_000).fit,
    metavar="[N]",
    read=_demo_count,
)
DURATION = ValueType(
    "a time from 0.001s to 3650d, such as 90, 90s, 5m, 2h or 7d",
    _duration,
    metavar="D",
    read=_number_in,
)
INTERVAL = ValueType(
    "auto, or a time such as 90, 90s, 5m, 2h or 7d", _interval, metavar="D", read=_number_in
)
BUDGET = ValueType(
    "a number of requests an hour from 0.001 to 1000000", _rate, metavar="N", read=_number_in
)
SPEED = ValueType("a number from 1 to 1000000", _speed, metavar="N", read=_number_in)
RATE = ValueType(
    "a number of requests per second from 0.001 to 1000000", _rate, metavar="N", read=_number_in
)
PERCENT = ValueType("a number from 0 to 100", _percent, metavar="P", read=_number_in)
USER_AGENT = ValueType("printable ASCII characters without spaces around them", _user_agent)
NAME = ValueType(
    f"1 to {_NAME_LENGTH} printable characters without spaces around them", _name, metavar="NAME"
)
WINDOW = ValueType(
    "'five_hour', 'weekly', 'monthly', or a length such as '1h' or '15m'",
    _window,
    metavar="NAME",
    guess=_window_meant,
)
PART = ValueType(
    f"1 to {_PART_LENGTH} letters, digits, - and _",
    _part,
    metavar="NAME",
)
PARTS = ValueType(
    f"names of 1 to {_PART_LENGTH} letters, digits, - and _, each once",
    _parts,
    metavar="NAME",
    action="extend",
)
SHARED = ValueType(
    "a folder, or a name for it and the folder: team=/srv/accounts",
    _paths,
    metavar="DIR",
    action="append",
)
ZONE = ValueType(
    "an IANA time zone such as 'Europe/Berlin'", _zone, metavar="TZ", guess=_zone_meant
)
SWITCH = ValueType("true or false", _switch, action="store_true")
WEIGHTS = ValueType("a table of plans and numbers from 0 to 1000, such as plus = 1", _weights)
LEVEL = whole(0, 3, metavar="", action="count")
