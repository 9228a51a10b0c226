"""What a request without a whole answer means for its account.

The client translates everything its library can raise into the closed set of
:class:`Trouble`; here each has one meaning.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import assert_never

from poller.core.answers import invalid
from poller.core.model import Failure, FailureKind, Retry
from poller.core.value import value


class Trouble(Enum):
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


@value()
class Fault:
    """A request that brought no whole answer."""

    trouble: Trouble
    detail: str = ""
    """What exactly, in words that hold nothing secret; may be empty."""
    status: int | None = None
    """Of the answer that began, or of the proxy's."""
    reused: bool = False
    """Whether the connection had carried another request before."""
    answered: bool = False
    """Whether an answer had begun."""


def fault_failure(fault: Fault) -> Failure:
    """Return what a request without a whole answer means for its account."""
    because = f": {fault.detail}" if fault.detail else ""
    match fault.trouble:
        case Trouble.NAME_NOT_FOUND:
            return _network(
                FailureKind.DNS,
                f"the upstream's name was not found{because}",
                "check the network and --chatgpt-url",
                Retry.ONCE,
            )
        case Trouble.RESOLVER_DOWN:
            return _network(
                FailureKind.DNS, f"no name server answers{because}", "check the network"
            )
        case Trouble.UNREACHABLE:
            return _network(
                FailureKind.CONNECT, f"could not connect{because}", "check the network or firewall"
            )
        case Trouble.TLS:
            return _network(
                FailureKind.TLS,
                f"no trusted connection to the upstream{because}",
                "if a company proxy signs for it, trust its certificate with --ca-file",
                Retry.NEVER,
            )
        case Trouble.PROXY_UNREACHABLE:
            return _network(
                FailureKind.PROXY,
                f"could not connect to the proxy{because}",
                "check --proxy, or HTTPS_PROXY in the environment",
            )
        case Trouble.PROXY_REFUSED:
            retry = Retry.TRANSIENT if (fault.status or 0) >= 500 else Retry.NEVER
            return _network(
                FailureKind.PROXY,
                f"the proxy refused the connection ({fault.status})",
                "check the proxy's address, user and password, and what it allows",
                retry,
            )
        case Trouble.TIMEOUT:
            return _network(
                FailureKind.TIMEOUT,
                f"no whole answer in time{because}",
                "check the network, or allow more with --timeout",
            )
        case Trouble.CONNECTION_LOST:
            return _network(
                FailureKind.CONNECTION_LOST,
                f"the connection was lost{because}",
                "try again; if it stays, something between cuts connections",
            )
        case Trouble.MALFORMED:
            return replace(
                _network(
                    FailureKind.PROTOCOL,
                    f"the answer was not valid HTTP{because}",
                    "something other than the upstream answers: check --chatgpt-url and the proxy",
                    Retry.ONCE,
                ),
                blames_host=False,
            )
        case Trouble.TOO_LARGE:
            return invalid("the answer is larger than 1 MiB", Retry.NEVER)
        case Trouble.BAD_ENCODING:
            return invalid(f"the answer's encoding could not be read{because}", Retry.ONCE)
        case Trouble.OUT_OF_RESOURCES:
            return replace(
                _network(
                    FailureKind.LOCAL_RESOURCE,
                    f"this machine ran out of files or memory{because}",
                    "raise the limit (ulimit -n) or lower --concurrency",
                ),
                blames_host=False,
            )
        case Trouble.UNEXPECTED:
            return internal(fault.detail)
        case _:
            assert_never(fault.trouble)


def _network(kind: FailureKind, message: str, hint: str, retry: Retry = Retry.TRANSIENT) -> Failure:
    return Failure(
        kind,
        message,
        hint,
        retry=retry,
        blames_host=True,
        retryable=retry is not Retry.NEVER,
    )


def unexpected(error: BaseException) -> Failure:
    """Return what an exception means that nobody translated; its text, too, may hold anything."""
    if isinstance(error, MemoryError):
        return fault_failure(Fault(Trouble.OUT_OF_RESOURCES, "memory"))
    return internal(type(error).__name__)


def internal(what: str) -> Failure:
    """Return the failure that a bug of ours makes; ``what`` names it without its text."""
    return Failure(
        FailureKind.INTERNAL,
        f"a bug in this program: {what}",
        "please report it with this line",
    )
