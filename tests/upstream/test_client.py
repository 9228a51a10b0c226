from __future__ import annotations

import asyncio
import errno
import inspect
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions
from aiohttp.client_reqrep import ConnectionKey

from poller.settings import Settings, UsageError
from poller.simulator.accounts import access_claims, jwt
from poller.simulator.server import Simulator, serve
from poller.upstream.client import Client, open_client
from poller.upstream.transport_errors import (
    TransportError,
    TransportErrorKind,
    translate,
    transport_failure,
)
from poller.values import Credential, FailureKind, Response, Secret
from tests.conftest import Certificates, connect_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

TIMEOUT_S = 5.0


def credential(account_id: str = "acct-1", *, fedramp: bool = False) -> Credential:
    claims = access_claims(
        "user-1", account_id, plan="plus", email="one@example.com", expires_at=2e9, fedramp=fedramp
    )
    return Credential(Secret(jwt(claims)), account_id, "user-1", fedramp=fedramp)


@asynccontextmanager
async def client_of(
    simulator: Simulator | str, *, proxy: str | None = None, **settings: Any
) -> AsyncIterator[Client]:
    url = simulator if isinstance(simulator, str) else simulator.url
    async with open_client(Settings(chatgpt_url=url, **settings), proxy=proxy) as client:
        yield client


async def fetched(client: Client, account_id: str = "acct-1", **how: Any) -> Response:
    answer = await client.fetch(credential(account_id), timeout_s=TIMEOUT_S, **how)
    assert isinstance(answer, Response)
    return answer


async def fault_of(client: Client, account_id: str, timeout_s: float = TIMEOUT_S) -> TransportError:
    answer = await client.fetch(credential(account_id), timeout_s=timeout_s)
    assert isinstance(answer, TransportError)
    return answer


async def test_exactly_the_documented_headers_are_sent() -> None:
    asker = credential(fedramp=True)
    async with serve() as simulator, client_of(simulator) as client:
        await client.fetch(asker, timeout_s=TIMEOUT_S)
        sent = simulator.stats().accounts["acct-1"].headers

    assert set(sent) == {
        ("Host", simulator.origin.removeprefix("http://")),
        ("Authorization", f"Bearer {asker.access_token.reveal()}"),
        ("Accept", "application/json"),
        ("ChatGPT-Account-Id", "acct-1"),
        ("Origin", "https://chatgpt.com"),
        ("Referer", "https://chatgpt.com/"),
        ("User-Agent", "Mozilla/5.0"),
        ("Accept-Encoding", "identity"),
        ("X-OpenAI-Fedramp", "true"),
    }
    assert len(sent) == 9


async def test_the_fedramp_header_is_sent_only_where_the_token_says_so() -> None:
    async with serve() as simulator, client_of(simulator, user_agent="other/1") as client:
        await fetched(client)
        sent = dict(simulator.stats().accounts["acct-1"].headers)

    assert "X-OpenAI-Fedramp" not in sent
    assert sent["User-Agent"] == "other/1"


async def test_a_connection_is_kept_and_said_to_be_reused() -> None:
    async with serve() as simulator, client_of(simulator) as client:
        reused = [(await fetched(client)).reused for _ in range(3)]

        assert reused == [False, True, True]
        assert simulator.stats().connections_opened == 1


async def test_a_fresh_connection_is_new_and_not_used_again() -> None:
    async with serve() as simulator, client_of(simulator) as client:
        await fetched(client)
        reused = [(await fetched(client, fresh=True)).reused for _ in range(3)]
        kept = (await fetched(client)).reused
        headers = dict(simulator.stats().accounts["acct-1"].headers)

        assert reused == [False, False, False]
        assert kept
        assert simulator.stats().connections_opened == 4
        assert "Connection" not in headers


async def test_once_connections_are_not_kept_every_one_is_fresh() -> None:
    async with serve() as simulator, client_of(simulator) as client:
        await fetched(client)
        client.stop_keeping()
        reused = [(await fetched(client)).reused for _ in range(3)]

    assert reused == [False, False, False]


