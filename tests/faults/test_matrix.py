"""Every row of the fault matrix, seen from outside: the five rules, kind, code, attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import program
from tests.faults.marks import each_group, each_mode
from tests.faults.matrix import DEADLINE_S, GROUPS, Entry, Run, group_of
from tests.faults.rows import ROWS, Row

if TYPE_CHECKING:
    from tests.faults.matrix import Runs

_MOST_BYTES = 120 << 20


def _of(row: Row) -> Any:
    name = f"{row.name} {''.join(row.flags)}".strip()
    return pytest.param(row, id=name, marks=pytest.mark.xdist_group(f"faults {group_of(row)}"))


each_row = pytest.mark.parametrize("row", [_of(row) for row in ROWS])


@each_mode
@each_row
def test_each_fault_is_seen_as_the_matrix_says(runs: Runs, row: Row, mode: str) -> None:
    run, entry = runs.of(row, mode)
    record = run.record(entry)
    error = record["error"] or {"kind": None, "message": "", "code": None}
    assert (error["kind"], record["http_status"]) == (row.kind, row.status), record
    assert (row.says in error["message"], error["code"]) == (True, row.code), record
    assert 0 <= record["attempts"] - row.attempts <= run.may_cost_more(entry), record
    _check_count(run, entry, record)
    if row.kind is None and row.figures:
        assert record["windows"] in run.expected(entry.made_up)


@pytest.mark.parametrize("row", [_of(row) for row in ROWS if row.gap_s is not None])
@each_mode
def test_a_wait_is_as_long_as_the_upstream_asked(runs: Runs, row: Row, mode: str) -> None:
    run, entry = runs.of(row, mode)
    first, second, *_ = run.stats.accounts[entry.made_up.account_id].started_at_s
    assert row.gap_s is not None
    least_s, most_s = row.gap_s
    # The upper bound is the plain program's: development mode takes its time.
    assert least_s <= second - first <= most_s + (mode == "developer")


@each_mode
@each_group
def test_each_account_has_one_record(runs: Runs, number: int, mode: str) -> None:
    run = runs.of_group(number, mode)
    assert len(run.ended.records) == len(run.entries)
    assert all(run.record(entry) for entry in run.entries)
    assert len({record["account"] for record in run.ended.records}) == len(run.entries)


@each_mode
@each_group
def test_the_neighbours_answer_as_if_the_faults_were_not_there(
    runs: Runs, number: int, mode: str
) -> None:
    run = runs.of_group(number, mode)
    neighbours = [entry for entry in run.entries if entry.row is None]
    assert len(neighbours) >= 6
    for entry in neighbours:
        record = run.record(entry)
        if "run's" in "".join(row.says for row in run.group.rows) and not record["ok"]:
            continue
        assert record["windows"] in run.expected(entry.made_up), record
        assert 0 <= record["attempts"] - 1 <= run.may_cost_more(entry), record
        _check_count(run, entry, record)


@each_mode
@each_group
def test_the_exit_code_is_that_of_the_failures(runs: Runs, number: int, mode: str) -> None:
    run = runs.of_group(number, mode)
    assert run.ended.code == run.group.code, run.ended.stderr


@each_mode
@each_group
def test_no_token_and_nothing_that_steers_a_terminal_comes_out(
    runs: Runs, number: int, mode: str
) -> None:
    run = runs.of_group(number, mode)
    assert program.leaks(run.ended.said, run.secret) == []
    assert all(char.isprintable() or char == "\n" for char in run.ended.said)
    assert "Traceback" not in run.ended.said
    assert "Warning" not in run.ended.said


@each_mode
@each_group
def test_it_ends_in_time_and_in_little_memory(runs: Runs, number: int, mode: str) -> None:
    run = runs.of_group(number, mode)
    deadline_s = float(run.group.flags[1]) if "--deadline" in run.group.flags else DEADLINE_S
    assert run.ended.wall_s < deadline_s + 2
    assert run.ended.peak_bytes < _MOST_BYTES


@each_mode
@each_group
def test_the_server_saw_no_more_at_once_than_allowed_and_nothing_astray(
    runs: Runs, number: int, mode: str
) -> None:
    run = runs.of_group(number, mode)
    assert run.stats.most_in_flight <= run.concurrency
    for entry in run.entries:
        account = run.stats.accounts.get(entry.made_up.account_id)
        assert account is None or account.most_in_flight <= run.most_in_flight(entry), entry
    assert (run.stats.other_methods, run.stats.other_paths, run.stats.with_cookie) == (0, 0, 0)
    assert run.elsewhere.connections_opened == 0


def _check_count(run: Run, entry: Entry, record: dict[str, Any]) -> None:
    """A kept connection that dies before a byte may make it one fewer at the server."""
    fewer = record["attempts"] - run.counted(entry)
    assert fewer == 0 or (fewer == 1 and run.loses_unseen), record


def test_no_run_of_the_matrix_can_trip_the_budget_the_breaker_or_the_pause() -> None:
    for group in GROUPS:
        assert group.retries <= 20 + (len(group.rows) + group.neighbours) / 4
        waits = [row for row in group.rows if row.gap_s is not None]
        assert len(waits) <= 2
