"""Refusals: any status with any body, redirects, Retry-After in every form."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson

from poller.simulator.scripted import FaultContext, ScriptedResponse, http_date
from poller.simulator.wire import HTML, JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES: Mapping[int, str] = MappingProxyType(
    {402: "deactivated_workspace", 429: "rate_limit_exceeded"}
)
"""The machine code of a status where the fault names none; other statuses carry none."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODILESS = frozenset({*range(200), 204, 205, 304})
_ODD_WAITS: Mapping[str, bytes] = MappingProxyType(
    {
        "nonsense": b"soon, please",
        "negative": b"-5",
        "digits": b"9" * 5_000,
        "empty": b"",
        "nan": b"nan",
        "past": b"Fri, 01 Jan 2021 00:00:00 GMT",
    }
)
_PAGE = b"<!DOCTYPE html><html><head><title>%d</title></head><body>%s</body></html>\n"


def refusal(context: FaultContext, status: int) -> ScriptedResponse:
    """Answer with ``status``; the argument says what goes with it.

    Without an argument the body is JSON without a code, but 402 and 429 have their usual
    one. ``empty``, ``html`` and ``text`` name the body, ``unreadable`` one in an unknown
    encoding. ``after-WAIT`` adds Retry-After; see ``retry_after``. The argument of a
    redirect is its target. Anything else is a machine code, told in ``error.code`` or
    where ``PLACE=CODE`` puts it.
    """
    if status in _REDIRECTS:
        return _redirect(context, status)
    wait = (
        context.argument.removeprefix("after-") if context.argument.startswith("after-") else None
    )
    extra = b"" if wait is None else b"Retry-After: %s\r\n" % _wait(context, wait)
    if context.argument == "unreadable":
        extra = b"Content-Encoding: x-made-up\r\n"
    content_type, body = _body(status, "" if wait is not None else context.argument)
    return ScriptedResponse(
        (context.response(status, body, content_type=content_type, extra=extra),)
    )


def retry_after(context: FaultContext) -> ScriptedResponse:
    """Answer 429 with Retry-After: seconds, ``date-SECONDS``, or a name in ``_ODD_WAITS``."""
    extra = b"Retry-After: %s\r\n" % _wait(context, context.argument or "1")
    return ScriptedResponse((context.response(429, _body(429, "")[1], extra=extra),))


def edge(context: FaultContext) -> ScriptedResponse:
    """Answer as the edge does when it blocks: a challenge page, with status 403 by default."""
    page = _PAGE % (context.number(403), b"Just a moment...")
    extra = b"cf-mitigated: challenge\r\n"
    return ScriptedResponse(
        (context.response(context.number(403), page, content_type=HTML, extra=extra),)
    )


def _wait(context: FaultContext, wait: str) -> bytes:
    if wait.startswith("date-"):
        return http_date(context.dated_at + int(wait.removeprefix("date-")))
    return _ODD_WAITS.get(wait) or wait.encode("latin-1")


def _redirect(context: FaultContext, status: int) -> ScriptedResponse:
    # The default target is this server, where a request that follows would be counted.
    extra = b"Location: %s\r\n" % (context.argument or "/redirected").encode("latin-1")
    return ScriptedResponse((context.response(status, b"", content_type=HTML, extra=extra),))


def _body(status: int, kind: str) -> tuple[bytes, bytes]:
    match kind:
        case "empty":
            return JSON, b""
        case "html":
            return HTML, _PAGE % (status, b"<h1>cloudflare</h1>")
        case "text":
            return b"text/plain", b"no"
        case "unreadable":
            return HTML, b"\x1f\x9d no browser reads this"
        case _ if status in _BODILESS:
            return JSON, b""
        case _:
            return JSON, orjson.dumps(_object(status, kind or _CODES.get(status, "")))


def _object(status: int, code: str) -> object:
    place, _, placed = code.rpartition("=")
    message = {"message": f"made up: {status}"}
    match place:
        case "error":
            return {"error": placed}
        case "detail":
            return {"detail": placed}
        case "detail.code":
            return {"detail": {**message, "code": placed}}
        case "code":
            return {**message, "code": placed}
        case "message":
            return {"error": {"message": placed}}
        case _:
            return {"error": {**message, "code": placed} if placed else {}}
