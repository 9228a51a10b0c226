"""Renew logins in their files, where ``--refresh`` asks for it.

A refresh token works once, so the order of the steps is everything. Under a lock on the file
and one on the token: read the file again, reserve disk space for the new one, record that the
token is about to be sent, send it once, write the answer to disk, and only then use it.
"""

from __future__ import annotations

from poller.renewal.renewals import Renewals, renewals_for
from poller.renewal.spending import Renewal

__all__ = ["Renewal", "Renewals", "renewals_for"]
