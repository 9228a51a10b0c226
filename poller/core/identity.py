"""Whose answer is it.

A kept connection can hold an answer that was meant for the request before. Only an
answer whose identifiers agree with the credential proves that it is this account's.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.core.model import Identity


class Agreement(Enum):
    """How an answer's identity stands to the credential's."""

    PROVEN = "proven"
    UNKNOWN = "unknown"
    """Nothing is present on both sides."""
    DISAGREES = "disagrees"


def agreement(*, asked: Identity, answered: Identity) -> Agreement:
    """Compare who was asked for with who answered.

    Every identifier present on both sides must be equal: the user id and the account
    id, where an answer's account id that equals its user id counts as absent (personal
    accounts). E-mail decides only where neither can be compared. Members of a team
    share an account id: the user id tells them apart.
    """
    account_id = None if answered.account_id == answered.user_id else answered.account_id
    pairs = [
        (ours, theirs)
        for ours, theirs in (
            (asked.user_id, answered.user_id),
            (asked.account_id, account_id),
        )
        if ours is not None and theirs is not None
    ]
    if not pairs and asked.email is not None and answered.email is not None:
        pairs = [(asked.email.casefold(), answered.email.casefold())]
    if not pairs:
        return Agreement.UNKNOWN
    return Agreement.PROVEN if all(a == b for a, b in pairs) else Agreement.DISAGREES
