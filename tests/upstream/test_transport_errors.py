from __future__ import annotations

import pytest

from poller.upstream.transport_errors import (
    TransportError,
    TransportErrorKind,
    transport_failure,
)
from poller.values import FailureKind, Retry, internal_failure

K = FailureKind
R = Retry
T = TransportErrorKind


@pytest.mark.parametrize(
    ("fault", "kind", "retry", "host_at_fault"),
    [
        (TransportError(T.NAME_NOT_FOUND, "x.example"), K.DNS, R.ONCE, True),
        (TransportError(T.RESOLVER_DOWN), K.DNS, R.TRANSIENT, True),
        (TransportError(T.UNREACHABLE, "x: refused"), K.CONNECT, R.TRANSIENT, True),
        (TransportError(T.TLS), K.TLS, R.NEVER, True),
        (TransportError(T.PROXY_UNREACHABLE), K.PROXY, R.TRANSIENT, True),
        (TransportError(T.PROXY_REFUSED, status=502), K.PROXY, R.TRANSIENT, True),
        (TransportError(T.PROXY_REFUSED, status=407), K.PROXY, R.NEVER, True),
        (TransportError(T.PROXY_REFUSED), K.PROXY, R.NEVER, True),
        (TransportError(T.TIMEOUT), K.TIMEOUT, R.TRANSIENT, True),
        (TransportError(T.CONNECTION_LOST), K.CONNECTION_LOST, R.TRANSIENT, True),
        (TransportError(T.MALFORMED), K.PROTOCOL, R.ONCE, False),
        (TransportError(T.TOO_LARGE), K.INVALID_RESPONSE, R.NEVER, False),
        (TransportError(T.BAD_ENCODING, "unknown 'br'"), K.INVALID_RESPONSE, R.ONCE, False),
        (TransportError(T.OUT_OF_RESOURCES), K.LOCAL_RESOURCE, R.TRANSIENT, False),
        (TransportError(T.UNEXPECTED, "ZeroDivisionError"), K.INTERNAL, R.NEVER, False),
    ],
)
def test_each_fault_has_one_meaning(
    fault: TransportError, kind: FailureKind, retry: Retry, host_at_fault: bool
) -> None:
    failure = transport_failure(fault)

    assert (failure.kind, failure.retry_now, failure.host_at_fault) == (kind, retry, host_at_fault)
    assert fault.detail in failure.message


def test_every_trouble_has_a_meaning() -> None:
    assert all(transport_failure(TransportError(kind)).hint for kind in TransportErrorKind)


def test_a_bug_is_named_and_not_retried() -> None:
    assert "KeyError" in internal_failure("KeyError").message
    assert not internal_failure("KeyError").may_work_later


def test_a_certificate_that_only_newer_pythons_refuse_has_a_hint_of_its_own() -> None:
    strict = TransportError(T.TLS, "missing authority key identifier")
    assert "Python 3.12" in transport_failure(strict).hint
    assert "--ca-file" in transport_failure(TransportError(T.TLS, "self-signed")).hint
