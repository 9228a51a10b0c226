"""Find accounts that are one and the same login, or the same account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.values import Credential

_COMPARED = 10_000
"""Accounts that are compared, so that memory stays flat."""


class SameLogins:
    """Finds accounts that are one and the same login, among the first ones."""

    def __init__(self) -> None:
        self.first: tuple[str, str] | None = None
        self.count = 0
        self._labels: dict[int, str] = {}
        self._noted = 0

    def note(self, label: str, credential: Credential) -> None:
        """Compare an account with those before: its refresh token, or user and workspace."""
        if self._noted >= _COMPARED:
            return
        self._noted += 1
        same = None
        if credential.refresh_token is not None:
            same = self._before(hash(credential.refresh_token), label)
        if credential.user_id is not None:
            account = self._before(hash((credential.user_id, credential.account_id)), label)
            same = same or account
        if same is not None:
            self.count += 1
            self.first = self.first or (same, label)

    def _before(self, key: int, label: str) -> str | None:
        first = self._labels.setdefault(key, label)
        return None if first == label else first


class Kin:
    """Tells of each account which one before it is the same login, or the same account.

    Two files are one login where they hold the same token: a refresh of one logs the
    other out. Two logins are one account where user and workspace are the same: they
    share their quota. Keeps the labels of all accounts, and some 100 bytes for each.
    """

    def __init__(self) -> None:
        self._logins: dict[int, str] = {}
        self._accounts: dict[int, str] = {}

    def note(self, label: str, credential: Credential | None) -> tuple[str | None, str | None]:
        """Return the first label with the same login, and the first with the same account."""
        if credential is None:
            return None, None
        token = credential.refresh_token or credential.access_token
        login = self._logins.setdefault(hash(token), label)
        account = label
        if credential.user_id is not None:
            key = hash((credential.user_id, credential.account_id))
            account = self._accounts.setdefault(key, label)
        return (login if login != label else None), (account if account != label else None)
