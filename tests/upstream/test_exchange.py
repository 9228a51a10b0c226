"""What is used of the HTTP library beyond its documentation: a new version of it shows here."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientRequest
from yarl import URL

from poller.settings import Settings
from poller.simulator.server import serve
from poller.upstream.client import open_client
from poller.upstream.exchange import READ_BYTES, ConnectionPool, Exchange
from poller.upstream.transport_errors import TransportError, TransportErrorKind
from poller.values import Credential, Response, Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.conftest import Certificates

pytestmark = pytest.mark.anyio

HEAD = b"GET /usage HTTP/1.1\r\nHost: here\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UPGRADE = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
CREDENTIAL = Credential(Secret("token"), "acct-1", "user-1", fedramp=False)


class Heard:
    """A server that answers each request's end with the next of its answers."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.heads: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.asked = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while self.answers:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.asked.set()
                writer.write(self.answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            self.hung_up.set()
        finally:
            writer.close()


@asynccontextmanager
async def listening(*answers: bytes) -> AsyncIterator[tuple[Heard, str]]:
    heard = Heard([*answers])
    server = await asyncio.start_server(heard.serve, "127.0.0.1", 0)
    async with server:
        yield heard, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/usage"


@asynccontextmanager
async def pool_before(*answers: bytes) -> AsyncIterator[tuple[Heard, ConnectionPool]]:
    async with listening(*answers) as (heard, url):
        where = ClientRequest("GET", URL(url), loop=asyncio.get_running_loop())
        async with ConnectionPool(where, ssl_context=True, idle=8) as pool:
            yield heard, pool


async def exchanged(
    pool: ConnectionPool, *, fresh: bool = False
) -> tuple[int, bytes | TransportError, bool]:
    exchange = Exchange()
    try:
        async with asyncio.timeout(5):
            body = await exchange.body(pool, HEAD, fresh=fresh)
    finally:
        exchange.close()
    assert exchange.message is not None
    return exchange.message.code, body, exchange.reused


async def test_exactly_what_was_given_is_sent() -> None:
    async with pool_before(OK) as (heard, pool):
        assert await exchanged(pool) == (200, b"{}", False)

    assert heard.heads == [HEAD]


@pytest.mark.parametrize("before", [100, 102, 103])
async def test_interim_answers_are_passed_over(before: int) -> None:
    interim = b"HTTP/1.1 %d Soon\r\nLink: <a>\r\n\r\n" % before
    answers = (interim + interim + OK, OK)
    async with pool_before(*answers) as (heard, pool):
        assert await exchanged(pool) == (200, b"{}", False)
        assert await exchanged(pool) == (200, b"{}", True)

    assert heard.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(UPGRADE, id="101"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", id="304"),
    ],
)
async def test_an_answer_without_a_body_is_whole(answer: bytes) -> None:
    async with pool_before(answer) as (_, pool):
        status, body, _ = await exchanged(pool)

    assert (status, body) == (int(answer[9:12]), b"")


@pytest.mark.parametrize(
    ("answer", "fresh"),
    [
        pytest.param(OK, True, id="fresh"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False, id="close"),
        pytest.param(OK.replace(b"1.1", b"1.0"), False, id="HTTP/1.0"),
        pytest.param(OK + OK, False, id="two answers"),
        pytest.param(UPGRADE, False, id="101"),
        pytest.param(OK.replace(b" 2\r", b" %d\r" % (9 << 20)) + b"x" * (9 << 20), False, id="big"),
    ],
)
async def test_a_connection_unfit_to_be_used_again_is_closed(answer: bytes, fresh: bool) -> None:
    async with pool_before(answer, OK) as (_, pool):
        await exchanged(pool, fresh=fresh)

        assert pool.kept() is None


async def test_what_is_cut_off_closes_its_connection() -> None:
    async with pool_before(b"", OK) as (heard, pool), asyncio.timeout(5):
        asking = asyncio.ensure_future(exchanged(pool))
        await heard.asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await heard.hung_up.wait()

        assert pool.kept() is None


