from __future__ import annotations

import pytest

from poller.core.identity import Agreement, agreement
from poller.core.model import Identity

ASKED = Identity("user-1", "team-1", "One@example.com")


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (ASKED, Identity("user-1", "team-1"), Agreement.PROVEN),
        (ASKED, Identity("user-2", "team-1"), Agreement.DISAGREES),
        (ASKED, Identity("user-1", "team-2"), Agreement.DISAGREES),
        (ASKED, Identity("user-1"), Agreement.PROVEN),
        (ASKED, Identity(None, "team-1"), Agreement.PROVEN),
        (ASKED, Identity(None, "team-2"), Agreement.DISAGREES),
        (ASKED, Identity(), Agreement.UNKNOWN),
        (Identity(), Identity("user-1", "team-1"), Agreement.UNKNOWN),
        # a personal account's answer repeats the user id as its account id
        (ASKED, Identity("user-1", "user-1"), Agreement.PROVEN),
        (Identity(None, "team-1"), Identity("user-1", "user-1"), Agreement.UNKNOWN),
        # e-mail decides only where neither can be compared
        (ASKED, Identity(None, None, "one@EXAMPLE.com"), Agreement.PROVEN),
        (ASKED, Identity(None, None, "two@example.com"), Agreement.DISAGREES),
        (ASKED, Identity("user-1", None, "two@example.com"), Agreement.PROVEN),
        (Identity(None, "team-1"), Identity(None, None, "one@example.com"), Agreement.UNKNOWN),
    ],
)
def test_identifiers_agree_when_every_one_on_both_sides_is_equal(
    asked: Identity, answered: Identity, expected: Agreement
) -> None:
    assert agreement(asked=asked, answered=answered) is expected
