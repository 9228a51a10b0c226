from __future__ import annotations

from dataclasses import replace

import pytest

from poller.text import KnownTokens
from poller.usage.masking import masked_failure, masked_identity, masked_outcome
from poller.values import Failure, FailureKind, Identity, Limit, Secret, Usage

TOKEN = "Zm9yIHRlc3RzIG9ubHksIG5vIHRva2Vu"


def known() -> KnownTokens:
    tokens = KnownTokens()
    tokens.add([Secret(TOKEN)])
    return tokens


@pytest.mark.parametrize("echo", [TOKEN, TOKEN.upper(), TOKEN.lower(), TOKEN[:12], TOKEN[-14:]])
def test_no_text_of_an_outcome_echoes_a_token(echo: str) -> None:
    usage = Usage(
        plan=echo,
        limited_by=f"by {echo}",
        extra_limits=(Limit(echo, echo, usable=None, windows=()), Limit("a", None, True, ())),
    )
    assert masked_outcome(usage, known().mask) == Usage(
        plan="***",
        limited_by="by ***",
        extra_limits=(Limit("***", "***", usable=None, windows=()), Limit("a", None, True, ())),
    )
    failure = Failure(FailureKind.HTTP_ERROR, f"got {echo}", "try again", echo)
    assert masked_outcome(failure, known().mask) == Failure(
        FailureKind.HTTP_ERROR, "got ***", "try again", "***"
    )
    masked = Identity("***", "***", None)
    assert masked_identity(Identity(echo, echo, None), known().mask) == masked


def test_claims_of_the_credential_itself_are_not_an_echo() -> None:
    own = Identity(f"user {TOKEN}", "acc-1", None)
    shown = masked_identity(replace(own, account_id=TOKEN, email="a@b.c"), known().mask, own=own)
    assert shown == Identity(f"user {TOKEN}", "***", "a@b.c")


def test_an_identity_is_shown_with_200_characters_of_each_text() -> None:
    long = Identity("u" * 8000, "a" * 8000, "e" * 201)
    for own in (Identity(), long):
        shown = masked_identity(long, known().mask, own=own)
        assert shown == Identity("u" * 200, "a" * 200, "e" * 200)


@pytest.mark.parametrize("start", [0, 7])
def test_an_encoding_that_echoes_a_token_is_masked_in_the_message(start: int) -> None:
    said = TOKEN[start : start + 32].lower()  # as the client reads it
    failure = Failure(
        FailureKind.INVALID_RESPONSE, f"cannot be read: unknown encoding {said!r}", ""
    )
    shown = masked_failure(failure, known().mask)
    assert shown.message == "cannot be read: unknown encoding '***'"


def test_another_accounts_token_is_masked_in_this_ones_answer() -> None:
    tokens = known()
    for number in range(200):
        tokens.add([Secret(f"made-up-{number:04d}-{number * 7919:012d}")])
    shown = masked_outcome(Usage(plan=f"plan {TOKEN[4:18]}", limited_by=TOKEN), tokens.mask)
    assert shown == Usage(plan="plan ***", limited_by="***")


def test_an_outcome_without_a_token_stays_as_it_is() -> None:
    limit = Limit("GPT-5.3-Codex-Spark", "codex_bengalfox", usable=True, windows=())
    usage = Usage(plan="self_serve_business_usage_based", extra_limits=(limit,))
    failure = Failure(FailureKind.UNAUTHORIZED, "refused (401)", "log in again", "token_expired")
    for outcome in (usage, failure, Usage(plan="plus")):
        assert masked_outcome(outcome, known().mask) == outcome
