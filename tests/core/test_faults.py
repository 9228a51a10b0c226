from __future__ import annotations

import pytest

from poller.core.faults import Fault, Trouble, fault_failure, internal
from poller.core.model import FailureKind, Retry

K = FailureKind
R = Retry
T = Trouble


@pytest.mark.parametrize(
    ("fault", "kind", "retry", "blames_host"),
    [
        (Fault(T.NAME_NOT_FOUND, "x.example"), K.DNS, R.ONCE, True),
        (Fault(T.RESOLVER_DOWN), K.DNS, R.TRANSIENT, True),
        (Fault(T.UNREACHABLE, "x: refused"), K.CONNECT, R.TRANSIENT, True),
        (Fault(T.TLS), K.TLS, R.NEVER, True),
        (Fault(T.PROXY_UNREACHABLE), K.PROXY, R.TRANSIENT, True),
        (Fault(T.PROXY_REFUSED, status=502), K.PROXY, R.TRANSIENT, True),
        (Fault(T.PROXY_REFUSED, status=407), K.PROXY, R.NEVER, True),
        (Fault(T.PROXY_REFUSED), K.PROXY, R.NEVER, True),
        (Fault(T.TIMEOUT), K.TIMEOUT, R.TRANSIENT, True),
        (Fault(T.CONNECTION_LOST), K.CONNECTION_LOST, R.TRANSIENT, True),
        (Fault(T.MALFORMED), K.PROTOCOL, R.ONCE, False),
        (Fault(T.TOO_LARGE), K.INVALID_RESPONSE, R.NEVER, False),
        (Fault(T.BAD_ENCODING, "unknown 'br'"), K.INVALID_RESPONSE, R.ONCE, False),
        (Fault(T.OUT_OF_RESOURCES), K.LOCAL_RESOURCE, R.TRANSIENT, False),
        (Fault(T.UNEXPECTED, "ZeroDivisionError"), K.INTERNAL, R.NEVER, False),
    ],
)
def test_each_fault_has_one_meaning(
    fault: Fault, kind: FailureKind, retry: Retry, blames_host: bool
) -> None:
    failure = fault_failure(fault)

    assert (failure.kind, failure.retry, failure.blames_host) == (kind, retry, blames_host)
    assert fault.detail in failure.message


def test_every_trouble_has_a_meaning() -> None:
    assert all(fault_failure(Fault(trouble)).hint for trouble in Trouble)


def test_a_bug_is_named_and_not_retried() -> None:
    assert "KeyError" in internal("KeyError").message
    assert not internal("KeyError").retryable
