"""The history's file: opened, made, checked, and its errors said in words."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from poller.history.migration import STEPS, migrate, statements
from poller.process.own_folders import make_private_folder, own_state_folder
from poller.settings import UsageError
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

APPLICATION_ID = 0x706F6C6C
"""``poll`` in ASCII: what tells our files from other people's databases."""
VERSION = 1
"""Of ``schema.sql``; an older file is brought to it by the steps of ``migration.py``."""

_BUSY_S = 0.5
"""How long SQLite itself waits for a lock: briefly, as nothing ends that wait."""
_PATIENCE_S = 30.0
"""How long a command waits for it."""
_WAL_BYTES = 4_000_000
"""What the write-ahead log is cut to after it was longer."""
_CREATE: int = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)

_WORDS: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("another program has it locked", "end that program"),
    sqlite3.SQLITE_LOCKED: ("another program has it locked", "end that program"),
    sqlite3.SQLITE_FULL: ("the disk is full", "make room"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make it and its folder writable"),
    sqlite3.SQLITE_PERM: ("permission denied", "make it and its folder writable"),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "check that its folder exists and is writable",
    ),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "move it away: a new one will be started"),
    sqlite3.SQLITE_NOTADB: ("it is not a database", "name another file, or move it away"),
    sqlite3.SQLITE_IOERR: ("input/output error", "check its disk"),
}
"""What SQLite's codes (https://www.sqlite.org/rescode.html) mean, and what to do."""


class HistoryUnusable(UsageError):  # noqa: N818 - as its base, it says what is the matter
    """The history cannot be read or written; the message says why and what to do."""


class HistoryMissing(HistoryUnusable):
    """There is no history yet."""


def default_path() -> str:
    """Return where the history lies unless a file is named.

    Raises:
        HistoryUnusable: no home folder is known.
    """
    folder = own_state_folder()
    if folder is None:
        raise HistoryUnusable(
            "no home folder is known to keep a history in: name a file with --history, or set "
            "HOME or XDG_STATE_HOME to an absolute path"
        )
    return os.path.join(folder, "history.db")


def open_database(path: str, *, busy_s: float = _BUSY_S) -> sqlite3.Connection:
    """Open the history to write; make it, or bring it to this version, where need be.

    Transactions are the caller's: ``BEGIN IMMEDIATE``, as one that begins to write later
    fails at once where another program writes. Each waits ``busy_s`` for a lock.

    Raises:
        HistoryUnusable: the file is foreign, damaged, of a newer version or no regular one.
        sqlite3.Error: as SQLite says.
        OSError: the folder or the file cannot be made.
    """
    _is_there(path)
    make_private_folder(os.path.dirname(os.path.abspath(path)))
    # SQLite would let everybody read the file. It is never opened here where it exists:
    # closing it would release the locks that this process has on it.
    with suppress(FileExistsError):
        real = os.path.realpath(path)
        os.close(os.open(real, _CREATE, 0o600))
        os.chmod(real, 0o600)  # an odd umask would take it from its owner, too
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        version = _version(connection, path)
        if version is None:  # before the first table is made, or never
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if version != VERSION:
            _bring_up(connection, path)
        # Where there is none (some network file systems), or not now, as another process
        # is making the same file, the rollback journal does as well.
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def open_to_change(path: str) -> Generator[sqlite3.Connection]:
    """Open the history for a command that changes it, and waits for who else does.

    Raises:
        HistoryUnusable: the history cannot be read or written.
    """
    try:
        connection = open_database(path, busy_s=_PATIENCE_S)
    except (sqlite3.Error, OSError) as error:
        raise HistoryUnusable(error_text(error, path)) from None
    try:
        yield connection
    except sqlite3.Error as error:
        raise HistoryUnusable(error_text(error, path)) from None
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Commit what is done within, or roll it back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back where the disk is full
            connection.execute("ROLLBACK")
        raise


def check_there(path: str) -> None:
    """Raise HistoryMissing where there is no file, HistoryUnusable where it is no regular one."""
    if not _is_there(path):
        raise HistoryMissing(
            f"history {printable(path)}: there is none yet: record some polls with poller --record"
        )


def _is_there(path: str) -> bool:
    # Opening a pipe, SQLite would wait for ever; beside a device it leaves a journal.
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    if not stat.S_ISREG(mode):
        raise HistoryUnusable(f"history {printable(path)}: not a regular file: name another file")
    return True


def open_to_read(path: str) -> sqlite3.Connection:
    """Open the history to read; it is left as it is.

    Raises:
        HistoryMissing: there is none.
        HistoryUnusable: the file is foreign, damaged, of another version or no regular one.
        sqlite3.Error: as SQLite says.
    """
    check_there(path)
    name = f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode=ro"
    try:
        return _checked(name, path)
    except sqlite3.OperationalError:
        # Where nothing can be written beside it, SQLite cannot share the file with a writer.
        with suppress(FileNotFoundError):
            if os.path.getsize(f"{path}-wal"):
                raise
        return _checked(f"{name}&immutable=1", path)


def _checked(name: str, path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, uri=True, timeout=5, isolation_level=None)
    try:
        _check_version(_version(connection, path), path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(version: int | None, path: str) -> None:
    if version is None:
        raise HistoryMissing(
            f"history {printable(path)}: it is empty: record some polls with poller --record"
        )
    if version != VERSION:
        raise HistoryUnusable(
            f"history {printable(path)}: an older poller made it: record a poll to update it"
        )


def _version(connection: sqlite3.Connection, path: str) -> int | None:
    """Return the file's version; None where it holds nothing yet."""
    # In one statement: another process may be making the same file.
    application_id, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application_id == APPLICATION_ID:
        if version > VERSION:
            raise HistoryUnusable(
                f"history {printable(path)}: a newer poller made it (version {version}): "
                "install that one, or name another file"
            )
        return int(version)
    if application_id or version or tables:
        raise HistoryUnusable(
            f"history {printable(path)}: another program's database: name another file"
        )
    return None


def _bring_up(connection: sqlite3.Connection, path: str) -> None:
    with transaction(connection):
        version = _version(connection, path)  # another process may have been faster
        if version is None:
            for statement in statements(files("poller.history").joinpath("schema.sql").read_text()):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        elif version < VERSION:
            migrate(connection, path, from_version=version, to_version=VERSION, steps=STEPS)


def is_locked(error: Exception) -> bool:
    """Whether it may be enough to wait."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def may_pass(error: Exception) -> bool:
    """Whether the file or its disk is at fault, so that the same may work later."""
    return isinstance(error, OSError | HistoryUnusable) or _code(error) in _WORDS


def error_text(error: Exception, path: str) -> str:
    """Say for a person what went wrong with the history, and what to do."""
    if isinstance(error, HistoryUnusable):
        return str(error)
    if isinstance(error, OSError):
        why, remedy = os_error_text(error), "name a file in a folder that you can write to"
    else:
        # Of what else may come only the name is told: its text may hold anything.
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        bug = f"a bug in this program ({name})", "please report it with this line"
        why, remedy = _WORDS.get(_code(error), bug)
    return f"history {printable(path)}: {why}: {remedy}"


def _code(error: Exception) -> int:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0
