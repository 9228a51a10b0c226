"""Every way the server can misbehave, by name; a new one is a line in ``FAULTS``.

A fault is written ``NAME[-ARG][@reused][xN]``: ``503x1`` (the first attempt), ``drip``,
``retry-after-2x1``, ``slow-300ms``, ``401-token_expired``, ``403@reused`` (only over a
connection that has carried a request before). Any status of three digits is a name.
"""

from __future__ import annotations

import difflib
import gzip
import itertools
import re
import zlib
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson

from poller.simulator.plays import Ask, End, Play
from poller.simulator.refusals import edge, refusal, retry_after
from poller.simulator.wire import HTML

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poller.simulator.payloads import Payload

_WRITTEN = re.compile(r"(?P<what>.+?)(?P<reused>@reused)?(?:x(?P<first>\d+))?", re.DOTALL)
_STATUS = re.compile(r"(\d{3})(?:-(.*))?", re.DOTALL)

_MIB = 1 << 20
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_MARKS = "\x1b[31mred\x1b]0;title\x07\u202eevil\u2066\u200b\x00\x7f\x9b1m\u2028\r\nline"
"""Colour, a window title, bidi marks, C0, C1, DEL, a line separator, a line break."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as written in an account id or on the command line."""

    act: Callable[[Ask], Play]
    arg: str = ""
    only_reused: bool = False
    """Whether a first request on a connection is answered as if it were not there."""
    first: int | None = None
    """How many attempts it strikes; None for all."""

    def strikes(self, *, attempt: int, reused: bool) -> bool:
        """Whether this attempt, counted from 1, meets the fault."""
        if self.only_reused and not reused:
            return False
        return self.first is None or attempt <= self.first


