"""What an answer means for its account.

Total and pure: every status from 0 to 999 and every body has one meaning. The statuses
and codes are those seen at the usage endpoint.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, cast

import orjson

from poller.text import printable
from poller.usage.json_values import mapping, moment_of
from poller.usage.normalizer import normalize
from poller.usage.retry_after import retry_after
from poller.values import Failure, FailureKind, Response, Retry, Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

BODY_LIMIT = 1 << 20
"""Bytes of an answer that are read at most, after decompression; real ones have 1-2 kB."""
LARGE_BYTES = 64 << 10
"""An answer above it is no honest one, and takes milliseconds: it is read in a thread."""
_BOM = b"\xef\xbb\xbf"
_INT_DIGITS = 19


def usage_or_failure(response: Response, *, observed_at: float) -> Usage | Failure:
    """Return what a whole answer says: figures, or why there are none.

    ``observed_at`` is Unix seconds. Never raises.
    """
    if response.status == 200 and not (response.headers and response.header("cf-mitigated")):
        return _usage(response, observed_at)
    return refusal(response, observed_at=observed_at)


def _usage(response: Response, observed_at: float) -> Usage | Failure:
    try:
        payload = parsed_body(response.body)
    except ValueError:
        return _not_json(response.body)
    usage = normalize(payload, observed_at=observed_at)
    if usage is not None:
        return usage
    said = mapping(payload)
    if said is None:
        return invalid("the upstream answered with JSON that is not an object", Retry.NEVER)
    failure = invalid("the upstream answered with JSON that is not usage (200)", Retry.NEVER)
    return replace(failure, code=_code_in(said), may_work_later=True)


def parsed_body(body: bytes) -> object:
    """Parse JSON; raises ValueError where it is not JSON, or is nested too deeply.

    What is sound JSON but more than orjson takes (half an emoji where a text was cut, a number
    beyond all floats) is read with the standard library: an odd field must not cost the others.
    That one is slow, so what is large has to be sound for orjson.
    """
    if len(body) > LARGE_BYTES:
        with collector_paused():
            return cast("object", orjson.loads(body))
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        import json  # 5 ms that hardly any run needs

        text = body.removeprefix(_BOM).decode()
        try:
            parsed = json.loads(text, parse_int=_whole_number, parse_constant=_no_number)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    return parsed


@contextmanager
def collector_paused() -> Generator[None]:
    """Keep the garbage collector from walking hundreds of thousands of new objects.

    It does so again and again while they are made, in up to seven times the time of reading
    them, and holds up every thread meanwhile.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _whole_number(digits: str) -> int | float:
    """Beyond 64 bits it is a float, as it is to orjson; int() refuses thousands of digits."""
    return int(digits) if len(digits) < _INT_DIGITS else float(digits)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _not_json(body: bytes) -> Failure:
    start = body[:64].lstrip().lower()
    if not start:
        return invalid("the upstream's answer was empty", Retry.ONCE)
    if start.startswith(b"<"):
        return invalid(
            "the upstream answered a web page where JSON belongs",
            Retry.ONCE,
            "a login page, portal or proxy is in between: open the address in a browser",
        )
    return invalid("the upstream's answer is not JSON", Retry.ONCE)


def invalid(
    message: str,
    retry: Retry,
    hint: str = "try again later; if it persists, the upstream has changed",
) -> Failure:
    """Return the failure of an answer that cannot be understood."""
    return Failure(
        FailureKind.INVALID_RESPONSE,
        message,
        hint,
        retry_now=retry,
        may_work_later=retry is Retry.ONCE,
    )


def refusal(response: Response, *, observed_at: float) -> Failure:
    """Return what an answer that brings no figures means, for every status from 0 to 999."""
    failure = _by_status(response)
    if failure.retry_now not in (Retry.TRANSIENT, Retry.THROTTLED):
        return failure
    wait_s = retry_after(response, now=observed_at)
    if wait_s is None:
        return failure
    message = f"{failure.message}; it asks to wait {wait_s:.0f} s"
    return replace(failure, message=message, retry_after_s=wait_s)


