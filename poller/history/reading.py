"""What the history knows, for commands and charts. It may be read while it is written."""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from poller.history.database import HistoryUnusable, default_path, error_text, open_to_read
from poller.insight.series import GAP_S, Observation
from poller.process.patience import has_ended
from poller.text import printable
from poller.values import FailureKind, Usage, Window

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_ANSWERS_WITHIN_S = 6.0


class StoredAccount(NamedTuple):
    """A row of ``account``."""

    id: int
    key: str | None
    label: str
    plan: str | None
    machine: str | None
    first_seen: int
    last_seen: int
    """Unix seconds."""


class StoredSpan(NamedTuple):
    """A figure, and how long it was seen. A named tuple, as half a million are read at once."""

    account: str
    key: str | None
    window: str
    window_seconds: int | None
    since: int
    until: int
    """Unix seconds."""
    polls: int
    used_percent: float
    reset_at: int | None
    """Unix seconds; None where none was told, or the window had not begun."""


class StoredState(NamedTuple):
    """Whether an account could be used, and how long that was seen."""

    since: int
    until: int
    polls: int
    usable: bool | None
    on_credits: bool | None
    limited_by: str | None
    usable_at: int | None


class StoredFailure(NamedTuple):
    """The same failure in a row."""

    since: int
    until: int
    polls: int
    kind: str


@dataclass(frozen=True, slots=True)
class Latest:
    """What was seen of an account last."""

    account: StoredAccount
    usage: Usage | None
    """Of its last answer; None where it never gave one."""
    answered_at: int | None
    """When that was (Unix seconds)."""
    failure: StoredFailure | None
    """What came instead of an answer since; None where the last poll was answered."""

    @property
    def failure_kind(self) -> FailureKind | None:
        """The kind of failure; None where there is none, or none of this version's."""
        with suppress(ValueError):
            return None if self.failure is None else FailureKind(self.failure.kind)
        return None

    @property
    def seen_at(self) -> int:
        """When it was asked last (Unix seconds); 0 where it never was."""
        return max(self.answered_at or 0, 0 if self.failure is None else self.failure.until)


