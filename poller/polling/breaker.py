"""What a run has learnt of the upstream: whether it is dead, and whether it asked for a pause.

Outlives a round: the next one in the same process goes on with it. Told the time
(monotonic seconds) and what happened; sends nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from poller.polling.policy import PAUSE_SHARES, Pause
from poller.values import Failure, FailureKind, Retry

OPENS_AFTER = 30
"""First attempts in a row for which the host is at fault, without a success between."""
OPENS_AFTER_BAD_CERTIFICATES = 3
PROBE_WAITS_S = (5.0, 10.0, 20.0)
PROBE_WAIT_LIMIT_S = 30.0


@dataclass(slots=True)
class Breaker:
    """Watches the host by the accounts' first attempts, and stops asking a dead one.

    Retries do not count: at the end of a run only those of the failing accounts are left,
    and would look like an outage.
    """

    patience_s: float
    """How long a dead upstream is waited for."""
    has_answered: bool = False
    """Whether any account has had its figures."""
    last_failure: Failure | None = None
    """Of those for which the host is at fault."""
    rounds_follow: bool = False
    """Whether there are always accounts left, as rounds never end."""
    _failures: int = 0
    _bad_certificates: int = 0
    _opened_at: float | None = None
    _probes: int = 0
    _probe_at: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether accounts that were not tried yet have to wait."""
        return self._opened_at is not None

    @property
    def is_counting(self) -> bool:
        """Whether a success would change anything."""
        return self._failures > 0 or self.is_open or not self.has_answered

    def note(self, failure: Failure | None, *, now: float, more: bool) -> None:
        """Record how a first attempt ended; ``more`` says whether untried accounts are left."""
        if failure is None or (self.is_open and not failure.host_at_fault):
            self.has_answered = self.has_answered or failure is None
            self.close()
            return
        if not failure.host_at_fault:
            return
        self.last_failure = failure
        self._failures += 1
        tls = failure.kind is FailureKind.TLS
        self._bad_certificates = self._bad_certificates + 1 if tls else 0
        if not self.is_open and (more or self.rounds_follow) and self._is_dead():
            self._opened_at, self._probes, self._probe_at = now, 0, now + PROBE_WAITS_S[0]

    def _is_dead(self) -> bool:
        return (
            self._failures >= OPENS_AFTER or self._bad_certificates >= OPENS_AFTER_BAD_CERTIFICATES
        )

    def close(self) -> None:
        """Start afresh: the upstream answered."""
        self._failures = self._bad_certificates = 0
        self._opened_at = None

    def probe_in_s(self, *, now: float) -> float:
        """Return the seconds until the next probe is due."""
        return max(0.0, self._probe_at - now)

    def probed(self, *, now: float) -> None:
        """Record that a probe is made now."""
        self._probes += 1
        waits = PROBE_WAITS_S
        wait_s = waits[self._probes] if self._probes < len(waits) else PROBE_WAIT_LIMIT_S
        self._probe_at = now + wait_s

    def open_for_s(self, *, now: float) -> float:
        """Return for how long it has been open."""
        return 0.0 if self._opened_at is None else now - self._opened_at

    def patience_left_s(self, *, now: float) -> float:
        """Return how much longer an open breaker is waited for."""
        if self._opened_at is None:
            return self.patience_s
        return max(0.0, self._opened_at + self.patience_s - now)


@dataclass(slots=True)
class UpstreamHealth:
    """What is known of the upstream, for all rounds of a process."""

    breaker: Breaker
    answers: int = 0
    """Attempts that ended."""
    _pauses: dict[Retry, Pause] = field(
        default_factory=lambda: {retry: Pause(share) for retry, share in PAUSE_SHARES.items()}
    )

    def note_retry_after(self, failure: Failure, *, now: float) -> None:
        """Record a failure whose answer asked for a wait."""
        if failure.retry_after_s is not None:
            pause = self._pauses[failure.retry_now]
            pause.note(failure.retry_after_s, now=now, answers=self.answers)

    def pause_left_s(self, *, now: float) -> float:
        """Return how much longer no request may start."""
        return max(pause.left_s(now=now) for pause in self._pauses.values())
