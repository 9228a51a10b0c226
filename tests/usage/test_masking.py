from __future__ import annotations

import pytest

from poller.text import KnownTokens
from poller.usage.masking import masked_identity, masked_outcome
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


def test_an_outcome_without_a_token_stays_as_it_is() -> None:
    limit = Limit("GPT-5.3-Codex-Spark", "codex_bengalfox", usable=True, windows=())
    usage = Usage(plan="self_serve_business_usage_based", extra_limits=(limit,))
    failure = Failure(FailureKind.UNAUTHORIZED, "refused (401)", "log in again", "token_expired")
    for outcome in (usage, failure, Usage(plan="plus")):
        assert masked_outcome(outcome, known().mask) == outcome
