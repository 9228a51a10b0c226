"""Flags over the file over the defaults, and what does not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poller.settings import UsageError
from poller.settings.addresses import Address
from poller.settings.file import find, read
from poller.settings.model import Settings
from poller.settings.options import every_option, key_path
from poller.settings.value_types import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.settings.file import Source


def resolve(flags: Mapping[str, object], *, config: str | None = None) -> Settings:
    """Return the settings of a run.

    ``flags`` are accepted values by field of ``Settings``; ``config`` is the file that was
    named, without one the first of ``config.toml`` here and the user's own is read.

    Raises:
        UsageError: for a wrong file, and for options that do not go together.
    """
    source = find(config)
    filed = _not_overruled(read(source) if source else {}, flags)
    values: dict[str, Any] = {**filed, **flags}
    if values.get("demo"):
        _check_demo(flags)
        values["proxy"] = None  # made-up accounts never leave this machine
    settings = Settings(**values)
    place = _Places(flags, source)
    _check_raw(settings, place)
    if flags.get("refresh_codex_home") and not settings.refresh:
        raise UsageError("--refresh-codex-home: does nothing without --refresh: say both")
    _check_proxy(settings, place)
    return settings


class _Places:
    """Where each value came from, as messages call it."""

    def __init__(self, flags: Mapping[str, object], source: Source | None) -> None:
        self._flags = flags
        self._path = source.shown if source else ""

    def __getitem__(self, field: str) -> str:
        option = next(option for option in every_option() if option.field == field)
        return option.place if field in self._flags else f"{self._path}: {key_path(option)}"


_OVERRULED = {
    "accounts": ("files_from", "demo"),
    "files_from": ("accounts", "demo"),
    "account_dirs": ("demo",),
    "demo": ("accounts", "account_dirs", "files_from"),
    "quiet": ("verbose",),
    "verbose": ("quiet",),
}
"""What a flag says about the same question as another option: the file's is then left."""


def _not_overruled(filed: dict[str, object], flags: Mapping[str, object]) -> dict[str, object]:
    overruled = {field for flag in flags for field in _OVERRULED.get(flag, ())}
    return {field: value for field, value in filed.items() if field not in overruled}


def _check_demo(flags: Mapping[str, object]) -> None:
    if "demo" not in flags:
        return
    for option in every_option():
        if option.field in _OVERRULED["demo"] and option.field in flags:
            raise UsageError(
                f"--demo polls made-up accounts only: leave out --demo, or {option.place}",
            )


def _check_raw(settings: Settings, place: _Places) -> None:
    if settings.format != "table":
        return
    for field, asked in (
        ("raw_json", settings.raw_json),
        ("raw_headers", settings.raw_headers),
    ):
        if asked:
            raise UsageError(
                f"{place[field]}: does not fit into a table: leave it out, "
                f"or ask for --format jsonl (table comes from {place['format']})",
            )


def _check_proxy(settings: Settings, place: _Places) -> None:
    if settings.proxy is None or settings.chatgpt_url.lower().startswith("https:"):
        return
    if not Address(settings.proxy).is_loopback:
        raise UsageError(
            f"{place['proxy']}: the proxy would see your tokens, as chatgpt_url is http: "
            f"{quoted(settings.chatgpt_url)}; leave the proxy out, or ask over https",
        )
