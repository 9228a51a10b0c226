"""One GET and its answer, over the HTTP library's connections but without its session.

The session makes dozens of objects for each request that nobody here looks at. Its connector
(names, addresses, proxies, TLS) and its parser do the work here, too. Beyond what is
documented, this uses ``ClientRequest`` to describe where to connect, and of a connection's
protocol ``set_response_params``, ``read``, ``should_close``, ``is_connected`` and whether it
paused reading; tests/upstream/test_exchange.py pins them.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import zlib
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import anyio

from poller.settings import UsageError
from poller.text import os_error_text, printable
from poller.upstream.transport_errors import TransportError, TransportErrorKind, words
from poller.usage.response import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from aiohttp import ClientRequest
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage
    from aiohttp.streams import StreamReader

    from poller.settings import Settings

KEPT_FOR_S: Final = 15.0
"""How long a connection may stay idle: the library's default, less than servers allow."""
_SPARE_FILES: Final = 24
"""Descriptors kept for the standard streams, the event loop and auth files."""
_NO_BOUND: Final = 1 << 30
READ_BYTES: Final = 16_384
"""The most read at once: the size of a TLS record, and more than an answer has."""
_LARGE_FROM: Final = 32_768
_LARGE_AT_ONCE: Final = 16
"""How many bodies larger than ``_LARGE_FROM`` are read at a time, so that memory stays flat.
Real ones are a tenth of that."""
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)
"""The library's own timeouts are off: the client has one around everything."""
_SWITCHING_PROTOCOLS: Final = 101


def room_for_connections() -> int:
    """Return how many connections this process may open, beside its other files."""
    try:
        import resource
    except ImportError:
        return _NO_BOUND
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _NO_BOUND if limit == resource.RLIM_INFINITY else max(1, limit - _SPARE_FILES)


