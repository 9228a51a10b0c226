"""Renew logins in place, so that nothing is lost: off unless it is asked for.

Order is everything here. Under a lock on the file and one on the login: read again,
reserve the room for the new file, note that the token is about to be sent, send it once,
put the answer on disk, and only then use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.renewal.eligibility import refreshable

if TYPE_CHECKING:
    from poller.renewal.renewals import Renewal, Renewals, renewals_for

__all__ = ["Renewal", "Renewals", "refreshable", "renewals_for"]


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load what is asked for: a listing passes here, and the HTTP library costs 250 ms."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("poller.renewal.renewals"), name)
