"""What a fault is made of: what goes onto the wire, when, and how it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from typing import TYPE_CHECKING

import orjson

from poller.simulator.wire import JSON, Stamp, answer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from poller.simulator.payloads import Payload

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|)")
_UNIT_S = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0))


class End(Enum):
    """What becomes of the connection after the last byte."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    """Nothing more comes, and the connection stays open until the client leaves."""


@dataclass(frozen=True, slots=True)
class Play:
    """What is done in place of a plain answer."""

    steps: Iterable[bytes | float] = ()
    """Bytes to send and seconds to wait, in order; may be endless."""
    end: End = End.KEEP
    surplus: tuple[float, bytes] | None = None
    """Bytes that follow on the kept connection so many seconds after the end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as a fault sees it."""

    arg: str
    """What follows the fault's name: ``2`` of ``retry-after-2``."""
    payload: Payload
    """What a plain answer says."""
    body: bytes
    """The same, serialized."""
    strange: Payload
    """What another account's answer says."""
    authorization: str
    """The header, token and all."""
    dated_at: int
    """Unix seconds of the answer's Date header."""
    stamp: Stamp
    rng: Random
    closes: bool = False
    """Whether the client wants the connection closed."""

    def answer(
        self,
        status: int,
        body: bytes,
        *,
        content_type: bytes = JSON,
        length: int | None = -1,
        extra: bytes = b"",
    ) -> bytes:
        """Return a whole answer; see ``wire.answer``."""
        return answer(
            self.stamp,
            status,
            body,
            content_type=content_type,
            length=length,
            extra=extra,
            closes=self.closes,
        )

    def plain(self) -> bytes:
        """Return the answer without the fault."""
        return self.answer(200, self.body)

    def says(self, payload: object) -> bytes:
        """Return a 200 with ``payload`` as JSON."""
        return self.answer(200, orjson.dumps(payload))

    def seconds(self, default: float) -> float:
        """Return the argument as a duration, or the default without one."""
        return duration_s(self.arg) if self.arg else default

    def count(self, default: int) -> int:
        """Return the argument as a whole number, or the default without one."""
        return int(self.arg) if self.arg else default


def duration_s(text: str) -> float:
    """Return the seconds that ``200ms``, ``0.2``, ``1s`` or ``2m`` stand for.

    Raises:
        ValueError: it is none of these.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration: write 200ms, 0.2 or 1s")
    return float(found[1]) * dict(_UNIT_S)[found[2]]


def http_date(at: float) -> bytes:
    """Return Unix seconds as HTTP writes them."""
    return formatdate(at, usegmt=True).encode()