class ConnectionPool:
    """The connections to one address; an asynchronous context manager that closes them.

    At most ``idle`` connections are kept for further requests.
    """

    def __init__(
        self, where: ClientRequest, *, ssl_context: ssl.SSLContext | bool, idle: int
    ) -> None:
        self.keeps = True
        """Whether a connection is used again; see :meth:`stop_keeping`."""
        self._where = where
        self._idle = idle
        # No limit: the scheduler has slots, and waiting here would count as the upstream's time.
        self._connector = aiohttp.TCPConnector(limit=0, ssl=ssl_context)
        self._kept: list[tuple[Connection, float]] = []
        self.large = anyio.Semaphore(_LARGE_AT_ONCE)
        """Held while the rest of a large body is read."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close_kept()
        await self._connector.close()

    async def new(self) -> Connection:
        """Connect; raises whatever the library raises."""
        # A connection that was just closed frees its descriptor in the loop's next iteration.
        await asyncio.sleep(0)
        connection = await self._connector.connect(self._where, [], _NO_TIMEOUT)
        if connection.protocol is not None:
            # The library's decompression has no bound: 200 kB become 200 MB.
            connection.protocol.set_response_params(
                read_until_eof=True, auto_decompress=False, read_bufsize=READ_BYTES
            )
            _read_less_at_once(connection.transport)
            _resume_only_what_was_paused(connection.protocol)
        return connection

    def kept(self) -> Connection | None:
        """Return a connection that can be used again; None where there is none."""
        while self._kept:
            connection, since = self._kept.pop()
            if _is_fit(connection.protocol) and time.monotonic() - since < KEPT_FOR_S:
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        if self.keeps and len(self._kept) < self._idle:  # whether it is fit is seen when it is used
            self._kept.append((connection, time.monotonic()))
        else:
            connection.close()

    def stop_keeping(self) -> None:
        """Use no connection a second time from now on."""
        self.keeps = False
        self.close_kept()

    def close_kept(self) -> None:
        """Close the connections that are not in use."""
        while self._kept:
            self._kept.pop()[0].close()


def _read_less_at_once(transport: object) -> None:
    """Make the loop read into a small buffer: answers have a few kB.

    Its own buffer of 256 kB is allocated and freed for every answer. There is no public way to
    change it; where this one fails it is only slower.
    """
    reader: Any = getattr(transport, "_ssl_protocol", transport)
    if hasattr(reader, "max_size"):
        reader.max_size = READ_BYTES


def _resume_only_what_was_paused(protocol: ResponseHandler) -> None:
    """Have the library resume what it has paused, not every answer twice.

    It runs its parser again each time; answers are small, and hardly any is ever paused.
    """
    resume = protocol.resume_reading

    def resume_where_paused(resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's
        if getattr(protocol, "_reading_paused", True):
            resume(resume_parser)

    protocol.resume_reading = resume_where_paused  # type: ignore[method-assign]


def _is_fit(protocol: ResponseHandler | None) -> bool:
    """Say whether it is open, nothing came unasked, and the server does not want to close it."""
    return protocol is not None and not protocol.should_close and protocol.is_connected()


def ssl_context(settings: Settings, url: str, *, proxy: str | None) -> ssl.SSLContext | bool:
    """Return what certificates are verified with: the system's, and ``ca_file``'s.

    Raises:
        UsageError: ``ca_file`` cannot be read, or holds no certificate.
    """
    if not any(address[:6].lower() == "https:" for address in (url, proxy or "")):
        return True  # not used, and loading a CA bundle takes time
    try:
        context = ssl.create_default_context()
    except OSError as error:
        key_log = os.environ.get("SSLKEYLOGFILE", "")
        raise UsageError(
            f"environment variable SSLKEYLOGFILE: {printable(key_log)}: cannot be opened "
            f"({os_error_text(error)}): unset it, or name a file that you can write to"
        ) from None
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:  # ssl.SSLError is one
            what = "holds no certificate" if isinstance(error, ssl.SSLError) else words(error)
            raise UsageError(f"--ca-file {printable(settings.ca_file)}: {what}") from None
    return context


class Exchange:
    """One request and what has come of it; to be closed, whatever happens."""

    __slots__ = ("_connection", "message", "reused")

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self.reused = False
        """Whether the connection had carried another request before."""
        self.message: RawResponseMessage | None = None
        """Status and headers of the answer, once it began."""

    async def body(
        self, pool: ConnectionPool, head: bytes, *, fresh: bool
    ) -> bytes | TransportError:
        """Connect, send ``head``, and return the answer's whole body, decompressed.

        With ``fresh`` the connection is a new one, and not kept. A body that is too large or
        cannot be decompressed is a TransportError, but for a refusal, which counts by its status.
        Raises whatever the library raises.
        """
        connection = None if fresh else pool.kept()
        self.reused = connection is not None
        if connection is None:
            connection = await pool.new()
        self._connection = connection
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ClientConnectionError
        transport.write(head)
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != _SWITCHING_PROTOCOLS:
            message, content = await protocol.read()
        self.message = message
        body: bytes | None
        if content.is_eof() and content.total_bytes <= BODY_LIMIT:
            body = content.read_nowait()  # nearly always all of it is here already
        else:
            body = await _whole(content, message.headers, large=pool.large)
        if body is None:
            return TransportError(TransportErrorKind.TOO_LARGE, status=message.code, answered=True)
        if not fresh and content.is_eof():
            self._connection = None
            pool.keep(connection)
        encoding = message.headers.get("Content-Encoding")
        if encoding is None:
            return body
        plain = _plain(body, encoding, status=message.code)
        unread = isinstance(plain, TransportError) and plain.kind is TransportErrorKind.BAD_ENCODING
        return b"" if unread and message.code != 200 else plain  # a refusal counts by its status

    def close(self) -> None:
        """Close the connection, unless it went back whole."""
        if self._connection is not None:
            self._connection.close()


async def _whole(
    content: StreamReader,
    headers: Mapping[str, str],
    *,
    large: AbstractAsyncContextManager[object],
) -> bytes | None:
    """Return the body as it was sent; None if it is, or says it is, above ``BODY_LIMIT``.

    ``large`` is entered before more is read than any real answer has.
    """
    if int(headers.get("Content-Length", 0)) > BODY_LIMIT:
        return None
    body = await _up_to(_LARGE_FROM, content)
    if len(body) > _LARGE_FROM:
        async with large:
            body += await _up_to(BODY_LIMIT - len(body), content)
    return body if len(body) <= BODY_LIMIT else None


async def _up_to(size: int, content: StreamReader) -> bytes:
    """Read to the end, or until there are more than ``size`` bytes."""
    chunks: list[bytes] = []
    while size >= 0 and not content.at_eof():
        chunks.append(await content.readany())
        size -= len(chunks[-1])
    return b"".join(chunks)


def _plain(body: bytes, encoding: str, *, status: int) -> bytes | TransportError:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        detail = f"unknown encoding {printable(encoding[:32])!r}"
        return TransportError(TransportErrorKind.BAD_ENCODING, detail, status=status, answered=True)
    # 32 added to the window size: gzip or zlib, told by the first bytes.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32)
    try:
        plain = inflater.decompress(body, BODY_LIMIT + 1)
    except zlib.error:
        return TransportError(
            TransportErrorKind.BAD_ENCODING, f"broken {encoding}", status=status, answered=True
        )
    if len(plain) > BODY_LIMIT:
        return TransportError(TransportErrorKind.TOO_LARGE, status=status, answered=True)
    if not inflater.eof:
        return TransportError(
            TransportErrorKind.BAD_ENCODING, f"cut {encoding}", status=status, answered=True
        )
    return plain
