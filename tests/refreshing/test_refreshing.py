"""What refreshing does to accounts and their files, with a real endpoint and real files."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from poller.simulator.tokens import Logins
from tests.refreshing.logins import (
    EXPIRED_S,
    GOOD_S,
    account_of,
    is_alive,
    login,
    outcome,
    outcomes,
    polled,
    refresh_token,
    renewals,
    sent_twice,
    store,
    tokens,
)

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.anyio


# When


async def test_an_expired_account_is_refreshed_and_asked(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.stat()
    async with serve(logins=Logins(strict=True)) as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert is_alive(simulator, path, "alice")
        assert outcomes(simulator) == [["renewed"]]
    assert outcome(report) == (None, True)
    assert (report.attempts, report.http_status) == (1, 200)
    assert path.stat().st_mode == before.st_mode
    assert path.stat().st_ino != before.st_ino
    assert tokens(path)["refresh_token"] == refresh_token("alice", generation=1)
    assert [each for each in os.listdir(path.parent) if "refreshing" in each] == []


async def test_the_log_tells_each_step_and_no_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="poller")
    store(tmp_path / "account", "alice")
    store(tmp_path / "account", "ended", fault="expired")
    async with serve() as simulator:
        await polled(tmp_path, simulator)
    told = [record.getMessage() for record in caplog.records if record.name == "poller"]
    assert sorted(told) == [
        "alice: renewed",
        "alice: sending its refresh token",
        "ended: not renewed: login_required",
        "ended: sending its refresh token",
    ]


async def test_a_token_about_to_expire_is_renewed_first(tmp_path: Path) -> None:
    store(tmp_path / "account", "soon", lives_s=240)
    store(tmp_path / "account", "later", lives_s=360)
    async with serve() as simulator:
        reports = await polled(tmp_path, simulator)
    assert {name: outcome(each) for name, each in reports.items()} == {
        "soon": (None, True),
        "later": (None, False),
    }


async def test_a_token_that_is_refused_is_renewed_and_asked_with_again(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice", lives_s=GOOD_S, usage="~401-token_expiredx1")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert outcomes(simulator) == [["renewed"]]
    assert (outcome(report), report.attempts) == ((None, True), 2)


async def test_a_401_without_a_reason_is_asked_again_before_a_token_is_spent(
    tmp_path: Path,
) -> None:
    store(tmp_path / "account", "passing", lives_s=GOOD_S, usage="~401x1")
    store(tmp_path / "account", "lasting", lives_s=GOOD_S, usage="~401x2")
    async with serve() as simulator:
        reports = await polled(tmp_path, simulator)
        assert simulator.logins.requests == 1
    assert (outcome(reports["passing"]), reports["passing"].attempts) == ((None, False), 2)
    assert (outcome(reports["lasting"]), reports["lasting"].attempts) == ((None, True), 3)


@pytest.mark.parametrize(("lives_s", "attempts"), [(GOOD_S, 2), (EXPIRED_S, 1)])
async def test_a_revoked_token_is_renewed_only_once(
    tmp_path: Path, lives_s: float, attempts: int
) -> None:
    store(tmp_path / "account", "alice", lives_s=lives_s, usage="~401-token_revoked")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert outcomes(simulator) == [["renewed"]]
    assert (outcome(report), report.attempts) == (("unauthorized", True), attempts)


@pytest.mark.parametrize("fault", ["403", "edge", "402", "404", "429", "500", "hang-half", "html"])
async def test_nothing_else_spends_a_token(tmp_path: Path, fault: str) -> None:
    store(tmp_path / "account", "alice", lives_s=GOOD_S, usage=f"~{fault}")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, retries=0, timeout_s=0.3))["alice"]
        assert simulator.logins.requests == 0
    assert report.failure is not None
    assert not report.refreshed


async def test_a_newer_token_in_the_file_is_taken_without_asking(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    account, stale = account_of(path)
    path.write_bytes(login("alice", lives_s=GOOD_S))
    async with serve() as simulator, renewals(tmp_path, simulator) as renewing:
        renewal = await renewing.renew(account, stale, within_s=5)
        assert simulator.logins.requests == 0
    assert renewal.outcome == account_of(path)[1]
    assert not renewal.refreshed


async def test_without_a_refresh_token_an_expired_account_stays_expired(tmp_path: Path) -> None:
    document = json.loads(login("alice"))
    del document["tokens"]["refresh_token"]
    store(tmp_path / "account", "alice", json.dumps(document).encode())
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("token_expired", False)


# What goes wrong

ENDED = ["reused", "expired", "invalidated", "invalid_grant"]
UNANSWERED = ["dropped", "closed", "cut", "html", "empty", "no-tokens", "503", "spent-502"]


@pytest.mark.parametrize("fault", ENDED)
async def test_a_login_that_has_ended_is_not_refreshed_again(tmp_path: Path, fault: str) -> None:
    path = store(tmp_path / "account", "alice", fault=fault)
    before = path.read_bytes()
    async with serve() as simulator:
        first = (await polled(tmp_path, simulator))["alice"]
        second = (await polled(tmp_path, simulator))["alice"]
        assert outcomes(simulator) == [[fault]]
    assert outcome(first) == outcome(second) == ("login_required", False)
    assert first.failure is not None
    assert "codex login" in first.failure.hint
    assert first.attempts == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("fault", [*UNANSWERED, "unheard"])
async def test_a_token_that_may_be_spent_is_never_sent_again(tmp_path: Path, fault: str) -> None:
    path = store(tmp_path / "account", "alice", fault=fault)
    before = path.read_bytes()
    async with serve() as simulator:
        first = (await polled(tmp_path, simulator))["alice"]
        second = (await polled(tmp_path, simulator))["alice"]
        assert len(outcomes(simulator)) == 1
        assert sent_twice(simulator) == {}
    assert outcome(first) == outcome(second) == ("refresh_unknown", False)
    assert path.read_bytes() == before


@pytest.mark.parametrize("fault", ["429", "404", "edge"])
async def test_a_token_that_was_not_looked_at_is_sent_by_the_next_run(
    tmp_path: Path, fault: str
) -> None:
    path = store(tmp_path / "account", "alice", fault=f"{fault}x1")
    async with serve() as simulator:
        first = (await polled(tmp_path, simulator))["alice"]
        second = (await polled(tmp_path, simulator))["alice"]
        assert is_alive(simulator, path, "alice") or tokens(path)["refresh_token"]
        assert [fault, "renewed"] in outcomes(simulator)
    assert first.failure is not None
    assert first.failure.may_work_later
    assert outcome(second) == (None, True)


async def test_where_nobody_listens_nothing_was_sent(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    async with serve() as gone:
        pass
    async with serve() as simulator:
        first = await polled(tmp_path, simulator, renewing={"token_url": gone.token_url})
        second = await polled(tmp_path, simulator)
    assert outcome(first["alice"]) == ("connect", False)
    assert outcome(second["alice"]) == (None, True)


async def test_an_answer_without_a_new_refresh_token_lets_the_old_one_live(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="kept")
    async with serve(logins=Logins(life_s=200)) as simulator:
        for _ in range(2):
            report = (await polled(tmp_path, simulator))["alice"]
            assert outcome(report) == (None, True)
        assert outcomes(simulator) == [["kept", "kept"]]
    assert tokens(path)["refresh_token"] == refresh_token("alice", fault="kept")


async def test_a_token_good_for_some_minutes_is_used_where_nothing_was_spent(
    tmp_path: Path,
) -> None:
    store(tmp_path / "account", "spared", lives_s=200, fault="429")
    store(tmp_path / "account", "ended", lives_s=200, fault="expired")
    async with serve() as simulator:
        reports = await polled(tmp_path, simulator)
    assert outcome(reports["spared"]) == (None, False)
    assert outcome(reports["ended"]) == ("login_required", False)


# Every shape


def shapes(name: str) -> dict[str, Any]:
    """Return one document of each shape, each with an expired login of its own."""

    def pair(who: str) -> tuple[str, str, str]:
        held = json.loads(login(who))["tokens"]
        return held["access_token"], held["refresh_token"], held["account_id"]

    def snake(who: str) -> dict[str, Any]:
        access, refresh, account_id = pair(who)
        return {"access_token": access, "refresh_token": refresh, "account_id": account_id}

    def oauth(who: str) -> dict[str, Any]:
        access, refresh, account_id = pair(who)
        return {"type": "oauth", "access": access, "refresh": refresh, "accountId": account_id}

    access, refresh, account_id = pair("camel")
    camel = {"accessToken": access, "refreshToken": refresh, "accountId": account_id}
    documents: dict[str, Any] = {
        "codex": json.loads(login("codex")),
        "camel": {"tokens": camel, "lastRefreshAt": "2026-01-01T00:00:00Z"},
        "cliproxyapi": {"type": "codex", **snake("cliproxyapi"), "expired": "2026-01-01T00:00:00Z"},
        "flat": {**snake("flat"), "expires": 5_000_000_000_000},
        "opencode": {"anthropic": {"type": "api"}, "openai": oauth("opencode")},
        "pi": {"openai-codex": oauth("pi")},
        "openclaw": {
            "version": 1,
            "profiles": {f"openai-codex:{who}": oauth(who) for who in ("claw1", "claw2")},
        },
        "codex-switcher": {
            "version": 1,
            "accounts": [
                {"name": who, "auth_mode": "x", "auth_data": snake(who)} for who in ("sw1", "sw2")
            ],
        },
    }
    return dict(documents[name])


@pytest.mark.parametrize(
    ("shape", "users"),
    [
        ("codex", ["codex"]),
        ("camel", ["camel"]),
        ("cliproxyapi", ["cliproxyapi"]),
        ("flat", ["flat"]),
        ("opencode", ["opencode"]),
        ("pi", ["pi"]),
        ("openclaw", ["claw1", "claw2"]),
        ("codex-switcher", ["sw1", "sw2"]),
    ],
)
async def test_every_shape_is_refreshed_in_place(
    tmp_path: Path, shape: str, users: list[str]
) -> None:
    document = shapes(shape)
    path = store(tmp_path / "account", "file", json.dumps(document, indent=4).encode())
    async with serve(logins=Logins(strict=True)) as simulator:
        reports = await polled(tmp_path, simulator)
        assert [outcome(each) for each in reports.values()] == [(None, True)] * len(users)
        assert sent_twice(simulator) == {}
        text = path.read_text()
        for user in users:
            assert refresh_token(user) not in text
            assert simulator.logins.alive(f"user-{user}", f"acct-{user}") in text  # type: ignore[operator]
        again = await polled(tmp_path, simulator)
        assert [outcome(each) for each in again.values()] == [(None, False)] * len(users)
    assert list(json.loads(text)) == list(document)
