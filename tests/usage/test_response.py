from __future__ import annotations

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.usage.response import machine_code, refusal, usage_or_failure
from poller.values import Failure, FailureKind, Response, Retry, Usage

K = FailureKind
R = Retry
NOW = 1_795_361_246.0


def answer(status: int, body: object = b"", **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, pairs, content)


def refused(response: Response) -> Failure:
    outcome = usage_or_failure(response, observed_at=NOW)
    assert isinstance(outcome, Failure)
    return outcome


REGION = "unsupported_country_region_territory"
REGION_TEXT = "Country, region, or territory not supported"
QUOTA = "usage_limit_reached"
PAGE = b"<!DOCTYPE html><html>"


@pytest.mark.parametrize(
    ("response", "kind", "retry", "code"),
    [
        (
            answer(401, {"error": {"code": "token_expired"}}),
            K.UNAUTHORIZED,
            R.NEVER,
            "token_expired",
        ),
        (
            answer(401, {"detail": {"code": "token_revoked"}}),
            K.UNAUTHORIZED,
            R.NEVER,
            "token_revoked",
        ),
        (
            answer(401, {"detail": "token_invalidated"}),
            K.UNAUTHORIZED,
            R.NEVER,
            "token_invalidated",
        ),
        (
            answer(401, {"code": "account_deactivated"}),
            K.UNAUTHORIZED,
            R.NEVER,
            "account_deactivated",
        ),
        (
            answer(401, {"error": {"message": "Encountered invalidated oauth token for user"}}),
            K.UNAUTHORIZED,
            R.NEVER,
            "token_invalidated",
        ),
        *[
            (answer(401, {"error": {"code": code}}), K.UNAUTHORIZED, R.NEVER, code)
            for code in (
                "app_session_terminated",
                "app_session_expired",
                "account_session_expired",
            )
        ],
        (answer(401), K.UNAUTHORIZED, R.ONCE, None),
        (answer(401, {"error": {}}), K.UNAUTHORIZED, R.ONCE, None),
        (answer(401, {"error": "what_is_this"}), K.UNAUTHORIZED, R.ONCE, "what_is_this"),
        (
            answer(402, {"detail": {"code": "deactivated_workspace"}}),
            K.PAYMENT_REQUIRED,
            R.NEVER,
            "deactivated_workspace",
        ),
        (answer(403, PAGE, content_type="text/html; charset=UTF-8"), K.EDGE_BLOCKED, R.NEVER, None),
        (answer(403, PAGE), K.EDGE_BLOCKED, R.NEVER, None),
        (answer(403, {}, cf_mitigated="challenge"), K.EDGE_BLOCKED, R.NEVER, None),
        (answer(200, {}, cf_mitigated="challenge"), K.EDGE_BLOCKED, R.NEVER, None),
        (answer(503, b"", cf_mitigated="challenge"), K.EDGE_BLOCKED, R.NEVER, None),
        (
            answer(403, {"error": {"code": "invalid_workspace_selected"}}),
            K.FORBIDDEN,
            R.NEVER,
            "invalid_workspace_selected",
        ),
        (answer(403, {"detail": "no"}), K.FORBIDDEN, R.NEVER, "no"),
        *[
            (answer(status, {"error": {"code": REGION}}), K.EDGE_BLOCKED, R.NEVER, REGION)
            for status in (400, 401, 403)
        ],
        (answer(403, {"detail": REGION}), K.EDGE_BLOCKED, R.NEVER, REGION),
        (answer(403, {"error": {"message": REGION_TEXT}}), K.EDGE_BLOCKED, R.NEVER, REGION),
        (answer(404, {"error": {"code": REGION}}), K.NOT_FOUND, R.ONCE, REGION),
        (answer(404, b"gone"), K.NOT_FOUND, R.ONCE, None),
        (answer(429), K.RATE_LIMITED, R.THROTTLED, None),
        (answer(429, {"error": {"code": "slow_down"}}), K.RATE_LIMITED, R.THROTTLED, "slow_down"),
        (answer(429, {"error": {"type": QUOTA}}), K.RATE_LIMITED, R.NEVER, QUOTA),
        (answer(429, {"error": {"code": QUOTA}}, retry_after="2"), K.RATE_LIMITED, R.NEVER, QUOTA),
        (answer(429, {"error": QUOTA}), K.RATE_LIMITED, R.NEVER, QUOTA),
        (answer(429, {"error": {"code": "x", "type": QUOTA}}), K.RATE_LIMITED, R.NEVER, QUOTA),
        *[
            (answer(status), K.SERVER_ERROR, R.TRANSIENT, None)
            for status in (408, 425, 500, 502, 503, 504, 520, 522, 524, 529)
        ],
        *[
            (answer(status), K.HTTP_ERROR, R.NEVER, None)
            for status in (0, 100, 201, 204, 400, 405, 410, 415, 422, 501, 600, 999)
        ],
        *[
            (answer(status, location="https://elsewhere.example/"), K.REDIRECT, R.NEVER, None)
            for status in (300, 301, 302, 303, 304, 307, 308)
        ],
        (answer(200, PAGE), K.INVALID_RESPONSE, R.ONCE, None),
        (answer(200), K.INVALID_RESPONSE, R.ONCE, None),
        (answer(200, b'{"rate_limit": NaN}'), K.INVALID_RESPONSE, R.ONCE, None),
        (answer(200, b"{} {}"), K.INVALID_RESPONSE, R.ONCE, None),
        (answer(200, b"[" * 20_000 + b"]" * 20_000), K.INVALID_RESPONSE, R.ONCE, None),
        (answer(200, b"null"), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, b"[]"), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, b"7"), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, b'"text"'), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, {}), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, {"error": {"code": "made_up"}}), K.INVALID_RESPONSE, R.NEVER, "made_up"),
        (answer(200, {"error": "made_up"}), K.INVALID_RESPONSE, R.NEVER, "made_up"),
        (answer(200, {"error": {"message": "it failed"}}), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, {"detail": {"code": "made_up"}}), K.INVALID_RESPONSE, R.NEVER, "made_up"),
        (answer(200, {"detail": "it failed"}), K.INVALID_RESPONSE, R.NEVER, None),
        (answer(200, {"success": False}), K.INVALID_RESPONSE, R.NEVER, None),
        (
            answer(200, {"error": {"plan_type": "plus", "rate_limit": {"allowed": True}}}),
            K.INVALID_RESPONSE,
            R.NEVER,
            None,
        ),
    ],
)
def test_each_answer_without_figures_has_one_meaning(
    response: Response, kind: FailureKind, retry: Retry, code: str | None
) -> None:
    failure = refused(response)

    assert (failure.kind, failure.retry_now, failure.code) == (kind, retry, code)
    assert failure.message
    assert failure.hint


