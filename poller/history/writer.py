"""The thread that writes the history: one transaction a round, tried again until it is in."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from poller.history.database import (
    HistoryUnusable,
    error_text,
    is_locked,
    may_pass,
    open_database,
    transaction,
)
from poller.history.observed import observed
from poller.history.recording import Recorder, Round
from poller.usage.response import collector_paused

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from poller.history.observed import Observed
    from poller.values import Report, Snapshot

MOST_KEPT = 20_000
"""Reports that wait while nothing can be written; more push out the oldest rounds."""

_LOCKED_TOLD_AFTER_S = 10.0
"""Somebody else's import may hold the lock for a while."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 30.0
"""Between two tries, doubling; a new round is tried at once."""
_BREATH = 100
"""Reports after which other threads are let in."""


class _HandedOver(NamedTuple):
    """A round as it was handed over."""

    reports: tuple[Report, ...]
    snapshot: Snapshot | None

    @property
    def size(self) -> int:
        return len(self.reports)


class _Recording(NamedTuple):
    """What is stored of a round."""

    seen: list[Observed]
    completed: Round | None

    @property
    def size(self) -> int:
        return len(self.seen)


class Work(NamedTuple):
    """Somebody else's transaction."""

    do: Callable[[sqlite3.Connection], Any]
    came: Future[Any]

    @property
    def size(self) -> int:
        """Return how many reports it holds: none."""
        return 0


class _Backlog:
    """Jobs in order. Beyond a number of reports the oldest make room, the newest stays."""

    def __init__(self) -> None:
        self.jobs: deque[_HandedOver | _Recording | Work] = deque()
        self.lost = 0
        self._reports = 0

    def append(self, job: _HandedOver | _Recording | Work) -> None:
        self.jobs.append(job)
        self._reports += job.size
        while self._reports > MOST_KEPT:
            oldest = next(old for old in self.jobs if old.size)
            if oldest is self.jobs[-1]:
                break
            self.remove(oldest)
            self.lost += oldest.size

    def remove(self, job: _HandedOver | _Recording | Work) -> None:
        # By identity: two rounds may be equal, and comparing them takes long.
        index = next(index for index, other in enumerate(self.jobs) if other is job)
        del self.jobs[index]
        self._reports -= job.size


