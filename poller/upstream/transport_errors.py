"""Why a request got no whole answer, and what that means for its account.

Everything the HTTP library can raise is translated here into the closed set of
`TransportErrorKind`; each has one meaning.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

import aiohttp
from aiohttp import http_exceptions

from poller.text import printable
from poller.usage.response import invalid
from poller.values import Failure, FailureKind, Retry, internal_failure, out_of_resources

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""By class: closed in the middle of a TLS handshake, they come without a number."""
_NO_THREAD = "can't start new thread"
"""What threading says, which has no class of its own for it; names are looked up in threads."""
_STRICT_ONLY = (
    "basic constraints of ca cert not marked critical",
    "missing authority key identifier",
    "missing subject key identifier",
    "ca cert does not include key usage extension",
)
"""What OpenSSL says, in lower case, of certificates that Python refuses from 3.13 on only."""
_CA_HINT = "if a company proxy signs for it, trust its certificate with --ca-file"
_STRICT_HINT = (
    "Python 3.13 and later refuse such a certificate (RFC 5280): have the company's CA made anew, "
    "or run poller with Python 3.12"
)
_RESOLVER_DOWN = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL})


class TransportErrorKind(Enum):
    """What can keep a request from being answered: the client's closed set."""

    NAME_NOT_FOUND = "name not found"
    RESOLVER_DOWN = "resolver down"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    PROXY_UNREACHABLE = "proxy unreachable"
    PROXY_REFUSED = "proxy refused"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection lost"
    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    BAD_ENCODING = "bad encoding"
    OUT_OF_RESOURCES = "out of resources"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class TransportError:
    """A request that brought no whole answer."""

    kind: TransportErrorKind
    detail: str = ""
    """What exactly, in words that hold nothing secret; may be empty."""
    status: int | None = None
    """Of the answer that began, or of the proxy's."""
    reused: bool = False
    """Whether the connection had carried another request before."""
    answered: bool = False
    """Whether an answer had begun."""


def transport_failure(error: TransportError) -> Failure:
    """Return what a request without a whole answer means for its account."""
    because = f": {error.detail}" if error.detail else ""
    match error.kind:
        case TransportErrorKind.NAME_NOT_FOUND:
            return _network(
                FailureKind.DNS,
                f"the upstream's name was not found{because}",
                "check the network and --chatgpt-url",
                Retry.ONCE,
            )
        case TransportErrorKind.RESOLVER_DOWN:
            return _network(
                FailureKind.DNS, f"no name server answers{because}", "check the network"
            )
        case TransportErrorKind.UNREACHABLE:
            return _network(
                FailureKind.CONNECT, f"could not connect{because}", "check the network or firewall"
            )
        case TransportErrorKind.TLS:
            strict = any(words in error.detail for words in _STRICT_ONLY)
            return _network(
                FailureKind.TLS,
                f"no trusted connection to the upstream{because}",
                _STRICT_HINT if strict else _CA_HINT,
                Retry.NEVER,
            )
        case TransportErrorKind.PROXY_UNREACHABLE:
            return _network(
                FailureKind.PROXY,
                f"could not connect to the proxy{because}",
                "check --proxy, or HTTPS_PROXY in the environment",
            )
        case TransportErrorKind.PROXY_REFUSED:
            retry = Retry.TRANSIENT if (error.status or 0) >= 500 else Retry.NEVER
            return _network(
                FailureKind.PROXY,
                f"the proxy refused the connection ({error.status})",
                "check the proxy's address, user and password, and what it allows",
                retry,
            )
        case TransportErrorKind.TIMEOUT:
            return _network(
                FailureKind.TIMEOUT,
                f"no complete answer in time{because}",
                "check the network, or allow more with --timeout",
            )
        case TransportErrorKind.CONNECTION_LOST:
            return _network(
                FailureKind.CONNECTION_LOST,
                f"the connection was lost{because}",
                "try again; if it persists, something in between cuts connections",
            )
        case TransportErrorKind.MALFORMED:
            return replace(
                _network(
                    FailureKind.PROTOCOL,
                    f"the answer was not valid HTTP{because}",
                    "something other than the upstream answers: check --chatgpt-url and the proxy",
                    Retry.ONCE,
                ),
                host_at_fault=False,
            )
        case TransportErrorKind.TOO_LARGE:
            return invalid("the answer is larger than 1 MiB", Retry.NEVER)
        case TransportErrorKind.BAD_ENCODING:
            return invalid(f"the answer's encoding could not be read{because}", Retry.ONCE)
        case TransportErrorKind.OUT_OF_RESOURCES:
            return out_of_resources(error.detail)
        case TransportErrorKind.UNEXPECTED:
            return internal_failure(error.detail)
        case _:
            assert_never(error.kind)