@pytest.mark.parametrize("status", [404, 429, 500, 503, 501])
def test_trouble_of_the_host_blames_the_host(status: int) -> None:
    assert refused(answer(status)).host_at_fault
    assert refused(answer(status)).may_work_later


@pytest.mark.parametrize("status", [400, 401, 402, 403, 422])
def test_a_refusal_of_the_account_does_not_blame_the_host(status: int) -> None:
    assert not refused(answer(status, {})).host_at_fault


def test_an_edge_block_blames_the_host() -> None:
    assert refused(answer(403, PAGE)).host_at_fault


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_region_that_is_not_served_says_nothing_of_the_account(status: int) -> None:
    failure = refused(answer(status, {"error": {"code": REGION}}))

    assert failure.host_at_fault
    assert failure.may_work_later
    assert "network" in failure.hint
    assert f"({status})" in failure.message


@pytest.mark.parametrize(
    ("body", "when"),
    [
        ({"error": {"type": QUOTA, "resets_at": NOW + 3600}}, "at 2026-11-22 16:27 UTC"),
        (
            {"error": {"type": QUOTA, "resets_at": "2026-12-01T00:00:00Z"}},
            "at 2026-12-01 00:00 UTC",
        ),
        ({"error": {"type": QUOTA, "resets_at": (NOW + 60) * 1000}}, "at 2026-11-22 15:28 UTC"),
        ({"error": QUOTA, "resets_at": NOW + 60}, "at 2026-11-22 15:28 UTC"),
        ({"type": QUOTA, "resets_at": NOW + 60}, "at 2026-11-22 15:28 UTC"),
        ({"error": {"type": QUOTA, "resets_at": 5}}, "when it resets"),
        ({"error": {"type": QUOTA, "resets_at": "soon"}}, "when it resets"),
        ({"error": {"type": QUOTA}}, "when it resets"),
    ],
)
def test_a_quota_that_is_used_up_is_told_with_when_it_is_back(body: object, when: str) -> None:
    failure = refused(answer(429, body))

    assert "the quota itself" in failure.hint
    assert failure.hint.endswith(f"it is back {when}")
    assert failure.may_work_later
    assert not failure.host_at_fault
    assert failure.retry_after_s is None


def test_an_object_that_is_not_usage_may_be_usage_later() -> None:
    assert refused(answer(200, {"error": {"code": "made_up"}})).may_work_later
    assert not refused(answer(200, b"[]")).may_work_later


