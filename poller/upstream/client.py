"""One request to the usage endpoint: the only module that knows aiohttp.

Every exception of the library ends here: what comes out is a :class:`Response` or a
:class:`Fault`. The library's own exceptions hold the request's headers, token included,
so none of them may leave.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import ssl
import time
import zlib
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import hdrs, http_exceptions
from multidict import istr
from yarl import URL

from poller.core.answers import BODY_LIMIT
from poller.core.faults import Fault, Trouble
from poller.core.model import Credential, Response
from poller.core.retry_after import http_date
from poller.core.text import printable
from poller.settings import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from poller.settings.model import Settings

_ORIGIN: Final = "https://chatgpt.com"
_ACCOUNT_ID: Final = istr("ChatGPT-Account-Id")
_FEDRAMP: Final = istr("X-OpenAI-Fedramp")
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOST = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_NO_THREAD = "can't start new thread"
"""What threading says, which has no class of its own for it; names are looked up in threads."""
_RESOLVER_DOWN = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL})

_reused: ContextVar[bool] = ContextVar("reused", default=False)
"""Whether the request under way in this task got a connection that was used before."""


class _Connector(aiohttp.TCPConnector):
    """A pool that tells whether a connection was used before, and may keep none."""

    def __init__(self, *, keep: bool, ssl_context: ssl.SSLContext | bool) -> None:
        # No limit: slots are the scheduler's, and waiting here would count as the upstream's time.
        super().__init__(limit=0, ssl=ssl_context)  # pyright: ignore[reportUnknownMemberType]
        self._keep = keep

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol is None:  # pragma: no cover - the library gives a live one
            return connection
        marks = vars(protocol)  # a mark on it: a WeakSet of them costs ten times as much
        _reused.set("is_used" in marks)
        marks["is_used"] = True
        if not self._keep:
            # Not the connector's force_close, which adds a `Connection: close` header.
            protocol.force_close()
        return connection

    def close_idle(self) -> None:
        """Give back the descriptors of the connections that are kept and not in use.

        The library has no public way; tests/faults/test_network.py runs out of files.
        """
        for kept in self._conns.values():
            for protocol, _ in kept:
                protocol.close()
        self._conns.clear()


class Client:
    """Asks for one account's usage; made by :func:`open_client`.

    ``keeps_connections`` may be switched off for the rest of a run, once an upstream has
    shown that what comes over a kept connection cannot be told apart.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        kept: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        proxy: str | None,
    ) -> None:
        self.keeps_connections = True
        self.clock_offset_s: float | None = None
        """How far this machine's clock is ahead of the first answer's ``Date``; None before."""
        self._url = URL(settings.chatgpt_url)
        self._proxy = None if proxy is None else URL(proxy)
        self._keep_headers = settings.raw_headers
        self._timeout = _timeout(settings.timeout_s)
        self._kept = kept
        self._fresh = fresh

    async def fetch(
        self, credential: Credential, *, timeout_s: float, fresh: bool = False
    ) -> Response | Fault:
        """Send the one GET for ``credential``; return the whole answer, or why there is none.

        ``timeout_s`` covers name, connection, request and the answer's last byte. With
        ``fresh`` the connection is a new one and is not used again. Raises nothing but
        cancellation.
        """
        _reused.set(False)
        started_at = time.monotonic()
        timeout = self._timeout if timeout_s == self._timeout.total else _timeout(timeout_s)
        session = self._kept if self.keeps_connections and not fresh else self._fresh
        response: aiohttp.ClientResponse | None = None
        try:
            response = await session.get(
                self._url,
                headers=_own_headers(credential),
                allow_redirects=False,
                proxy=self._proxy,
                timeout=timeout,
            )
            body: bytes | Fault = _whole_body(response) or b""
            if not body:
                # The library's timer may be that of the request before, where what waited on
                # a kept connection is taken for the answer: such a one never rings.
                async with asyncio.timeout_at(started_at + timeout_s):
                    body = await _body(response)
            if isinstance(body, Fault):
                return replace(body, reused=_reused.get())
            return self._answer(response, body)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            # Not we: something the library waits for, such as the look-up that all who need
            # the same name share.
            return _fault(error, self._address(), response)
        except Exception as error:  # noqa: BLE001 - the border: everything is translated
            fault = _fault(error, self._address(), response)
            if fault.trouble is Trouble.OUT_OF_RESOURCES:
                self._make_room()
            return fault
        finally:
            if response is not None:
                response.close()

    def _make_room(self) -> None:
        if isinstance(self._kept.connector, _Connector):
            self._kept.connector.close_idle()

    def _address(self) -> str:
        return f"{self._url.host}:{self._url.port}"

    def _answer(self, response: aiohttp.ClientResponse, body: bytes) -> Response:
        if self.clock_offset_s is None:
            self.clock_offset_s = _clock_offset_s(response.headers.get("Date"))
        return Response(
            status=response.status,
            headers=_kept_headers(response, everything=self._keep_headers),
            body=body,
            reused=_reused.get(),
        )