async def test_cookies_are_never_sent() -> None:
    async with serve() as simulator, client_of(simulator) as client:
        for _ in range(3):
            await fetched(client, "acct-1~cookie")

        assert simulator.stats().with_cookie == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_never_followed(status: int) -> None:
    async with serve() as elsewhere, serve() as simulator, client_of(simulator) as client:
        answer = await fetched(client, f"acct-1~{status}-{elsewhere.url}")

        assert answer.status == status
        assert elsewhere.stats().requests == 0


@pytest.mark.parametrize("fault", ["reset", "close"])
async def test_a_connection_that_dies_is_not_silently_asked_again(fault: str) -> None:
    async with serve() as simulator, client_of(simulator) as client:
        got = await fault_of(client, f"acct-1~{fault}")

        assert (got.kind, got.answered) == (TransportErrorKind.CONNECTION_LOST, False)
        assert simulator.stats().requests == 1


async def test_a_kept_connection_that_died_is_told_apart() -> None:
    async with serve() as simulator, client_of(simulator) as client:
        await fetched(client, "acct-1~goodbye")
        got = await fault_of(client, "acct-1~goodbye")

        assert (got.kind, got.reused, got.answered) == (
            TransportErrorKind.CONNECTION_LOST,
            True,
            False,
        )
        assert simulator.stats().requests == 1


@pytest.mark.parametrize(
    ("fault", "kind", "answered"),
    [
        ("hang", TransportErrorKind.TIMEOUT, False),
        ("drip", TransportErrorKind.TIMEOUT, False),
        ("hang-half", TransportErrorKind.TIMEOUT, True),
        ("reset-half", TransportErrorKind.CONNECTION_LOST, True),
        ("cut", TransportErrorKind.CONNECTION_LOST, True),
        ("too-long", TransportErrorKind.CONNECTION_LOST, True),
        ("chunked-cut", TransportErrorKind.CONNECTION_LOST, True),
        ("chunked-bad", TransportErrorKind.MALFORMED, False),
        ("garbage", TransportErrorKind.MALFORMED, False),
        ("bad-status-line", TransportErrorKind.MALFORMED, False),
        ("bad-header", TransportErrorKind.MALFORMED, False),
        ("header-big", TransportErrorKind.MALFORMED, False),
        ("headers-endless", TransportErrorKind.MALFORMED, False),
        ("big", TransportErrorKind.TOO_LARGE, True),
        ("endless", TransportErrorKind.TOO_LARGE, True),
        ("gzip-bomb", TransportErrorKind.TOO_LARGE, True),
        ("gzip-broken", TransportErrorKind.BAD_ENCODING, True),
        ("encoding-unknown", TransportErrorKind.BAD_ENCODING, True),
    ],
)
async def test_each_misbehaviour_is_one_trouble(
    fault: str, kind: TransportErrorKind, answered: bool
) -> None:
    timeout_s = 0.3 if kind is TransportErrorKind.TIMEOUT else TIMEOUT_S
    async with serve() as simulator, client_of(simulator) as client:
        got = await fault_of(client, f"acct-1~{fault}", timeout_s)

    assert (got.kind, got.answered) == (kind, answered)
    assert got.status == (200 if answered else None)


@pytest.mark.parametrize("fault", ["gzip", "chunked", "no-length"])
async def test_bodies_arrive_whole_however_they_are_sent(fault: str) -> None:
    async with serve() as simulator, client_of(simulator) as client:
        answer = await fetched(client, f"acct-1~{fault}")

    assert answer.body.startswith(b"{")
    assert answer.body.endswith(b"}")


async def test_nobody_listening_is_unreachable() -> None:
    async with serve() as simulator:
        url = simulator.url
    async with client_of(url) as client:
        got = await fault_of(client, "acct-1")

    assert got.kind is TransportErrorKind.UNREACHABLE
    assert "refused" in got.detail


async def test_an_unknown_name_is_not_found() -> None:
    async with client_of("https://nowhere.invalid/usage") as client:
        got = await fault_of(client, "acct-1")

    assert got.kind in (TransportErrorKind.NAME_NOT_FOUND, TransportErrorKind.RESOLVER_DOWN)


async def test_a_certificate_of_the_ca_file_is_trusted(certificates: Certificates) -> None:
    async with (
        serve(ssl_context=certificates.server) as simulator,
        client_of(simulator, ca_file=certificates.ca_file) as client,
    ):
        assert (await fetched(client)).status == 200


