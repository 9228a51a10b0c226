"""Flags over files over defaults, and which options exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from poller.settings.addresses import NO_NATS, Address
from poller.settings.file import find, own_file_shown, read
from poller.settings.model import Settings
from poller.settings.options import every_option, key_path
from poller.settings.options.option import CONNECTED
from poller.settings.quoting import quoted
from poller.settings.value_types import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poller.settings.file import Source

_WITHOUT_RAW = ("table", "csv", "prometheus")
"""What only a single round can be written as."""

_OVERRULED = {
    "accounts": ("files_from", "demo"),
    "files_from": ("accounts", "demo"),
    "account_dirs": ("demo",),
    "demo": ("accounts", "account_dirs", "files_from", "history_file", "record", "nats"),
    "quiet": ("verbose",),
    "verbose": ("quiet",),
}
"""What else an option answers: a file's value of these is dropped where it is set above."""
_OF_REAL_ACCOUNTS = ("accounts", "account_dirs", "files_from", "nats")


SHORTEST_INTERVAL_S = 60.0
"""Between two requests for one account, but on loopback."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings of a run, and what ``-v`` says about them."""

    settings: Settings
    notes: tuple[str, ...] = ()
    """One sentence for each configuration file that was read."""


def resolve(
    flags: Mapping[str, object], *, config: str | None = None, command: str = "poll"
) -> Resolved:
    """Return the settings of a run.

    ``flags`` are accepted values by field of ``Settings``. ``config`` is the file that was
    named; without one, the user's own is read and ``config.toml`` here over it. What a
    file sets that means nothing to ``command`` is left out.

    Raises:
        UsageError: for a wrong file, and for options that exclude each other.
    """
    layers = [(source, read(source)) for source in find(config)]
    in_force: dict[str, object] = {}
    for layer in (*(values for _, values in layers), flags):
        in_force = {**_without_overruled(in_force, layer), **layer}
    values: dict[str, Any] = dict(in_force)
    if values.get("demo"):
        asked = {name: flags[name] for name in flags if (command, name) != ("history", "accounts")}
        _check_demo(asked, records_into=values.get("history_file"))
        values["proxy"] = None  # made-up accounts never leave this machine
    if values.get("nats") == NO_NATS or command not in CONNECTED:
        values.pop("nats", None)
    if values.get("format") not in _formats_of(command):
        values["format"] = "auto"
    settings = Settings(**values)
    place = _Places(flags, layers)
    _check_raw(settings, place)
    if flags.get("refresh_codex_home") and not settings.refresh:
        raise UsageError("--refresh-codex-home: does nothing without --refresh: give both")
    if "demo_speed" in flags and settings.demo is None:
        raise UsageError("--demo-speed: does nothing without --demo: give both")
    check_proxy(settings, place)
    check_every(settings, place)
    if command != "agent":
        _check_collecting(settings, flags)
    if "evaluate_alerts" in flags:
        _check_alerts(settings)
    return Resolved(settings, tuple(_notes(in_force, place, layers)))


def _formats_of(command: str) -> tuple[str, ...]:
    option = next(option for option in every_option() if option.field == "format")
    return option.of(command).kind.names


class NamesFields(Protocol):
    """Says what a field of the settings is called, and where its value came from."""

    def __getitem__(self, field: str) -> str:
        """Return it for one field."""
        ...


class _Places:
    """Where each value came from, as messages call it."""

    def __init__(
        self, flags: Mapping[str, object], layers: Sequence[tuple[Source, dict[str, object]]]
    ) -> None:
        self._flags = flags
        self._layers = layers

    def file_of(self, field: str) -> Source | None:
        """Return the file that decided; None where a flag or a default did."""
        if field in self._flags:
            return None
        deciding = (source for source, values in reversed(self._layers) if field in values)
        return next(deciding, None)

    def __getitem__(self, field: str) -> str:
        option = next(option for option in every_option() if option.field == field)
        source = self.file_of(field)
        return option.place if source is None else f"{source.shown}: {key_path(option)}"