@asynccontextmanager
async def open_client(settings: Settings, *, proxy: str | None) -> AsyncGenerator[Client]:
    """Open the connections of one run; ``proxy`` is an http(s) URL, or None for none.

    Certificates are always verified: against the system's, and ``settings.ca_file``'s.
    Cookies, redirects, netrc and the environment's proxies are never used.

    Raises:
        UsageError: ``ca_file`` cannot be read, or holds no certificate.
    """
    context = ssl_context(settings, settings.chatgpt_url)
    async with (
        _session(settings, ssl_context=context, keep=True) as kept,
        _session(settings, ssl_context=context, keep=False) as fresh,
    ):
        yield Client(settings, kept=kept, fresh=fresh, proxy=proxy)


def _session(
    settings: Settings, *, ssl_context: ssl.SSLContext | bool, keep: bool
) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=_Connector(keep=keep, ssl_context=ssl_context),
        headers={
            hdrs.ACCEPT: "application/json",
            hdrs.ORIGIN: _ORIGIN,
            hdrs.REFERER: f"{_ORIGIN}/",
            hdrs.USER_AGENT: settings.user_agent,
            hdrs.ACCEPT_ENCODING: "identity",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # it has no bound: 200 kB become 200 MB
        trust_env=False,
    )
    # The library repeats a GET by itself when a connection drops, uncounted; there is no
    # public switch. tests/upstream/test_client.py counts at the server.
    session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return session


def _own_headers(credential: Credential) -> dict[istr, str]:
    """Return the headers that differ from account to account."""
    headers = {
        hdrs.AUTHORIZATION: f"Bearer {credential.access_token.reveal()}",
        _ACCOUNT_ID: credential.account_id,
    }
    if credential.fedramp:
        headers[_FEDRAMP] = "true"
    return headers


def ssl_context(settings: Settings, url: str) -> ssl.SSLContext | bool:
    """Return what ``url``'s certificate is verified with: the system's, and ``ca_file``'s.

    Raises:
        UsageError: ``ca_file`` cannot be read, or holds no certificate.
    """
    if url.startswith("http:"):
        return True  # never used; loading a CA bundle costs 20-30 ms
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:  # ssl.SSLError is one
            what = "holds no certificate" if isinstance(error, ssl.SSLError) else _words(error)
            raise UsageError(f"--ca-file {printable(settings.ca_file)}: {what}") from None
    return context


def _clock_offset_s(date: str | None) -> float | None:
    sent_at = http_date(date or "")
    return None if sent_at is None else time.time() - sent_at


def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # Without the threshold, waits above 5 s end on whole seconds of the clock.
    return aiohttp.ClientTimeout(total=seconds, ceil_threshold=math.inf)


_WANTED = ("content-type", "date", "retry-after", "cf-mitigated", "location")


def _kept_headers(
    response: aiohttp.ClientResponse, *, everything: bool
) -> tuple[tuple[str, str], ...]:
    headers = response.headers
    if everything:
        return tuple((name.lower(), value) for name, value in headers.items())
    if response.status == 200 and "cf-mitigated" not in headers:
        return ()
    return tuple((name, headers[name]) for name in _WANTED if name in headers)


