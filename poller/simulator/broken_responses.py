"""Responses that are broken in every way the fault table names.

A function here either builds one from the request's context, or returns a function that
does.
"""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING

import orjson

from poller.simulator.scripted import AfterLastByte, FaultContext, ScriptedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poller.simulator.payloads import Payload

    Respond = Callable[[FaultContext], ScriptedResponse]

_MIB = 1 << 20
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_MARKS = "\x1b[31mred\x1b]0;title\x07\u202eevil\u2066\u200b\x00\x7f\x9b1m\u2028\r\nline"
"""Colour, a window title, bidi marks, C0, C1, DEL, a line separator, a line break."""


def sends(
    make: Callable[[FaultContext], bytes], then: AfterLastByte = AfterLastByte.KEEP_OPEN
) -> Respond:
    """Return what sends the bytes that ``make`` builds."""
    return lambda context: ScriptedResponse((make(context),), then)


def sends_body(body: bytes, content_type: bytes = b"application/json") -> Respond:
    """Return what sends ``body`` in place of the usage."""
    return sends(lambda context: context.response(200, body, content_type=content_type))


def sends_nothing(then: AfterLastByte) -> Respond:
    """Return what sends no byte."""
    return lambda _context: ScriptedResponse((), then)


def sends_half(then: AfterLastByte) -> Respond:
    """Return what sends the first half of a response."""
    # The pause lets the half that was sent arrive before a reset would overtake it.
    return lambda context: ScriptedResponse(
        (context.healthy_response()[: -len(context.body) // 2], 0.05), then
    )


def sends_encoded(encoding: bytes, encode: Callable[[bytes], bytes]) -> Respond:
    """Return what sends the body in a Content-Encoding."""
    extra = b"Content-Encoding: %s\r\n" % encoding
    return sends(lambda context: context.response(200, encode(context.body), extra=extra))


def _chunks(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def sends_chunks(tail: bytes, then: AfterLastByte = AfterLastByte.KEEP_OPEN) -> Respond:
    """Return what sends the body in two chunks, and ``tail`` after them."""

    def respond(context: FaultContext) -> ScriptedResponse:
        middle = len(context.body) // 2
        body = _chunks(context.body[:middle], context.body[middle:]) + tail
        return ScriptedResponse((context.response(200, body, length=None, extra=_CHUNKED),), then)

    return respond


def misstates_length(length: int, then: AfterLastByte = AfterLastByte.KEEP_OPEN) -> Respond:
    """Return what sends a Content-Length that is wrong by ``length`` bytes."""
    return lambda context: ScriptedResponse(
        (context.response(200, context.body, length=len(context.body) + length),), then
    )


def adds_header(line: Callable[[FaultContext], bytes]) -> Respond:
    """Return what sends one more header, made of whole lines."""
    return sends(lambda context: context.response(200, context.body, extra=line(context)))


def sends_big_body(context: FaultContext) -> ScriptedResponse:
    """Send valid JSON of as many bytes as the argument says, else 1 MiB and one byte."""
    padding = context.number(_MIB + 1) - len(context.body)
    return ScriptedResponse((context.response(200, context.body + b" " * padding),))


def _endless(chunk: bytes) -> Iterator[bytes | float]:
    return itertools.chain.from_iterable(itertools.repeat((chunk, 0.001)))


def sends_endless_body(context: FaultContext) -> ScriptedResponse:
    """Send chunks of blanks for ever."""
    head = context.response(200, b"", length=None, extra=_CHUNKED)
    return ScriptedResponse(
        itertools.chain((head, _chunks(context.body)), _endless(_chunks(b" " * 65_536)))
    )


def sends_endless_head(context: FaultContext) -> ScriptedResponse:
    """Send headers for ever."""
    head = context.healthy_response().partition(b"\r\n\r\n")[0] + b"\r\n"
    return ScriptedResponse(itertools.chain((head,), _endless(b"X-More: %s\r\n" % (b"m" * 1_000))))


def sends_gzip_bomb(context: FaultContext) -> ScriptedResponse:
    """Send as many MiB of blanks as the argument says, else 200; a thousandth on the wire.

    One flushed block is repeated, which takes no time. The checksum at the end is wrong,
    but a client that inflates that far has failed already.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = deflate.compress(b" " * _MIB) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(b" " * _MIB) + deflate.flush(zlib.Z_FULL_FLUSH)
    body = first + block * (context.number(200) - 1) + deflate.flush()
    return ScriptedResponse((context.response(200, body, extra=b"Content-Encoding: gzip\r\n"),))


def drips(context: FaultContext, *, head_at_once: bool = False) -> ScriptedResponse:
    """Send a byte at a time, with pauses as long as the argument says, else 100 ms."""
    whole = context.healthy_response()
    start = len(whole) - len(context.body) if head_at_once else 0
    pause_s = context.duration_s(0.1)
    drops = ((whole[i : i + 1], pause_s) for i in range(start, len(whole)))
    return ScriptedResponse(itertools.chain((whole[:start],), itertools.chain.from_iterable(drops)))


def sends_wrong_types(context: FaultContext) -> ScriptedResponse:
    """Send a usage in which nothing has the right type."""
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
    return ScriptedResponse((context.json_response({**context.payload, **wrong}),))


def sends_odd_json(context: FaultContext) -> ScriptedResponse:
    """Send valid JSON that some parsers reject: a BOM, half a surrogate pair, huge numbers."""
    odd = b',"cut":"\\ud83d","huge":1e999,"endless":%s}' % (b"9" * 5_000)
    return ScriptedResponse((context.response(200, b"\xef\xbb\xbf" + context.body[:-1] + odd),))


def sends_control_characters(context: FaultContext) -> ScriptedResponse:
    """Put control characters, ANSI and bidi marks into every text but the ids."""
    limit = context.payload["rate_limit"]
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
    body = orjson.dumps({**context.payload, **marked})
    return ScriptedResponse((context.response(200, body, extra=b"X-Marks: caf\xe9 \x9b31m\r\n"),))


def omits_identity(context: FaultContext) -> ScriptedResponse:
    """Send a usage without user id, account id and e-mail."""
    identity = {"user_id", "account_id", "email"}
    return ScriptedResponse(
        (context.json_response({k: v for k, v in context.payload.items() if k not in identity}),)
    )


def echoes_token(context: FaultContext) -> ScriptedResponse:
    """Send the token back, whole and in part, in the body, an error code and a header."""
    token = context.authorization.removeprefix("Bearer ")
    echoed = {"plan_type": token[:40], "debug": f"Authorization: Bearer {token}", token: token[20:]}
    body = orjson.dumps({**context.payload, **echoed})
    return ScriptedResponse(
        (context.response(200, body, extra=b"X-Echo: %s\r\n" % token.encode("latin-1")),)
    )


def refuses_with_token(context: FaultContext) -> ScriptedResponse:
    """Send 401 with the token in its code and message."""
    token = context.authorization.removeprefix("Bearer ")
    error = {"code": token[:60], "message": f"bad token {token}"}
    return ScriptedResponse((context.response(401, orjson.dumps({"error": error})),))


def surplus(context: FaultContext) -> ScriptedResponse:
    """Send a healthy response, and another account's 0-20 ms later on the same connection."""
    return ScriptedResponse(
        (context.healthy_response(),),
        surplus=(context.rng.uniform(0, 0.020), context.json_response(context.others_payload)),
    )
