"""Find and read auth files: names, folders, lists, labels, lazily."""

from __future__ import annotations

from poller.accounts.duplicates import Kin
from poller.accounts.reading import Account, reread
from poller.accounts.selection import Selection, discover, in_memory
from poller.accounts.source import Source

__all__ = ["Account", "Kin", "Selection", "Source", "discover", "in_memory", "reread"]