def test_a_404_does_not_speak_of_the_account() -> None:
    assert "says nothing about the account" in refused(answer(404)).hint


def test_an_object_gives_usage() -> None:
    outcome = usage_or_failure(answer(200, {"plan_type": "plus"}), observed_at=NOW)

    assert isinstance(outcome, Usage)
    assert outcome.plan == "plus"


@pytest.mark.parametrize(
    "odd",
    [
        b'"email": "cut \\ud83d"',
        b'"limit": 1e999',
        b'"limit": -1e999',
        b'"limit": %s' % (b"9" * 5_000),
        b'"limit": 99999999999999999999',
    ],
)
def test_sound_json_is_read_however_odd_a_field_is(odd: bytes) -> None:
    body = b'{"plan_type": "plus", %s, "rate_limit_reset_credits": {"available_count": 3}}' % odd
    outcome = usage_or_failure(answer(200, body), observed_at=NOW)

    assert isinstance(outcome, Usage)
    assert (outcome.plan, outcome.reset_credits) == ("plus", 3)
    assert outcome.identity.email == ("cut \\ud83d" if b"email" in odd else None)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert isinstance(
        usage_or_failure(answer(200, b'\xef\xbb\xbf{"email": "a"}'), observed_at=NOW), Usage
    )


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b"1e", b"0x1"])
def test_what_is_no_number_is_no_json(number: bytes) -> None:
    assert refused(answer(200, b'{"a": %s, "b": 1e999}' % number)).kind == K.INVALID_RESPONSE


def test_retry_after_is_heard_and_said() -> None:
    failure = refused(answer(429, retry_after="120"))

    assert failure.retry_after_s == 120.0
    assert "120 s" in failure.message


@pytest.mark.parametrize("status", [401, 404, 400])
def test_retry_after_means_nothing_on_other_answers(status: int) -> None:
    assert refused(answer(status, retry_after="2")).retry_after_s is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "a"}, "code": "b"}, "a"),
        ({"error": "a", "detail": {"code": "b"}}, "a"),
        ({"detail": {"code": "a"}, "code": "b"}, "a"),
        ({"code": "a", "detail": "b"}, "a"),
        ({"detail": "a"}, "a"),
        ({"error": {"code": 7}, "detail": "b"}, "b"),
        ({"detail": "a sentence is no code"}, None),
        ({"code": "x" * 65}, None),
        ({"code": "\x00" * 64}, "\\x00" * 16),
        ({"code": ""}, None),
        ({"code": "\x1b[31m"}, "\\x1b[31m"),
        ({"message": "Encountered invalidated OAuth token"}, "token_invalidated"),
        ([], None),
    ],
)
def test_the_code_is_looked_for_in_order(body: object, code: str | None) -> None:
    assert machine_code(json.dumps(body).encode()) == code


def test_every_status_is_classified() -> None:
    kinds = {status: refusal(answer(status), observed_at=NOW).kind for status in range(1000)}

    assert kinds[500] == K.SERVER_ERROR
    assert len(kinds) == 1000


def padded(document: object, size: int) -> bytes:
    body = json.dumps(document).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("size", [65_536, 65_537, 1 << 20])
def test_a_large_answer_is_read_like_any_other(size: int) -> None:
    outcome = usage_or_failure(answer(200, padded({"plan_type": "plus"}, size)), observed_at=NOW)
    assert isinstance(outcome, Usage)
    assert gc.isenabled()
    failure = refused(answer(403, padded({"error": {"code": "made_up"}}, size)))
    assert failure.code == "made_up"


def test_a_large_answer_has_to_be_plain_json() -> None:
    odd = {"plan_type": "plus", "email": "cut \ud83d"}
    assert isinstance(usage_or_failure(answer(200, padded(odd, 65_536)), observed_at=NOW), Usage)
    assert refused(answer(200, padded(odd, 65_537))).kind == K.INVALID_RESPONSE
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        usage_or_failure(answer(200, padded({}, 70_000)), observed_at=NOW)
        assert not gc.isenabled()
    finally:
        gc.enable()


@given(
    status=st.integers(0, 999),
    body=st.binary(),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "retry-after", "cf-mitigated", "location", "date"]),
        st.text(),
    ),
)
def test_no_answer_is_too_strange(status: int, body: bytes, headers: dict[str, str]) -> None:
    outcome = usage_or_failure(Response(status, tuple(headers.items()), body), observed_at=NOW)

    assert isinstance(outcome, Usage | Failure)
