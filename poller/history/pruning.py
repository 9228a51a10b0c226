"""Old rows out of the history."""

from __future__ import annotations

import os
from typing import NamedTuple

from poller.history.database import check_there, open_to_change, transaction
from poller.history.migration import statements


class Pruned(NamedTuple):
    """What pruning removed."""

    rows: int
    bytes_freed: int
    """What the file shrank by."""


_READERS_MS = 1000
"""How long readers are waited for, so that the file shrinks at once."""
_OLD = (
    "DELETE FROM span WHERE until < :before",
    "DELETE FROM state WHERE until < :before",
    "DELETE FROM failure WHERE until < :before",
    "DELETE FROM event WHERE at < :before",
    "DELETE FROM round WHERE ended_at < :before",
)
_EMPTY = """
DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM span WHERE series_id = series.id);
DELETE FROM account WHERE last_seen < :before
  AND NOT EXISTS (SELECT 1 FROM series WHERE account_id = account.id)
  AND NOT EXISTS (SELECT 1 FROM state WHERE account_id = account.id)
  AND NOT EXISTS (SELECT 1 FROM failure WHERE account_id = account.id);
DELETE FROM alert_state WHERE account_id > 0
  AND NOT EXISTS (SELECT 1 FROM account WHERE id = account_id);
"""
"""What nothing is known of any more."""


def prune(path: str, *, before: float) -> Pruned:
    """Remove what ended before that time (Unix seconds), and shrink the file.

    A span that reaches beyond it stays whole. While somebody reads, the file shrinks later.

    Raises:
        HistoryMissing: there is none.
        HistoryUnusable: the history cannot be read or written.
    """
    check_there(path)
    with open_to_change(path) as connection:
        size = os.path.getsize(path)
        with transaction(connection):
            rows = sum(connection.execute(old, {"before": before}).rowcount for old in _OLD)
            for statement in statements(_EMPTY):
                connection.execute(statement, {"before": before})
        # As a script: a statement that is stepped once frees one page.
        connection.executescript("PRAGMA incremental_vacuum")
        connection.execute(f"PRAGMA busy_timeout = {_READERS_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Pruned(rows, max(0, size - os.path.getsize(path)))
