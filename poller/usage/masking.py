"""Take tokens out of what an answer said, once, where it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from poller.text import PIECE
from poller.values import Failure, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.values import Identity, Limit


def masked_outcome(outcome: Usage | Failure, mask: Callable[[str], str]) -> Usage | Failure:
    """Return an outcome with every text in it masked but its identity.

    ``mask`` takes known tokens out of a text. Identities are compared whole first:
    see :func:`masked_identity`.
    """
    if isinstance(outcome, Failure):
        return masked_failure(outcome, mask)
    plan, limited_by = _masked(outcome.plan, mask), _masked(outcome.limited_by, mask)
    limits = outcome.extra_limits
    if limits:
        masked = tuple([_masked_limit(limit, mask) for limit in limits])
        limits = limits if masked == limits else masked
    same = plan is outcome.plan and limited_by is outcome.limited_by
    if same and limits is outcome.extra_limits:
        return outcome
    return replace(outcome, plan=plan, limited_by=limited_by, extra_limits=limits)


def masked_failure(failure: Failure, mask: Callable[[str], str]) -> Failure:
    """Return a failure with its message and code masked; hints are our own."""
    message, code = mask(failure.message), _masked(failure.code, mask)
    if message == failure.message and code == failure.code:
        return failure
    return replace(failure, message=message, code=code)


def masked_identity(identity: Identity, mask: Callable[[str], str]) -> Identity:
    """Return an identity with its texts masked."""
    return replace(
        identity,
        user_id=_masked(identity.user_id, mask),
        account_id=_masked(identity.account_id, mask),
        email=_masked(identity.email, mask),
    )


def _masked_limit(limit: Limit, mask: Callable[[str], str]) -> Limit:
    name, feature = _masked(limit.name, mask), _masked(limit.feature, mask)
    if name is limit.name and feature is limit.feature:
        return limit
    return replace(limit, name=name, feature=feature)


def _masked(text: str | None, mask: Callable[[str], str]) -> str | None:
    if text is None or len(text) < PIECE:
        return text
    masked = mask(text)
    return text if masked == text else masked