def _whole_body(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body where all of it is here already and plain, as it mostly is."""
    content = response.content
    if not content.is_eof() or "Content-Encoding" in response.headers:
        return None
    length = response.content_length
    return content.read_nowait() if length is not None and length <= BODY_LIMIT else None


async def _body(response: aiohttp.ClientResponse) -> bytes | Fault:
    """Return the body, decompressed, or the fault that it is too large or unreadable."""
    body = b""
    while len(body) <= BODY_LIMIT and not response.content.at_eof():
        body += await response.content.readany()
    if len(body) > BODY_LIMIT:
        return Fault(Trouble.TOO_LARGE, status=response.status, answered=True)
    encoding = response.headers.get("Content-Encoding")
    if encoding is None or encoding.strip().lower() in ("", "identity"):
        return body
    return _decompressed(body, encoding.strip().lower(), status=response.status)


def _decompressed(body: bytes, encoding: str, *, status: int) -> bytes | Fault:
    if encoding not in ("gzip", "x-gzip", "deflate"):
        detail = f"unknown encoding {printable(encoding[:32])!r}"
        return Fault(Trouble.BAD_ENCODING, detail, status=status, answered=True)
    # 32 added to the window size: gzip or zlib, told by the first bytes.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32)
    try:
        plain = inflater.decompress(body, BODY_LIMIT + 1)
    except zlib.error:
        return Fault(Trouble.BAD_ENCODING, f"broken {encoding}", status=status, answered=True)
    if len(plain) > BODY_LIMIT:
        return Fault(Trouble.TOO_LARGE, status=status, answered=True)
    if not inflater.eof:
        return Fault(Trouble.BAD_ENCODING, f"cut {encoding}", status=status, answered=True)
    return plain


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _fault(error: BaseException, address: str, response: aiohttp.ClientResponse | None) -> Fault:
    trouble, detail, status = translate(error, address)
    if response is not None:
        status = response.status
    return Fault(trouble, detail, status, reused=_reused.get(), answered=response is not None)


def translate(error: BaseException, address: str) -> tuple[Trouble, str, int | None]:
    """Return the trouble, its detail and a status for any exception of a request.

    Total: what is not known is ``Trouble.UNEXPECTED``, named by its class alone. The
    detail never holds the exception's own text, which may hold headers or passwords.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return Trouble.PROXY_REFUSED, "", error.status
        case aiohttp.ClientProxyConnectionError():
            return _resources(error, Trouble.PROXY_UNREACHABLE), _words(error.os_error), None
        case aiohttp.ClientConnectorDNSError():
            down = error.os_error.errno in _RESOLVER_DOWN
            trouble = Trouble.RESOLVER_DOWN if down else Trouble.NAME_NOT_FOUND
            return _resources(error, trouble), printable(error.host), None
        case aiohttp.ClientConnectorCertificateError():
            return Trouble.TLS, _certificate_words(error.certificate_error), None
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return Trouble.TLS, f"{address} did not speak TLS as it should", None
        case aiohttp.ClientConnectorError():
            lost = error.os_error.errno in _LOST
            trouble = Trouble.CONNECTION_LOST if lost else Trouble.UNREACHABLE
            return _resources(error, trouble), f"{address}: {_words(error.os_error)}", None
        case asyncio.CancelledError():
            return Trouble.CONNECTION_LOST, "before an answer", None
        case asyncio.TimeoutError():
            return Trouble.TIMEOUT, "", None
        case aiohttp.ClientPayloadError():
            return (_cut_or_malformed(error), "the answer was cut short", None)
        case aiohttp.ClientResponseError() | http_exceptions.HttpProcessingError():
            return Trouble.MALFORMED, "", None
        case aiohttp.ClientConnectionError():
            return _resources(error, Trouble.CONNECTION_LOST), "before an answer", None
        case MemoryError():
            return Trouble.OUT_OF_RESOURCES, "memory", None
        case RuntimeError() if str(error) == _NO_THREAD:
            return Trouble.OUT_OF_RESOURCES, "threads", None
        case OSError():
            return _resources(error, Trouble.CONNECTION_LOST), _words(error), None
        case _:
            return Trouble.UNEXPECTED, type(error).__name__, None


def _resources(error: BaseException, otherwise: Trouble) -> Trouble:
    inner = getattr(error, "os_error", error)
    number = inner.errno if isinstance(inner, OSError) else None
    return Trouble.OUT_OF_RESOURCES if number in _OUT_OF_RESOURCES else otherwise


def _cut_or_malformed(error: BaseException) -> Trouble:
    """Tell a body that ended early from one whose framing is wrong."""
    cause = error.__cause__
    framing = isinstance(cause, http_exceptions.HttpProcessingError)
    ended = isinstance(
        cause, http_exceptions.ContentLengthError | http_exceptions.TransferEncodingError
    )
    return Trouble.MALFORMED if framing and not ended else Trouble.CONNECTION_LOST


def _words(error: OSError) -> str:
    number = error.errno
    return os.strerror(number).lower() if number is not None and number > 0 else "no address works"


def _certificate_words(error: Exception) -> str:
    return printable(str(getattr(error, "verify_message", "")))[:200].lower().rstrip(".")