async def test_what_came_unasked_meanwhile_makes_a_connection_unfit() -> None:
    async with pool_before(OK, OK) as (heard, pool), asyncio.timeout(5):
        await exchanged(pool)
        heard.writers[0].write(OK)
        connection = pool.kept()
        while connection is not None:
            pool.keep(connection)
            await asyncio.sleep(0)
            connection = pool.kept()

        assert (await exchanged(pool))[2] is False


@pytest.mark.parametrize("tls", [False, True])
async def test_answers_are_not_read_into_more_than_they_need(
    certificates: Certificates, tls: bool
) -> None:
    upstream = serve(ssl_context=certificates.server if tls else None)
    trust = ssl.create_default_context(cafile=certificates.ca_file)
    async with upstream as simulator:
        where = ClientRequest("GET", URL(simulator.url), loop=asyncio.get_running_loop())
        async with ConnectionPool(where, ssl_context=trust, idle=8) as pool:
            connection = await pool.new()
            transport: Any = connection.transport
            reader = transport._ssl_protocol if tls else transport
            assert type(reader).max_size > READ_BYTES
            assert reader.max_size == READ_BYTES
            connection.close()


async def test_a_body_that_paused_its_connection_comes_whole_and_the_next_answer_too() -> None:
    sizes = [3 * READ_BYTES, 20 * READ_BYTES, 2]
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size for size in sizes]
    bodies = [b"x" * size for size in sizes]
    async with pool_before(*map(bytes.__add__, answers, bodies)) as (heard, pool):
        first = await pool.new()
        assert first.protocol is not None
        assert first.protocol._reading_paused is False
        pool.keep(first)
        assert [(await exchanged(pool))[1] for _ in sizes] == bodies

    assert heard.connections == 1


# What a client sends


@asynccontextmanager
async def asked(
    answer: bytes, login: str = ""
) -> AsyncIterator[tuple[Heard, Response | TransportError]]:
    """Ask through a proxy that is told where to, as over http there is no tunnel."""
    async with listening(answer) as (heard, url):
        proxy = url.replace("http://", f"http://{login}").removesuffix("/usage")
        settings = Settings(chatgpt_url="http://127.0.0.1:9/usage?a=b")
        async with open_client(settings, proxy=proxy) as client:
            yield heard, await client.fetch(CREDENTIAL, timeout_s=5.0)


async def test_a_proxy_is_told_the_whole_address() -> None:
    async with asked(OK) as (heard, answer):
        head = heard.heads[0]

    assert isinstance(answer, Response)
    assert head.startswith(b"GET http://127.0.0.1:9/usage?a=b HTTP/1.1\r\nHost: 127.0.0.1:9\r\n")
    assert b"Proxy-Authorization" not in head


async def test_a_proxy_is_told_its_login() -> None:
    async with asked(OK, login="me:pass%20word@") as (heard, _):
        head = heard.heads[0]

    assert head.count(b"Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n") == 1


@pytest.mark.parametrize(
    "forge",
    [
        lambda: Credential(Secret("a\r\nX-Other: b"), "acct-1", "user-1", fedramp=True),
        lambda: Credential(Secret("a"), "acct-1\nX-Other: b", "user-1", fedramp=False),
        lambda: Credential(Secret("a"), "acct-1\rX-Other: b", "user-1", fedramp=False),
    ],
)
async def test_no_header_can_bring_another(forge: Callable[[], Credential]) -> None:
    async with (
        listening(OK) as (heard, url),
        open_client(Settings(chatgpt_url=url), proxy=None) as client,
    ):
        answer = await client.fetch(forge(), timeout_s=5.0)

    assert answer == TransportError(TransportErrorKind.UNEXPECTED, "ValueError")
    assert heard.connections == 0
