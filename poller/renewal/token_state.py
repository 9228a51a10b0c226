"""What is known of one refresh token, and how that is written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from poller.usage.json_values import text

if TYPE_CHECKING:
    from collections.abc import Mapping


_YEAR_2242_AT = 1 << 33


class SpendState(StrEnum):
    """Whether a refresh token may be sent, and why not."""

    FREE = "free"
    """Never sent, or sent and certainly not looked at."""
    SENT = "sent"
    """Sent, and no answer is known."""
    RENEWED = "renewed"
    """Spent; its successor was saved."""
    REJECTED = "rejected"
    """Spent; the answer held another login's tokens."""
    ENDED = "ended"
    """Refused permanently."""


@dataclass(frozen=True, slots=True)
class TokenState:
    """What is known of one refresh token."""

    spend_state: SpendState = SpendState.FREE
    at: int = 0
    """Unix seconds."""
    file: str = ""
    """The file that its successor was meant for, or was saved in."""
    successor: str = ""
    """The key of the refresh token that came for it; its own key where the old one lives on."""
    code: str = ""
    """The token endpoint's code, of a token that has ended."""

    def may_be_sent(self, key: str) -> bool:
        """Whether the token with that key may be sent."""
        lives_on = self.spend_state is SpendState.RENEWED and self.successor == key
        return self.spend_state is SpendState.FREE or lives_on


def safer(one: TokenState, other: TokenState, *, key: str) -> TokenState:
    """Return which of two recorded states of one token to go by.

    One that forbids sending wins, as sending twice ends the login; of two such states, the one
    that leads to the successor.
    """
    return max(
        one, other, key=lambda each: (not each.may_be_sent(key), _CERTAINTY[each.spend_state])
    )


_CERTAINTY = {
    SpendState.FREE: 0,
    SpendState.SENT: 1,
    SpendState.ENDED: 2,
    SpendState.REJECTED: 3,
    SpendState.RENEWED: 4,
}


def serialize(state: TokenState) -> bytes:
    """Return a state as JSON; it holds no token."""
    return json.dumps(
        {
            "state": state.spend_state.value,
            "at": state.at,
            "file": state.file,
            "successor": state.successor,
            "code": state.code,
        }
    ).encode()


def parse(content: bytes) -> TokenState:
    """Return the state in ``content``.

    Where nothing is recorded, the token was never sent. Where the record cannot be read, it
    may have been.
    """
    if not content.strip():
        return TokenState()
    try:
        members = cast("Mapping[str, object]", json.loads(content))
        at = members["at"]
        return TokenState(
            SpendState(text(members, "state") or ""),
            at if isinstance(at, int) and 0 <= at < _YEAR_2242_AT else 0,
            text(members, "file") or "",
            text(members, "successor") or "",
            text(members, "code") or "",
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return TokenState(SpendState.SENT)
