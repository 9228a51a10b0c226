"""Bytes from the wire -> messages: whatever somebody else sent, nothing here raises.

What is not meant like that is no message. Texts come out printable, cut, and without what is
shaped like a token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import orjson

from poller.agents.wire import (
    AttemptState,
    Call,
    Job,
    JobLimits,
    JobResult,
    ListedAccount,
    Listing,
    Message,
    Presence,
    Welcome,
)
from poller.polling.policy import PAUSE_SHARES
from poller.text import printable
from poller.usage.json_values import (
    amount_of,
    mapping,
    moment_of,
    number_of,
    short_text,
    tokenless_text,
    truth,
)
from poller.usage.normalizer import limits_for_record, whole_count
from poller.usage.windows import WINDOWS_LIMIT
from poller.values import (
    Credits,
    Failure,
    FailureKind,
    Identity,
    Limit,
    Retry,
    SpendLimit,
    Usage,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME_LENGTH = 4096
"""Characters of a path below a shared folder, or of a label."""
_SENTENCE = 1000
"""Characters of a failure's message."""
_ID = re.compile(r"[0-9a-f]{16,64}")
_KEY = re.compile(r"[0-9a-f]{16}")
_MOST = 1_000_000


def decoded(payload: bytes) -> Message | None:
    """Return the message that ``payload`` is; None where it is none."""
    try:
        members = mapping(orjson.loads(payload))
    except orjson.JSONDecodeError:
        return None
    if members is None:
        return None
    try:
        return _READERS[_said(members["t"], 20)](members)
    except (KeyError, TypeError, ValueError):
        return None


def job_in(payload: bytes) -> str | None:
    """Return the job that a result answers which is none here: another version's."""
    try:
        return _id(_object(orjson.loads(payload))["job"])
    except (KeyError, ValueError):
        return None


# Reading: ValueError for what is not meant like that


def _job(members: Mapping[str, object]) -> Job:
    return Job(
        id=_id(members["id"]),
        run=_id(members["run"]),
        to=_said(members["to"], 64),
        is_shared=members["is_shared"] is True,
        account=_exactly(members["account"]),
        login=None if members["login"] is None else _exactly(members["login"]),
        not_after=_figure(members["not_after"]),
        left_s=None if members["left_s"] is None else _figure(members["left_s"], 0, 1e9),
        limits=_limits(_object(members["limits"])),
        state=_state(_object(members["state"])),
        confirms=None if members["confirms"] is None else _failure(_object(members["confirms"])),
    )


def _limits(members: Mapping[str, object]) -> JobLimits:
    return JobLimits(
        timeout_s=_figure(members["timeout_s"], 0.001, 1e9),
        retries=_whole(members["retries"], 100),
        deadline_s=_figure(members["deadline_s"], 0.001, 1e9),
        identity=members["identity"] is True,
        raw_json=members["raw_json"] is True,
        raw_headers=members["raw_headers"] is True,
    )


def _state(members: Mapping[str, object]) -> AttemptState:
    return AttemptState(
        policy_attempts=_whole(members["policy_attempts"]),
        requests_sent=_whole(members["requests_sent"]),
        needs_confirmation=members["needs_confirmation"] is True,
        was_reread=members["was_reread"] is True,
        renewal_tried=members["renewal_tried"] is True,
        refreshed=members["refreshed"] is True,
    )


def _result(members: Mapping[str, object]) -> JobResult:
    usage = members.get("usage")
    status = members["http_status"]
    key = members["key"]
    identity = mapping(members.get("identity")) or {}
    return JobResult(
        job=_id(members["job"]),
        run=_id(members["run"]),
        outcome=_failure(_object(members["failure"])) if usage is None else _usage(_object(usage)),
        state=_state(_object(members["state"])),
        took_s=None if members["took_s"] is None else _figure(members["took_s"], 0, 1e6),
        http_status=None if status is None else _whole(status, 999),
        key=key if isinstance(key, str) and _KEY.fullmatch(key) else None,
        expires_at=number_of(members["expires_at"]),
        identity=Identity(
            short_text(identity.get("user_id")),
            short_text(identity.get("account_id")),
            short_text(identity.get("email")),
        ),
        raw=members.get("raw"),
        headers=_headers(members.get("headers")),
    )


def _headers(value: object) -> dict[str, str] | None:
    members = mapping(value)
    if members is None:
        return None
    return {name: text for name, text in members.items() if isinstance(text, str)}


def _failure(members: Mapping[str, object]) -> Failure:
    after, retry = members["retry_after_s"], Retry(members["retry_now"])
    if retry not in PAUSE_SHARES:
        after = None
    return Failure(
        FailureKind(_said(members["kind"], 40)),
        _said(members["message"], _SENTENCE),
        _said(members["hint"], _SENTENCE),
        code=tokenless_text(members["code"]),
        retry_now=retry,
        retry_after_s=None if after is None else _figure(after, 0, 1e9),
        host_at_fault=members["host_at_fault"] is True,
        may_work_later=members["may_work_later"] is True,
    )


