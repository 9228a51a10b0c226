"""How an older history becomes one of this version."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEPS: Mapping[int, str] = {}
"""By version: the SQL that makes a file of it one of the next."""

_CREATE: int = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def migrate(
    connection: sqlite3.Connection,
    path: str,
    *,
    from_version: int,
    to_version: int,
    steps: Mapping[int, str],
) -> None:
    """Save the file beside itself, then take all steps in the transaction that is open.

    The copy is ``PATH.vN.bak``. Where it cannot be made, nothing is changed.

    Raises:
        sqlite3.Error: as SQLite says; there is no step from a version that never was.
        OSError: the copy cannot be made.
    """
    missing = [version for version in range(from_version, to_version) if version not in steps]
    if missing:
        raise sqlite3.DatabaseError(f"{printable(path)}: no such version")
    back_up(path, f"{path}.v{from_version}.bak")
    for version in range(from_version, to_version):
        for statement in statements(steps[version]):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {to_version}")


def back_up(path: str, copy: str) -> None:
    """Copy a history as it was when the last transaction ended, readable by its owner alone.

    Raises:
        sqlite3.Error, OSError: it cannot be copied; no part of it is left.
    """
    with suppress(FileNotFoundError):
        os.unlink(copy)
    os.close(os.open(copy, _CREATE, 0o600))
    try:
        # A second connection: the one that is about to write has begun a transaction.
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except BaseException:
        os.unlink(copy)
        raise


def statements(script: str) -> Iterator[str]:
    """Yield a script's statements; ``executescript`` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
