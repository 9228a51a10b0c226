"""The one request that spends a refresh token, over TLS, through a proxy, and not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poller.renewal.endpoint import Answer, NotSentError, TokenEndpoint
from poller.renewal.tokens import request_body
from poller.settings import Settings, UsageError
from poller.simulator.server import serve
from poller.upstream.transport_errors import TransportError, TransportErrorKind
from poller.values import Response, Secret
from tests.conftest import connect_proxy
from tests.refreshing.logins import refresh_token

if TYPE_CHECKING:
    from tests.conftest import Certificates

pytestmark = pytest.mark.anyio

BODY = request_body(Secret(refresh_token("alice")))


async def sent(endpoint: TokenEndpoint, *, timeout_s: float = 5.0) -> tuple[Answer, int]:
    """Return the answer, and how often it was told that the request is about to leave."""
    calls: list[None] = []
    came: list[Response] = []

    async def before_sending() -> None:
        calls.append(None)

    answer = await endpoint.send(
        BODY, timeout_s=timeout_s, before_sending=before_sending, received=came.append
    )
    assert came == [answer.outcome] * isinstance(answer.outcome, Response)
    return answer, len(calls)


def trouble(answer: Answer) -> TransportErrorKind:
    assert isinstance(answer.outcome, TransportError)
    return answer.outcome.kind


async def test_it_is_sent_over_tls_and_through_a_proxy(certificates: Certificates) -> None:
    trusting = Settings(ca_file=certificates.ca_file)
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy() as proxy:
        endpoint = TokenEndpoint(trusting, url=simulator.token_url, proxy=proxy.url)
        answer, told = await sent(endpoint)
        assert simulator.logins.requests == 1
    assert isinstance(answer.outcome, Response)
    assert (answer.outcome.status, answer.sent, told) == (200, True, 1)
    assert len(proxy.requests) == 1
    assert proxy.requests[0].startswith("CONNECT ")


async def test_a_proxy_that_refuses_gets_no_token(certificates: Certificates) -> None:
    refusal = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy(refusal) as proxy:
        settings = Settings(ca_file=certificates.ca_file)
        endpoint = TokenEndpoint(settings, url=simulator.token_url, proxy=proxy.url)
        answer, told = await sent(endpoint)
    assert (trouble(answer), answer.sent, told) == (TransportErrorKind.PROXY_REFUSED, False, 0)


async def test_a_certificate_that_is_not_trusted_gets_no_token(certificates: Certificates) -> None:
    async with serve(ssl_context=certificates.server) as simulator:
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        answer, told = await sent(endpoint)
        assert simulator.logins.requests == 0
    assert (trouble(answer), answer.sent, told) == (TransportErrorKind.TLS, False, 0)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("hang", TransportErrorKind.TIMEOUT),
        ("dropped", TransportErrorKind.CONNECTION_LOST),
        ("closed", TransportErrorKind.CONNECTION_LOST),
        ("cut", TransportErrorKind.CONNECTION_LOST),
    ],
)
async def test_what_gets_no_answer_was_sent_once(fault: str, expected: TransportErrorKind) -> None:
    async with serve() as simulator:
        simulator.logins.fault = fault
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        answer, told = await sent(endpoint, timeout_s=0.3)
        assert simulator.logins.requests == 1
    assert (trouble(answer), answer.sent, told) == (expected, True, 1)


async def test_a_redirect_is_not_followed() -> None:
    async with serve() as simulator:
        simulator.logins.fault = "307"
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        answer, _ = await sent(endpoint)
        assert simulator.logins.requests == 1
        assert simulator.counts.requests == 0
    assert isinstance(answer.outcome, Response)
    assert answer.outcome.status == 307


def never(_response: Response) -> None:
    raise AssertionError


async def test_what_forbids_the_sending_is_heard() -> None:
    async def forbid() -> None:
        raise NotSentError("no room")

    async with serve() as simulator:
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        with pytest.raises(NotSentError, match="no room"):
            await endpoint.send(BODY, timeout_s=5, before_sending=forbid, received=never)
        assert simulator.logins.requests == 0


def test_certificates_that_cannot_be_read_are_a_mistake_of_use() -> None:
    settings = Settings(ca_file="/nowhere/ca.pem")
    with pytest.raises(UsageError, match="ca-file"):
        TokenEndpoint(settings, url="https://auth.openai.com/oauth/token", proxy=None)
