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

from poller.text import PIECE, masked, printable
from poller.usage import raw
from poller.values import SCHEMA_VERSION, FailureKind, Usage

if TYPE_CHECKING:
    from poller.values import (
        Credits,
        Failure,
        Limit,
        Report,
        Secret,
        SpendLimit,
        Window,
    )

_NOTHING = Usage()
_EPOCH = date(1970, 1, 1).toordinal()
_TWO = tuple(f"{number:02d}" for number in range(60))


def record_of(
    report: Report,
    *,
    show_identity: bool = False,
    raw_json: bool = False,
    raw_headers: bool = False,
) -> dict[str, object]:
    """Return a report's record, ready for JSON; :func:`schema` describes it.

    ``raw_json`` and ``raw_headers`` add what ``report.response`` holds, tokens masked.
    """
    usage, secrets = report.usage or _NOTHING, report.secrets
    record: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "account": report.account,
        "source": report.source,
        "ok": report.failure is None,
        "observed_at": _milliseconds(report.observed_at),
        "plan": _said(usage.plan, secrets),
        "usable": usage.usable,
        "limited_by": _said(usage.limited_by, secrets),
        "usable_at": utc(usage.usable_at),
        "remaining_percent": usage.remaining_percent,
        "windows": _windows(usage.windows),
        "extra_limits": [_limit(limit, secrets) for limit in usage.extra_limits],
        "credits": _credits(usage.credits),
        "spend_limit": _spend_limit(usage.spend_limit),
        "reset_credits": usage.reset_credits,
        "error": error_of(report.failure, secrets),
        "http_status": report.http_status,
        "attempts": report.attempts,
        "refreshed": report.refreshed,
        "elapsed_s": None if report.elapsed_s is None else round(report.elapsed_s, 3),
    }
    if show_identity:
        record["email"] = _said(report.identity.email, secrets)
        record["user_id"] = _said(report.identity.user_id, secrets)
        record["account_id"] = _said(report.identity.account_id, secrets)
    if raw_json:
        record["raw"] = raw.raw_json(report.response, secrets)
    if raw_headers:
        record["headers"] = raw.raw_headers(report.response, secrets)
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
        }
        for window in windows
    }


