"""What the token endpoint's answers mean: tokens, or a refusal that may have spent the old one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poller.renewal.answers import (
    CLIENT_ID,
    refusal_without_answer,
    request_body,
    tokens_or_refusal,
)
from poller.renewal.tokens import Refusal, Tokens
from poller.upstream.transport_errors import TransportError, TransportErrorKind
from poller.values import Failure, FailureKind, Response, Secret
from tests.auth_files import NOW, token


def answered(status: int, body: Any, **headers: str) -> Tokens | Refusal:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status, tuple(headers.items()), content)
    return tokens_or_refusal(response, now=NOW)


def refusal(status: int, body: Any = b"{}", **headers: str) -> tuple[str, bool]:
    got = answered(status, body, **headers)
    assert isinstance(got, Refusal)
    return str(got.failure.kind), got.spent


def test_the_request_says_who_asks_and_nothing_else() -> None:
    assert json.loads(request_body(Secret("rt_x"))) == {
        "client_id": CLIENT_ID,
        "grant_type": "refresh_token",
        "refresh_token": "rt_x",
    }


def test_granted_tokens_are_read_and_missing_ones_are_none() -> None:
    access = token(exp=NOW + 50)
    got = answered(200, {"access_token": access, "refresh_token": "rt_2", "id_token": ""})
    assert got == Tokens(Secret(access), Secret("rt_2"), None, NOW + 50)


def test_tokens_that_come_with_another_success_are_kept() -> None:
    """The old refresh token is spent by then."""
    assert answered(201, {"refresh_token": "rt_2"}) == Tokens(refresh_token=Secret("rt_2"))


@pytest.mark.parametrize(("life", "at"), [(60, NOW + 60), (-1, None), ("60", None), (None, None)])
def test_an_opaque_token_expires_when_the_answer_says(life: Any, at: float | None) -> None:
    got = answered(200, {"access_token": "opaque", "expires_in": life})
    assert isinstance(got, Tokens)
    assert got.expires_at == at


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        ({"refresh_token": "rt_2", "expires_in": 60}, Tokens(refresh_token=Secret("rt_2"))),
        ({"id_token": "a.b.c"}, Tokens(id_token=Secret("a.b.c"))),
        (
            {"refresh_token": "rt_2", "access_token": "\ud83d"},
            Tokens(refresh_token=Secret("rt_2")),
        ),
        ({"refresh_token": "rt_2", "note": "\ud83d"}, Tokens(refresh_token=Secret("rt_2"))),
        (b'{"refresh_token": "rt_2", "expires_in": 1e400}', Tokens(refresh_token=Secret("rt_2"))),
        (b'\xef\xbb\xbf{"refresh_token": "rt_2"}', Tokens(refresh_token=Secret("rt_2"))),
    ],
)
def test_whatever_token_comes_is_kept(granted: Any, expected: Tokens) -> None:
    assert answered(200, granted) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", {"refresh_token": ""}, {"access_token": 7}, b"[" * 60_000],
)
def test_a_200_without_tokens_may_have_spent_the_token(body: Any) -> None:
    assert refusal(200, body) == ("refresh_unknown", True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"code": "refresh_token_expired"}}),
        (401, {"error": {"code": "refresh_token_reused"}}),
        (401, {"error": {"code": "refresh_token_invalidated"}}),
        (400, {"error": "invalid_grant"}),
        (400, {"error": {"code": "app_session_expired"}}),
        (400, {"error": {"code": "app_session_terminated"}}),
        (400, {"error": {"code": "account_session_expired"}}),
        (400, {"error": {"code": "invalid_refresh_token"}}),
        (500, {"error": {"code": "refresh_token_reused"}}),
        (403, {"error": "invalid_grant"}),
        (200, {"error": {"code": "refresh_token_invalidated"}}),
        (401, b""),
        (401, {"error": {"code": "news"}}),
    ],
)
def test_a_login_that_has_ended_says_how_to_log_in_again(status: int, body: Any) -> None:
    got = answered(status, body)
    assert isinstance(got, Refusal)
    assert (got.failure.kind, got.spent) == (FailureKind.LOGIN_REQUIRED, True)
    assert "codex login" in got.failure.hint
    assert str(status) in got.failure.message


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 408, 202])
def test_trouble_upstream_may_have_spent_the_token(status: int) -> None:
    assert refusal(status) == ("refresh_unknown", True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "rate_limited"), (404, "not_found"), (403, "forbidden"), (307, "redirect")],
)
def test_a_request_that_was_not_looked_at_spends_nothing(status: int, kind: str) -> None:
    assert refusal(status) == (kind, False)


@pytest.mark.parametrize("body", [b"", {"error": "news"}, {"error": "invalid_request"}])
def test_a_400_without_a_known_reason_may_have_spent_the_token(body: Any) -> None:
    assert refusal(400, body) == ("refresh_unknown", True)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_region_that_is_not_served_says_nothing_about_the_login(status: int) -> None:
    code = "unsupported_country_region_territory"
    assert refusal(status, {"error": {"code": code}}) == ("edge_blocked", False)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
@pytest.mark.parametrize("where", ["code", "error", "detail"])
def test_an_echo_of_the_token_in_a_code_goes_nowhere(status: int, where: str) -> None:
    got = answered(status, {where: "rt_echo4711echo", "message": "rt_echo4711echo"})
    assert isinstance(got, Refusal)
    assert got.failure.code is None
    assert "echo" not in repr(got)


def test_a_known_code_is_passed_on() -> None:
    got = answered(429, {"error": {"code": "rate_limit_exceeded"}})
    assert isinstance(got, Refusal)
    assert got.failure.code == "rate_limit_exceeded"


def test_a_block_at_the_edge_spends_nothing() -> None:
    assert refusal(403, b"<html>") == ("edge_blocked", False)
    assert refusal(200, b"<html>", **{"cf-mitigated": "challenge"}) == ("edge_blocked", False)
    assert refusal(401, b"<html>", **{"cf-mitigated": "challenge"}) == ("edge_blocked", False)


@pytest.mark.parametrize("kind", list(TransportErrorKind))
def test_a_request_that_left_may_have_spent_the_token(kind: TransportErrorKind) -> None:
    got = refusal_without_answer(TransportError(kind), sent=True)
    assert (got.failure.kind, got.spent) == (FailureKind.REFRESH_UNKNOWN, True)


@pytest.mark.parametrize("kind", list(TransportErrorKind))
def test_a_request_that_did_not_leave_is_not_repeated_in_this_run(kind: TransportErrorKind) -> None:
    got = refusal_without_answer(TransportError(kind), sent=False)
    failure: Failure = got.failure
    assert (got.spent, failure.retry_now.value, failure.host_at_fault) == (False, "never", False)
    assert failure.kind is not FailureKind.REFRESH_UNKNOWN
