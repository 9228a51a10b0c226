"""Every way the server can misbehave, by name; a new one is an entry in ``FAULTS``.

A fault is written ``NAME[-ARGUMENT][@reused][xN]``: ``503x1`` (each user's first attempt
only), ``drip``, ``retry-after-2x1``, ``slow-300ms``, ``401-token_expired``, ``403@reused``
(only on a connection that has carried a request before). Any status of three digits is a
name.
"""

from __future__ import annotations

import difflib
import gzip
import re
import textwrap
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from poller.simulator.broken_responses import (
    adds_header,
    drips,
    echoes_token,
    misstates_length,
    omits_identity,
    refuses_with_token,
    sends,
    sends_big_body,
    sends_body,
    sends_chunks,
    sends_control_characters,
    sends_encoded,
    sends_endless_body,
    sends_endless_head,
    sends_gzip_bomb,
    sends_half,
    sends_nothing,
    sends_odd_json,
    sends_wrong_types,
    surplus,
)
from poller.simulator.refusals import edge, refusal, retry_after
from poller.simulator.scripted import AfterLastByte, ScriptedResponse, duration_s
from poller.simulator.wire import HTML

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.simulator.broken_responses import Respond

_WRITTEN = re.compile(r"(?P<what>.+?)(?P<reused>@reused)?(?:x(?P<first>\d{1,9}))?", re.DOTALL)
_STATUS = re.compile(r"(\d{3})(?:-(.*))?", re.DOTALL)
_LONGEST_SHOWN = 80
_ANY_STATUS = (
    "answers that HTTP status; WHAT is a machine code (401-token_expired), after-WAIT"
    " for Retry-After (503-after-2), the kind of body (empty, html, text, unreadable)"
    " or a redirect's target"
)

CLOSE, RESET, HANG = AfterLastByte.CLOSE, AfterLastByte.RESET, AfterLastByte.HANG


class Argument(Enum):
    """What may follow a fault's name, after a hyphen."""

    NONE = ""
    DURATION = "-DURATION"
    BYTES = "-BYTES"
    MIB = "-MIB"
    STATUS = "-STATUS"
    WAIT = "-WAIT"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One entry of the table."""

    respond: Respond
    does: str
    """What the server does, for people."""
    argument: Argument = Argument.NONE


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as written in an account id or on the command line."""

    respond: Respond
    argument: str = ""
    only_reused: bool = False
    """Whether the first request on a connection is spared."""
    first: int | None = None
    """How many attempts meet it; None for all."""

    def applies(self, *, attempt: int, reused: bool) -> bool:
        """Whether this attempt, counted from 1, meets the fault."""
        if self.only_reused and not reused:
            return False
        return self.first is None or attempt <= self.first


class UnknownFaultError(ValueError):
    """No fault has this name."""