def _network(kind: FailureKind, message: str, hint: str, retry: Retry = Retry.TRANSIENT) -> Failure:
    return Failure(
        kind,
        message,
        hint,
        retry_now=retry,
        host_at_fault=True,
        may_work_later=retry is not Retry.NEVER,
    )


def translate(
    error: BaseException, address: str, *, proxied: bool = False
) -> tuple[TransportErrorKind, str, int | None]:
    """Return the kind, its detail and a status for any exception of a request.

    ``address`` is the upstream's; a proxy's is never told. Total: what is not known is
    ``TransportErrorKind.UNEXPECTED``, named by its class alone. The detail never holds the
    exception's own text, which may hold headers or passwords.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return TransportErrorKind.PROXY_REFUSED, "", error.status
        case aiohttp.ClientProxyConnectionError():
            return (
                _resources(error, TransportErrorKind.PROXY_UNREACHABLE),
                words(error.os_error),
                None,
            )
        case aiohttp.ClientConnectorDNSError() if proxied:  # no other name is looked up
            return (
                _resources(error, TransportErrorKind.PROXY_UNREACHABLE),
                "its name was not found",
                None,
            )
        case aiohttp.ClientConnectorDNSError():
            down = error.os_error.errno in _RESOLVER_DOWN
            kind = TransportErrorKind.RESOLVER_DOWN if down else TransportErrorKind.NAME_NOT_FOUND
            return _resources(error, kind), printable(error.host), None
        case aiohttp.ClientConnectorCertificateError():
            if proxied and error.host != address.rpartition(":")[0]:
                return TransportErrorKind.TLS, "the proxy's certificate", None
            return TransportErrorKind.TLS, _certificate_words(error.certificate_error), None
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return TransportErrorKind.TLS, f"{address} did not speak TLS as it should", None
        case aiohttp.ClientConnectorError():
            lost = isinstance(error.os_error, _LOST)
            kind = TransportErrorKind.CONNECTION_LOST if lost else TransportErrorKind.UNREACHABLE
            return _resources(error, kind), f"{address}: {words(error.os_error)}", None
        case asyncio.CancelledError():
            return TransportErrorKind.CONNECTION_LOST, "before an answer", None
        case asyncio.TimeoutError():
            return TransportErrorKind.TIMEOUT, "", None
        case aiohttp.ClientPayloadError():
            return (_cut_or_malformed(error), "the answer was cut short", None)
        case aiohttp.ClientResponseError() | http_exceptions.HttpProcessingError():
            return TransportErrorKind.MALFORMED, "", None
        case aiohttp.ClientConnectionError():
            return _resources(error, TransportErrorKind.CONNECTION_LOST), "before an answer", None
        case MemoryError():
            return TransportErrorKind.OUT_OF_RESOURCES, "memory", None
        case RuntimeError() if str(error) == _NO_THREAD:
            return TransportErrorKind.OUT_OF_RESOURCES, "threads", None
        case OSError():
            return _resources(error, TransportErrorKind.CONNECTION_LOST), words(error), None
        case _:
            return TransportErrorKind.UNEXPECTED, type(error).__name__, None


def _resources(error: BaseException, otherwise: TransportErrorKind) -> TransportErrorKind:
    inner = getattr(error, "os_error", error)
    number = inner.errno if isinstance(inner, OSError) else None
    return TransportErrorKind.OUT_OF_RESOURCES if number in _OUT_OF_RESOURCES else otherwise


def _cut_or_malformed(error: BaseException) -> TransportErrorKind:
    """Tell a body that ended early from one whose framing is wrong."""
    cause = error.__cause__
    framing = isinstance(cause, http_exceptions.HttpProcessingError)
    ended = isinstance(
        cause, http_exceptions.ContentLengthError | http_exceptions.TransferEncodingError
    )
    return (
        TransportErrorKind.MALFORMED
        if framing and not ended
        else TransportErrorKind.CONNECTION_LOST
    )


def words(error: OSError) -> str:
    """Return the system's words for an error; without its own text, which may name paths."""
    number = error.errno
    if number is not None and number > 0:
        return os.strerror(number).lower()
    return "closed before an answer" if isinstance(error, _LOST) else "no address works"


def _certificate_words(error: Exception) -> str:
    return printable(str(getattr(error, "verify_message", "")))[:200].lower().rstrip(".")
