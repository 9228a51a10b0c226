"""Reports to record, and ways to look at what is stored of them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from poller.history.database import open_to_change, transaction
from poller.history.observed import observed
from poller.history.recording import Recorder
from poller.values import Failure, FailureKind, Report, Snapshot, Usage, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from poller.history.store import History

AT = 1_790_000_000.0
"""When the tests' days begin (Unix seconds)."""
LONGEST_S = 20.0
RESET_AT = int(AT) + 9_000
WEEK_AT = int(AT) + 400_000
NAMES = ("alice", "bob", "carol")
KEYS = {name: f"{index:016x}" for index, name in enumerate(NAMES, 1)}


def report(
    used: float = 40.0,
    *,
    at: float = AT,
    name: str = "alice",
    reset_at: int | None = RESET_AT,
    week: float | None = None,
    **usage: Any,
) -> Report:
    """Return an answered report with the five hours, and the week where it is given."""
    windows = [Window("five_hour", 100 - used, 18_000, reset_at, started=True)]
    if week is not None:
        windows.append(Window("weekly", 100 - week, 604_800, WEEK_AT, started=True))
    told = Usage(**{"plan": "plus", "usable": True, "on_credits": False, **usage})
    key = KEYS.get(name)
    told = Usage(
        plan=told.plan,
        usable=told.usable,
        limited_by=told.limited_by,
        usable_at=told.usable_at,
        on_credits=told.on_credits,
        windows=tuple(windows),
    )
    return Report(0, name, f"/auth/{name}", at, told, key=key, attempts=1)


def failed(
    kind: FailureKind = FailureKind.TIMEOUT, *, at: float = AT, name: str = "alice"
) -> Report:
    """Return a report of a failure."""
    failure = Failure(kind, "no answer", "try again")
    return Report(0, name, f"/auth/{name}", at, failure=failure, key=KEYS.get(name))


def snapshot(at: float, *, accounts: int = 1) -> Snapshot:
    return Snapshot(at, at + 1, accounts, accounts, accounts)


def wide(count: int, *, at: float, number: int = 0) -> list[Report]:
    """Return the reports of a round of many accounts, all figures new."""
    reports: list[Report] = []
    for index in range(count):
        used = float((number * 7 + index) % 101)
        windows = (
            Window("five_hour", used, 18_000, int(at) + 9_000, started=True),
            Window("weekly", used, 604_800, WEEK_AT, started=True),
        )
        usage = Usage("plus", usable=True, windows=windows, on_credits=False)
        who = f"n{index:04d}", f"/auth/{index}"
        reports.append(Report(index, *who, at, usage, key=f"{index + 1:016x}"))
    return reports


def record(path: Path, *rounds: Iterable[Report], live: bool = True) -> None:
    """Record rounds as the writer does, each in a transaction, and close the file."""
    with open_to_change(str(path)) as connection:
        recorder = Recorder(connection)
        for reports in rounds:
            seen = [one for one in map(observed, reports) if one is not None]
            with transaction(connection):
                recorder.record(seen, live=live)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds, as anybody who brings SQL would ask."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


SPANS = "SELECT since, until, polls, used_percent, reset_at FROM span ORDER BY series_id, since"


def spans(path: Path) -> list[tuple[Any, ...]]:
    """Return all spans: since and until in seconds from ``AT``, polls, used percent."""
    return [(row[0] - AT, row[1] - AT, *row[2:4]) for row in rows(path, SPANS)]


def is_whole(path: Path) -> bool:
    return rows(path, "PRAGMA integrity_check") == [("ok",)]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(LONGEST_S):
        while not true():  # noqa: ASYNC110 - the writer's thread tells nobody when it is done
            await asyncio.sleep(0.01)


async def settled(history: History) -> None:
    """Wait until all that was handed over is written."""
    await history.transact(lambda connection: connection.execute("SELECT 1").fetchall())