class HistoryWriter:
    """Jobs go in from any thread; :meth:`run` is the writing thread's.

    ``tell`` is called there: with what is the matter, and with None once all is well.
    """

    def __init__(self, path: str, *, tell: Callable[[str | None], None]) -> None:
        self._path = path
        self._tell = tell
        self._changed = threading.Condition()
        self._incoming: _Backlog | None = _Backlog()
        """None once nothing is taken any more."""
        self._stop_at: float | None = None
        # From here on only the thread's.
        self._pending = _Backlog()
        self._lost_before = 0
        self._open: tuple[sqlite3.Connection, Recorder] | None = None
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        self._real_path = path
        """The open file and its write-ahead log, which SQLite finds by its name alone: where
        links lead to, with ``-wal``."""
        self._locked_since: float | None = None
        self._tries_once_more = True
        """Whether what is pending is still tried once after the order to stop."""

    @property
    def reports_lost(self) -> int:
        """Reports that had to make room."""
        incoming = self._incoming
        return self._lost_before + self._pending.lost + (incoming.lost if incoming else 0)

    def hand_over(self, reports: tuple[Report, ...], snapshot: Snapshot | None) -> None:
        """Take a round to write, without waiting."""
        self._add(_HandedOver(reports, snapshot))

    def do(self, work: Work) -> None:
        """Take somebody else's transaction, to do after what was handed over."""
        if not self._add(work):
            work.came.set_exception(HistoryUnusable(f"history {self._path}: it is closed"))

    def _add(self, job: _HandedOver | Work) -> bool:
        with self._changed:
            if self._incoming is None:
                return False
            self._incoming.append(job)
            self._changed.notify()
            return True

    def stop(self, *, within_s: float) -> None:
        """Let the thread end: when all is written, or when the time is over."""
        with self._changed:
            self._stop_at = time.monotonic() + within_s
            self._changed.notify()

    def abandon(self) -> None:
        """Take nothing any more."""
        with self._changed:
            self._incoming = None

    def run(self) -> None:
        """Write until stopped."""
        trouble = self._attempt(None)
        wait_s = _FIRST_WAIT_S
        while self._wait(wait_s):
            trouble = self._write_pending()
            wait_s = _FIRST_WAIT_S if trouble is None else min(2 * wait_s, _LONGEST_WAIT_S)
        if self._pending.jobs:
            self._tell(trouble)  # a lock may not have lasted long enough to be told
        self.abandon()
        self._close()

    def _wait(self, wait_s: float) -> bool:
        """Wait for something to write, or for the next try; return False at the end."""
        with self._changed:
            incoming = self._incoming
            assert incoming is not None  # noqa: S101 - this thread alone closes it
            if not self._pending.jobs:
                self._changed.wait_for(lambda: incoming.jobs or self._stop_at is not None)
            elif not incoming.jobs:
                self._changed.wait(wait_s if self._stop_at is None else _FIRST_WAIT_S)
            self._incoming = _Backlog()
            self._lost_before += incoming.lost
            stop_at = self._stop_at
        for job in incoming.jobs:
            with collector_paused():
                self._pending.append(_reduced(job) if isinstance(job, _HandedOver) else job)
        if stop_at is None:
            return True
        once_more, self._tries_once_more = self._tries_once_more, False
        may_help = self._locked_since is not None and time.monotonic() < stop_at
        return bool(self._pending.jobs) and (once_more or may_help)

    def _write_pending(self) -> str | None:
        """Write what is pending; return what keeps it from being written."""
        while self._pending.jobs:
            job = self._pending.jobs[0]
            trouble = self._attempt(job)
            if trouble is not None:
                self._refuse_work(trouble)
                return trouble
            self._pending.remove(job)
        return None

    def _refuse_work(self, trouble: str) -> None:
        """Let nobody wait for what cannot be done now."""
        for job in [job for job in self._pending.jobs if isinstance(job, Work)]:
            self._pending.remove(job)
            job.came.set_exception(HistoryUnusable(trouble))

    def _attempt(self, job: object) -> str | None:
        """Do a job, or only see whether the file can be opened; return what may pass."""
        try:
            connection, recorder = self._opened()
            if job is not None:
                _transact(job, connection, recorder)
        except Exception as error:  # noqa: BLE001 - whatever it is must not end the thread
            return self._failed(error, job)
        self._log = self._log or _file_at(f"{self._real_path}-wal")
        self._locked_since = None
        self._tell(None)
        return None

    def _failed(self, error: Exception, job: object) -> str | None:
        """Return the trouble that may pass; a job of which nothing can come is done with."""
        text = error_text(error, self._path)
        if isinstance(job, Work):
            job.came.set_exception(HistoryUnusable(text) if may_pass(error) else error)
            return None
        if not is_locked(error):
            self._locked_since = None
            self._close()
            self._tell(text)
            return text if may_pass(error) else None
        now = time.monotonic()
        if self._locked_since is None:
            self._locked_since = now
        if now - self._locked_since >= _LOCKED_TOLD_AFTER_S:
            self._tell(text)
        return text

    def _opened(self) -> tuple[sqlite3.Connection, Recorder]:
        """Return the open file; it is opened anew where another one, or none, lies there."""
        if self._open is not None and self._file != _file_at(self._path):
            self._take_log_away(self._open[0])
            self._close()
        if self._open is None:
            connection = open_database(self._path)
            self._real_path = os.path.realpath(self._path)
            self._open = connection, Recorder(connection)
            self._file = _file_at(self._path)
        return self._open

    def _take_log_away(self, connection: sqlite3.Connection) -> None:
        """Give the log to the file that it belongs to, wherever that was moved.

        SQLite would leave it, and take it for the log of the file that lies here now.
        """
        log = f"{self._real_path}-wal"
        if self._log is None or self._log != _file_at(log):
            return
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for path in (log, f"{self._real_path}-shm"):
            with suppress(OSError):
                os.unlink(path)

    def _close(self) -> None:
        self._log = None
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open[0].close()
            self._open = None


def _transact(job: object, connection: sqlite3.Connection, recorder: Recorder) -> None:
    result = None
    try:
        with transaction(connection):
            if isinstance(job, Work):
                result = job.do(connection)
            elif isinstance(job, _Recording):
                with collector_paused():
                    recorder.record(job.seen, live=True, completed=job.completed)
    except BaseException:
        recorder.forget()
        raise
    if isinstance(job, Work):
        job.came.set_result(result)


def _reduced(job: _HandedOver) -> _Recording:
    """Return what is stored of a round: reports may hold whole answers."""
    seen: list[Observed] = []
    for number, report in enumerate(job.reports, 1):
        one = observed(report)
        if one is not None:
            seen.append(one)
        if number % _BREATH == 0:
            time.sleep(0)
    snapshot = job.snapshot
    if snapshot is None:
        return _Recording(seen, None)
    times = int(snapshot.started_at), int(snapshot.ended_at)
    return _Recording(seen, Round(*times, snapshot.accounts, snapshot.ok, snapshot.requests))


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