def _usage(members: Mapping[str, object]) -> Usage:
    credits_, spend = mapping(members["credits"]), mapping(members["spend_limit"])
    return Usage(
        plan=tokenless_text(members["plan"]),
        usable=truth(members["usable"]),
        limited_by=tokenless_text(members["limited_by"]),
        usable_at=moment_of(members["usable_at"]),
        windows=_windows(members["windows"]),
        extra_limits=limits_for_record(
            Limit(
                tokenless_text(limit["name"]),
                tokenless_text(limit["feature"]),
                truth(limit["usable"]),
                _windows(limit["windows"]),
            )
            for limit in map(_object, _list(members["extra_limits"]))
        ),
        credits=None
        if credits_ is None
        else Credits(
            truth(credits_["has_credits"]),
            truth(credits_["unlimited"]),
            amount_of(credits_["balance"]),
        ),
        spend_limit=None
        if spend is None
        else SpendLimit(
            amount_of(spend["limit"]),
            amount_of(spend["used"]),
            amount_of(spend["remaining"]),
            _percent(spend["remaining_percent"]),
            moment_of(spend["reset_at"]),
        ),
        reset_credits=whole_count(members["reset_credits"]),
        on_credits=truth(members["on_credits"]),
    )


def _windows(value: object) -> tuple[Window, ...]:
    found: list[Window] = []
    for members in map(_object, _list(value)[:WINDOWS_LIMIT]):
        length = members["window_seconds"]
        found.append(
            Window(
                _said(members["name"], 40),
                _percent(members["remaining_percent"]),
                None if length is None else _whole(length, 1 << 40),
                moment_of(members["reset_at"]),
                truth(members["started"]),
            )
        )
    return tuple(found)


def _listing(members: Mapping[str, object]) -> Listing:
    return Listing(
        run=_id(members["run"]),
        agent=_id(members["agent"]),
        part=_whole(members["part"]),
        is_last=members["is_last"] is True,
        accounts=tuple(
            ListedAccount(
                _printable(each["label"]),
                tokenless_text(each["key"]) if _KEY.fullmatch(str(each["key"])) else None,
                number_of(each["expires_at"]),
            )
            for each in map(_object, _list(members["accounts"]))
        ),
        trouble=tokenless_text(members["trouble"]),
    )


def _presence(members: Mapping[str, object]) -> Presence:
    return Presence(
        agent=_id(members["agent"]),
        since=_figure(members["since"]),
        at=_figure(members["at"]),
        concurrency=max(1, _whole(members["concurrency"], 10_000)),
        shared=tuple(_said(name, 64) for name in _list(members["shared"])),
        runs=tuple(map(_id, _list(members["runs"]))),
        leaves=members["leaves"] is True,
    )


def _call(members: Mapping[str, object]) -> Call:
    return Call(_id(members["run"]), ends=members["ends"] is True)


def _welcome(members: Mapping[str, object]) -> Welcome:
    return Welcome(
        run=_id(members["run"]),
        at=_figure(members["at"]),
        stream=_said(members["stream"], 64),
        consumer=_said(members["consumer"], 80),
        made=_said(members["made"], 64),
        lists=members["lists"] is True,
    )


_READERS: dict[str, Callable[[Mapping[str, object]], Message]] = {
    "Job": _job,
    "JobResult": _result,
    "Listing": _listing,
    "Presence": _presence,
    "Call": _call,
    "Welcome": _welcome,
}


def _id(value: object) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise ValueError("no id")


def _object(value: object) -> Mapping[str, object]:
    members = mapping(value)
    if members is None:
        raise ValueError("no object")
    return members


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return cast("list[object]", value)
    raise ValueError("no list")


def _figure(value: object, low: float = -1e12, high: float = 1e12) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise ValueError("no such number")


def _whole(value: object, most: int = _MOST) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise ValueError("no such whole number")


def _percent(value: object) -> float | None:
    return None if value is None else _figure(value, 0, 100)


def _said(value: object, length: int) -> str:
    text = tokenless_text(value, length)
    if text is None:
        raise ValueError("no text")
    return text


def _printable(value: object) -> str:
    text = _exactly(value)
    if text != printable(text):
        raise ValueError("a name that could steer a terminal")
    return text


def _exactly(value: object) -> str:
    """Return a text that names something, as it is."""
    if isinstance(value, str) and 0 < len(value) <= _NAME_LENGTH:
        return value
    raise ValueError("no name")
