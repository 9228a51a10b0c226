"""The one request that spends a refresh token, over TLS, through a proxy, and not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poller.renewal.endpoint import TokenEndpoint
from poller.renewal.refusals import RefreshRefusedError, no_room
from poller.renewal.tokens import Refusal, Tokens
from poller.settings import Settings, UsageError
from poller.simulator.server import serve
from poller.values import Secret
from tests.conftest import connect_proxy
from tests.refreshing.logins import refresh_token

if TYPE_CHECKING:
    from tests.conftest import Certificates

pytestmark = pytest.mark.anyio

TOKEN = Secret(refresh_token("alice"))


async def sent(endpoint: TokenEndpoint, *, timeout_s: float = 5.0) -> tuple[Tokens | Refusal, int]:
    """Return what came, and how often it was told that the request is about to leave."""
    calls: list[None] = []
    received: list[Tokens] = []

    async def before_sending() -> None:
        calls.append(None)

    got = await endpoint.refresh(
        TOKEN, timeout_s=timeout_s, before_sending=before_sending, received=received.append
    )
    assert received == [got] * isinstance(got, Tokens)
    return got, len(calls)


def refusal(got: Tokens | Refusal) -> tuple[str, bool]:
    """Return the kind of failure, and whether the token may be spent."""
    assert isinstance(got, Refusal)
    return str(got.failure.kind), got.spent


async def test_it_is_sent_over_tls_and_through_a_proxy(certificates: Certificates) -> None:
    trusting = Settings(ca_file=certificates.ca_file)
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy() as proxy:
        endpoint = TokenEndpoint(trusting, url=simulator.token_url, proxy=proxy.url)
        got, told = await sent(endpoint)
        assert simulator.logins.requests == 1
    assert isinstance(got, Tokens)
    assert told == 1
    assert len(proxy.requests) == 1
    assert proxy.requests[0].startswith("CONNECT ")


async def test_a_proxy_that_refuses_gets_no_token(certificates: Certificates) -> None:
    no = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy(no) as proxy:
        settings = Settings(ca_file=certificates.ca_file)
        endpoint = TokenEndpoint(settings, url=simulator.token_url, proxy=proxy.url)
        got, told = await sent(endpoint)
    assert (refusal(got), told) == (("proxy", False), 0)


async def test_a_certificate_that_is_not_trusted_gets_no_token(certificates: Certificates) -> None:
    async with serve(ssl_context=certificates.server) as simulator:
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        got, told = await sent(endpoint)
        assert simulator.logins.requests == 0
    assert (refusal(got), told) == (("tls", False), 0)


@pytest.mark.parametrize("fault", ["hang", "dropped", "closed", "cut"])
async def test_a_request_without_a_reply_was_sent_once(fault: str) -> None:
    async with serve() as simulator:
        simulator.logins.fault = fault
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        got, told = await sent(endpoint, timeout_s=0.3)
        assert simulator.logins.requests == 1
    assert (refusal(got), told) == (("refresh_unknown", True), 1)


async def test_a_redirect_is_not_followed() -> None:
    async with serve() as simulator:
        simulator.logins.fault = "307"
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        got, _ = await sent(endpoint)
        assert simulator.logins.requests == 1
        assert simulator.counts.requests == 0
    assert refusal(got) == ("redirect", False)


def never(_tokens: Tokens) -> None:
    raise AssertionError


async def test_nothing_is_sent_where_that_is_refused_at_the_last_moment() -> None:
    async def refuse() -> None:
        raise RefreshRefusedError(no_room("disk full"))

    async with serve() as simulator:
        endpoint = TokenEndpoint(Settings(), url=simulator.token_url, proxy=None)
        with pytest.raises(RefreshRefusedError, match="disk full"):
            await endpoint.refresh(TOKEN, timeout_s=5, before_sending=refuse, received=never)
        assert simulator.logins.requests == 0


def test_certificates_that_cannot_be_read_are_a_usage_error() -> None:
    settings = Settings(ca_file="/nowhere/ca.pem")
    with pytest.raises(UsageError, match="ca-file"):
        TokenEndpoint(settings, url="https://auth.openai.com/oauth/token", proxy=None)
