"""Find accounts of a run that are one and the same login."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poller.core.model import Credential

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
        keys: list[int] = []
        if credential.refresh_token is not None:
            keys.append(hash(credential.refresh_token))
        if credential.user_id is not None:
            keys.append(hash((credential.user_id, credential.account_id)))
        before = [self._labels.setdefault(key, label) for key in keys]
        same = next((each for each in before if each != label), None)
        if same is not None:
            self.count += 1
            self.first = self.first or (same, label)
