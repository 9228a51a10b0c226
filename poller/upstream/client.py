"""Send the one GET for an account's usage; return the answer, or why there is none.

Every exception of the HTTP library ends here. They hold what was sent, token included, so
none of them may leave: what comes out is a `Response` or a `TransportError`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiohttp import BasicAuth, ClientRequest, hdrs
from yarl import URL

from poller.upstream.deadline_timer import DeadlineTimer
from poller.upstream.exchange import ConnectionPool, Exchange, room_for_connections, ssl_context
from poller.upstream.transport_errors import TransportError, TransportErrorKind, translate
from poller.usage.retry_after import http_date
from poller.values import Credential, Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.http import RawResponseMessage

    from poller.settings.model import Settings

_ORIGIN: Final = "https://chatgpt.com"
_WANTED = ("content-type", "date", "retry-after", "cf-mitigated", "location")


class Client:
    """Asks for one account's usage; made by :func:`open_client`."""

    def __init__(self, settings: Settings, *, pool: ConnectionPool, where: ClientRequest) -> None:
        self.clock_offset_s: float | None = None
        """How far this machine's clock is ahead of the first answer's ``Date``; None before."""
        self._loop = asyncio.get_running_loop()
        self._alarm = DeadlineTimer()
        self._pool = pool
        self._common = _common_head(where)
        self._address = f"{where.url.host}:{where.url.port}"
        self._proxied = where.proxy is not None
        self._keep_headers = settings.raw_headers

    async def fetch(
        self, credential: Credential, *, timeout_s: float, fresh: bool = False
    ) -> Response | TransportError:
        """Send the one GET for ``credential``; return the whole answer, or why there is none.

        ``timeout_s`` covers name, connection, request and the answer's last byte. With
        ``fresh`` the connection is a new one and is not used again. Raises nothing but
        cancellation, and RuntimeError outside of a task.
        """
        task = asyncio.current_task(self._loop)  # without: a system call for each request
        if task is None:
            raise RuntimeError("only a task can be cancelled")
        exchange = Exchange()
        self._alarm.set(task, timeout_s)
        try:
            fresh = fresh or not self._pool.keeps
            body = await exchange.body(self._pool, self._head(credential), fresh=fresh)
            if isinstance(body, TransportError):
                return replace(body, reused=exchange.reused)
            return self._answer(exchange, body)
        except asyncio.CancelledError as error:
            is_late = self._alarm.clear(task)
            if task.cancelling():
                raise
            # If it is not late, this was not our timer: something the library waits for was
            # cancelled, such as a look-up that several connections share.
            return self._fault(TimeoutError() if is_late else error, exchange)
        except Exception as error:  # noqa: BLE001 - the border: everything is translated
            fault = self._fault(error, exchange)
            if fault.kind is TransportErrorKind.OUT_OF_RESOURCES:
                self._pool.close_kept()
            return fault
        finally:
            self._alarm.clear(task)
            exchange.close()

    def stop_keeping(self) -> None:
        """Use no connection a second time from now on.

        For an upstream whose answers over kept connections cannot be told apart.
        """
        self._pool.stop_keeping()

    def _head(self, credential: Credential) -> bytes:
        """Return the request's head: the headers of every request, and this account's."""
        token, account_id = credential.access_token.reveal(), credential.account_id
        both = token + account_id
        if "\r" in both or "\n" in both:
            raise ValueError("a line break inside a header")
        fedramp = "X-OpenAI-Fedramp: true\r\n" if credential.fedramp else ""
        own = f"Authorization: Bearer {token}\r\nChatGPT-Account-Id: {account_id}\r\n{fedramp}\r\n"
        return self._common + own.encode()

    def _fault(self, error: BaseException, exchange: Exchange) -> TransportError:
        kind, detail, status = translate(error, self._address, proxied=self._proxied)
        message = exchange.message
        if message is not None:
            status = message.code
        answered = message is not None
        return TransportError(kind, detail, status, reused=exchange.reused, answered=answered)

    def _answer(self, exchange: Exchange, body: bytes) -> Response:
        message = exchange.message
        if message is None:
            raise AssertionError("a body comes after its head")
        if self.clock_offset_s is None:
            self.clock_offset_s = _clock_offset_s(message.headers.get("Date"))
        headers = _kept_headers(message, everything=self._keep_headers)
        return Response(message.code, headers, body, exchange.reused)


@asynccontextmanager
async def open_client(settings: Settings, *, proxy: str | None) -> AsyncGenerator[Client]:
    """Open the connections of one run; ``proxy`` is an http(s) URL, or None for none.

    Certificates are always verified: against the system's, and ``settings.ca_file``'s.
    Cookies, redirects, netrc and the environment's proxies are never used.

    Raises:
        UsageError: ``ca_file`` cannot be read, or holds no certificate.
    """
    context = ssl_context(settings, settings.chatgpt_url, proxy=proxy)
    where = _where(settings, proxy=proxy)
    idle = max(0, room_for_connections() - settings.concurrency)
    async with ConnectionPool(where, ssl_context=context, idle=idle) as pool:
        yield Client(settings, pool=pool, where=where)


def _where(settings: Settings, *, proxy: str | None) -> ClientRequest:
    """Describe what all requests have in common: the address and the common headers."""
    url = URL(settings.chatgpt_url)
    headers = {
        hdrs.ACCEPT: "application/json",
        hdrs.ORIGIN: _ORIGIN,
        hdrs.REFERER: f"{_ORIGIN}/",
        hdrs.USER_AGENT: settings.user_agent,
        hdrs.ACCEPT_ENCODING: "identity",
    }
    loop = asyncio.get_running_loop()
    return ClientRequest(
        hdrs.METH_GET, url, headers=headers, proxy=None if proxy is None else URL(proxy), loop=loop
    )


def _common_head(request: ClientRequest) -> bytes:
    """Return the request line and the common headers."""
    url, proxy, headers = request.url, request.proxy, dict(request.headers)
    target = url.raw_path_qs
    if proxy is not None and url.scheme == "http":  # no tunnel: the proxy needs the whole URL
        target = str(url)
        if (auth := BasicAuth.from_url(proxy)) is not None:
            headers[hdrs.PROXY_AUTHORIZATION] = auth.encode()
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _clock_offset_s(date: str | None) -> float | None:
    sent_at = http_date(date or "")
    return None if sent_at is None else time.time() - sent_at


def _kept_headers(message: RawResponseMessage, *, everything: bool) -> tuple[tuple[str, str], ...]:
    headers = message.headers
    if everything:
        return tuple((name.lower(), value) for name, value in headers.items())
    if message.code == 200 and "cf-mitigated" not in headers:
        return ()
    return tuple((name, headers[name]) for name in _WANTED if name in headers)
