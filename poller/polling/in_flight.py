"""What is known of one account while it is polled."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poller.polling.policy import worth_retrying
from poller.values import Credential

if TYPE_CHECKING:
    from poller.authfiles.read import Account
    from poller.values import Failure, Report


@dataclass(slots=True, eq=False)
class InFlight:
    """One account that is being polled."""

    account: Account
    retries: int
    """Attempts after the first at most."""
    requests_sent: int = 0
    """As the server counts them."""
    policy_attempts: int = 0
    """As the retry policy counts them: without requests that confirm whose answer it was."""
    started_at: float | None = None
    """Monotonic seconds of the first attempt."""
    http_status: int | None = None
    raw: object = None
    headers: dict[str, str] | None = None
    needs_confirmation: bool = False
    """Whether the last outcome came over a reused connection and may be another account's."""
    was_reread: bool = False
    """Whether its file was read again for a newer token."""
    renewal_tried: bool = False
    """Whether its login was to be renewed: that is tried once at most."""
    refreshed: bool = False
    """Whether its file was given new tokens."""
    report: Report | None = None
    """Set once it has ended, so that nothing fetched is lost on the way out."""
    credential: Credential | None = field(init=False)
    known: Credential | None = None
    """The last credential whose tokens were remembered for masking."""

    def __post_init__(self) -> None:
        outcome = self.account.outcome
        self.credential = outcome if isinstance(outcome, Credential) else None

    def left_s(self, deadline_s: float) -> float:
        """Return the seconds until its deadline: ``deadline_s`` after its first attempt."""
        if self.started_at is None:
            return deadline_s
        return self.started_at + deadline_s - time.monotonic()

    def may_retry(self, failure: Failure, *, wait_s: float, left_s: float) -> bool:
        """Say whether the failure's kind, and the time that is left, allow another attempt."""
        if not worth_retrying(failure, attempts=self.policy_attempts, retries=self.retries):
            return False
        return max(wait_s, failure.retry_after_s or 0.0) < left_s

    @property
    def renewable(self) -> Credential | None:
        """What would be renewed; None where there is nothing to renew it with."""
        held = self.credential or self.account.held
        if self.account.path is None or held is None or held.refresh_token is None:
            return None
        return held