class Reader:
    """Made by :func:`open_reader`. Whatever sqlite3 raises becomes :class:`HistoryUnusable`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def accounts(self) -> list[StoredAccount]:
        """Return all accounts, by label."""
        rows = self._db.execute("SELECT * FROM account ORDER BY label, id")
        return [StoredAccount._make(row) for row in rows]

    def latest(self, *, now: float) -> list[Latest]:
        """Return what was seen of every account last, up to ``now`` (Unix seconds), by label."""
        states = {row[0]: StoredState._make(row[1:]) for row in self._last("state", now)}
        failures = {row[0]: StoredFailure._make(row[1:]) for row in self._last("failure", now)}
        windows: dict[int, list[tuple[int, Window]]] = {}
        rows = self._db.execute(
            "SELECT account_id, window, window_seconds, until, used_percent, reset_at FROM series "
            # Crossed to keep their order: SQLite would rather look at every span.
            "CROSS JOIN span ON series_id = id AND since = "
            "(SELECT max(since) FROM span WHERE series_id = id AND since <= ?) "
            "ORDER BY window_seconds, id",
            (now,),
        )
        for account_id, name, window_seconds, until, used, reset_at in rows:
            started = used > 0 or reset_at is not None
            window = Window(name, round(100 - used, 2), window_seconds, reset_at, started)
            windows.setdefault(account_id, []).append((until, window))
        plans = self._plans_at(now)
        return [
            _latest(account, states.get(id_), failures.get(id_), windows.get(id_, []), now)
            for one in self.accounts()
            for id_ in (one.id,)
            for account in (one._replace(plan=plans.get(id_, one.plan)),)
        ]

    def _plans_at(self, now: float) -> dict[int, str]:
        """Return the plans of accounts whose plan changed after ``now``, by account."""
        rows = self._db.execute(
            "SELECT account_id, before FROM event WHERE kind = 'plan_changed' AND at > ? "
            "ORDER BY at DESC, id DESC",
            (now,),
        )
        return dict(rows)

    def _last(self, table: str, now: float) -> Iterator[tuple[int, ...]]:
        yield from self._db.execute(
            f"SELECT {table}.* FROM account CROSS JOIN {table} ON account_id = id AND since = "  # noqa: S608 - our own names
            f"(SELECT max(since) FROM {table} WHERE account_id = id AND since <= ?)",
            (now,),
        )

    def spans(
        self, account: StoredAccount, *, window: str | None = None, since: float = 0
    ) -> list[StoredSpan]:
        """Return an account's spans that reach into the time from ``since`` on, as they began.

        Nothing is known of the time between one of them and the next of its window.
        """
        rows = self._db.execute(
            "SELECT :label, :key, window, window_seconds, since, until, polls, "
            "used_percent, reset_at FROM series JOIN span ON series_id = id "
            "WHERE account_id = :id AND (:window IS NULL OR window = :window) AND until >= :since "
            # Spans of a window do not overlap: one alone can have begun earlier.
            "AND since >= "
            "coalesce((SELECT max(since) FROM span WHERE series_id = id AND since <= :since), 0) "
            "ORDER BY since, window_seconds",
            {
                "label": account.label,
                "key": account.key,
                "id": account.id,
                "window": window,
                "since": since,
            },
        )
        return list(map(StoredSpan._make, rows))

    def states(self, account: StoredAccount, *, since: float = 0) -> list[StoredState]:
        """Return whether it could be used, in runs that reach into the time from ``since`` on."""
        return [StoredState._make(row) for row in self._runs("state", account, since)]

    def failures(self, account: StoredAccount, *, since: float = 0) -> list[StoredFailure]:
        """Return its failures, in runs that reach into the time from ``since`` on."""
        return [StoredFailure._make(row) for row in self._runs("failure", account, since)]

    def _runs(
        self, table: str, account: StoredAccount, since: float
    ) -> Iterator[tuple[object, ...]]:
        rows = self._db.execute(
            f"SELECT * FROM {table} WHERE account_id = ? AND until >= ? ORDER BY since",  # noqa: S608 - our own names
            (account.id, since),
        )
        yield from (row[1:] for row in rows)

    def recollect(
        self, account: StoredAccount, *, since: float = 0
    ) -> Iterator[tuple[str, Observation, int, int]]:
        """Yield window, first look, end and number of looks of all spans, as they began.

        They are what :meth:`poller.insight.forecast.Outlook.recall` takes.
        """
        changes = self._db.execute(
            "SELECT at, before FROM event WHERE account_id = ? AND kind = 'plan_changed' "
            "AND at >= ? ORDER BY at, id",
            (account.id, since),
        ).fetchall()
        plans = [*(before for _, before in changes), account.plan]
        changed_at = [at for at, _ in changes]
        states = self.states(account, since=since)
        states_at = [state.since for state in states]
        for span in self.spans(account, since=since):
            at = span.since
            index = bisect_right(states_at, at) - 1
            blocked = index >= 0 and states[index].usable == 0 and at <= states[index].until
            plan = plans[bisect_right(changed_at, at)]
            figures = span.used_percent, span.reset_at, span.window_seconds
            yield span.window, Observation(at, *figures, plan, blocked), span.until, span.polls


def _latest(
    account: StoredAccount,
    state: StoredState | None,
    failure: StoredFailure | None,
    windows: list[tuple[int, Window]],
    now: float,
) -> Latest:
    untils = [until for until, _ in windows] + ([state.until] if state else [])
    answered_at = int(min(max(untils, default=0), now))
    # Of a run that went on nobody knows at which of its looks it was seen last by then.
    apart_s = GAP_S if max(untils, default=0) > now else 0
    if failure is not None:
        lasts_until = int(min(failure.until, now))
        failure = failure._replace(until=lasts_until) if failure.until > answered_at else None
    if not answered_at:
        return Latest(account, None, None, failure)
    # What the last answer did not speak of is no longer so.
    last = tuple(window for until, window in windows if answered_at - until <= apart_s)
    usage = Usage(plan=account.plan, windows=last)
    if state is not None and answered_at - state.until <= apart_s:
        usage = Usage(
            plan=account.plan,
            usable=None if state.usable is None else bool(state.usable),
            limited_by=state.limited_by,
            usable_at=state.usable_at,
            windows=last,
            on_credits=None if state.on_credits is None else bool(state.on_credits),
        )
    return Latest(account, usage, answered_at, failure)


def answers(path: str) -> bool:
    """Say whether the disk answers; a dead one would let nobody go who opens the file."""
    return has_ended(partial(os.path.exists, path), within_s=_ANSWERS_WITHIN_S)


def no_answer_text(path: str) -> str:
    """Return what is said of a history on such a disk."""
    return f"history {printable(path)}: its disk does not answer: check the drive or network mount"


@contextmanager
def open_reader(path: str | None = None, *, may_hang: bool = False) -> Generator[Reader]:
    """Open the history to read; None is the user's own. It is left as it is.

    A dead disk is given up after some seconds, at the price of a thread that hangs in it.
    Who has such a thread already says ``may_hang``.

    Raises:
        HistoryMissing: there is none yet.
        HistoryUnusable: it cannot be read; also from what the reader does.
    """
    path = default_path() if path is None else path
    if not may_hang and not answers(path):
        raise HistoryUnusable(no_answer_text(path))
    try:
        connection = open_to_read(path)
    except (sqlite3.Error, OSError) as error:
        raise HistoryUnusable(error_text(error, path)) from None
    try:
        yield Reader(connection)
    except sqlite3.Error as error:
        raise HistoryUnusable(error_text(error, path)) from None
    finally:
        connection.close()
