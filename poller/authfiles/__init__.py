"""Find, read and understand auth files."""

from __future__ import annotations

from poller.authfiles.duplicates import Kin
from poller.authfiles.find import Selection, discover, in_memory
from poller.authfiles.read import Account, reread
from poller.authfiles.source import Source

__all__ = ["Account", "Kin", "Selection", "Source", "discover", "in_memory", "reread"]
