"""How a run is asked to refresh, and what it sends then."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from tests.refreshing.logins import (
    GOOD_S,
    is_alive,
    login,
    outcome,
    polled,
    refresh,
    refresh_token,
    store,
    surroundings,
)
from tests.running import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_without_the_flag_nothing_is_refreshed(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.read_bytes()
    async with serve() as simulator:
        env = surroundings(tmp_path, simulator)
        told = await run("--chatgpt-url", simulator.url, cwd=tmp_path, env=env)
        assert simulator.logins.requests == 0
    assert told.kinds == {"alice": "token_expired"}
    assert told.by_account["alice"]["refreshed"] is False
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["alice.auth.json"]
    assert not (tmp_path / "state").exists()


async def test_the_logins_that_were_renewed_are_named(tmp_path: Path) -> None:
    for name in ("alice", "bob"):
        store(tmp_path / "account", name)
    store(tmp_path / "account", "fresh", lives_s=GOOD_S)
    async with serve() as simulator:
        first = await refresh(tmp_path, simulator, "--ordered")
        again = await refresh(tmp_path, simulator)
    assert first.err == "poller: renewed the logins of alice, bob\n"
    assert again.err == ""


@pytest.mark.parametrize("told", [False, True])
async def test_codexs_own_file_needs_another_flag(tmp_path: Path, told: bool) -> None:
    own = store(tmp_path / ".codex", "x", login("alice")).rename(tmp_path / ".codex/auth.json")
    words = ("--refresh-codex-home",) * told
    async with serve() as simulator:
        ended_ = await refresh(tmp_path, simulator, *words)
        assert is_alive(simulator, own, "alice")
        assert simulator.logins.requests == int(told)
    assert ended_.kinds == {"codex": None if told else "refresh_refused"}


async def test_only_a_named_configuration_can_turn_refreshing_on(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    config = "[accounts]\nrefresh = true\n"
    (tmp_path / "config.toml").write_text(config)
    (tmp_path / "mine.toml").write_text(config)
    async with serve() as simulator:
        how: Any = {"cwd": tmp_path, "env": surroundings(tmp_path, simulator)}
        words = ("--chatgpt-url", simulator.url)
        found = await run(*words, **how)
        assert found.code == 64
        assert "accounts.refresh" in found.err
        assert "may not set this" in found.err
        named = await run(*words, "--config", "mine.toml", **how)
        assert named.by_account["alice"]["refreshed"] is True


async def test_refresh_tokens_go_nowhere_else(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    async with serve() as simulator:
        env = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "https://evil.example/oauth/token"}
        told = await refresh(tmp_path, simulator, env=env)
        assert simulator.counts.requests == simulator.logins.requests == 0
    assert told.code == 64
    assert "CODEX_REFRESH_TOKEN_URL_OVERRIDE" in told.err
    assert told.out == b""


async def test_refresh_codex_home_without_refresh_is_a_usage_error(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    told = await run("--refresh-codex-home", cwd=tmp_path)
    assert told.code == 64
    assert "--refresh" in told.err


async def test_the_request_is_the_one_that_codex_makes(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    heads: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        heads.append(await reader.read(65_536))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serve() as simulator, server:
        where = {"token_url": f"http://127.0.0.1:{port}/oauth/token"}
        report = await polled(tmp_path, simulator, renewing=where)
    assert outcome(report["alice"]) == ("refresh_unknown", False)
    head, body = heads
    assert head.startswith(b"POST /oauth/token HTTP/1.1\r\n")
    lines = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert lines == {
        *(b"host", b"accept", b"content-type", b"user-agent", b"accept-encoding"),
        b"content-length",
    }
    assert json.loads(body) == {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_token": refresh_token("alice"),
    }
