"""What tests of several rooms share: anyio on asyncio, certificates, a CONNECT proxy."""

from __future__ import annotations

import asyncio
import signal
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import hypothesis
import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# How long an example takes says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

# A shell that runs the tests in the background has them, and all they start, ignore Ctrl-C
# and Ctrl-\, and nohup the hangup.
for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Certificates:
    """A made-up authority, and a server's certificate for 127.0.0.1 and localhost."""

    ca_file: str
    server: ssl.SSLContext
    cert_file: str
    key_file: str


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(server)
    return Certificates(
        str(folder / "ca.pem"), server, str(folder / "cert.pem"), str(folder / "key.pem")
    )


@dataclass
class Proxy:
    """A CONNECT proxy on loopback, and what it was asked."""

    url: str = ""
    requests: list[str] = field(default_factory=list[str])
    """The heads it was sent, whole."""
    refusal: bytes | None = None
    """What it answers instead of connecting."""


@asynccontextmanager
async def connect_proxy(refusal: bytes | None = None) -> AsyncIterator[Proxy]:
    proxy = Proxy(refusal=refusal)
    open_pipes: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_pipes.add(task)
        try:
            await _tunnel(proxy, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            open_pipes.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(open_pipes):
            task.cancel()
        await asyncio.gather(*open_pipes, return_exceptions=True)


async def _tunnel(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    proxy.requests.append(head)
    if proxy.refusal is not None:
        writer.write(proxy.refusal)
        await writer.drain()
        return
    host, _, port = head.split(" ")[1].rpartition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
    writer.close()