def _by_status(response: Response) -> Failure:
    status = response.status
    if _is_edge_block(response):
        return _edge_blocked(status)
    if 300 <= status < 400:
        return _redirect(status)
    said = _refusal_in(response.body)
    code = _code_in(said)
    if code in _REGION_CODES and status in (400, 401, 403):
        return _region_not_served(status, code)
    match status:
        case 401:
            return _unauthorized(code)
        case 402:
            return _refused(
                FailureKind.PAYMENT_REQUIRED,
                "the workspace is unpaid or closed (402)",
                "ask the workspace's owner; remove the file if it is closed",
                code,
            )
        case 403:
            return _forbidden(code)
        case 404:
            return Failure(
                FailureKind.NOT_FOUND,
                "the usage endpoint was not found (404)",
                "keep the file, this says nothing about the account: upstream error, or a wrong "
                "--chatgpt-url",
                code,
                retry_now=Retry.ONCE,
                host_at_fault=True,
                may_work_later=True,
            )
        case 429:
            return _rate_limited(said, code)
        case 408 | 425:
            return _server_error(status, code)
        case _ if 500 <= status < 600 and status != 501:
            return _server_error(status, code)
        case _:
            return _other(status, code)


def _is_edge_block(response: Response) -> bool:
    if response.header("cf-mitigated") is not None:
        return True
    content_type = (response.header("content-type") or "").lower()
    starts_as_page = response.body[:64].lstrip()[:1] == b"<"
    return response.status == 403 and ("text/html" in content_type or starts_as_page)


def _edge_blocked(status: int) -> Failure:
    return Failure(
        FailureKind.EDGE_BLOCKED,
        f"blocked at the upstream's edge before it reached the account ({status})",
        "says nothing about the account: wait, poll less often, or use another network",
        host_at_fault=True,
        may_work_later=True,
    )


_REGION_CODES = frozenset({"unsupported_country_region_territory"})


def _region_not_served(status: int, code: str | None) -> Failure:
    return Failure(
        FailureKind.EDGE_BLOCKED,
        f"the upstream does not serve the region that the request came from ({status})",
        "says nothing about the account: use a network or --proxy whose exit lies elsewhere",
        code,
        host_at_fault=True,
        may_work_later=True,
    )


def _rate_limited(said: Mapping[str, object], code: str | None) -> Failure:
    error = _members(said.get("error"))
    if _QUOTA_USED_UP in (code, error.get("type"), said.get("type")):
        return _quota_used_up(moment_of(error.get("resets_at") or said.get("resets_at")))
    return Failure(
        FailureKind.RATE_LIMITED,
        "asked too often (429)",
        "your quota is not used up: poll less often, or with --rate",
        code,
        retry_now=Retry.THROTTLED,
        host_at_fault=True,
        may_work_later=True,
    )


_QUOTA_USED_UP = "usage_limit_reached"


def _quota_used_up(resets_at: int | None) -> Failure:
    """Return the failure of an account, not of the host: no attempt helps before the reset."""
    when = "when it resets"
    if resets_at is not None:
        when = f"at {datetime.fromtimestamp(resets_at, UTC):%Y-%m-%d %H:%M} UTC"
    return Failure(
        FailureKind.RATE_LIMITED,
        "the account's quota is used up (429)",
        f"it is the quota itself, not how often it is asked: it is back {when}",
        _QUOTA_USED_UP,
        may_work_later=True,
    )


def _redirect(status: int) -> Failure:
    return Failure(
        FailureKind.REDIRECT,
        f"the upstream redirects ({status}); credentials are not sent there",
        "check --chatgpt-url, and whether the network wants you to log in",
    )


