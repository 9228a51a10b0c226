"""What docs/history.md shows people who bring SQL is so."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.history.made_up import failed, record, report, rows
from tests.readme.reading import blocks_of, table_with

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "docs/history.md"
HOUR = 3600


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a history of two accounts: used, blocked for an hour, reset; one fails."""
    path = tmp_path_factory.mktemp("questions") / "history.db"
    now = int(time.time())
    start = now - 6 * HOUR
    reset_at, later = start + 5 * HOUR, start + 10 * HOUR
    levels = (0, 40, 100, 100, 100, 10)
    rounds = []
    for number, used in enumerate(levels):
        at = start + number * HOUR
        blocked = used == 100
        rounds.append(
            [
                report(
                    used,
                    at=at,
                    reset_at=later if number == 5 else reset_at,
                    usable=not blocked,
                    limited_by="five_hour" if blocked else None,
                    usable_at=reset_at if blocked else None,
                ),
                failed(at=at, name="bob"),
            ]
        )
    record(path, *rounds)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO round (started_at, ended_at, accounts, ok, requests) "
            "VALUES (?, ?, 2, 1, 2)",
            [(at, at + 1) for at in (start, start + HOUR, start + 4 * HOUR)],
        )
    return path


def asked(history: Path, question: int) -> list[tuple[Any, ...]]:
    texts = [block.text for block in blocks_of(PAGE) if block.language == "sql"]
    query = texts[question].replace("$__from", "0").replace("$__to", "9999999999999")
    with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def test_how_much_is_left_now(history: Path) -> None:
    ((account, window, left, at, minutes),) = asked(history, 0)
    assert (account, window, left) == ("alice", "five_hour", 90.0)
    assert at.endswith("Z")
    assert 59 <= minutes <= 62


def test_what_was_used_of_a_week_is_asked_of_weeks(history: Path) -> None:
    assert asked(history, 1) == []
    assert rows(history, "SELECT account, used_percent_before FROM resets") == [("alice", 100.0)]


def test_how_long_an_account_was_blocked(history: Path) -> None:
    assert asked(history, 2) == [("alice", 2.0)]


def test_at_which_hour_most_is_used(history: Path) -> None:
    assert sorted(percent for _, percent in asked(history, 3)) == [40.0, 60.0]


def test_how_long_nobody_looked(history: Path) -> None:
    ((_, hours),) = asked(history, 4)
    assert hours == 3


def test_what_failed_most(history: Path) -> None:
    assert asked(history, 5) == [("timeout", 1, 6)]


def test_grafana_gets_times_metrics_and_values(history: Path) -> None:
    told = asked(history, 6)
    assert {metric for _, metric, _ in told} == {"alice five_hour"}
    assert [value for *_, value in told] == [100.0, 60.0, 0.0, 0.0, 90.0]
    assert [block.language for block in blocks_of(PAGE)].count("sql") == 7


@pytest.mark.parametrize("kind", ["table", "view"])
def test_every_table_and_view_is_told_with_its_columns(history: Path, kind: str) -> None:
    told = {row[0].strip("`"): row[2] for row in table_with(PAGE, kind)[1:]}
    stored = rows(history, f"SELECT name FROM sqlite_master WHERE type = '{kind}'")
    assert set(told) == {name for (name,) in stored}
    for name, cell in told.items():
        if name != "alert_state":
            columns = [row[1] for row in rows(history, f"PRAGMA table_info({name})")]
            assert cell == ", ".join(f"`{column}`" for column in columns), name