def _limit(limit: Limit, secrets: tuple[Secret, ...]) -> dict[str, object]:
    return {
        "name": _said(limit.name, secrets),
        "feature": _said(limit.feature, secrets),
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


def error_of(failure: Failure | None, secrets: tuple[Secret, ...] = ()) -> dict[str, object] | None:
    """Return a failure as it stands in a record."""
    if failure is None:
        return None
    return {
        "kind": failure.kind.value,
        "message": _said(failure.message, secrets),
        "hint": _said(failure.hint, secrets),
        "code": _said(failure.code, secrets),
        "retryable": failure.may_work_later,
    }


def _said(text: str | None, secrets: tuple[Secret, ...]) -> str | None:
    """Return what somebody outside said; it may echo a token, unless it is too short to."""
    return text if text is None or len(text) < PIECE else masked(text, secrets)


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
    """Return date and time in UTC; half of what a datetime costs, as few days come again."""
    minutes = at // 60
    return f"{_day(at // 86_400)}T{_TWO[minutes // 60 % 24]}:{_TWO[minutes % 60]}:{_TWO[at % 60]}"


@lru_cache(maxsize=512)
def _day(number: int) -> str:
    return date.fromordinal(_EPOCH + number).isoformat()


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
    return "".join(
        char
        if char.isprintable() or char == "\n" or unicodedata.category(char) == "Zs"
        else _escaped(char)
        for char in text
    ).encode()


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


# The schema


def schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) that every record conforms to."""
    own = {**_who(), **_what_is_left(), **_what_became()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "poller record",
        "description": "what became of one account; unknown is null, never 0",
        "type": "object",
        "properties": {**own, **_on_request()},
        "required": list(own),
        "additionalProperties": False,
        "$defs": {
            "time": {"type": "string", "pattern": _SECONDS, "description": "UTC, to the second"},
            "percent": {"type": "number", "minimum": 0, "maximum": 100},
            "amount": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
            "windows": _windows_schema(),
            "limit": _limit_schema(),
        },
    }


_SECONDS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"


def _who() -> dict[str, object]:
    return {
        "schema_version": {"const": SCHEMA_VERSION},
        "account": {"type": "string", "description": "the label, unique in a run"},
        "source": {"type": "string", "description": "the auth file's path"},
        "ok": {"type": "boolean", "description": "whether the account answered"},
        "observed_at": {
            "type": ["string", "null"],
            "pattern": _SECONDS.replace("Z", r"\.[0-9]{3}Z"),
            "description": "when that was, UTC, to the millisecond",
        },
    }


def _what_is_left() -> dict[str, object]:
    amount, percent, time = _or_null("amount"), _or_null("percent"), _or_null("time")
    truth = {"type": ["boolean", "null"]}
    spend_limit = _closed(
        limit=amount, used=amount, remaining=amount, remaining_percent=percent, reset_at=time
    )
    return {
        "plan": {"type": ["string", "null"], "description": "as the upstream names it"},
        "usable": {**truth, "description": "can it be used now"},
        "limited_by": {
            "type": ["string", "null"],
            "description": "a window's name, spend_limit, the upstream's own reason, or unknown",
        },
        "usable_at": {**time, "description": "when a blocked account can be used again"},
        "remaining_percent": {**percent, "description": "the least of its windows, 0-100"},
        "windows": {"$ref": "#/$defs/windows"},
        "extra_limits": {"type": "array", "items": {"$ref": "#/$defs/limit"}},
        "credits": _object_or_null(_closed(has_credits=truth, unlimited=truth, balance=amount)),
        "spend_limit": _object_or_null(spend_limit),
        "reset_credits": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "rate limit resets that can be taken",
        },
    }


def _what_became() -> dict[str, object]:
    text = {"type": "string"}
    error = _closed(
        kind={"enum": [kind.value for kind in FailureKind]},
        message={**text, "description": "for a person"},
        hint={**text, "description": "what to do about it"},
        code={"type": ["string", "null"], "description": "the upstream's own"},
        retryable={"type": "boolean", "description": "whether asking again later may succeed"},
    )
    return {
        "error": _object_or_null(error),
        "http_status": {"type": ["integer", "null"], "description": "of the last answer"},
        "attempts": {"type": "integer", "minimum": 0, "description": "attempts started"},
        "refreshed": {"type": "boolean", "description": "whether --refresh renewed its tokens"},
        "elapsed_s": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "seconds from the first attempt to the record",
        },
    }


def _on_request() -> dict[str, object]:
    text = {"type": ["string", "null"], "description": "with --show-identity"}
    return {
        "email": text,
        "user_id": text,
        "account_id": text,
        "raw": {"description": "with --raw-json: the answer's JSON, or its text; tokens masked"},
        "headers": {
            "type": ["object", "null"],
            "additionalProperties": {"type": "string"},
            "description": "with --raw-headers: the answer's, by lower-case name; tokens masked",
        },
    }


def _windows_schema() -> dict[str, object]:
    window = _closed(
        used_percent=_or_null("percent"),
        remaining_percent=_or_null("percent"),
        window_seconds={"type": ["integer", "null"], "minimum": 1, "description": "its length"},
        reset_at=_or_null("time"),
    )
    return {
        "type": "object",
        "description": "by name: five_hour, weekly, monthly, or the length; then _2",
        "patternProperties": {r"^(five_hour|weekly|monthly|[0-9]+[dhms])(_[0-9]+)?$": window},
        "additionalProperties": False,
    }


def _limit_schema() -> dict[str, object]:
    text = {"type": ["string", "null"]}
    return _closed(
        name=text,
        feature=text,
        usable={"type": ["boolean", "null"]},
        windows={"$ref": "#/$defs/windows"},
    )


def _closed(**properties: object) -> dict[str, object]:
    """Return the schema of an object that has these members, all of them and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(name: str) -> dict[str, object]:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}


def _object_or_null(schema: dict[str, object]) -> dict[str, object]:
    return {**schema, "type": ["object", "null"]}
