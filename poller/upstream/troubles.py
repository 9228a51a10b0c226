"""What the HTTP library raises, in the closed set of our own words."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl

import aiohttp
from aiohttp import http_exceptions

from poller.core.faults import Trouble
from poller.core.text import printable

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""By class: closed in the middle of a TLS handshake, they come without a number."""
_NO_THREAD = "can't start new thread"
"""What threading says, which has no class of its own for it; names are looked up in threads."""
_RESOLVER_DOWN = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL})


def translate(error: BaseException, address: str) -> tuple[Trouble, str, int | None]:
    """Return the trouble, its detail and a status for any exception of a request.

    Total: what is not known is ``Trouble.UNEXPECTED``, named by its class alone. The
    detail never holds the exception's own text, which may hold headers or passwords.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return Trouble.PROXY_REFUSED, "", error.status
        case aiohttp.ClientProxyConnectionError():
            return _resources(error, Trouble.PROXY_UNREACHABLE), words(error.os_error), None
        case aiohttp.ClientConnectorDNSError():
            down = error.os_error.errno in _RESOLVER_DOWN
            trouble = Trouble.RESOLVER_DOWN if down else Trouble.NAME_NOT_FOUND
            return _resources(error, trouble), printable(error.host), None
        case aiohttp.ClientConnectorCertificateError():
            return Trouble.TLS, _certificate_words(error.certificate_error), None
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return Trouble.TLS, f"{address} did not speak TLS as it should", None
        case aiohttp.ClientConnectorError():
            lost = isinstance(error.os_error, _LOST)
            trouble = Trouble.CONNECTION_LOST if lost else Trouble.UNREACHABLE
            return _resources(error, trouble), f"{address}: {words(error.os_error)}", None
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
            return _resources(error, Trouble.CONNECTION_LOST), words(error), None
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


def words(error: OSError) -> str:
    """Return the system's words for an error; without its own text, which may name paths."""
    number = error.errno
    if number is not None and number > 0:
        return os.strerror(number).lower()
    return "closed before an answer" if isinstance(error, _LOST) else "no address works"


def _certificate_words(error: Exception) -> str:
    return printable(str(getattr(error, "verify_message", "")))[:200].lower().rstrip(".")
