"""The ``[[alert]]`` tables of a configuration file: rules, and how each one is told.

A hook or a webhook acts in its owner's name, so none is ever taken from a ``config.toml``
that was found in the current folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from poller.insight.alert_rules import (
    CLEAR_MARGIN,
    DEFAULT_BELOW,
    AlertKind,
    AlertRule,
    QuietHours,
)
from poller.settings import value_types as kinds
from poller.settings.quoting import is_list, is_table, nearest, quoted
from poller.settings.value_types import UsageError, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_RULES = 50
_MOST_PATTERNS, _MOST_WORDS = 1000, 100
FILLED_IN = ("{text}", "{rule}", "{event}")
"""What stands for something in the words of a command."""
_BEFORE_A_SCRIPT = re.compile("-[a-z]?c|-e")
"""Of shells and Python, and of osascript, Perl and others."""
STYLES = ("json", "ntfy", "slack", "discord")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_WORDS = tuple(kind.value for kind in AlertKind)
_CHANNELS = ("run", "url_file", "url_env")


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule, and where to send it: a command, or a URL that a file or a variable holds."""

    rule: AlertRule
    run: tuple[str, ...] = ()
    url_file: str | None = None
    url_env: str | None = None
    style: str | None = None
    """Of a webhook's body; None is ``json``, or what an Apprise URL makes of it."""

    @property
    def place(self) -> str:
        """What messages call where to send it; never the URL itself."""
        if self.run:
            return f"run {self.run[0]}"
        return f"url_file {self.url_file}" if self.url_file else f"url_env {self.url_env}"


def read_alerts(content: object) -> tuple[list[Alert], list[str]]:
    """Return the rules of the key ``alert``, and what is wrong with them, in order."""
    tables: list[object] = content if is_list(content) else []
    if not tables or not all(map(is_table, tables)):
        return [], [f"alert: write [[alert]], one table for each rule, got {quoted(content)}"]
    if len(tables) > MOST_RULES:
        return [], [f"alert: {len(tables)} rules, at most {MOST_RULES} are allowed"]
    alerts: list[Alert] = []
    mistakes: list[str] = []
    names: set[str] = set()
    for number, table in enumerate(tables, 1):
        assert is_table(table)  # noqa: S101 - all were seen to be
        reader = _AlertTable(table, number)
        alert = reader.alert()
        mistakes += reader.mistakes
        if alert is not None and alert.rule.name in names:
            mistakes.append(f"{reader.place}.name: another rule has that name")
        elif alert is not None:
            names.add(alert.rule.name)
            alerts.append(alert)
    return alerts, mistakes


class _AlertTable:
    """One table. What is wrong in it is told together."""

    def __init__(self, table: Mapping[str, object], number: int) -> None:
        self._table = table
        name = table.get("name")
        named = f" ({quoted(name)[1:-1]})" if isinstance(name, str) else ""
        self.place = f"alert {number}{named}"
        self.mistakes: list[str] = []

    def alert(self) -> Alert | None:
        """Return the rule; None where anything is wrong."""
        values = {key: self._accepted(key, value) for key, value in self._table.items()}
        self.mistakes += self._missing()
        below = values.get("below", DEFAULT_BELOW)
        clear = values.get("clear")
        if isinstance(below, float) and isinstance(clear, float) and clear < below:
            self._add("clear", f"expected {below:g} or more, the value of below; got {clear:g}")
        if self.mistakes:
            return None
        assert isinstance(below, float)  # noqa: S101 - its type says so
        values.setdefault("clear", min(below + CLEAR_MARGIN, 100.0))
        values["critical"] = values.pop("severity", "warning") == "critical"
        channel = {key: values.pop(key) for key in (*_CHANNELS, "style") if key in values}
        fields = {_FIELDS.get(key, key): value for key, value in values.items()}
        return Alert(AlertRule(**fields), **channel)  # type: ignore[arg-type] # as their types say

    def _add(self, key: str, what: str) -> None:
        self.mistakes.append(f"{self.place}.{key}: {what}")

    def _accepted(self, key: str, value: object) -> object:
        kind = _KEYS.get(key)
        if kind is None:
            self._add(quoted(key)[1:-1], _unknown(key))
            return None
        try:
            return kind.validate(value)
        except UsageError as error:
            self._add(key, str(error))
        return None

    def _missing(self) -> Iterator[str]:
        table = self._table
        if "name" not in table:
            yield f"{self.place}.name: is missing: alerts are known by it"
        given = [key for key in _CHANNELS if key in table]
        if not given:
            yield f"{self.place}: needs one of run, url_file and url_env: where to send it"
        elif len(given) > 1:
            yield f"{self.place}: has {' and '.join(given)}: leave one"
        if "style" in table and given == ["run"]:
            yield f"{self.place}.style: is for webhooks; a program reads JSON"