_LOGGED_OUT = "log in again with codex, then copy the new auth.json here"
_UNAUTHORIZED = {
    "token_expired": (
        "the upstream says that the access token has expired (401)",
        "use the account in Codex once, which renews the token, or log in again",
    ),
    "token_invalidated": ("this login has been ended (401)", _LOGGED_OUT),
    "token_revoked": ("this login has been revoked (401)", _LOGGED_OUT),
    "app_session_terminated": ("this login's session has been ended (401)", _LOGGED_OUT),
    "app_session_expired": ("this login's session has expired (401)", _LOGGED_OUT),
    "account_session_expired": ("this login's session has expired (401)", _LOGGED_OUT),
    "account_deactivated": (
        "the account has been closed (401)",
        "remove the file; nothing brings it back from here",
    ),
}


def _unauthorized(code: str | None) -> Failure:
    known = _UNAUTHORIZED.get(code or "")
    if known is not None:
        return _refused(FailureKind.UNAUTHORIZED, *known, code)
    return Failure(
        FailureKind.UNAUTHORIZED,
        "the upstream refused the token (401)",
        "if it persists, log in again with codex",
        code,
        retry_now=Retry.ONCE,
        may_work_later=True,
    )


def _forbidden(code: str | None) -> Failure:
    if code == "invalid_workspace_selected":
        return _refused(
            FailureKind.FORBIDDEN,
            "the account id does not belong to this token (403)",
            "the file mixes two logins: log in again with codex",
            code,
        )
    return _refused(
        FailureKind.FORBIDDEN,
        "no permission (403)",
        "check in the account's settings that Codex is allowed",
        code,
    )


def _refused(kind: FailureKind, message: str, hint: str, code: str | None) -> Failure:
    return Failure(kind, message, hint, code)


def _server_error(status: int, code: str | None) -> Failure:
    return Failure(
        FailureKind.SERVER_ERROR,
        f"upstream error ({status})",
        "try again later",
        code,
        retry_now=Retry.TRANSIENT,
        host_at_fault=True,
        may_work_later=True,
    )


def _other(status: int, code: str | None) -> Failure:
    return Failure(
        FailureKind.HTTP_ERROR,
        f"an answer this program does not know ({status})",
        "if it persists, the upstream has changed: look for a newer version",
        code,
        host_at_fault=status >= 500,
        may_work_later=status >= 500,
    )


_CODE_LENGTH, _SENTENCE_LENGTH = 64, 1000
_SAID_IN_WORDS = {
    "encountered invalidated oauth token": "token_invalidated",
    "country, region, or territory not supported": "unsupported_country_region_territory",
}
"""Refusals that also come as a sentence, without their code."""


def machine_code(body: bytes) -> str | None:
    """Return the upstream's own code for a refusal, or None.

    Looked for in ``error.code``, ``error``, ``detail.code``, ``code``, ``detail``, in
    that order; printable, at most 64 characters, without blanks (a sentence is no code).
    """
    return _code_in(_refusal_in(body))


def _refusal_in(body: bytes) -> Mapping[str, object]:
    try:
        return _members(parsed_body(body))
    except ValueError:
        return {}


def _code_in(said: Mapping[str, object]) -> str | None:
    error, detail = said.get("error"), said.get("detail")
    found = (
        _members(error).get("code"),
        error,
        _members(detail).get("code"),
        said.get("code"),
        detail,
    )
    codes = (code for value in found if (code := _as_code(value)) is not None)
    return next(codes, None) or _said_in_words(error, detail, said.get("message"))


def _members(value: object) -> Mapping[str, object]:
    """Return an object's members; nothing has none."""
    return mapping(value) or {}


def _as_code(value: object) -> str | None:
    if not isinstance(value, str) or not value or len(value) > _CODE_LENGTH:
        return None
    return None if " " in value else printable(value)[:_CODE_LENGTH]


def _said_in_words(*places: object) -> str | None:
    for place in places:
        text = _members(place).get("message", place)
        if isinstance(text, str):
            sentence = text[:_SENTENCE_LENGTH].lower()
            for words, code in _SAID_IN_WORDS.items():
                if words in sentence:
                    return code
    return None