def fault_of(text: str) -> Fault:
    """Return the fault that is written so.

    Raises:
        ValueError: there is none; the message names a near match.
    """
    found = _WRITTEN.fullmatch(text)
    act, arg = _named(found["what"]) if found else (None, "")
    if found is None or act is None:
        near = difflib.get_close_matches(text, FAULTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see poller.simulator.faults"
        raise ValueError(f"{text!r}: unknown fault; {hint}")
    first = int(found["first"]) if found["first"] else None
    return Fault(act, arg, found["reused"] is not None, first)


def _named(what: str) -> tuple[Callable[[Ask], Play] | None, str]:
    status = _STATUS.fullmatch(what)
    if status is not None:
        return partial(refusal, status=int(status[1])), status[2] or ""
    name = what
    while name and name not in FAULTS:
        name = name.rpartition("-")[0]
    return FAULTS.get(name), what[len(name) + 1 :]


def _sends(make: Callable[[Ask], bytes], end: End = End.KEEP) -> Callable[[Ask], Play]:
    return lambda ask: Play((make(ask),), end)


def _body(body: bytes, content_type: bytes = b"application/json") -> Callable[[Ask], Play]:
    return _sends(lambda ask: ask.answer(200, body, content_type=content_type))


def _ends(end: End) -> Callable[[Ask], Play]:
    return lambda _ask: Play((), end)


def _half(end: End) -> Callable[[Ask], Play]:
    # The pause lets the half that was sent arrive before a reset would overtake it.
    return lambda ask: Play((ask.plain()[: -len(ask.body) // 2], 0.05), end)


def _encoded(encoding: bytes, encode: Callable[[bytes], bytes]) -> Callable[[Ask], Play]:
    extra = b"Content-Encoding: %s\r\n" % encoding
    return _sends(lambda ask: ask.answer(200, encode(ask.body), extra=extra))


def _chunks(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def _chunked(tail: bytes, end: End = End.KEEP) -> Callable[[Ask], Play]:
    def act(ask: Ask) -> Play:
        middle = len(ask.body) // 2
        body = _chunks(ask.body[:middle], ask.body[middle:]) + tail
        return Play((ask.answer(200, body, length=None, extra=_CHUNKED),), end)

    return act


def _off_by(length: int, end: End = End.KEEP) -> Callable[[Ask], Play]:
    return lambda ask: Play((ask.answer(200, ask.body, length=len(ask.body) + length),), end)


def _with_header(line: Callable[[Ask], bytes]) -> Callable[[Ask], Play]:
    return _sends(lambda ask: ask.answer(200, ask.body, extra=line(ask)))


def _big(ask: Ask) -> Play:
    """Send valid JSON of so many bytes, one above 1 MiB without an argument."""
    padding = ask.count(_MIB + 1) - len(ask.body)
    return Play((ask.answer(200, ask.body + b" " * padding),))


def _endless(chunk: bytes, pause_s: float = 0.001) -> Iterator[bytes | float]:
    return itertools.chain.from_iterable(itertools.repeat((chunk, pause_s)))


def _endless_body(ask: Ask) -> Play:
    head = ask.answer(200, b"", length=None, extra=_CHUNKED)
    return Play(itertools.chain((head, _chunks(ask.body)), _endless(_chunks(b" " * 65_536))))


def _endless_head(ask: Ask) -> Play:
    head = ask.plain().partition(b"\r\n\r\n")[0] + b"\r\n"
    return Play(itertools.chain((head,), _endless(b"X-More: %s\r\n" % (b"m" * 1_000))))


def _gzip_bomb(ask: Ask) -> Play:
    """Send so many MiB of blanks (200 without an argument), a thousandth on the wire.

    One flushed block is repeated, which takes no time; the checksum at the end is wrong,
    but whoever comes that far has gone too far already.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = deflate.compress(b" " * _MIB) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(b" " * _MIB) + deflate.flush(zlib.Z_FULL_FLUSH)
    body = first + block * (ask.count(200) - 1) + deflate.flush()
    return Play((ask.answer(200, body, extra=b"Content-Encoding: gzip\r\n"),))


def _drip(ask: Ask, *, head_at_once: bool = False) -> Play:
    """Send one byte every 100 ms, or as long as the argument says."""
    whole = ask.plain()
    start = len(whole) - len(ask.body) if head_at_once else 0
    pause_s = ask.seconds(0.1)
    drops = ((whole[i : i + 1], pause_s) for i in range(start, len(whole)))
    return Play(itertools.chain((whole[:start],), itertools.chain.from_iterable(drops)))


def _wrong_types(ask: Ask) -> Play:
    window: Payload = {"used_percent": True, "limit_window_seconds": "long", "reset_at": {}}
    wrong: Payload = {
        "plan_type": 7,
        "rate_limit": {"allowed": "yes", "limit_reached": [], "primary_window": window},
        "additional_rate_limits": {"limit_name": []},
        "code_review_rate_limit": "none",
        "credits": [],
        "spend_control": 3,
        "rate_limit_reset_credits": "many",
    }
    return Play((ask.says({**ask.payload, **wrong}),))


def _odd_json(ask: Ask) -> Play:
    """Send JSON that is sound, but more than many a parser takes: a mark, halves, huge numbers."""
    odd = b',"cut":"\\ud83d","huge":1e999,"endless":%s}' % (b"9" * 5_000)
    return Play((ask.answer(200, b"\xef\xbb\xbf" + ask.body[:-1] + odd),))


def _marks(ask: Ask) -> Play:
    """Put control characters, ANSI and bidi marks wherever text can stand but the ids."""
    limit = ask.payload["rate_limit"]
    beside = {"limit_name": _MARKS, "metered_feature": _MARKS, "rate_limit": limit}
    spend = {"source": _MARKS, "limit": _MARKS, "used": _MARKS, "remaining": _MARKS}
    marked = {
        "email": _MARKS,
        "plan_type": _MARKS,
        "additional_rate_limits": [beside],
        "credits": {"has_credits": True, "unlimited": False, "balance": _MARKS},
        "spend_control": {"reached": True, "individual_limit": spend},
        "rate_limit_reached_type": {"type": _MARKS, "details": _MARKS},
        _MARKS: _MARKS,
    }
    body = orjson.dumps({**ask.payload, **marked})
    return Play((ask.answer(200, body, extra=b"X-Marks: caf\xe9 \x9b31m\r\n"),))


def _anonymous(ask: Ask) -> Play:
    identity = {"user_id", "account_id", "email"}
    return Play((ask.says({k: v for k, v in ask.payload.items() if k not in identity}),))


def _echo(ask: Ask) -> Play:
    """Send the token back, whole and in part, in the body, an error code and a header."""
    token = ask.authorization.removeprefix("Bearer ")
    echoed = {"plan_type": token[:40], "debug": f"Authorization: Bearer {token}", token: token[20:]}
    body = orjson.dumps({**ask.payload, **echoed})
    return Play((ask.answer(200, body, extra=b"X-Echo: %s\r\n" % token.encode("latin-1")),))


def _echo_refusal(ask: Ask) -> Play:
    token = ask.authorization.removeprefix("Bearer ")
    error = {"code": token[:60], "message": f"bad token {token}"}
    return Play((ask.answer(401, orjson.dumps({"error": error})),))


def surplus(ask: Ask) -> Play:
    """Answer, and send another account's answer 0-20 ms later on the kept connection."""
    return Play((ask.plain(),), surplus=(ask.rng.uniform(0, 0.020), ask.says(ask.strange)))


FAULTS: Mapping[str, Callable[[Ask], Play]] = MappingProxyType(
    {
        "retry-after": retry_after,
        "edge": edge,
        # No answer, or none in time.
        "hang": _ends(End.HANG),
        "hang-half": _half(End.HANG),
        "drip": _drip,
        "drip-body": partial(_drip, head_at_once=True),
        "slow": lambda ask: Play((ask.seconds(1.0), ask.plain())),
        "reset": _ends(End.RESET),
        "reset-half": _half(End.RESET),
        "close": _ends(End.CLOSE),
        "goodbye": lambda ask: Play((ask.plain(), ask.seconds(0.0)), End.CLOSE),
        # Bodies.
        "empty": _body(b""),
        "html": _body(b"<!DOCTYPE html><html><body>please log in</body></html>", HTML),
        "text": _body(b"not json", b"text/plain"),
        "not-json": _body(b'{"rate_limit": '),
        "nan": _body(b'{"rate_limit": {"primary_window": {"used_percent": NaN}}}'),
        "null": _body(b"null"),
        "list": _body(b"[]"),
        "number": _body(b"42"),
        "string": _body(b'"rate_limit"'),
        "deep": _body(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "not-utf8": _body(b'{"plan_type": "\xff\xfe"}'),
        "wrong-types": _wrong_types,
        "odd-json": _odd_json,
        "marks": _marks,
        "big": _big,
        "endless": _endless_body,
        # Lengths and encodings.
        "cut": _half(End.CLOSE),
        "too-long": _off_by(100, End.CLOSE),
        "too-short": _off_by(-100),
        "no-length": _sends(lambda ask: ask.answer(200, ask.body, length=None), End.CLOSE),
        "chunked": _chunked(b"0\r\n\r\n"),
        "chunked-cut": _chunked(b"", End.CLOSE),
        "chunked-bad": _chunked(b"zz\r\nbad\r\n", End.CLOSE),
        "gzip": _encoded(b"gzip", gzip.compress),
        "gzip-broken": _encoded(b"gzip", lambda body: gzip.compress(body)[:20] + b"\xff" * 40),
        "gzip-bomb": _gzip_bomb,
        "encoding-unknown": _encoded(b"x-made-up", lambda body: body),
        # Not HTTP.
        "bad-status-line": _sends(lambda _ask: b"HTTP/1.1 fine OK\r\n\r\n", End.CLOSE),
        "garbage": _sends(lambda ask: ask.rng.randbytes(500) + b"\r\n\r\n", End.CLOSE),
        "bad-header": _with_header(lambda _ask: b"no colon here\r\n"),
        "bad-length": _with_header(lambda _ask: b"Content-Length: banana\r\n"),
        "header-big": _with_header(lambda _ask: b"X-Big: %s\r\n" % (b"b" * 100_000)),
        "headers-many": _with_header(lambda _ask: b"X-Many: of these\r\n" * 5_000),
        "headers-endless": _endless_head,
        # Whose answer it is.
        "stranger": _sends(lambda ask: ask.says(ask.strange)),
        "anonymous": _anonymous,
        "twice": _sends(lambda ask: ask.plain() + ask.says(ask.strange)),
        "surplus": surplus,
        # What must not travel on.
        "cookie": _with_header(lambda _ask: b"Set-Cookie: session=secret; path=/\r\n"),
        "echo": _echo,
        "echo-401": _echo_refusal,
    }
)
