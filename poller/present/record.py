"""Spell a :class:`Report` as the JSON record that scripts read.

Every key is in every record; what is not known is ``null``, never 0. Nothing here
raises, whatever a report holds: one odd answer must not cost the other accounts theirs.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import orjson

from poller.text import printable
from poller.values import SCHEMA_VERSION, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.values import (
        Credits,
        Failure,
        Forecast,
        Limit,
        Report,
        SpendLimit,
        Window,
    )

_NOTHING = Usage()
_LONGEST_S = 2.0**53
"""Beyond it a number of JSON is not exact; only a clock gone mad is so far from a reset."""
_EPOCH = date(1970, 1, 1).toordinal()
_TWO = tuple(f"{number:02d}" for number in range(60))


def record_of(
    report: Report,
    *,
    show_identity: bool = False,
    raw_json: bool = False,
    raw_headers: bool = False,
) -> dict[str, object]:
    """Return a report's record, ready for JSON; ``record.schema.json`` describes it.

    ``raw_json`` and ``raw_headers`` add the answer, as far as the report kept it.
    """
    usage = report.usage or _NOTHING
    record: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "account": report.account,
        "source": report.source,
        "ok": report.failure is None,
        "observed_at": _milliseconds(report.observed_at),
        "plan": usage.plan,
        "usable": usage.usable,
        "limited_by": usage.limited_by,
        "usable_at": utc(usage.usable_at),
        "remaining_percent": usage.remaining_percent,
        "windows": _windows(usage.windows),
        "extra_limits": [_limit(limit) for limit in usage.extra_limits],
        "credits": _credits(usage.credits),
        "spend_limit": _spend_limit(usage.spend_limit),
        "reset_credits": usage.reset_credits,
        "error": error_of(report.failure),
        "http_status": report.http_status,
        "attempts": report.attempts,
        "refreshed": report.refreshed,
        "elapsed_s": None if report.elapsed_s is None else round(report.elapsed_s, 3),
        "key": report.key,
        "machine": report.machine,
        "on_credits": usage.on_credits,
        "next_reset": _next_reset(usage.windows, report.observed_at),
        "forecast": None if report.forecast is None else _forecasts(report.forecast),
    }
    if report.round is not None:
        record["round"] = report.round
    if show_identity:
        record["email"] = report.identity.email
        record["user_id"] = report.identity.user_id
        record["account_id"] = report.identity.account_id
    if raw_json:
        record["raw"] = report.raw
    if raw_headers:
        record["headers"] = report.headers
    return record


def serialize(
    report: Report,
    *,
    show_identity: bool = False,
    raw_json: bool = False,
    raw_headers: bool = False,
    indent: bool = False,
) -> bytes:
    """Return the record as UTF-8 with a newline at its end: one line, or indented.

    Whatever could steer a terminal is spelled as a JSON escape, so nothing is lost.
    """
    record = record_of(
        report, show_identity=show_identity, raw_json=raw_json, raw_headers=raw_headers
    )
    return line_of(record, indent=indent)


def line_of(record: dict[str, object], *, indent: bool = False) -> bytes:
    """Return any record as :func:`serialize` spells it."""
    options = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        line = orjson.dumps(record, option=options)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        line = orjson.dumps(_sound(record), option=options)
    return line if line.isascii() and b"\x7f" not in line else _harmless(line)


# Figures


def _windows(windows: tuple[Window, ...]) -> dict[str, object]:
    return {
        window.name: {
            "used_percent": window.used_percent,
            "remaining_percent": window.remaining_percent,
            "window_seconds": window.window_seconds,
            "reset_at": utc(window.reset_at),
            "started": window.started,
        }
        for window in windows
    }


def _next_reset(windows: tuple[Window, ...], observed_at: float) -> dict[str, object] | None:
    """Return the soonest reset ahead of a window of which something is used."""
    at, name = None, ""
    for window in windows:
        reset_at, left = window.reset_at, window.remaining_percent
        if reset_at is None or not reset_at > observed_at or left is None or left == 100:
            continue
        if at is None or reset_at < at:
            at, name = reset_at, window.name
    if at is None:
        return None
    in_s = at - observed_at
    return None if in_s > _LONGEST_S else {"window": name, "at": utc(at), "in_s": round(in_s)}


def _forecasts(forecasts: Mapping[str, Forecast]) -> dict[str, object]:
    return {
        window: {
            "percent_per_hour": round(one.percent_per_hour, 3),
            "empty_at_pace": _second(one.empty_at_pace),
            "runs_out_chance": None
            if one.runs_out_chance is None
            else round(one.runs_out_chance, 3),
            "runs_out_from": _second(one.runs_out_from),
            "runs_out_to": _second(one.runs_out_to),
            "basis": {"hours": round(one.hours, 1), "rises": one.rises},
            "rough": one.rough,
        }
        for window, one in forecasts.items()
    }


def _second(at: float | None) -> str | None:
    return None if at is None else utc(round(at))


def _limit(limit: Limit) -> dict[str, object]:
    return {
        "name": limit.name,
        "feature": limit.feature,
        "usable": limit.usable,
        "windows": _windows(limit.windows),
    }


def _credits(bought: Credits | None) -> dict[str, object] | None:
    if bought is None:
        return None
    return {
        "has_credits": bought.has_credits,
        "unlimited": bought.unlimited,
        "balance": bought.balance,
    }


def _spend_limit(limit: SpendLimit | None) -> dict[str, object] | None:
    if limit is None:
        return None
    return {
        "limit": limit.limit,
        "used": limit.used,
        "remaining": limit.remaining,
        "remaining_percent": limit.remaining_percent,
        "reset_at": utc(limit.reset_at),
    }


def error_of(failure: Failure | None) -> dict[str, object] | None:
    """Return a failure as it stands in a record."""
    if failure is None:
        return None
    return {
        "kind": failure.kind.value,
        "message": failure.message,
        "hint": failure.hint,
        "code": failure.code,
        "retryable": failure.may_work_later,
    }


def utc(at: int | None) -> str | None:
    """Return Unix seconds as a record tells a time: UTC, to the second; None beyond calendars."""
    try:
        return None if at is None else f"{_clock(int(at))}Z"
    except (ValueError, OverflowError):
        return None


def _milliseconds(at: float) -> str | None:
    try:
        seconds = int(at // 1)
        # The fraction alone: a time after 2255 has no room for microseconds in a float.
        carry, microseconds = divmod(round((at - seconds) * 1e6), 1_000_000)
        return f"{_clock(seconds + carry)}.{microseconds // 1000:03d}Z"
    except (ValueError, OverflowError):
        return None


def _clock(at: int) -> str:
    """Return date and time in UTC; a third of what a datetime costs, as hours come again."""
    return f"{_hour(at // 3600)}:{_TWO[at // 60 % 60]}:{_TWO[at % 60]}"


@lru_cache(maxsize=1024)  # a month has 744
def _hour(number: int) -> str:
    day, hour = divmod(number, 24)
    return f"{date.fromordinal(_EPOCH + day).isoformat()}T{_TWO[hour]}"


# Safe to write


def _sound(value: object) -> object:
    """Return a value that orjson takes: lone surrogates spelled out, endless integers unknown."""
    if isinstance(value, str):
        return printable(value) if any("\ud800" <= char <= "\udfff" for char in value) else value
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {_sound(key): _sound(member) for key, member in members}
    if isinstance(value, list):
        return [_sound(member) for member in cast("list[object]", value)]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return None
    return value


def _harmless(line: bytes) -> bytes:
    """Spell what a terminal would act on as JSON escapes; it can only stand inside strings."""
    text = line.decode()
    if text[:-1].isprintable():
        return line
    spelled = {
        ord(char): _escaped(char)
        for char in set(text)  # few, of a text that may be long
        if not (char.isprintable() or char == "\n" or unicodedata.category(char) == "Zs")
    }
    return text.translate(spelled).encode()


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