async def test_a_strangers_certificate_is_refused(certificates: Certificates) -> None:
    async with serve(ssl_context=certificates.server) as simulator, client_of(simulator) as client:
        got = await fault_of(client, "acct-1")

        assert got.kind is TransportErrorKind.TLS
        assert "certificate" in got.detail
        assert simulator.stats().requests == 0


async def test_a_certificate_for_another_host_is_refused(certificates: Certificates) -> None:
    async with serve(ssl_context=certificates.server) as simulator:
        url = simulator.url.replace("127.0.0.1", "127.0.0.2")
    async with serve(ssl_context=certificates.server, host="127.0.0.2") as simulator:
        url = simulator.url
        async with client_of(url, ca_file=certificates.ca_file) as client:
            got = await fault_of(client, "acct-1")

    assert got.kind is TransportErrorKind.TLS
    assert "127.0.0.2" in got.detail


async def test_a_server_that_speaks_no_tls_is_a_tls_trouble() -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client_of(f"https://127.0.0.1:{port}/usage") as client:
        got = await fault_of(client, "acct-1")

    assert got.kind is TransportErrorKind.TLS


@pytest.mark.parametrize("content", [None, "no certificate in here"])
async def test_a_ca_file_that_is_none_is_said(tmp_path: Any, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(UsageError, match=r"--ca-file .*ca\.pem: "):
        async with client_of("https://127.0.0.1:1/", ca_file=str(path)):
            pass


async def test_requests_go_through_a_connect_proxy(certificates: Certificates) -> None:
    asker = credential()
    async with (
        serve(ssl_context=certificates.server) as simulator,
        connect_proxy() as proxy,
        client_of(
            simulator,
            proxy=proxy.url.replace("//", "//me:proxy-password@"),
            ca_file=certificates.ca_file,
        ) as client,
    ):
        answers = [await client.fetch(asker, timeout_s=TIMEOUT_S) for _ in range(2)]

        assert [type(answer) for answer in answers] == [Response, Response]
        assert len(proxy.requests) == 1
        assert proxy.requests[0].startswith(f"CONNECT {simulator.origin.removeprefix('https://')}")
        assert "Proxy-Authorization: Basic" in proxy.requests[0]
        assert asker.access_token.reveal() not in proxy.requests[0]
        assert "acct-1" not in proxy.requests[0]


@pytest.mark.parametrize("status", [407, 502])
async def test_a_proxy_that_refuses_is_the_proxys_trouble(status: int) -> None:
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    async with (
        connect_proxy(refusal) as proxy,
        client_of("https://127.0.0.1:1/usage", proxy=proxy.url) as client,
    ):
        got = await fault_of(client, "acct-1")

    assert (got.kind, got.status) == (TransportErrorKind.PROXY_REFUSED, status)


async def test_a_proxy_that_is_not_there_is_the_proxys_trouble() -> None:
    async with connect_proxy() as proxy:
        url = proxy.url
    async with client_of("https://127.0.0.1:1/usage", proxy=url) as client:
        got = await fault_of(client, "acct-1")

    assert got.kind is TransportErrorKind.PROXY_UNREACHABLE


async def test_a_proxys_name_that_is_not_found_is_not_told() -> None:
    async with client_of("https://127.0.0.1:1/usage", proxy="http://hunter2.invalid:1") as client:
        got = await fault_of(client, "acct-1")
    assert got.kind is TransportErrorKind.PROXY_UNREACHABLE
    assert got.detail == "its name was not found"
    failure = transport_failure(got)
    assert (failure.kind, failure.message) == (
        FailureKind.PROXY,
        "could not connect to the proxy: its name was not found",
    )


async def test_a_proxy_whose_certificate_is_not_trusted_is_not_told(
    certificates: Certificates,
) -> None:
    async with serve(ssl_context=certificates.server) as simulator:
        proxy = simulator.origin.replace("127.0.0.1", "localhost")
        async with client_of("https://127.0.0.1:1/usage", proxy=proxy) as client:
            got = await fault_of(client, "acct-1")
    assert (got.kind, got.detail) == (TransportErrorKind.TLS, "the proxy's certificate")


async def test_cancellation_passes_and_closes_the_connection() -> None:
    async with serve() as simulator, client_of(simulator) as client:
        task = asyncio.ensure_future(fetched(client, "acct-1~hang"))
        await simulator.reached(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert not (await fetched(client)).reused


@pytest.mark.parametrize(("offset_s", "ahead_s"), [(0.0, 0.0), (-600.0, 600.0)])
async def test_the_clock_is_compared_with_the_first_answers_date(
    offset_s: float, ahead_s: float
) -> None:
    async with serve(clock_offset_s=offset_s) as simulator, client_of(simulator) as client:
        assert client.clock_offset_s is None
        await fetched(client)

        assert client.clock_offset_s == pytest.approx(ahead_s, abs=5)


async def test_every_header_is_kept_only_where_asked_for() -> None:
    async with serve() as simulator:
        async with client_of(simulator, raw_headers=True) as client:
            everything = await fetched(client)
        async with client_of(simulator) as client:
            little = await fetched(client)

    assert [name for name, _ in everything.headers].count("set-cookie") == 2
    assert little.headers == ()


KEY = ConnectionKey("x.example", 443, True, True, None, None, None)
OS_ERROR = OSError(errno.ECONNREFUSED, "refused")
REQUEST: Any = None


def made(kind: type[BaseException]) -> BaseException:
    """Make one instance of an exception class, whatever its signature."""
    arguments: list[tuple[Any, ...]] = [
        (),
        (KEY, OS_ERROR),
        (KEY, ssl.SSLCertVerificationError(1, "bad")),
        (REQUEST, ()),
        ("text",),
        ("a", "b", "c"),
        (b"a", "b", "c", 4),
        ("path", KEY, OS_ERROR),
        ("x", 1, b"a", b"b"),
    ]
    for given in arguments:
        try:
            return kind(*given)
        except (TypeError, AttributeError):
            continue
    raise AssertionError(f"no way to make {kind}")


def exception_classes(*modules: Any) -> list[type[Exception]]:
    return sorted(
        {
            value
            for module in modules
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, Exception)
            and value.__module__.startswith("aiohttp")
        },
        key=lambda kind: kind.__qualname__,
    )


NOT_FOR_THIS_REQUEST = {
    "ClientError",  # abstract
    "InvalidURL",  # the URL is checked before it gets here
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",  # redirects are never followed
    "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError",
    "RedirectClientError",
    "UploadAbortedError",  # nothing is uploaded
    "WSMessageTypeError",  # no web socket
}


@pytest.mark.parametrize("raised", exception_classes(client_exceptions, http_exceptions))
def test_every_exception_class_of_the_library_has_a_meaning(raised: type[Exception]) -> None:
    kind, detail, _ = translate(made(raised), "x.example:443")

    assert (kind is TransportErrorKind.UNEXPECTED) == (raised.__name__ in NOT_FOR_THIS_REQUEST)
    assert "secret" not in detail


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "")),
            TransportErrorKind.OUT_OF_RESOURCES,
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ENOBUFS, "")),
            TransportErrorKind.OUT_OF_RESOURCES,
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNRESET, "")),
            TransportErrorKind.CONNECTION_LOST,
        ),
        (aiohttp.ClientConnectorError(KEY, OSError("several")), TransportErrorKind.UNREACHABLE),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_AGAIN, "")),
            TransportErrorKind.RESOLVER_DOWN,
        ),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "")),
            TransportErrorKind.NAME_NOT_FOUND,
        ),
        (MemoryError(), TransportErrorKind.OUT_OF_RESOURCES),
        (OSError(errno.EIO, ""), TransportErrorKind.CONNECTION_LOST),
        (TimeoutError(), TransportErrorKind.TIMEOUT),
        (ssl.SSLError(1, "bad"), TransportErrorKind.TLS),
        (ZeroDivisionError("secret"), TransportErrorKind.UNEXPECTED),
    ],
)
def test_errors_are_told_apart_by_what_caused_them(
    error: Exception, kind: TransportErrorKind
) -> None:
    got, detail, _ = translate(error, "x.example:443")

    assert got is kind
    assert "secret" not in detail
