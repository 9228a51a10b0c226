"""Read one answer whole: what it says, and what is kept of it, safe to hand to anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from poller.usage.masking import masked_outcome
from poller.usage.raw import raw_headers, raw_json
from poller.usage.response import LARGE_BYTES, collector_paused, usage_or_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.values import Failure, Response, Usage

_LARGE_TO_KEEP_BYTES = 8 << 10
"""Above it, taking tokens out of an answer that is kept may take milliseconds."""


class Answer(NamedTuple):
    """What one answer says, and what a run was asked to keep of it; without known tokens."""

    outcome: Usage | Failure
    raw: object = None
    """Its JSON, or its text; None where it is not kept."""
    headers: dict[str, str] | None = None
    """By lower-case name; likewise."""


def read_answer(
    response: Response,
    mask: Callable[[str], str],
    *,
    observed_at: float,
    keeps_json: bool = False,
    keeps_headers: bool = False,
) -> Answer:
    """Return what an answer says; ``mask`` takes known tokens out of a text.

    ``observed_at`` is Unix seconds. Never raises. What comes out is bounded, whatever comes
    in: see :mod:`poller.usage.normalizer` and :mod:`poller.usage.raw`. The identity in it is
    whole and unmasked, to be compared: see :func:`poller.usage.masking.masked_identity`.
    """
    if len(response.body) > LARGE_BYTES:
        with collector_paused():
            outcome = _outcome(response, mask, observed_at)
    else:
        outcome = _outcome(response, mask, observed_at)
    raw = raw_json(response.body, mask) if keeps_json else None
    headers = raw_headers(response.headers, mask) if keeps_headers else None
    return Answer(outcome, raw, headers)


def _outcome(response: Response, mask: Callable[[str], str], observed_at: float) -> Usage | Failure:
    return masked_outcome(usage_or_failure(response, observed_at=observed_at), mask)


def belongs_in_thread(
    response: Response, *, keeps_json: bool = False, keeps_headers: bool = False
) -> bool:
    """Say whether reading an answer may hold up the event loop: hardly any is so large."""
    if len(response.body) > (_LARGE_TO_KEEP_BYTES if keeps_json else LARGE_BYTES):
        return True
    if not keeps_headers:
        return False
    return sum(len(name) + len(value) for name, value in response.headers) > _LARGE_TO_KEEP_BYTES
