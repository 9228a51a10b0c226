"""Rounds into rows, in a transaction of the caller's.

What was stored last is kept in memory, and a round is written by a few dozen statements:
at each one this thread lets go of the interpreter, and has to wait to get it back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from poller.history.runs import Run, extended, place

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from poller.history.observed import Observed

_ROUNDS_KEPT_S = 30 * 86_400
_CLEANED_EVERY_S = 3600
_ROWS_AT_ONCE = 100
"""Rows of one statement; SQLite before 3.32 takes 999 parameters."""
_BREATH = 100
"""Accounts after which other threads are let in."""
_WORTH_PRELOADING = 50
"""From so many accounts on, one statement for all runs is faster than one for each."""


class Round(NamedTuple):
    """A row of the table ``round``."""

    started_at: int
    ended_at: int
    """Unix seconds."""
    accounts: int
    ok: int
    requests: int


@dataclass(slots=True)
class _AccountRow:
    id: int
    key: str | None
    label: str
    plan: str | None
    machine: str | None
    first_seen: int
    last_seen: int
    renamed: bool = True
    """Whether more of it is to be written than when it was seen."""

    def row(self) -> tuple[object, ...]:
        times = self.first_seen, self.last_seen
        return self.id, self.key, self.label, self.plan, self.machine, *times


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """A table of runs."""

    name: str
    owners: str
    """The table of what has these runs."""
    owner: str
    values: tuple[str, ...]
    """Columns of what was seen."""
    reset_at: str | None = None
    """The column that may jitter within a run."""

    @property
    def columns(self) -> str:
        more = () if self.reset_at is None else (self.reset_at,)
        return ", ".join((self.owner, "since", "until", "polls", *self.values, *more))

    def row(self, owner: int, run: Run) -> tuple[object, ...]:
        if self.reset_at is None:
            return owner, run.since, run.until, run.polls, *run.value
        return owner, run.since, run.until, run.polls, *run.value, run.reset_at

    def run(self, row: Sequence[Any]) -> Run:
        """Read a row; its first column is the owner."""
        end = 4 + len(self.values)
        reset_at = None if self.reset_at is None else row[end]
        return Run(row[1], row[2], row[3], tuple(row[4:end]), reset_at)


_SPAN = _Table("span", "series", "series_id", ("used_percent",), "reset_at")
_STATE = _Table(
    "state", "account", "account_id", ("usable", "on_credits", "limited_by"), "usable_at"
)
_FAILURE = _Table("failure", "account", "account_id", ("kind",))


@dataclass(slots=True)
class _Near:
    """The last run that began by some time, and the first that began later."""

    before: Run | None
    after: Run | None

    def around(self, at: int) -> bool:
        return (self.before is None or self.before.since <= at) and (
            self.after is None or at < self.after.since
        )


@dataclass(slots=True, eq=False)
class _Runs:
    """What is known of one table of runs, and what is to be written to it."""

    table: _Table
    near: dict[int, _Near] = field(default_factory=dict[int, _Near])
    """By owner."""
    put: dict[tuple[int, int], Run] = field(default_factory=dict[tuple[int, int], Run])
    """By owner and beginning."""
    dropped: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])


class Recorder:
    """Writes what was observed; one for a connection.

    After a transaction that failed, :meth:`forget` what was never stored.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._others: int | None = None
        self._cleaned_at: int | None = None
        self.forget()

    def forget(self) -> None:
        """Read everything anew."""
        self._loaded = False
        self._last_account = self._last_series = 0
        self._by_key: dict[str, _AccountRow] = {}
        self._by_label: dict[str, _AccountRow] = {}
        self._series: dict[tuple[int, str], tuple[int, int | None]] = {}
        self._spans, self._states, self._failures = map(_Runs, (_SPAN, _STATE, _FAILURE))
        self._seen: dict[int, _AccountRow] = {}

    def record(
        self, seen: Sequence[Observed], *, live: bool, completed: Round | None = None
    ) -> int:
        """Write what was observed; return how many observations said something new.

        ``live``: it was seen now, and what is dated later was dated by a wrong clock.
        Otherwise it may be of any time, and what is known already adds nothing.
        """
        (others,) = self._db.execute("PRAGMA data_version").fetchone()
        if others != self._others:  # another connection has written
            self._others = others
            self.forget()
        if not self._loaded:
            self._load()
        if len(seen) >= _WORTH_PRELOADING:
            self._preload(min(one.since for one in seen))
        new = 0
        for number, one in enumerate(seen, 1):
            new += self._take(one, live=live)
            if number % _BREATH == 0:
                time.sleep(0)
        self._write()
        if completed is not None:
            self._record_round(completed)
        return new

    def _load(self) -> None:
        self._loaded = True
        for row in self._db.execute("SELECT * FROM account ORDER BY last_seen"):
            account = _AccountRow(*row)
            account.renamed = False
            self._name(account)
            self._last_account = max(self._last_account, account.id)
        rows = self._db.execute("SELECT account_id, window, id, window_seconds FROM series")
        for account_id, window, series_id, window_seconds in rows:
            self._series[account_id, window] = series_id, window_seconds
            self._last_series = max(self._last_series, series_id)

    def _preload(self, at: int) -> None:
        """Read the last run of every owner, where none is dated later."""
        for runs in (self._spans, self._states, self._failures):
            if runs.near:
                continue
            table = runs.table
            name, owner = table.name, table.owner
            columns = ", ".join(f"run.{column}" for column in table.columns.split(", "))
            later = f"(SELECT 1 FROM {name} WHERE {owner} = one.id AND since > :at)"  # noqa: S608 - our own names
            rows = self._db.execute(
                f"SELECT one.id, {columns} FROM {table.owners} AS one LEFT JOIN {name} AS run "  # noqa: S608 - likewise
                f"ON run.{owner} = one.id AND run.since = "
                f"(SELECT max(since) FROM {name} WHERE {owner} = one.id) WHERE NOT EXISTS {later}",
                {"at": at},
            )
            for row in rows:
                runs.near[row[0]] = _Near(None if row[1] is None else table.run(row[1:]), None)

    def _name(self, account: _AccountRow) -> None:
        if account.key is not None:
            self._by_key[account.key] = account
        self._by_label[account.label] = account

    # One observation

    def _take(self, one: Observed, *, live: bool) -> bool:
        account = self._account(one, live=live)
        new = False
        if one.state is not None:
            new |= self._place(self._states, account.id, one.state, live=live)
        if one.failure is not None:
            # An answer since the last failure ends its run.
            answered = self._around(self._states, account.id, one.since).before
            failed = self._around(self._failures, account.id, one.since).before
            joins = answered is None or failed is None or answered.until <= failed.until
            new |= self._place(self._failures, account.id, one.failure, live=live, joins=joins)
        for name, window_seconds, run in one.windows:
            series_id, known_seconds = self._series.get((account.id, name), (0, None))
            if not series_id or (window_seconds is not None and window_seconds != known_seconds):
                series_id = self._update_series(account.id, name, window_seconds)
            new |= self._place(self._spans, series_id, run, live=live)
        return new

    def _account(self, one: Observed, *, live: bool) -> _AccountRow:
        account = self._by_label.get(one.label)
        if one.key is not None and (account is None or account.key != one.key):
            known = self._by_key.get(one.key)
            # An account that was known by its label alone is this one, now that it has a key.
            account = known or (account if account is not None and account.key is None else None)
        if account is None:
            self._last_account += 1
            names = one.key, one.label, one.plan, one.machine
            account = _AccountRow(self._last_account, *names, one.since, one.until)
            self._name(account)
        elif live or one.until >= account.last_seen:
            self._update(account, one)
        if one.since < account.first_seen:
            account.first_seen, account.renamed = one.since, True
        if one.key is not None and account.key is None:
            account.key, account.renamed = one.key, True
            self._name(account)
        self._seen[account.id] = account
        return account

    def _update(self, account: _AccountRow, one: Observed) -> None:
        if one.plan is not None and account.plan is not None and one.plan != account.plan:
            self._db.execute(
                "INSERT INTO event (at, kind, account_id, before, after) "
                "VALUES (?, 'plan_changed', ?, ?, ?)",
                (one.since, account.id, account.plan, one.plan),
            )
        account.last_seen = one.until
        plan, machine = one.plan or account.plan, one.machine or account.machine
        if plan != account.plan or machine != account.machine:
            account.plan, account.machine, account.renamed = plan, machine, True
        if account.label != one.label:
            account.renamed = True
            if self._by_label.get(account.label) is account:
                del self._by_label[account.label]
            account.label = one.label
        self._by_label[one.label] = account

    def _update_series(self, account_id: int, window: str, window_seconds: int | None) -> int:
        known = self._series.get((account_id, window))
        if known is None:
            self._last_series += 1
            self._spans.near[self._last_series] = _Near(None, None)
        series_id = self._last_series if known is None else known[0]
        self._series[account_id, window] = series_id, window_seconds
        self._db.execute(
            "INSERT INTO series VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET window_seconds = excluded.window_seconds",
            (series_id, account_id, window, window_seconds),
        )
        return series_id

    def _place(self, runs: _Runs, owner: int, run: Run, *, live: bool, joins: bool = True) -> bool:
        near = runs.near.get(owner)
        if near is not None and near.after is None:
            before = near.before
            if before is None or before.until < run.since:  # nearly always
                near.before = last = extended(before if joins else None, run)
                runs.put[owner, last.since] = last
                return True
        new = False
        rest: Run | None = run
        while rest is not None:
            near = self._around(runs, owner, rest.since)
            placed = place(near.before, near.after, rest, live=live, joins=joins)
            rest = placed.rest
            for stored in placed.put:
                runs.put[owner, stored.since] = near.before = stored
                new = True
            if placed.dropped is not None:
                runs.dropped.add((owner, placed.dropped))
                runs.put.pop((owner, placed.dropped), None)
                del runs.near[owner]
        return new

    def _around(self, runs: _Runs, owner: int, at: int) -> _Near:
        near = runs.near.get(owner)
        if near is None or not near.around(at):
            self._write_runs(runs)
            table = runs.table
            around: list[Run | None] = []
            for side in ("<= ? ORDER BY since DESC", "> ? ORDER BY since"):
                row = self._db.execute(
                    f"SELECT {table.columns} FROM {table.name} "  # noqa: S608 - our own names
                    f"WHERE {table.owner} = ? AND since {side} LIMIT 1",
                    (owner, at),
                ).fetchone()
                around.append(None if row is None else table.run(row))
            near = runs.near[owner] = _Near(*around)
        return near

    # Rows

    def _write(self) -> None:
        self._upsert(
            "account",
            "id, key, label, plan, machine, first_seen, last_seen",
            [account.row() for account in self._seen.values() if account.renamed],
            "id",
        )
        self._update_seen([one for one in self._seen.values() if not one.renamed])
        for account in self._seen.values():
            account.renamed = False
        self._seen = {}
        for runs in (self._spans, self._states, self._failures):
            self._write_runs(runs)

    def _update_seen(self, accounts: Sequence[_AccountRow]) -> None:
        for start in range(0, len(accounts), _ROWS_AT_ONCE):
            some = accounts[start : start + _ROWS_AT_ONCE]
            self._db.execute(
                f"WITH seen (account_id, at) AS (VALUES {', '.join(['(?, ?)'] * len(some))}) "  # noqa: S608 - no names
                "UPDATE account SET last_seen = at FROM seen WHERE id = account_id",
                [value for account in some for value in (account.id, account.last_seen)],
            )

    def _write_runs(self, runs: _Runs) -> None:
        table = runs.table
        if runs.dropped:
            self._db.executemany(
                f"DELETE FROM {table.name} WHERE {table.owner} = ? AND since = ?",  # noqa: S608 - likewise
                runs.dropped,
            )
        key = f"{table.owner}, since"
        rows = [table.row(owner, run) for (owner, _), run in runs.put.items()]
        self._upsert(table.name, table.columns, rows, key)
        runs.put, runs.dropped = {}, set()

    def _upsert(
        self, table: str, columns: str, rows: Sequence[tuple[object, ...]], key: str
    ) -> None:
        """Insert rows, each in the place of the one with its key."""
        names = columns.split(", ")
        values = f"({', '.join('?' * len(names))})"
        kept = [name for name in names if name not in key.split(", ")]
        changed = ", ".join(f"{name} = excluded.{name}" for name in kept)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            self._db.execute(
                f"INSERT INTO {table} ({columns}) VALUES {', '.join([values] * len(some))} "  # noqa: S608 - likewise
                f"ON CONFLICT ({key}) DO UPDATE SET {changed}",
                [value for row in some for value in row],
            )

    def _record_round(self, completed: Round) -> None:
        self._db.execute(
            "INSERT INTO round (started_at, ended_at, accounts, ok, requests) "
            "VALUES (?, ?, ?, ?, ?)",
            completed,
        )
        at = completed.ended_at
        if self._cleaned_at is None or abs(at - self._cleaned_at) >= _CLEANED_EVERY_S:
            self._db.execute("DELETE FROM round WHERE ended_at < ?", (at - _ROUNDS_KEPT_S,))
            self._cleaned_at = at
