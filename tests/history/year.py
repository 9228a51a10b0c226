"""How large a history grows, and how fast it is read: ``python -m tests.history.year``.

Made-up accounts that live as people do are looked at every five minutes, ``--days`` long.
What is measured over fewer days than 365 is carried over to a year.
"""

# ruff: noqa: T201 - what it says is what it is for

from __future__ import annotations

import argparse
import os
import time
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from poller.history.database import open_database, transaction
from poller.history.observed import observed
from poller.history.reading import Reader, open_reader
from poller.history.recording import Recorder, Round
from poller.simulator.living import LivingAccounts
from poller.usage.identity import account_key
from poller.usage.normalizer import normalize
from poller.values import Report
from tests.history.made_up import AT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

DAY_S, EVERY_S, YEAR_DAYS = 86_400, 300, 365


class Size(NamedTuple):
    """What a year of one account takes."""

    rows: float
    """Of what is kept for an account."""
    bytes: float
    bytes_once: int
    """The rounds of 30 days and empty tables, whatever the number of accounts and years."""


def live(accounts: int, days: int) -> Iterator[list[Report]]:
    """Yield the rounds of accounts that live, every five minutes."""
    world = LivingAccounts(seed=11)
    for at in range(int(AT), int(AT) + days * DAY_S, EVERY_S):
        reports: list[Report] = []
        for number in range(accounts):
            who = f"user-{number}", f"acct-{number}"
            usage = normalize(world.payload(*who, now=at), observed_at=at)
            key = account_key(*who)
            reports.append(Report(number, f"n{number:03}", "/auth", at, usage, key=key))
        yield reports


def record_life(path: str, accounts: int, days: int) -> Size:
    """Record them; return what a year of one account comes to."""
    with closing(open_database(path)) as connection:
        recorder = Recorder(connection)
        empty = _size(connection, path)
        for reports in live(accounts, days):
            seen = [one for one in map(observed, reports) if one is not None]
            at = int(reports[0].observed_at)
            with transaction(connection):
                completed = Round(at, at + 1, accounts, accounts, accounts)
                recorder.record(seen, live=True, completed=completed)
        tables = ("span", "state", "failure", "event")
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
        ]
        whole = _size(connection, path)
        connection.execute("DELETE FROM round")
        connection.executescript("PRAGMA incremental_vacuum")
        rest = _size(connection, path)
    share = YEAR_DAYS / days / accounts
    return Size(sum(counts) * share, (rest - empty) * share, empty + whole - rest)


def _size(connection: sqlite3.Connection, path: str) -> int:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return os.path.getsize(path)


def read_everything(reader: Reader) -> int:
    return sum(len(reader.spans(account)) for account in reader.accounts())


def read_a_week(reader: Reader, *, until: float) -> int:
    return len(reader.spans(reader.accounts()[0], since=until - 7 * DAY_S))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--days", type=int, default=YEAR_DAYS)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = os.path.join(folder, "history.db")
        began = time.perf_counter()
        size = record_life(path, asked.accounts, asked.days)
        took = time.perf_counter() - began
        print(f"{asked.accounts} accounts, {asked.days} days, made and recorded in {took:.0f} s")
        print(f"account and year: {size.rows:.0f} rows, {size.bytes / 1e6:.3f} MB")
        print(f"a row: {size.bytes / size.rows:.1f} bytes")
        print(f"rounds of 30 days, empty tables: {size.bytes_once / 1e6:.3f} MB")
        now = AT + asked.days * DAY_S
        with open_reader(path) as reader:
            tell("one week of one account", lambda: read_a_week(reader, until=now))
            tell("everything", lambda: read_everything(reader))
            tell("the latest", lambda: len(reader.latest(now=now)))


def tell(what: str, read: Callable[[], int]) -> None:
    """Print how long it takes, the best of five."""
    times: list[float] = []
    rows = 0
    for _ in range(5):
        began = time.perf_counter()
        rows = read()
        times.append(time.perf_counter() - began)
    print(f"{what}: {rows} rows read in {min(times) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
