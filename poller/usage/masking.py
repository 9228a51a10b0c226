"""Take tokens out of what an answer said, once, where it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from poller.text import PIECE
from poller.usage.json_values import TEXT_LENGTH
from poller.values import Failure, Identity, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.values import Limit

NOBODY = Identity()

_USUAL = frozenset(
    {
        *("GPT-5.3-Codex-Spark", "GPT-5.3-Codex-Spark-Preview", "codex_bengalfox"),
        *("gpt-reserve", "base_model_inference", "code_review", "rate_limit_reached"),
        *("workspace_owner_credits_depleted", "workspace_member_credits_depleted"),
        *("workspace_owner_usage_limit_reached", "workspace_member_usage_limit_reached"),
        *("free_workspace", "self_serve_business_prolite", "self_serve_business_usage_based"),
        *("enterprise_cbp_automation", "enterprise_cbp_usage_based"),
    }
)
"""What the upstream is known to say and no token can hold: hardly an answer says anything else."""


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


def masked_identity(
    identity: Identity, mask: Callable[[str], str], *, own: Identity = NOBODY
) -> Identity:
    """Return an identity as a report shows it: masked, 200 characters of each text at most.

    What the credential's ``own`` says, too, is no echo, and is not masked. Compare whose
    an answer is, and take an account's key, before.
    """
    return Identity(
        _shown(identity.user_id, own.user_id, mask),
        _shown(identity.account_id, own.account_id, mask),
        _shown(identity.email, own.email, mask),
    )


def _shown(text: str | None, own: str | None, mask: Callable[[str], str]) -> str | None:
    if text is None:
        return None
    return text[:TEXT_LENGTH] if text == own else mask(text[:TEXT_LENGTH])


def _masked_limit(limit: Limit, mask: Callable[[str], str]) -> Limit:
    name, feature = _masked(limit.name, mask), _masked(limit.feature, mask)
    if name is limit.name and feature is limit.feature:
        return limit
    return replace(limit, name=name, feature=feature)


def _masked(text: str | None, mask: Callable[[str], str]) -> str | None:
    if text is None or len(text) < PIECE or text in _USUAL:
        return text
    masked = mask(text)
    return text if masked == text else masked
