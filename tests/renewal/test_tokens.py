from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from poller.renewal.tokens import (
    CLIENT_ID,
    Refusal,
    Tokens,
    is_due,
    is_newer,
    is_same_account,
    login_key,
    read_tokens,
    request_body,
)
from poller.upstream.transport_errors import TransportError, TransportErrorKind
from poller.values import Credential, Failure, FailureKind, Response, Secret
from tests.auth_files import NOW, token

ONE = Credential(Secret("at_one"), "acc", user_id="user", expires_at=NOW + 1000)


def answered(status: int, body: Any, **headers: str) -> Tokens | Refusal:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status, tuple(headers.items()), content)
    return read_tokens(response, sent=True, now=NOW)


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


def test_a_login_is_named_by_its_refresh_token_without_giving_it_away() -> None:
    assert login_key(Secret("rt_x")) == login_key(Secret("rt_x")) != login_key(Secret("rt_y"))
    assert "rt_x" not in login_key(Secret("rt_x"))


@pytest.mark.parametrize(
    ("expires_in_s", "due"), [(-10, True), (299, True), (301, False), (None, False)]
)
def test_a_token_is_due_five_minutes_before_its_end(expires_in_s: Any, due: bool) -> None:
    at = None if expires_in_s is None else NOW + expires_in_s
    assert is_due(replace(ONE, expires_at=at), now=NOW) is due


@pytest.mark.parametrize(
    ("changes", "newer"),
    [
        ({"access_token": Secret("at_two")}, True),
        ({}, False),
        ({"access_token": Secret("at_two"), "expires_at": NOW + 100}, False),
        ({"access_token": Secret("at_two"), "expires_at": NOW + 900}, False),
        ({"access_token": Secret("at_two"), "expires_at": NOW + 2000}, True),
        ({"access_token": Secret("at_two"), "expires_at": None}, True),
    ],
)
def test_a_newer_token_is_another_that_lasts_longer(changes: Any, newer: bool) -> None:
    assert is_newer(replace(ONE, **changes), ONE, now=NOW) is newer


def test_an_account_is_its_user_and_its_workspace() -> None:
    assert is_same_account(ONE, replace(ONE, access_token=Secret("at_two")))
    assert is_same_account(ONE, replace(ONE, user_id=None))
    assert not is_same_account(ONE, replace(ONE, user_id="other"))
    assert not is_same_account(ONE, replace(ONE, account_id="other"))


def test_what_came_is_taken_and_what_did_not_is_left() -> None:
    access = token(exp=NOW + 50)
    got = answered(200, {"access_token": access, "refresh_token": "rt_2", "id_token": ""})
    assert got == Tokens(Secret(access), Secret("rt_2"), None, NOW + 50)


@pytest.mark.parametrize(("life", "at"), [(60, NOW + 60), (-1, None), ("60", None), (None, None)])
def test_a_token_that_tells_no_end_is_given_the_answers(life: Any, at: float | None) -> None:
    got = answered(200, {"access_token": "opaque", "expires_in": life})
    assert isinstance(got, Tokens)
    assert got.expires_at == at


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", {"refresh_token": "rt_2"}, {"access_token": 7}]
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
        (403, {"error": "invalid_grant"}),
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
    [(429, "rate_limited"), (404, "not_found"), (400, "http_error"), (307, "redirect")],
)
def test_a_request_that_was_not_looked_at_spends_nothing(status: int, kind: str) -> None:
    assert refusal(status) == (kind, False)


def test_a_block_at_the_edge_spends_nothing() -> None:
    assert refusal(403, b"<html>") == ("edge_blocked", False)
    assert refusal(200, b"<html>", **{"cf-mitigated": "challenge"}) == ("edge_blocked", False)
    assert refusal(401, b"<html>", **{"cf-mitigated": "challenge"}) == ("edge_blocked", False)


@pytest.mark.parametrize("kind", list(TransportErrorKind))
def test_what_left_is_never_known_to_be_unspent(kind: TransportErrorKind) -> None:
    got = read_tokens(TransportError(kind), sent=True, now=NOW)
    assert isinstance(got, Refusal)
    assert (got.failure.kind, got.spent) == (FailureKind.REFRESH_UNKNOWN, True)


@pytest.mark.parametrize("kind", list(TransportErrorKind))
def test_what_did_not_leave_is_not_tried_again_in_this_run(kind: TransportErrorKind) -> None:
    got = read_tokens(TransportError(kind), sent=False, now=NOW)
    assert isinstance(got, Refusal)
    failure: Failure = got.failure
    assert (got.spent, failure.retry_now.value, failure.host_at_fault) == (False, "never", False)
    assert failure.kind is not FailureKind.REFRESH_UNKNOWN
