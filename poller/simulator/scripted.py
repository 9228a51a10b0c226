"""Scripted responses: what goes onto the wire, when, and what becomes of the connection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from typing import TYPE_CHECKING

import orjson

from poller.simulator.wire import JSON, VaryingHeaders, http_response

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from poller.simulator.payloads import Payload

LONGEST_S = 86_400.0
"""No response waits longer than a day."""

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|)")
_UNIT_S = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0))


class AfterLastByte(Enum):
    """What becomes of the connection after the last byte of a response."""

    KEEP_OPEN = "keep open"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    """Nothing more is sent, and the connection stays open until the client leaves."""


@dataclass(frozen=True, slots=True)
class ScriptedResponse:
    """What the server does in place of a healthy response."""

    steps: Iterable[bytes | float] = ()
    """Bytes to send and seconds to wait, in order; may be endless."""
    then: AfterLastByte = AfterLastByte.KEEP_OPEN
    surplus: tuple[float, bytes] | None = None
    """Seconds to wait after the last step, and bytes nobody asked for to send then."""


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault may use to build its response to one request."""

    argument: str
    """What follows the fault's name: ``2`` in ``retry-after-2``."""
    payload: Payload
    """The payload of a healthy response."""
    body: bytes
    """The same, serialized."""
    others_payload: Payload
    """Another account's payload."""
    authorization: str
    """The request's header, including the token."""
    dated_at: int
    """Unix seconds of the response's Date header."""
    varying: VaryingHeaders
    rng: Random
    closes: bool = False
    """Whether the client wants the connection closed."""

    def response(
        self,
        status: int,
        body: bytes,
        *,
        content_type: bytes = JSON,
        length: int | None = -1,
        extra: bytes = b"",
    ) -> bytes:
        """Return a whole response; see ``wire.http_response``."""
        return http_response(
            self.varying,
            status,
            body,
            content_type=content_type,
            length=length,
            extra=extra,
            closes=self.closes,
        )

    def healthy_response(self) -> bytes:
        """Return the response without the fault."""
        return self.response(200, self.body)

    def json_response(self, payload: object) -> bytes:
        """Return a 200 with ``payload`` as JSON."""
        return self.response(200, orjson.dumps(payload))

    def duration_s(self, default: float) -> float:
        """Return the argument as a duration, or the default without one."""
        return duration_s(self.argument) if self.argument else default

    def number(self, default: int) -> int:
        """Return the argument as a whole number, or the default without one."""
        return int(self.argument) if self.argument else default


def duration_s(text: str) -> float:
    """Return the seconds that ``200ms``, ``0.2``, ``1s`` or ``2m`` stand for.

    Raises:
        ValueError: it is none of these, or longer than a day.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no duration: write 200ms, 0.2, 1s or 2m")
    seconds = float(found[1]) * dict(_UNIT_S)[found[2]]
    if seconds > LONGEST_S:
        raise ValueError(f"{text!r} is longer than a day")
    return seconds


def http_date(at: float) -> bytes:
    """Return Unix seconds as HTTP writes them."""
    return formatdate(at, usegmt=True).encode()
