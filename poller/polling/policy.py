"""What is retried, how long is waited, and when the upstream is given up.

State machines fed from outside: they are told the time (seconds of a monotonic clock)
and what happened, and say what follows. The numbers are the retry policy's, chosen to
be gentle with the upstream.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from poller.values import Failure, FailureKind, Retry

BACKOFF_S = 0.25
"""First wait at most, before full jitter; doubles with every attempt."""
THROTTLED_BACKOFF_S = 1.0
"""The same where the upstream said that it was asked too often."""
BACKOFF_LIMIT_S = 8.0
RETRY_AFTER_LIMIT_S = 30.0
"""A longer Retry-After gives the account up at once."""
FIRST_STARTS = 64
"""Accounts tried at once until the first has answered: a dead upstream must not get more."""
OPENS_AFTER = 30
"""First attempts in a row that blame the host, with no success between."""
OPENS_AFTER_BAD_CERTIFICATES = 3
PAUSE_WINDOW_S = 10.0
PROBE_WAITS_S = (5.0, 10.0, 20.0)
PROBE_WAIT_LIMIT_S = 30.0


def worth_retrying(failure: Failure, *, attempts: int, retries: int) -> bool:
    """Say whether a failure's kind allows another attempt after ``attempts`` so far."""
    if attempts > retries:
        return False
    match failure.retry_now:
        case Retry.NEVER:
            return False
        case Retry.ONCE:
            return attempts == 1
        case Retry.TRANSIENT | Retry.THROTTLED:
            return failure.retry_after_s is None or failure.retry_after_s <= RETRY_AFTER_LIMIT_S
        case _:
            assert_never(failure.retry_now)


_FEW = 100
"""Requests that nobody counts: what many accounts together take beyond is worth a rule."""


@dataclass(slots=True)
class RetryBudget:
    """Retries of the whole run: 20, and a quarter of the accounts started.

    Requests that prove whose an answer is are never refused and not of these. Only where
    failures come in hundreds do those that brought but another failure leave less for
    accounts that were asked again already, so that the sum stays near a quarter, too.
    """

    started: int = 0
    retries: int = 0
    failed_proofs: int = 0
    """Requests beside the retries after which their account still failed."""

    def take(self, *, again: bool = False, instead_of_proof: bool = False) -> bool:
        """Spend one retry, of an account that was asked ``again`` already or not; False for none.

        One that is made ``instead_of_proof`` costs no more than that, and is not refused.
        """
        left = 20 + self.started / 4 - self.retries
        if again:
            left -= max(0, self.started / 20 - _FEW) + max(0, self.failed_proofs - _FEW)
        if left <= 0 and not instead_of_proof:
            return False
        self.retries += 1
        return True


@dataclass(slots=True)
class Pace:
    """Spreads the starts of requests evenly: so many a second at most."""

    rate: float
    """Starts per second."""
    _next_at: float = 0.0

    def wait_s(self, *, now: float) -> float:
        """Take the next place; return how long it has to be waited for."""
        at = max(self._next_at, now)
        self._next_at = at + 1 / self.rate
        return at - now


PAUSE_SHARES = MappingProxyType({Retry.THROTTLED: 1 / 20, Retry.TRANSIENT: 1 / 3})
"""Which share of the answers has to ask for a wait before all wait, by what the failure is.

Told that it asks too often (429), a run holds back soon. Of an upstream in trouble (503) it takes
more: with one answer in twenty so, a run would otherwise stand still most of the time.
"""


@dataclass(slots=True)
class Pause:
    """Stops all starts when the upstream asks several accounts at once to wait.

    Three Retry-After within ten seconds pause until the last of their times, where they are
    such a ``share`` of what was answered meanwhile: of thousands that are asked, the few
    that are told to wait are told so for themselves.
    """

    share: float
    """Of the answers; see ``PAUSE_SHARES``."""
    _asked: deque[tuple[float, float, int]] = field(default_factory=lambda: deque(maxlen=256))
    """When, until when, and how many answers there had been."""
    _until: float = 0.0

    def note(self, retry_after_s: float, *, now: float, answers: int = 0) -> None:
        """Take note of an answer that asked for a wait; ``answers`` counts all so far."""
        if retry_after_s > RETRY_AFTER_LIMIT_S:
            return
        self._asked.append((now, now + retry_after_s, answers))
        while now - self._asked[0][0] > PAUSE_WINDOW_S:
            self._asked.popleft()
        count, meanwhile = len(self._asked), answers - self._asked[0][2] + 1
        if count >= 3 and count >= meanwhile * self.share:
            self._until = max(self._until, *(until for _, until, _ in self._asked))

    def left_s(self, *, now: float) -> float:
        """Return how long starts have to wait yet; 0 where they need not."""
        return max(0.0, self._until - now)


@dataclass(slots=True)
class Breaker:
    """Watches the host by the accounts' first attempts, and stops asking a dead one.

    Retries do not count: at the end of a run only those of the failing are left, and
    would look like an outage.
    """

    patience_s: float
    has_answered: bool = False
    """Whether any account has had its figures: the upstream is, or was, alive."""
    _failures: int = 0
    _bad_certificates: int = 0
    _opened_at: float | None = None
    _probes: int = 0

    @property
    def is_open(self) -> bool:
        """Whether accounts not yet tried have to wait."""
        return self._opened_at is not None

    @property
    def is_counting(self) -> bool:
        """Whether a success would change anything."""
        return self._failures > 0 or self.is_open or not self.has_answered

    def note(self, failure: Failure | None, *, now: float, more: bool) -> None:
        """Take note of a first attempt's end; ``more`` says whether untried accounts are left."""
        if failure is None or (self.is_open and not failure.host_at_fault):
            self.has_answered = self.has_answered or failure is None
            self.close()
            return
        if not failure.host_at_fault:
            return
        self._failures += 1
        tls = failure.kind is FailureKind.TLS
        self._bad_certificates = self._bad_certificates + 1 if tls else 0
        if not self.is_open and more and self._is_dead():
            self._opened_at, self._probes = now, 0

    def _is_dead(self) -> bool:
        return (
            self._failures >= OPENS_AFTER or self._bad_certificates >= OPENS_AFTER_BAD_CERTIFICATES
        )

    def close(self) -> None:
        """Start afresh: the upstream answered, or nobody is left to spare."""
        self._failures = self._bad_certificates = 0
        self._opened_at = None

    def probe_wait_s(self) -> float:
        """Return how long to wait before the next probe, and count it."""
        waits = PROBE_WAITS_S
        wait = waits[self._probes] if self._probes < len(waits) else PROBE_WAIT_LIMIT_S
        self._probes += 1
        return wait

    def patience_left_s(self, *, now: float) -> float:
        """Return how long an open breaker is waited for yet; 0 where patience is over."""
        if self._opened_at is None:
            return self.patience_s
        return max(0.0, self._opened_at + self.patience_s - now)
