"""Find accounts that are one and the same login, or the same account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.values import Credential


class DuplicateFinder:
    """Tells of each account which one before it is the same login, or the same account.

    Two files are one login where they hold the same token: a refresh of one logs the other
    out. Two logins are one account where user and workspace are the same: they share their
    quota.
    """

    def __init__(self, compared: int | None = None) -> None:
        """Compare so many accounts at most, so that memory stays flat; None means all."""
        self._left = compared
        self._logins: dict[int, str] = {}
        self._accounts: dict[int, str] = {}

    def note(self, label: str, credential: Credential | None) -> tuple[str | None, str | None]:
        """Return the first label with the same login, and the first with the same account."""
        if credential is None or self._left == 0:
            return None, None
        if self._left is not None:
            self._left -= 1
        token = credential.refresh_token or credential.access_token
        login = self._logins.setdefault(hash(token), label)
        account = label
        if credential.user_id is not None:
            key = hash((credential.user_id, credential.account_id))
            account = self._accounts.setdefault(key, label)
        return (login if login != label else None), (account if account != label else None)
