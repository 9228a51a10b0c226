from __future__ import annotations

import pytest

from poller.polling.breaker import OPENS_AFTER, Breaker, UpstreamHealth
from poller.values import Failure, FailureKind, Retry

DEAD = Failure(FailureKind.SERVER_ERROR, "", "", host_at_fault=True)
BAD_CERTIFICATE = Failure(FailureKind.TLS, "", "", host_at_fault=True)
REFUSED = Failure(FailureKind.UNAUTHORIZED, "", "")


def opened(breaker: Breaker, failure: Failure, times: int, *, more: bool = True) -> bool:
    for _ in range(times):
        breaker.note(failure, now=50.0, more=more)
    return breaker.is_open


def test_the_breaker_opens_after_thirty_failures_that_blame_the_host() -> None:
    breaker = Breaker(40.0)

    assert not opened(breaker, DEAD, OPENS_AFTER - 1)
    assert opened(breaker, DEAD, 1)


def test_a_success_between_starts_the_count_afresh() -> None:
    breaker = Breaker(40.0)
    opened(breaker, DEAD, OPENS_AFTER - 1)
    breaker.note(None, now=50.0, more=True)

    assert not opened(breaker, DEAD, OPENS_AFTER - 1)


def test_refusals_of_an_account_never_open_the_breaker_and_do_not_reset_it() -> None:
    breaker = Breaker(40.0)

    assert not opened(breaker, REFUSED, 100)
    opened(breaker, DEAD, OPENS_AFTER - 1)
    opened(breaker, REFUSED, 5)
    assert opened(breaker, DEAD, 1)


def test_a_bad_certificate_opens_after_three() -> None:
    breaker = Breaker(40.0)

    assert not opened(breaker, BAD_CERTIFICATE, 2)
    assert opened(breaker, BAD_CERTIFICATE, 1)


def test_bad_certificates_count_in_a_row() -> None:
    breaker = Breaker(40.0)
    opened(breaker, BAD_CERTIFICATE, 2)
    opened(breaker, DEAD, 1)

    assert not opened(breaker, BAD_CERTIFICATE, 2)


def test_with_none_left_to_try_it_does_not_open() -> None:
    assert not opened(Breaker(40.0), DEAD, 100, more=False)


@pytest.mark.parametrize("answer", [None, REFUSED])
def test_an_open_breaker_closes_when_the_host_answers(answer: Failure | None) -> None:
    breaker = Breaker(40.0)
    opened(breaker, DEAD, OPENS_AFTER)
    breaker.note(answer, now=60.0, more=True)

    assert not breaker.is_open
    assert not opened(breaker, DEAD, OPENS_AFTER - 1)


def test_probes_come_after_five_ten_and_twenty_seconds_then_every_thirty() -> None:
    breaker = Breaker(40.0)
    opened(breaker, DEAD, OPENS_AFTER)

    now, waits = 50.0, list[float]()
    for _ in range(5):
        waits.append(breaker.probe_in_s(now=now))
        now += waits[-1]
        breaker.probed(now=now)
    assert waits == [5.0, 10.0, 20.0, 30.0, 30.0]


def test_patience_runs_from_the_opening() -> None:
    breaker = Breaker(40.0)

    assert breaker.patience_left_s(now=0.0) == 40.0
    opened(breaker, DEAD, OPENS_AFTER)
    opened(breaker, DEAD, 5)
    assert breaker.patience_left_s(now=70.0) == 20.0
    assert breaker.patience_left_s(now=170.0) == 0.0


def test_an_open_breaker_says_for_how_long_and_why() -> None:
    breaker = Breaker(40.0)
    assert (breaker.open_for_s(now=60.0), breaker.last_failure) == (0.0, None)
    opened(breaker, DEAD, OPENS_AFTER)
    assert (breaker.open_for_s(now=60.0), breaker.last_failure) == (10.0, DEAD)


def test_a_pause_is_as_long_as_the_longest_that_was_asked_for() -> None:
    health = UpstreamHealth(Breaker(40.0))
    assert health.pause_left_s(now=0.0) == 0.0
    for retry in (Retry.THROTTLED, Retry.TRANSIENT):
        for wait_s in (None, 3.0, 5.0, 4.0):
            failure = Failure(
                FailureKind.RATE_LIMITED, "", "", retry_now=retry, retry_after_s=wait_s
            )
            health.note_retry_after(failure, now=100.0)
    assert health.pause_left_s(now=101.0) == 4.0