def fault_of(text: str) -> Fault:
    """Return the fault that is written so.

    Raises:
        UnknownFaultError: there is none; the message names a near match.
        ValueError: the fault does not take this argument.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise UnknownFaultError(_unknown(text))
    first = int(found["first"]) if found["first"] else None
    status = _STATUS.fullmatch(found["what"])
    if status is not None:
        respond: Respond = partial(refusal, status=int(status[1]))
        argument = status[2] or ""
    else:
        respond, argument = _named(found["what"])
    return Fault(respond, argument, found["reused"] is not None, first)


def _named(what: str) -> tuple[Respond, str]:
    name = what
    while name and name not in FAULTS:
        name = name.rpartition("-")[0]
    if not name:
        raise UnknownFaultError(_unknown(what))
    kind, argument = FAULTS[name], what[len(name) + 1 :]
    if argument:
        _check(name, kind.argument, argument)
    return kind.respond, argument


def _check(name: str, takes: Argument, text: str) -> None:
    match takes:
        case Argument.NONE:
            raise ValueError(f"{name}: takes no argument, but got {text[:_LONGEST_SHOWN]!r}")
        case Argument.DURATION:
            duration_s(text)
        case Argument.BYTES:
            _check_number(name, text, most=64 << 20)
        case Argument.MIB:
            _check_number(name, text, most=4_096)
        case Argument.STATUS:
            _check_number(name, text, most=999)
        case Argument.WAIT:
            if text.startswith("date-") and not re.fullmatch(r"date--?\d{1,8}", text):
                raise ValueError(f"{name}: write date-SECONDS, not {text[:_LONGEST_SHOWN]!r}")
        case _:
            assert_never(takes)


def _check_number(name: str, text: str, *, most: int) -> None:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= most:
        shown = text[:_LONGEST_SHOWN]
        raise ValueError(f"{name}: {shown!r} is no whole number from 1 to {most}")


def _unknown(text: str) -> str:
    near = difflib.get_close_matches(text[:_LONGEST_SHOWN], FAULTS, 1)
    hint = f"did you mean {near[0]!r}?" if near else "--list-faults shows all"
    return f"{text[:_LONGEST_SHOWN]!r}: unknown fault; {hint}"


def fault_list() -> str:
    """Return the list of faults for people, one paragraph each."""
    named = ((f"{name}{_optional(kind.argument)}", kind.does) for name, kind in FAULTS.items())
    return "\n".join(
        textwrap.fill(
            does,
            79,
            initial_indent=f"  {name:<24} " if len(name) <= 24 else f"  {name}\n{'':27}",
            subsequent_indent=" " * 27,
        )
        for name, does in (("NNN[-WHAT]", _ANY_STATUS), *named)
    )


def _optional(argument: Argument) -> str:
    return f"[{argument.value}]" if argument.value else ""


FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {
        "retry-after": FaultKind(
            retry_after,
            "answers 429 with Retry-After: 1, or with WAIT: seconds, date-SECONDS (a date"
            " that far ahead), nonsense, negative, digits, empty, nan or past",
            Argument.WAIT,
        ),
        "edge": FaultKind(
            edge, "answers with the edge's challenge page, status 403", Argument.STATUS
        ),
        # No response, or none in time.
        "hang": FaultKind(sends_nothing(HANG), "never answers, keeps the connection open"),
        "hang-half": FaultKind(sends_half(HANG), "sends half the response, then hangs"),
        "drip": FaultKind(drips, "sends a byte at a time, every 100 ms", Argument.DURATION),
        "drip-body": FaultKind(
            partial(drips, head_at_once=True),
            "sends the head at once and the body a byte at a time, every 100 ms",
            Argument.DURATION,
        ),
        "slow": FaultKind(
            lambda context: ScriptedResponse((context.duration_s(1.0), context.healthy_response())),
            "answers after 1 s",
            Argument.DURATION,
        ),
        "reset": FaultKind(sends_nothing(RESET), "resets the connection (TCP RST)"),
        "reset-half": FaultKind(
            sends_half(RESET), "sends half the response, then resets the connection"
        ),
        "close": FaultKind(sends_nothing(CLOSE), "closes the connection without a response"),
        "goodbye": FaultKind(
            lambda context: ScriptedResponse(
                (context.healthy_response(), context.duration_s(0.0)), CLOSE
            ),
            "answers, then closes the connection it promised to keep, at once",
            Argument.DURATION,
        ),
        # Bodies.
        "empty": FaultKind(sends_body(b""), "sends an empty body"),
        "html": FaultKind(
            sends_body(b"<!DOCTYPE html><html><body>please log in</body></html>", HTML),
            "sends a login page",
        ),
        "text": FaultKind(sends_body(b"not json", b"text/plain"), "sends plain text"),
        "not-json": FaultKind(sends_body(b'{"rate_limit": '), "sends JSON that breaks off"),
        "nan": FaultKind(
            sends_body(b'{"rate_limit": {"primary_window": {"used_percent": NaN}}}'),
            "sends NaN for a percentage",
        ),
        "null": FaultKind(sends_body(b"null"), "sends null"),
        "list": FaultKind(sends_body(b"[]"), "sends an empty list"),
        "number": FaultKind(sends_body(b"42"), "sends a number"),
        "string": FaultKind(sends_body(b'"rate_limit"'), "sends a string"),
        "deep": FaultKind(
            sends_body(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
            "sends 100,000 objects, each inside the other",
        ),
        "not-utf8": FaultKind(
            sends_body(b'{"plan_type": "\xff\xfe"}'), "sends bytes that are not UTF-8"
        ),
        "wrong-types": FaultKind(sends_wrong_types, "sends a usage of wrong types throughout"),
        "odd-json": FaultKind(
            sends_odd_json, "sends valid JSON with a BOM, half a surrogate pair, huge numbers"
        ),
        "marks": FaultKind(
            sends_control_characters, "sends control characters, ANSI and bidi marks in every text"
        ),
        "big": FaultKind(sends_big_body, "sends a body of 1 MiB and one byte", Argument.BYTES),
        "endless": FaultKind(sends_endless_body, "sends a body without end"),
        # Lengths and encodings.
        "cut": FaultKind(sends_half(CLOSE), "closes the connection halfway through"),
        "too-long": FaultKind(
            misstates_length(100, CLOSE), "promises 100 bytes more than it sends"
        ),
        "too-short": FaultKind(misstates_length(-100), "promises 100 bytes fewer than it sends"),
        "no-length": FaultKind(
            sends(lambda context: context.response(200, context.body, length=None), CLOSE),
            "sends no Content-Length, closes the connection at the end",
        ),
        "chunked": FaultKind(sends_chunks(b"0\r\n\r\n"), "sends the body in chunks"),
        "chunked-cut": FaultKind(
            sends_chunks(b"", CLOSE), "sends chunks and closes before the last"
        ),
        "chunked-bad": FaultKind(
            sends_chunks(b"zz\r\nbad\r\n", CLOSE), "sends chunks, one of no valid size"
        ),
        "gzip": FaultKind(sends_encoded(b"gzip", gzip.compress), "sends gzip, asked for or not"),
        "gzip-broken": FaultKind(
            sends_encoded(b"gzip", lambda body: gzip.compress(body)[:20] + b"\xff" * 40),
            "sends gzip that is damaged",
        ),
        "gzip-bomb": FaultKind(
            sends_gzip_bomb, "sends gzip that inflates to 200 MiB", Argument.MIB
        ),
        "encoding-unknown": FaultKind(
            sends_encoded(b"x-made-up", lambda body: body), "names an unknown Content-Encoding"
        ),
        # Not HTTP.
        "bad-status-line": FaultKind(
            sends(lambda _context: b"HTTP/1.1 fine OK\r\n\r\n", CLOSE), "sends no valid status"
        ),
        "garbage": FaultKind(
            sends(lambda context: context.rng.randbytes(500) + b"\r\n\r\n", CLOSE),
            "sends 500 random bytes",
        ),
        "bad-header": FaultKind(
            adds_header(lambda _context: b"no colon here\r\n"), "sends a header without a colon"
        ),
        "bad-length": FaultKind(
            adds_header(lambda _context: b"Content-Length: banana\r\n"),
            "sends a second Content-Length that is no number",
        ),
        "header-big": FaultKind(
            adds_header(lambda _context: b"X-Big: %s\r\n" % (b"b" * 100_000)),
            "sends a header of 100,000 bytes",
        ),
        "headers-many": FaultKind(
            adds_header(lambda _context: b"X-Many: of these\r\n" * 5_000), "sends 5,000 headers"
        ),
        "headers-endless": FaultKind(sends_endless_head, "sends headers without end"),
        # Whose response it is.
        "stranger": FaultKind(
            sends(lambda context: context.json_response(context.others_payload)),
            "sends the usage of the account that asked before",
        ),
        "anonymous": FaultKind(omits_identity, "sends a usage without ids and e-mail"),
        "twice": FaultKind(
            sends(
                lambda context: (
                    context.healthy_response() + context.json_response(context.others_payload)
                )
            ),
            "sends another account's response right behind",
        ),
        "surplus": FaultKind(surplus, "sends another account's response up to 20 ms later"),
        # What must not travel on.
        "cookie": FaultKind(
            adds_header(lambda _context: b"Set-Cookie: session=secret; path=/\r\n"),
            "sets a cookie named session",
        ),
        "echo": FaultKind(echoes_token, "sends the token back in body and header"),
        "echo-401": FaultKind(refuses_with_token, "answers 401 with the token in the error"),
    }
)
