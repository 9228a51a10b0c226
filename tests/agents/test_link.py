"""Who to be at the server, whom to trust, and what is said where that cannot be."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
import trustme

from poller.agents import server_config
from poller.agents.link import Link, open_link
from poller.commands.agent import serve
from poller.settings import Settings, UsageError
from tests.nats_server import nats_server, needs_nats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from poller.process.signals import Interrupts
    from tests.conftest import Certificates

pytestmark = pytest.mark.anyio

NOWHERE = "nats://127.0.0.1:1"
SEED = b"SUAK6UBGFLE6EQGAKWT4KATA5AH7PXPM46YS5JRCGC2MYLVWI7PJCHOG4U"
JWT = b"-----BEGIN NATS USER JWT-----\njwt\n------END NATS USER JWT------\n"
CREDS = JWT + b"-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n" % SEED
NO_SIGNALS = cast("Interrupts", None)


async def refusal(within_s: float = 0.2, **settings: str) -> str:
    made = Settings(**{"nats": NOWHERE, **settings})  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        async with open_link(made, name="test", inbox="_INBOX_test", within_s=within_s):
            pass
    return str(caught.value)


@asynccontextmanager
async def plain_server() -> AsyncIterator[tuple[int, bytearray]]:
    """Stand where a server with TLS is expected; yield the port, and all that is said to it."""
    told = bytearray()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"auth_required":true,"nonce":"bm9uY2U","headers":true}\r\n')
        while data := await reader.read(4096):
            told.extend(data)
            writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], told
    finally:
        server.close()


def creds(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "creds"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "content",
    [
        *(b"nothing of the kind", b"a:b\nc:d", b":secret", b""),
        *(b"SUsecret", b"-----BEGIN NATS USER JWT-----\nsecret\n"),
        JWT + b"-----BEGIN USER NKEY SEED-----\nSUsecret\n------END USER NKEY SEED------\n",
    ],
)
async def test_credentials_of_no_known_kind_are_refused_unseen(
    tmp_path: Path, content: bytes
) -> None:
    told = await refusal(creds=creds(tmp_path, content))
    assert "expected a .creds file, an nkey seed (SU...) or user:password" in told
    assert "secret" not in told


async def test_credentials_are_for_their_owner_alone(tmp_path: Path) -> None:
    assert "others can read or write it" in await refusal(creds=creds(tmp_path, b"a:b", 0o640))
    assert "not text" in await refusal(creds=creds(tmp_path, b"\xff\xfe"))


async def test_a_file_that_systemd_hands_to_the_service_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``LoadCredential=`` leaves it since systemd 254, its mode is 0440."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "no NATS server" in await refusal(creds=creds(tmp_path, b"a:b", 0o440))
    assert "others can read or write it" in await refusal(creds=creds(tmp_path, b"a:b", 0o444))
    (tmp_path / "in").mkdir()
    told = await refusal(creds=creds(tmp_path / "in", b"a:b", 0o440))
    assert "others can read or write it" in told


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


@pytest.mark.parametrize("content", [b"someone:hunter2", SEED, CREDS, None])
async def test_no_login_and_no_proof_of_one_is_sent_without_tls_where_that_is_wanted(
    tmp_path: Path, content: bytes | None
) -> None:
    """What signs a nonce could be passed on to the real server."""
    async with plain_server() as (port, told):
        if content is None:
            said = await refusal(2.0, nats=f"tls://token@127.0.0.1:{port}")
        else:
            said = await refusal(
                2.0, nats=f"tls://127.0.0.1:{port}", creds=creds(tmp_path, content)
            )
    assert "the server offers no TLS" in said
    assert not told


@needs_nats
async def test_why_a_certificate_is_not_trusted_is_said(
    tmp_path: Path, certificates: Certificates
) -> None:
    authority = trustme.CA()
    old = authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    old.cert_chain_pems[0].write_to_path(str(tmp_path / "old.pem"))
    old.private_key_pem.write_to_path(str(tmp_path / "old-key.pem"))
    theirs = f'tls {{ cert_file: "{certificates.cert_file}", key_file: "{certificates.key_file}" }}'
    past = f'tls {{ cert_file: "{tmp_path}/old.pem", key_file: "{tmp_path}/old-key.pem" }}'
    said: list[str] = []
    for name, tls in (("theirs", theirs), ("past", past)):
        async with nats_server(tmp_path / name, more=tls) as server:
            url = f"tls://localhost:{server.port}"
            said.append(await refusal(3.0, nats=url, nats_ca=str(tmp_path / "ca.pem")))
        log = (tmp_path / name / "poller.log").read_text()
        assert log.count("TLS handshake error") > 1  # it was tried again
    assert said[0].endswith(
        "its certificate is not trusted: unable to get local issuer certificate; "
        "name its authority's with --nats-ca FILE"
    )
    assert said[1].endswith("its certificate is not trusted: certificate has expired")


async def test_a_connection_that_is_reset_hides_no_refusal() -> None:
    link = Link(None, "_INBOX_test", waits=True)
    await link.on_error(ConnectionResetError())
    assert link.last_error == "connection reset"
    await link.on_error(Exception("nats: 'Authorization Violation'"))
    await link.on_error(BrokenPipeError())
    assert "refuses the login" in link.last_error


async def test_why_a_server_is_waited_for_is_said_once_each_time_it_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = Link(None, "_INBOX_test", waits=True)
    await link.on_error(ConnectionRefusedError())
    await link.on_up()
    for _ in range(2):
        await link.on_down()
        await link.on_error(ConnectionRefusedError())
        await link.on_error(Exception("nats: 'Authorization Violation'"))
        await link.on_error(Exception("nats: 'Authorization Violation'"))
        await link.on_up()
    refused = (
        "no NATS server yet: it refuses the login; give the right one with --creds FILE; "
        "waiting for it"
    )
    once = ["the NATS server is away; waiting for it", refused, "the NATS server is back"]
    assert caplog.messages == [
        "no NATS server yet: connection refused; waiting for it",
        "the NATS server is back",
        *(once * 2),
    ]


async def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    assert "in poller's folder: pipx install --force '.[nats]', or pip" in await refusal()
    monkeypatch.setitem(sys.modules, "nkeys", None)
    with pytest.raises(UsageError, match="NATS is not installed"):
        server_config.server_config(["one"])


def test_the_command_prints_a_configuration_with_a_key_for_each(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert serve(Settings(server_config=("laptop", "desk")), NO_SIGNALS) == 0
    told = capfd.readouterr().out
    assert [told.count(f"#   {name}: SU") for name in ("collector", "laptop", "desk")] == [1] * 3
    assert told.count('nkey: "U') == 3


def test_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(Settings(), NO_SIGNALS) == 64
    assert serve(Settings(server_config=("collector",)), NO_SIGNALS) == 64
    told = capsys.readouterr().err
    assert "give the address of the server it gets its jobs from: --nats URL" in told
    assert "the collector has this name" in told
