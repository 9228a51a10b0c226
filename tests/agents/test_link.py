"""Who to be at the server, whom to trust, and what is said where that cannot be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import pytest

from poller.agents import server_config
from poller.agents.link import open_link
from poller.commands.agent import serve
from poller.settings import Settings, UsageError
from tests.nats_server import nats_server, needs_nats

if TYPE_CHECKING:
    from pathlib import Path

    from poller.process.signals import Interrupts

pytestmark = pytest.mark.anyio

NOWHERE = "nats://127.0.0.1:1"
NO_SIGNALS = cast("Interrupts", None)


async def refusal(**settings: str) -> str:
    made = Settings(**{"nats": NOWHERE, **settings})  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        async with open_link(made, name="test", inbox="_INBOX_test", within_s=0.2):
            pass
    return str(caught.value)


def creds(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "creds"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("content", [b"nothing of the kind", b"a:b\nc:d", b":secret", b""])
async def test_credentials_of_no_known_kind_are_refused_unseen(
    tmp_path: Path, content: bytes
) -> None:
    told = await refusal(creds=creds(tmp_path, content))
    assert "expected a .creds file, an nkey seed (SU...) or user:password" in told
    assert "secret" not in told


async def test_credentials_are_for_their_owner_alone(tmp_path: Path) -> None:
    assert "others can read or write it" in await refusal(creds=creds(tmp_path, b"a:b", 0o640))
    assert "not text" in await refusal(creds=creds(tmp_path, b"\xff\xfe"))


@pytest.mark.parametrize("given", ["someone:hunter2", "SUAhunter2"])
async def test_a_password_in_place_of_its_file_is_not_told(given: str) -> None:
    told = await refusal(creds=given)
    assert "no such file" in told
    assert "hunter2" not in told


async def test_a_file_without_a_certificate_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    assert "holds no certificate (PEM)" in await refusal(nats_ca=str(tmp_path / "ca.pem"))


async def test_a_password_in_the_address_is_not_told() -> None:
    told = await refusal(nats="nats://someone:hunter2@127.0.0.1:1,nats://token@127.0.0.1:1")
    assert "no NATS server at nats://127.0.0.1:1, nats://127.0.0.1:1 within 0.2 s" in told
    assert "hunter2" not in told
    assert "token" not in told


@needs_nats
async def test_a_password_waits_for_tls_where_that_is_wanted(tmp_path: Path) -> None:
    async with nats_server(tmp_path / "nats") as server:
        url = f"tls://127.0.0.1:{server.port}"
        told = await refusal(nats=url, creds=creds(tmp_path, b"someone:hunter2"))
        plain = await refusal(nats=url)
    assert "the server offers no TLS" in told
    assert "the server offers no TLS" in plain


async def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    assert "pip install 'poller[nats]'" in await refusal()
    monkeypatch.setitem(sys.modules, "nkeys", None)
    with pytest.raises(UsageError, match="NATS is not installed"):
        server_config.server_config(["one"])


def test_the_command_prints_a_configuration_with_a_key_for_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert serve(Settings(server_config=("laptop", "desk")), NO_SIGNALS) == 0
    told = capsys.readouterr().out
    assert [told.count(f"#   {name}: SU") for name in ("collector", "laptop", "desk")] == [1] * 3
    assert told.count('nkey: "U') == 3


def test_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(Settings(), NO_SIGNALS) == 64
    assert serve(Settings(server_config=("collector",)), NO_SIGNALS) == 64
    told = capsys.readouterr().err
    assert "give the address of the server it gets its jobs from: --nats URL" in told
    assert "the collector has this name" in told
