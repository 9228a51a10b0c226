"""What a token endpoint may answer, and is not simply believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poller.simulator.accounts import access_claims, jwt
from poller.simulator.server import serve
from tests.refreshing.logins import (
    answering,
    ledger_folder,
    login,
    outcome,
    polled,
    store,
    tokens,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def access_token(user_id: str | None, account_id: str | None) -> str:
    claims = access_claims(
        user_id or "", account_id, plan="plus", email="alice@example.com", expires_at=4e9
    )
    if user_id is None:
        del claims["https://api.openai.com/auth"]["chatgpt_user_id"]  # type: ignore[attr-defined]
    return jwt(claims)


ALICE = access_token("user-alice", "acct-alice")


@pytest.mark.parametrize(
    "granted",
    [
        {"access_token": access_token("user-mallory", "acct-mallory")},
        {"access_token": access_token("user-mallory", "acct-alice")},
        {"access_token": access_token("user-alice", "acct-other")},
        {"access_token": ALICE, "id_token": access_token("user-mallory", "acct-alice")},
    ],
)
async def test_another_logins_tokens_are_not_believed(
    tmp_path: Path, granted: dict[str, str]
) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.read_bytes()
    new = granted | {"refresh_token": "rt_new"}
    async with serve() as simulator, answering(new) as endpoint:
        for _ in range(2):
            renewing = {"token_url": endpoint.url}
            report = (await polled(tmp_path, simulator, str(path), renewing=renewing))["alice"]
            assert outcome(report) == ("refresh_unsaved", False)
            assert report.failure is not None
            assert "alice.auth.json.rescue" in report.failure.message
        assert endpoint.requests == 1
        assert simulator.counts.requests == 0
    rescue = path.with_name("alice.auth.json.rescue")
    assert path.read_bytes() == before
    assert rescue.stat().st_mode & 0o777 == 0o600
    assert {key: tokens(rescue)[key] for key in new} == new


@pytest.mark.parametrize("token", ["opaque", ALICE])
async def test_tokens_that_name_nobody_else_are_believed(tmp_path: Path, token: str) -> None:
    path = store(tmp_path / "account", "alice")
    granted = {"access_token": token, "refresh_token": "rt_new"}
    async with serve() as simulator, answering(granted) as endpoint:
        renewing = {"token_url": endpoint.url}
        report = (await polled(tmp_path, simulator, renewing=renewing))["alice"]
    assert report.refreshed
    assert tokens(path)["access_token"] == token


async def test_an_account_id_that_its_owner_edited_is_not_another_login(tmp_path: Path) -> None:
    document = json.loads(login("alice"))
    document["tokens"]["account_id"] = "acct-second-workspace"
    store(tmp_path / "account", "alice", json.dumps(document).encode())
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
    assert report.refreshed


@pytest.mark.parametrize("status", [400, 401, 403, 429, 503])
async def test_an_echo_of_the_token_gets_out_nowhere(tmp_path: Path, status: int) -> None:
    secret = "rt_canary4711canary"
    document = json.loads(login("alice"))
    document["tokens"]["refresh_token"] = secret
    path = store(tmp_path / "account", "alice", json.dumps(document).encode())
    echo = {"error": {"code": secret, "message": secret}}
    async with serve() as simulator, answering(echo, status=status) as endpoint:
        for _ in range(2):
            renewing = {"token_url": endpoint.url}
            report = (await polled(tmp_path, simulator, renewing=renewing))["alice"]
            assert report.failure is not None
            assert report.failure.code is None
            assert "canary" not in repr(report)
    records = [
        path.with_name(".alice.auth.json.lock"),
        *ledger_folder(tmp_path / "state").iterdir(),
    ]
    assert len(records) == 2
    assert all("canary" not in each.read_text() for each in records)


async def test_a_new_refresh_token_that_comes_alone_is_in_the_file(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    old = tokens(path)
    async with serve() as simulator, answering({"refresh_token": "rt_new"}) as endpoint:
        renewing = {"token_url": endpoint.url}
        report = (await polled(tmp_path, simulator, renewing=renewing))["alice"]
    assert outcome(report) == ("token_expired", True)
    assert tokens(path) == old | {"refresh_token": "rt_new"}
