"""How an account can end without figures, and what follows: retry, exit code, what to do.

They walk through the program as values do, and are imported from ``poller.values``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class FailureKind(StrEnum):
    """Every way an account can end without figures."""

    FILE_MISSING = "file_missing"
    FILE_UNREADABLE = "file_unreadable"
    FILE_INVALID = "file_invalid"
    NO_CREDENTIALS = "no_credentials"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - a kind, not a password
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - likewise
    LOGIN_REQUIRED = "login_required"
    REFRESH_LOCKED = "refresh_locked"
    REFRESH_UNKNOWN = "refresh_unknown"
    REFRESH_UNSAVED = "refresh_unsaved"
    REFRESH_REFUSED = "refresh_refused"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    PROTOCOL = "protocol"
    DEADLINE = "deadline"
    CIRCUIT_OPEN = "circuit_open"
    LOCAL_RESOURCE = "local_resource"
    WORKER_LOST = "worker_lost"
    UNAUTHORIZED = "unauthorized"
    PAYMENT_REQUIRED = "payment_required"
    FORBIDDEN = "forbidden"
    EDGE_BLOCKED = "edge_blocked"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    HTTP_ERROR = "http_error"
    REDIRECT = "redirect"
    INVALID_RESPONSE = "invalid_response"
    IDENTITY_MISMATCH = "identity_mismatch"
    INTERNAL = "internal"
    CANCELLED = "cancelled"

    @property
    def exit_class(self) -> int:
        """The exit code this kind asks for: 1 credential, 2 network, 3 upstream, 70, 130."""
        return _EXIT_CLASS[self]


_K = FailureKind
_EXIT_CLASS = {
    **dict.fromkeys(
        (
            _K.FILE_MISSING,
            _K.FILE_UNREADABLE,
            _K.FILE_INVALID,
            _K.NO_CREDENTIALS,
            _K.INVALID_TOKEN,
            _K.TOKEN_EXPIRED,
            _K.LOGIN_REQUIRED,
            _K.REFRESH_LOCKED,
            _K.REFRESH_UNKNOWN,
            _K.REFRESH_UNSAVED,
            _K.REFRESH_REFUSED,
        ),
        1,
    ),
    **dict.fromkeys(
        (
            _K.DNS,
            _K.CONNECT,
            _K.TLS,
            _K.PROXY,
            _K.TIMEOUT,
            _K.CONNECTION_LOST,
            _K.PROTOCOL,
            _K.DEADLINE,
            _K.CIRCUIT_OPEN,
            _K.LOCAL_RESOURCE,
            _K.WORKER_LOST,
        ),
        2,
    ),
    **dict.fromkeys(
        (
            _K.UNAUTHORIZED,
            _K.PAYMENT_REQUIRED,
            _K.FORBIDDEN,
            _K.EDGE_BLOCKED,
            _K.NOT_FOUND,
            _K.RATE_LIMITED,
            _K.SERVER_ERROR,
            _K.HTTP_ERROR,
            _K.REDIRECT,
            _K.INVALID_RESPONSE,
            _K.IDENTITY_MISMATCH,
        ),
        3,
    ),
    _K.INTERNAL: 70,
    _K.CANCELLED: 130,
}


class Retry(Enum):
    """Whether one account's failure is worth another attempt, and how patiently."""

    NEVER = "never"
    ONCE = "once"
    TRANSIENT = "transient"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an account has no figures, said for a person and for a program."""

    kind: FailureKind
    message: str
    """A sentence for a person: what and where; lower case, no full stop."""
    hint: str
    """What to do about it; likewise."""
    code: str | None = None
    """The upstream's own machine code."""
    retry_now: Retry = Retry.NEVER
    retry_after_s: float | None = None
    """What the upstream asked to wait; None where it asked nothing."""
    host_at_fault: bool = False
    """True where it says that the upstream, not the account, is in trouble."""
    may_work_later: bool = False
    """Whether asking again later, with nothing changed, may succeed."""


def internal_failure(what: str) -> Failure:
    """Return the failure that a bug of ours makes; ``what`` names it without its text."""
    return Failure(
        FailureKind.INTERNAL,
        f"a bug in this program: {what}",
        "please report it with this line",
    )


def out_of_resources(what: str) -> Failure:
    """Return the failure of a machine that is short of ``what``: files, memory, threads."""
    because = f": {what}" if what else ""
    return Failure(
        FailureKind.LOCAL_RESOURCE,
        f"this machine ran out of files or memory{because}",
        "raise the limit (ulimit -n) or lower --concurrency",
        retry_now=Retry.TRANSIENT,
        may_work_later=True,
    )


def unexpected_failure(error: BaseException) -> Failure:
    """Return what an exception means that nobody translated; its text may hold anything."""
    if isinstance(error, MemoryError):
        return out_of_resources("memory")
    return internal_failure(type(error).__name__)
