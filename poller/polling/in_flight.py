"""What is known of one account while it is polled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poller.values import Credential

if TYPE_CHECKING:
    from poller.authfiles.read import Account
    from poller.values import Report


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

    @property
    def renewable(self) -> Credential | None:
        """What would be renewed; None where there is nothing to renew it with."""
        held = self.credential or self.account.held
        if self.account.path is None or held is None or held.refresh_token is None:
            return None
        return held
