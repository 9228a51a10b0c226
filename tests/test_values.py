from __future__ import annotations

import copy
import pickle

import orjson
import pytest

from poller.values import (
    Credential,
    Failure,
    FailureKind,
    Identity,
    Report,
    Response,
    Secret,
    Usage,
    Window,
)


def test_a_secret_neither_prints_nor_serializes() -> None:
    secret = Secret("rt_0123456789")
    assert "0123" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError, match="not serialized"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        orjson.dumps(secret)
    with pytest.raises(TypeError):
        orjson.dumps(Credential(secret, "acc-1"))
    assert not hasattr(secret, "__dict__")


def test_secrets_are_equal_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a").reveal() == "a"


def test_a_credential_tells_its_identity_and_all_its_secrets() -> None:
    access, refresh = Secret("access"), Secret("refresh")
    credential = Credential(access, "acc-1", "user-1", "one@example.com", refresh_token=refresh)
    assert credential.identity == Identity("user-1", "acc-1", "one@example.com")
    assert credential.secrets == (access, refresh)
    assert "access'" not in repr(credential)


@pytest.mark.parametrize(("remaining", "used"), [(None, None), (0.0, 100.0), (99.9, 0.1)])
def test_what_is_used_follows_from_what_is_left(
    remaining: float | None, used: float | None
) -> None:
    assert Window("weekly", remaining, None, None).used_percent == used


def test_an_account_has_left_what_the_least_of_its_windows_has() -> None:
    windows = tuple(Window("weekly", percent, None, None) for percent in (40.0, None, 7.5))
    assert Usage(windows=windows).remaining_percent == 7.5
    assert Usage(windows=windows[1:2]).remaining_percent is None
    assert Usage().remaining_percent is None


def test_every_kind_of_failure_has_its_exit_class() -> None:
    classes = {kind: kind.exit_class for kind in FailureKind}
    assert set(classes.values()) == {1, 2, 3, 70, 130}
    assert classes[FailureKind.TOKEN_EXPIRED] == 1
    assert classes[FailureKind.DEADLINE] == 2
    assert classes[FailureKind.IDENTITY_MISMATCH] == 3
    assert classes[FailureKind.INTERNAL] == 70
    assert classes[FailureKind.CANCELLED] == 130


def test_a_response_gives_the_first_header_of_a_name() -> None:
    response = Response(200, (("a", "1"), ("b", "2"), ("b", "3")), b"")
    assert response.header("b") == "2"
    assert response.header("c") is None


def test_a_report_is_ok_where_nothing_failed() -> None:
    failure = Failure(FailureKind.DNS, "name not found", "check the name")
    assert Report(0, "a", "a.auth.json", 0.0, usage=Usage()).ok
    assert not Report(0, "a", "a.auth.json", 0.0, failure=failure).ok
