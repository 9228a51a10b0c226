"""Renew logins in place, so that nothing is lost: off unless it is asked for.

Order is everything here. Under a lock on the file and one on the login: read again,
reserve the room for the new file, note that the token is about to be sent, send it once,
put the answer on disk, and only then use it.
"""

from __future__ import annotations

from poller.refresh.renewals import Renewal, Renewals, open_renewals
from poller.refresh.whose import refreshable

__all__ = ["Renewal", "Renewals", "open_renewals", "refreshable"]