_NOT_HERE = "a URL is a secret: put it into a file and name that with url_file, or use url_env"


def _unknown(key: str) -> str:
    if key in ("url", "webhook"):
        return _NOT_HERE
    near = nearest(key, _KEYS)
    return f"unknown key; {f'did you mean {near!r}?' if near else 'there are ' + ', '.join(_KEYS)}"


def _texts(value: object, most: int) -> tuple[str, ...] | None:
    listed: list[object] = value if is_list(value) else [value]
    texts = [text for text in listed if isinstance(text, str) and text and "\0" not in text]
    return tuple(texts) if 0 < len(listed) == len(texts) <= most else None


def _kinds(value: object) -> object:
    listed: list[object] = value if is_list(value) else [value]
    for word in listed:
        if isinstance(word, str) and word not in _WORDS:
            near = nearest(word, _WORDS)
            meant = f"did you mean {near!r}?" if near else f"there are {', '.join(_WORDS)}"
            raise UsageError(f"unknown word {quoted(word)}; {meant}")
    words = [AlertKind(word) for word in listed if isinstance(word, str)]
    return frozenset(words) if words and len(words) == len(listed) else None


def _below(value: object) -> object:
    percent = kinds.PERCENT.fit(value)
    return percent if isinstance(percent, float) and percent > 0 else None


def _where_its_url_is(value: object, fit: Callable[[object], object]) -> object:
    """Return what ``fit`` makes of it; a URL in its place is not shown."""
    if isinstance(value, str) and "://" in value:
        raise UsageError(_NOT_HERE)
    return fit(value)


def _matched(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _remind(value: object) -> object:
    never = type(value) is int and value == 0
    return 0.0 if never or value in ("0", "0s") else kinds.DURATION.fit(value)


def _quiet(value: object) -> object:
    found = _QUIET.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    hours = [int(each) for each in found.groups()]
    quiet = QuietHours(hours[0] * 60 + hours[1], hours[2] * 60 + hours[3])
    return None if quiet.begins == quiet.ends else quiet


def _command(value: object) -> object:
    words = _texts(value, _MOST_WORDS) if is_list(value) else None
    program = kinds.path_at(words[0]) if words else None
    for option, script in zip(words or (), (words or ())[1:], strict=False):
        if _BEFORE_A_SCRIPT.fullmatch(option) and any(each in script for each in FILLED_IN):
            raise UsageError(
                "what is filled into a script would be run by it: give it a word of its own, such "
                """as ["sh", "-c", 'echo "$1"', "sh", "{text}"]"""
            )
    return (program, *words[1:]) if words and program else None


_KEYS: Mapping[str, ValueType] = {
    "name": kinds.NAME,
    "on": ValueType(f"a word or a list of words, of {', '.join(_WORDS)}", _kinds),
    "below": ValueType("a number above 0, up to 100", _below),
    "clear": ValueType("a number above 0, up to 100", _below),
    "accounts": ValueType(
        f"a name, a pattern or a list of up to {_MOST_PATTERNS}",
        lambda value: _texts(value, _MOST_PATTERNS),
    ),
    "window": kinds.WINDOW,
    "for": kinds.whole(1, 1000),
    "remind": ValueType("a time such as 30m, 2h or 1d; 0 for never", _remind),
    "severity": kinds.choice("warning", "critical"),
    "quiet": ValueType("two times of the day such as '22:00-07:00'", _quiet),
    "run": ValueType(
        'a program and its words, such as ["/usr/bin/notify-send", "{text}"]', _command
    ),
    "url_file": ValueType("a path", lambda value: _where_its_url_is(value, kinds.path_at)),
    "url_env": ValueType(
        "the name of an environment variable",
        lambda value: _where_its_url_is(value, partial(_matched, _VARIABLE)),
    ),
    "style": kinds.choice(*STYLES),
}
"""What a table may hold."""
_FIELDS = {"for": "answers", "remind": "remind_s"}
"""What the rule calls them."""
