"""The one request that spends a refresh token: on a connection of its own, sent once.

No exception of the HTTP library leaves here, and no answer that was not judged.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import hdrs
from yarl import URL

from poller.renewal.answers import refusal_without_answer, request_body, tokens_or_refusal
from poller.renewal.refusals import RefreshRefusedError
from poller.renewal.tokens import Refusal, Tokens
from poller.upstream.exchange import ssl_context
from poller.upstream.transport_errors import TransportError, TransportErrorKind, translate
from poller.usage.response import LARGE_BYTES
from poller.values import Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from poller.settings import Settings
    from poller.values import Secret

_KEPT_HEADERS = ("content-type", "retry-after", "cf-mitigated", "location")


class _Connector(aiohttp.TCPConnector):
    """Connects once, and tells before anything is sent."""

    def __init__(
        self, *, ssl_context: ssl.SSLContext | bool, before_sending: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(limit=0, ssl=ssl_context)  # pyright: ignore[reportUnknownMemberType]
        self.connected = False
        self._before_sending = before_sending

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            await self._before_sending()
        except BaseException:
            connection.close()
            raise
        self.connected = True
        return connection


class TokenEndpoint:
    """Where refresh tokens are spent.

    Raises:
        UsageError: ``settings.ca_file`` cannot be read, or holds no certificate.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        url: str,
        proxy: str | None,
    ) -> None:
        self._url = URL(url)
        self._proxy = None if proxy is None else URL(proxy)
        self._ssl_context = ssl_context(settings, url, proxy=proxy)
        self._user_agent = settings.user_agent

    async def refresh(
        self,
        refresh_token: Secret,
        *,
        timeout_s: float,
        before_sending: Callable[[], Awaitable[None]],
        received: Callable[[Tokens], None],
    ) -> Tokens | Refusal:
        """POST ``refresh_token``, never a second time; return what came, or why nothing did.

        ``before_sending`` is called once the connection stands: where it raises
        :class:`RefreshRefusedError`, nothing is sent and the exception leaves here.
        ``received`` is called with the tokens that come, before anything else is done. No
        redirects, no cookies.
        """
        connector = _Connector(ssl_context=self._ssl_context, before_sending=before_sending)
        try:
            async with self._session(connector) as session:
                answer = await self._posted(session, request_body(refresh_token), timeout_s)
                if isinstance(answer, TransportError):
                    return refusal_without_answer(answer, sent=True)
                got = tokens_or_refusal(answer, now=time.time())
                if isinstance(got, Tokens):
                    received(got)
                return got
        except RefreshRefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - the border: everything is translated
            address, proxied = f"{self._url.host}:{self._url.port}", self._proxy is not None
            failed = TransportError(*translate(error, address, proxied=proxied))
            return refusal_without_answer(failed, sent=connector.connected)

    def _session(self, connector: _Connector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            headers={
                hdrs.ACCEPT: "application/json",
                hdrs.CONTENT_TYPE: "application/json",
                hdrs.USER_AGENT: self._user_agent,
                hdrs.ACCEPT_ENCODING: "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        # The library repeats some requests by itself when a connection drops, uncounted. Not a
        # POST; and there is no public switch: this says it twice.
        session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return session

    async def _posted(
        self, session: aiohttp.ClientSession, body: bytes, timeout_s: float
    ) -> Response | TransportError:
        async with session.post(
            self._url,
            data=body,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=aiohttp.ClientTimeout(total=timeout_s, ceil_threshold=math.inf),
        ) as response:
            content = b""
            while len(content) <= LARGE_BYTES and not response.content.at_eof():
                content += await response.content.readany()
            if len(content) > LARGE_BYTES:
                return TransportError(
                    TransportErrorKind.TOO_LARGE, status=response.status, answered=True
                )
            headers = response.headers
            kept = tuple((name, headers[name]) for name in _KEPT_HEADERS if name in headers)
            return Response(response.status, kept, content)
