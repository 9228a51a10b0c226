"""What is retried, how many retries a run may make, and when all starts have to wait.

State machines fed from outside: they are told the time (monotonic seconds) and what
happened, and say what follows. The figures are chosen to be gentle with the upstream.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from poller.values import Failure, Retry

BACKOFF_S = 0.25
"""The longest first wait; full jitter shortens it, every attempt doubles it."""
THROTTLED_BACKOFF_S = 1.0
"""The same after a 429."""
BACKOFF_LIMIT_S = 8.0
RETRY_AFTER_LIMIT_S = 30.0
"""A longer Retry-After gives the account up at once."""
FIRST_STARTS = 64
"""Accounts tried at once until one has answered: a dead upstream must not get more."""
PAUSE_WINDOW_S = 10.0


def worth_retrying(failure: Failure, *, attempts: int, retries: int) -> bool:
    """Say whether a failure of this kind allows another attempt after ``attempts``."""
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


_UNCOUNTED = 100
"""Retries before the stricter rule applies."""


@dataclass(slots=True)
class RetryBudget:
    """Retries of the whole run: 20, and a quarter of the accounts started.

    Requests that confirm whose answer it was are not counted and never refused. Where they
    fail by the hundred, they leave fewer retries for accounts that were retried before, so
    that all requests together stay near a quarter more than the accounts.
    """

    started: int = 0
    """Accounts whose first attempt was made."""
    retries: int = 0
    failed_confirmations: int = 0
    """Confirming requests after which their account still failed."""

    def take(self, *, again: bool = False, instead_of_confirmation: bool = False) -> bool:
        """Spend one retry; say whether there was one.

        ``again`` is True for an account that was retried before. A retry that replaces a
        confirming request is never refused.
        """
        left = 20 + self.started / 4 - self.retries
        if again:
            left -= max(0, self.started / 20 - _UNCOUNTED)
            left -= max(0, self.failed_confirmations - _UNCOUNTED)
        if left <= 0 and not instead_of_confirmation:
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
        """Take the next place; return the seconds until it comes."""
        at = max(self._next_at, now)
        self._next_at = at + 1 / self.rate
        return at - now


PAUSE_SHARES = MappingProxyType({Retry.THROTTLED: 1 / 20, Retry.TRANSIENT: 1 / 3})
"""Which share of the answers has to ask for a wait before all accounts wait.

A run that asks too often (429) holds back soon. An upstream in trouble (503) needs a larger
share: with one such answer in twenty, a run would otherwise stand still most of the time.
"""


@dataclass(slots=True)
class Pause:
    """Stops all starts when the upstream asks several accounts at once to wait.

    Three Retry-After within ten seconds pause until the last of their times, if they are at
    least ``share`` of the answers in that time: in a run of thousands, a few waits concern
    a few accounts.
    """

    share: float
    """Of the answers; see ``PAUSE_SHARES``."""
    _asked: deque[tuple[float, float, int]] = field(default_factory=lambda: deque(maxlen=256))
    """When, until when, and how many answers there had been."""
    _until: float = 0.0

    def note(self, retry_after_s: float, *, now: float, answers: int = 0) -> None:
        """Record an answer that asked for a wait; ``answers`` counts all answers so far."""
        if retry_after_s > RETRY_AFTER_LIMIT_S:
            return
        self._asked.append((now, now + retry_after_s, answers))
        while now - self._asked[0][0] > PAUSE_WINDOW_S:
            self._asked.popleft()
        count, meanwhile = len(self._asked), answers - self._asked[0][2] + 1
        if count >= 3 and count >= meanwhile * self.share:
            self._until = max(self._until, *(until for _, until, _ in self._asked))

    def left_s(self, *, now: float) -> float:
        """Return how much longer starts have to wait; 0 if they need not."""
        return max(0.0, self._until - now)