def _notes(
    in_force: Mapping[str, object],
    place: _Places,
    layers: Sequence[tuple[Source, dict[str, object]]],
) -> list[str]:
    notes: list[str] = []
    for source, _ in layers:
        keys = [
            key_path(option)
            for option in every_option()
            if option.field in in_force and place.file_of(option.field) is source
        ]
        if in_force.get("alerts") and place.file_of("alerts") is source:
            keys.append("[[alert]]")
        notes.append(f"{source.shown}: in force: {', '.join(keys) or 'nothing'}")
    return notes


def _without_overruled(
    lower: Mapping[str, object], upper: Mapping[str, object]
) -> dict[str, object]:
    overruled = {field for each in upper for field in _OVERRULED.get(each, ())}
    return {field: value for field, value in lower.items() if field not in overruled}


def _check_demo(flags: Mapping[str, object], *, records_into: object) -> None:
    if "demo" in flags:
        for option in every_option():
            if option.field in _OF_REAL_ACCOUNTS and option.field in flags:
                raise UsageError(
                    f"--demo polls made-up accounts only: leave out --demo, or {option.place}",
                )
    if "record" in flags and records_into is None:
        raise UsageError(
            "--record: made-up accounts are never recorded among yours: name a file with --history"
        )


def _check_raw(settings: Settings, place: _Places) -> None:
    if settings.format not in _WITHOUT_RAW:
        return
    for field, asked in (
        ("raw_json", settings.raw_json),
        ("raw_headers", settings.raw_headers),
    ):
        if asked:
            raise UsageError(
                f"{place[field]}: does not fit into a table: leave it out, or ask for "
                f"--format jsonl ({settings.format} comes from {place['format']})",
            )


def _check_collecting(settings: Settings, flags: Mapping[str, object]) -> None:
    """Refuse what has no meaning without agents, and what only an agent can do."""
    if settings.nats is None:
        for field in ("creds", "nats_ca", "shared", "agents"):
            if field in flags:
                flag = next(each.place for each in every_option() if each.field == field)
                raise UsageError(f"{flag}: does nothing without --nats: give both")
        return
    if flags.get("refresh"):
        raise UsageError("--refresh: belongs to the agent that has the file: set it there")
    if settings.shared is not None and len(settings.shared) > 1:
        raise UsageError("--shared: only an agent may have several shared folders: give one")
    if "account_dirs" in flags:
        raise UsageError(
            "--account-dir: with --nats, the folders are the agents'; one that all machines have "
            "is named with --shared DIR; --nats none asks on this machine"
        )
    if (settings.raw_json or settings.raw_headers) and not settings.show_identity:
        raise UsageError(
            "--raw-json, --raw-headers: an answer names its account, and leaves an agent only "
            "with --show-identity there and here"
        )


def check_proxy(settings: Settings, place: NamesFields) -> None:
    """Refuse a proxy that would see the tokens; ``place`` says where a value came from."""
    if settings.proxy is None or settings.chatgpt_url.startswith("https:"):
        return
    if not Address(settings.proxy).is_loopback:
        raise UsageError(
            f"{place['proxy']}: the proxy would see your tokens, as chatgpt_url is http: "
            f"{quoted(settings.chatgpt_url)}; leave the proxy out, or ask over https",
        )


def check_every(settings: Settings, place: NamesFields) -> None:
    """Refuse to ask too often; likewise."""
    every, url = settings.every, Address(settings.chatgpt_url)
    if isinstance(every, str) or every >= SHORTEST_INTERVAL_S:
        return
    if settings.demo is None and not url.is_loopback:
        raise UsageError(
            f"{place['every']}: expected auto, or {SHORTEST_INTERVAL_S:g} s or more, got "
            f"{every:g} s: asking more often gains nothing and may get you rate-limited",
        )


def _check_alerts(settings: Settings) -> None:
    if not settings.record and settings.history_file is None:
        raise UsageError(
            "--alerts: what was sent before is kept in the history: "
            "give --record or --history FILE as well"
        )
    if not settings.alerts:
        raise UsageError(
            "--alerts: there are no rules: add an [[alert]] table to "
            f"{own_file_shown()}, or name their file with --config FILE"
        )
