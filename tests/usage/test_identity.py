from __future__ import annotations

import pytest

from poller.authfiles.shapes import parse
from poller.usage.identity import IdentityMatch, match_identity
from poller.usage.normalizer import normalize
from poller.values import Credential, Failure, Identity
from tests.auth_files import NOW, codex, content, token

ASKED = Identity("user-1", "team-1", "One@example.com")


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (ASKED, Identity("user-1", "team-1"), IdentityMatch.CONFIRMED),
        (ASKED, Identity("user-2", "team-1"), IdentityMatch.DIFFERENT),
        (ASKED, Identity("user-1", "team-2"), IdentityMatch.DIFFERENT),
        (ASKED, Identity("user-1"), IdentityMatch.CONFIRMED),
        (ASKED, Identity(None, "team-1"), IdentityMatch.CONFIRMED),
        (ASKED, Identity(None, "team-2"), IdentityMatch.DIFFERENT),
        (ASKED, Identity(), IdentityMatch.UNKNOWN),
        (Identity(), Identity("user-1", "team-1"), IdentityMatch.UNKNOWN),
        # a personal account's answer repeats the user id as its account id
        (ASKED, Identity("user-1", "user-1"), IdentityMatch.CONFIRMED),
        (Identity(None, "team-1"), Identity("user-1", "user-1"), IdentityMatch.UNKNOWN),
        # e-mail decides only where neither can be compared
        (ASKED, Identity(None, None, "one@EXAMPLE.com"), IdentityMatch.CONFIRMED),
        (ASKED, Identity(None, None, "two@example.com"), IdentityMatch.DIFFERENT),
        (ASKED, Identity("user-1", None, "two@example.com"), IdentityMatch.CONFIRMED),
        (Identity(None, "team-1"), Identity(None, None, "one@example.com"), IdentityMatch.UNKNOWN),
    ],
)
def test_identifiers_agree_when_every_one_on_both_sides_is_equal(
    asked: Identity, answered: Identity, expected: IdentityMatch
) -> None:
    assert match_identity(asked=asked, answered=answered) is expected


@pytest.mark.parametrize("user_id", ["user-1", "u" * 201, "u" * 1_500, "\x1b[31mu", "usér\u202e"])
@pytest.mark.parametrize("account_id", ["team-1", "t" * 201, "t" * 1_500])
def test_an_answer_agrees_with_its_own_file_however_odd_the_ids(
    user_id: str, account_id: str
) -> None:
    document = codex()
    access_token = token(chatgpt_user_id=user_id, chatgpt_account_id=account_id)
    document["tokens"] |= {"access_token": access_token, "account_id": account_id}
    logins = parse(content(document), now=NOW)
    assert not isinstance(logins, Failure)
    credential = logins[0].outcome
    assert isinstance(credential, Credential)

    own = normalize({"user_id": user_id, "account_id": account_id}, observed_at=NOW)
    other = normalize({"user_id": f"{user_id}2", "account_id": account_id}, observed_at=NOW)

    assert own is not None
    assert other is not None
    assert match_identity(asked=credential, answered=own.identity) is IdentityMatch.CONFIRMED
    assert match_identity(asked=credential, answered=other.identity) is IdentityMatch.DIFFERENT
