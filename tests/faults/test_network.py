"""Faults of the whole way to the upstream: no account can be healthy beside another."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme

from poller.simulator.server import PATH, serve
from tests import running
from tests.conftest import Certificates, connect_proxy
from tests.faults import program
from tests.faults.dead import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


_NO = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Way:
    """Where requests go, and how many of them arrived in the end."""

    url: str
    flags: tuple[str, ...] = ()
    arrived: Callable[[], int] = lambda: 0


@asynccontextmanager
async def refused(_certificates: Certificates) -> AsyncIterator[Way]:
    yield Way(f"http://127.0.0.1:{free_port()}{PATH}")


@asynccontextmanager
async def untrusted(certificates: Certificates) -> AsyncIterator[Way]:
    async with serve(ssl_context=certificates.server) as simulator:
        yield Way(simulator.url, arrived=lambda: simulator.counts.requests)


@asynccontextmanager
async def trusted(certificates: Certificates) -> AsyncIterator[Way]:
    async with untrusted(certificates) as way:
        yield Way(way.url, ("--ca-file", certificates.ca_file), way.arrived)


@asynccontextmanager
async def wrong_host(certificates: Certificates) -> AsyncIterator[Way]:
    authority = trustme.CA()
    elsewhere = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(elsewhere)
    with authority.cert_pem.tempfile() as ca_file:
        async with serve(ssl_context=elsewhere) as simulator:
            yield Way(simulator.url, ("--ca-file", ca_file), lambda: simulator.counts.requests)


def greeted(greeting: bytes) -> Callable[[Certificates], AbstractAsyncContextManager[Way]]:
    """Return the way to what says so in place of a TLS handshake, and hangs up."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(greeting)
        writer.close()

    @asynccontextmanager
    async def way(_certificates: Certificates) -> AsyncIterator[Way]:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            yield Way(f"https://127.0.0.1:{port}{PATH}")

    return way


@asynccontextmanager
async def silent(_certificates: Certificates) -> AsyncIterator[Way]:
    """Take connections, and never say a word: the handshake takes too long."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listening:
        port = listening.getsockname()[1]
        yield Way(f"https://127.0.0.1:{port}{PATH}", ("--timeout", "0.5"))


@asynccontextmanager
async def full(_certificates: Certificates) -> AsyncIterator[Way]:
    """Take no more connections: those that came first were never accepted."""
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=0)))
        address = listening.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield Way(f"http://127.0.0.1:{address[1]}{PATH}", ("--timeout", "0.5"))


def proxied(refusal: bytes | None) -> Callable[[Certificates], AbstractAsyncContextManager[Way]]:
    @asynccontextmanager
    async def way(certificates: Certificates) -> AsyncIterator[Way]:
        async with trusted(certificates) as upstream, connect_proxy(refusal) as proxy:
            yield Way(upstream.url, (*upstream.flags, "--proxy", proxy.url), upstream.arrived)

    return way


@asynccontextmanager
async def proxy_gone(certificates: Certificates) -> AsyncIterator[Way]:
    async with trusted(certificates) as upstream:
        proxy = f"http://user:made-up-pass@127.0.0.1:{free_port()}"
        yield Way(upstream.url, (*upstream.flags, "--proxy", proxy), upstream.arrived)


@asynccontextmanager
async def named(_certificates: Certificates) -> AsyncIterator[Way]:
    yield Way(f"https://upstream.invalid{PATH}", ("--timeout", "0.5"))


@dataclass(frozen=True)
class Row:
    """One fault of the way, and what every account must end with."""

    name: str
    way: Callable[[Certificates], AbstractAsyncContextManager[Way]]
    kind: str | None
    attempts: int
    code: int
    accounts: int = 6
    lack: str = ""
    """What the machine is made to lack; see ``rigged``."""


ROWS = (
    Row("refused", refused, "connect", 3, 2),
    Row("handshake takes too long", silent, "timeout", 3, 2),
    Row("connecting takes too long", full, "timeout", 3, 2),
    # Three bad certificates open the breaker: see below.
    Row("unknown authority", untrusted, "tls", 1, 2, accounts=2),
    Row("wrong host", wrong_host, "tls", 1, 2, accounts=2),
    Row("no tls where it belongs", greeted(_NO % 400), "tls", 1, 2, accounts=2),
    Row("closed in the handshake", greeted(b""), "connection_lost", 3, 2),
    Row("authority given", trusted, None, 1, 0),
    Row("name not found", named, "dns", 2, 2, lack="name-not-found"),
    Row("resolver down", named, "dns", 3, 2, lack="resolver-down"),
    Row("resolver hangs", named, "timeout", 3, 2, lack="resolver-hangs"),
    Row("proxy", proxied(None), None, 1, 0),
    Row("proxy gone", proxy_gone, "proxy", 3, 2),
    Row("proxy wants a password", proxied(_NO % 407), "proxy", 1, 2),
    Row("proxy forbids", proxied(_NO % 403), "proxy", 1, 2),
    Row("proxy in trouble", proxied(_NO % 502), "proxy", 3, 2),
)


async def polled(
    way: Way, folder: Path, accounts: int, *flags: str, lack: str = ""
) -> program.Ended:
    made_up = running.numbered(accounts)
    running.write(folder / "account", *made_up)
    asked = ("--chatgpt-url", way.url, *way.flags, *flags, "-v")
    command = program.poller(*asked, python=program.DEVELOPER)
    if lack:
        command = program.poller(lack, *asked, module="tests.faults.rigged")
    ended = await program.ended(command, cwd=folder)
    secret = program.pieces(token for one in made_up for token in program.tokens(one.auth_file))
    assert not program.leaks(ended.said, secret)
    assert "Traceback" not in ended.said
    assert "made-up-pass" not in ended.said
    return ended


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_of_the_way_is_seen_as_the_matrix_says(
    row: Row, certificates: Certificates, tmp_path: Path
) -> None:
    async def run() -> tuple[program.Ended, int]:
        async with row.way(certificates) as way:
            ended = await polled(way, tmp_path, row.accounts, lack=row.lack)
            return ended, way.arrived()

    ended, arrived = asyncio.run(run())
    assert [record["error"] and record["error"]["kind"] for record in ended.records] == [
        row.kind
    ] * row.accounts
    assert [record["attempts"] for record in ended.records] == [row.attempts] * row.accounts
    assert (ended.code, arrived) == (row.code, 0 if row.kind else row.accounts)
    assert ended.wall_s < 12


def test_three_bad_certificates_end_the_run_after_its_patience(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def run() -> program.Ended:
        async with untrusted(certificates) as way:
            return await polled(way, tmp_path, 40, "--patience", "0.5", "--concurrency", "1")

    kinds = [record["error"]["kind"] for record in asyncio.run(run()).records]
    assert (kinds.count("tls"), kinds.count("circuit_open")) == (3, 37)


def test_a_machine_out_of_files_asks_fewer_at_once_and_goes_on(tmp_path: Path) -> None:
    async def run() -> tuple[program.Ended, int, int]:
        async with serve(latency_s=0.05) as simulator:
            way = Way(simulator.url, ("--concurrency", "200"))
            ended = await polled(way, tmp_path, 200, lack="files")
            return ended, simulator.counts.most_in_flight, simulator.counts.requests

    ended, most_in_flight, requests = asyncio.run(run())
    kinds = [record["error"] and record["error"]["kind"] for record in ended.records]
    assert len(kinds) == 200
    assert set(kinds) <= {None, "local_resource"}
    assert kinds.count(None) >= 180
    assert most_in_flight < 40
    assert requests == kinds.count(None)
