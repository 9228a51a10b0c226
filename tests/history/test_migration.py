"""An older file becomes one of this version, or stays what it was."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from poller.history import database
from poller.history.database import HistoryUnusable, open_to_change
from tests.history.made_up import AT, is_whole, record, report, rows, spans

if TYPE_CHECKING:
    from pathlib import Path

FIRST_STEP = """
-- What is not there yet; a semicolon in a comment; is none.
CREATE TABLE event (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,
  account_id INTEGER, window TEXT, before TEXT, after TEXT
);
ALTER TABLE account ADD COLUMN machine_before TEXT;
"""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return a file as a version before the first might have left it."""
    path = tmp_path / "history.db"
    record(path, [report()], [report(at=AT + 300)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE event")
        connection.execute("PRAGMA user_version = 0")
    return path


def test_an_older_file_is_brought_up_after_a_backup_beside_it(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STEPS", {0: FIRST_STEP})
    with open_to_change(str(older)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
        assert connection.execute("SELECT machine_before FROM account").fetchone() == (None,)
    assert spans(older) == [(0, 300, 2, 40)]
    backup = older.with_name("history.db.v0.bak")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert rows(backup, "PRAGMA user_version") == [(0,)]
    assert spans(backup) == [(0, 300, 2, 40)]
    assert "event" not in {name for (name,) in rows(backup, "SELECT name FROM sqlite_master")}
    with open_to_change(str(older)):
        assert is_whole(older)


def test_a_step_that_fails_leaves_the_file_as_it_was(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = f"{FIRST_STEP}\nINSERT INTO nowhere VALUES (1);"
    monkeypatch.setattr(database, "STEPS", {0: broken})
    with pytest.raises(HistoryUnusable), open_to_change(str(older)):
        pass
    assert rows(older, "PRAGMA user_version") == [(0,)]
    assert "event" not in {name for (name,) in rows(older, "SELECT name FROM sqlite_master")}


def test_without_a_backup_nothing_is_changed(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "STEPS", {0: FIRST_STEP})
    (older.parent / "history.db.v0.bak").mkdir()
    with pytest.raises(HistoryUnusable), open_to_change(str(older)):
        pass
    assert rows(older, "PRAGMA user_version") == [(0,)]


def test_a_version_that_never_was_is_refused(older: Path) -> None:
    with pytest.raises(HistoryUnusable), open_to_change(str(older)):
        pass
    assert not older.with_name("history.db.v0.bak").exists()
