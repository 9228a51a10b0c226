"""Polls from elsewhere: records, exports, session files of the Codex CLI."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.history.database import HistoryMissing, HistoryUnusable
from poller.history.exporting import COLUMNS, csv_heading, csv_lines, json_line
from poller.history.importing import Imported, import_lines, import_sessions
from poller.history.observed import observed_in_line
from poller.history.pruning import prune
from poller.history.reading import StoredSpan, open_reader
from poller.present.record import serialize
from tests.history.made_up import (
    AT,
    KEYS,
    RESET_AT,
    WEEK_AT,
    failed,
    is_whole,
    record,
    report,
    rows,
    spans,
    wide,
)

if TYPE_CHECKING:
    from pathlib import Path

    from poller.values import Report

ALL = """
SELECT label, key, plan, window, since, until, polls, used_percent, reset_at FROM span
JOIN series ON series.id = series_id JOIN account ON account.id = account_id
ORDER BY label, window, since
"""
STATES = "SELECT since, until, polls, usable, on_credits, limited_by, usable_at FROM state"
FAILURES = "SELECT since, until, polls, kind FROM failure"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return tmp_path / "other.db"


def a_day() -> list[Report]:
    """Return what happens in a day: rises, a block, failures, a reset, a second account."""
    reports: list[Report] = []
    for n in range(200):
        at = AT + 420 * n + n % 7 / 10
        if n % 40 == 13:
            reports.append(failed(at=at))
        elif n % 40 == 14:
            reports.append(
                report(100.0, at=at, usable=False, limited_by="five_hour", usable_at=RESET_AT)
            )
        else:
            reset_at = RESET_AT + n // 43 * 18_000
            reports.append(report(float(n % 43), at=at, week=n // 4, reset_at=reset_at))
        if n % 3 == 0:
            reports.append(report(n / 3, at=at, name="bob"))
    return reports


def test_records_are_taken_as_if_they_had_been_recorded(path: Path, other: Path) -> None:
    reports = a_day()
    record(path, *([one] for one in reports))
    lines = [serialize(one) for one in reports]
    random.Random(7).shuffle(lines)
    came = import_lines(str(other), lines)
    assert came == Imported(len(reports), 0, 0)
    for query in (ALL, STATES, FAILURES):
        assert rows(other, query) == rows(path, query)


def test_what_is_known_adds_nothing(path: Path) -> None:
    reports = a_day()
    lines = [serialize(one) for one in reports]
    record(path, *([one] for one in reports))
    before = [rows(path, query) for query in (ALL, STATES, FAILURES)]
    assert import_lines(str(path), lines) == Imported(0, len(reports), 0)
    assert import_lines(str(path), reversed(lines)) == Imported(0, len(reports), 0)
    assert [rows(path, query) for query in (ALL, STATES, FAILURES)] == before


def exported(path: Path, form: str) -> bytes:
    with open_reader(str(path)) as reader:
        found = [span for one in reader.accounts() for span in reader.spans(one)]
    if form == "csv":
        return csv_heading() + csv_lines(found)
    return b"".join(json_line(span) for span in found)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_is_read_again_and_adds_nothing_twice(path: Path, other: Path, form: str) -> None:
    record(path, *([one] for one in a_day()))
    lines = exported(path, form).splitlines(keepends=True)
    query = ALL.replace("plan, ", "")
    assert import_lines(str(other), lines).skipped == 0
    assert rows(other, query) == rows(path, query)
    assert import_lines(str(other), lines).taken == 0
    assert import_lines(str(path), lines).taken == 0
    assert exported(other, form) == exported(path, form)
    assert rows(other, "SELECT DISTINCT window_seconds FROM series") == [(18_000,), (604_800,)]


def test_an_exported_span_looks_as_a_record_does(path: Path) -> None:
    record(path, [report(12.5)], [report(12.5, at=AT + 300.9)])
    assert json.loads(exported(path, "jsonl")) == {
        "account": "alice",
        "key": KEYS["alice"],
        "window": "five_hour",
        "since": "2026-09-21T14:13:20Z",
        "until": "2026-09-21T14:18:20Z",
        "polls": 2,
        "used_percent": 12.5,
        "reset_at": "2026-09-21T16:43:20Z",
    }
    heading, row = csv.reader(io.StringIO(exported(path, "csv").decode()))
    assert tuple(heading) == COLUMNS
    assert row[0] == "alice"
    assert row[5:7] == ["2", "12.5"]


@pytest.mark.parametrize("label", ["=1+1", "@x", "\uff1d1", "\uff0b1"])
def test_a_label_that_is_a_formula_survives_a_spreadsheet(path: Path, label: str) -> None:
    span = StoredSpan(label, None, "weekly", 604_800, int(AT), int(AT), 1, 5.0, None)
    content = csv_heading() + csv_lines([span])
    assert f"'{label},".encode() in content
    assert import_lines(str(path), content.splitlines(keepends=True)) == Imported(1, 0, 0)
    assert rows(path, "SELECT label, key FROM account") == [(label, None)]


def test_without_a_key_the_label_counts(path: Path) -> None:
    record(path, [report()])
    told: dict[str, Any] = json.loads(serialize(report(at=AT - 300)))
    del told["key"], told["machine"], told["on_credits"]
    assert import_lines(str(path), [json.dumps(told).encode()]).taken == 1
    assert spans(path) == [(-300, 0, 2, 40)]
    assert rows(path, "SELECT key, first_seen, last_seen FROM account") == [
        (KEYS["alice"], AT - 300, AT)
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"no JSON",
        b"[1, 2]",
        b"{}",
        b'{"account": "alice"}',
        b'{"account": "alice", "observed_at": "yesterday"}',
        b'{"account": "alice", "observed_at": null}',
        b'{"account": "", "observed_at": "2026-09-21T14:13:20Z"}',
        b'{"account": "alice", "observed_at": 1e300, "windows": []}',
        b'{"account": "alice", "since": 1790000009, "until": 1790000000, "window": "weekly"}',
        b'{"account": "alice", "since": 1790000000, "until": 1790000000, "window": "weekly"}',
        b'{"account": "a", "observed_at": 1790000000, "error": {"kind": "cancelled"}}',
    ],
)
def test_lines_that_tell_nothing_are_passed_over(path: Path, line: bytes) -> None:
    came = import_lines(str(path), [line, serialize(report())])
    assert came == Imported(1, 0, int(bool(line.strip())))


def test_several_files_are_read_each_in_its_own_form(path: Path, other: Path) -> None:
    record(other, [report(12.5, at=AT - 600)])
    rows_of_csv = exported(other, "csv").splitlines(keepends=True)
    record_ = b"\xef\xbb\xbf" + serialize(report(12.5)) + b"\r\n"
    assert import_lines(str(path), [*rows_of_csv, *rows_of_csv], [record_]) == Imported(2, 1, 0)
    assert spans(path) == [(-600, 0, 2, 12.5)]


def test_what_holds_nothing_makes_no_file(path: Path, tmp_path: Path) -> None:
    assert import_lines(str(path), [b"no JSON\n", b"\n", b"{}\n"]) == Imported(0, 0, 2)
    assert import_sessions(str(path), str(tmp_path), label="a") == Imported(0, 0, 0)
    assert not path.exists()


def test_odd_figures_in_a_record_leave_the_others(path: Path) -> None:
    told = json.loads(serialize(report(week=7.0)))
    told["windows"] |= {
        "a": None,
        "b": {"used_percent": "many"},
        "c": {"used_percent": 250},
        "1h": {"remaining_percent": 99, "window_seconds": -4, "reset_at": 17},
    }
    assert import_lines(str(path), [json.dumps(told).encode()]).taken == 1
    columns = "window, window_seconds, used_percent, reset_at"
    assert rows(
        path, f"SELECT {columns} FROM span JOIN series ON id = series_id ORDER BY window"
    ) == [
        ("1h", None, 1, None),
        ("five_hour", 18_000, 40, RESET_AT),
        ("weekly", 604_800, 7, WEEK_AT),
    ]


def test_no_token_gets_into_the_history(path: Path) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh"
    told = json.loads(serialize(report(week=7.0)))
    told["windows"][token] = told["windows"]["weekly"]
    lines = [{**told, key: token} for key in ("plan", "limited_by", "key", "machine")]
    lines += [{**told, "error": {"kind": token}}]
    lines += [{"account": "a", "key": token, "window": token, "used_percent": 4, "since": AT}]
    lines[-1]["until"] = AT
    assert import_lines(str(path), [json.dumps(line).encode() for line in lines]).skipped == 0
    assert token.encode() not in path.read_bytes()


def test_a_line_has_so_many_windows_at_most(path: Path) -> None:
    told = json.loads(serialize(report(week=7.0)))
    told["windows"] = {f"w{number}": told["windows"]["weekly"] for number in range(9_000)}
    assert import_lines(str(path), [json.dumps(told).encode()]).taken == 1
    assert len(rows(path, "SELECT id FROM series")) == 32


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS_OF_LINES = (
    *("account", "key", "observed_at", "windows", "error", "plan", "usable", "usable_at"),
    *("since", "until", "polls", "window", "used_percent", "reset_at", "machine"),
)


@given(st.dictionaries(st.sampled_from(KEYS_OF_LINES), JSON) | JSON)
def test_no_line_raises(line: object) -> None:
    if isinstance(line, dict):
        line.setdefault("account", "alice")
        line.setdefault("observed_at", AT)
    observed_in_line(line)


def event(at: int, limits: object, **more: object) -> str:
    stamp = f"2026-09-21T{14 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.250Z"
    payload = {"type": "token_count", "info": None, "rate_limits": limits}
    return json.dumps({"timestamp": stamp, "type": "event_msg", "payload": payload, **more})


FIVE = {"used_percent": 12.0, "window_minutes": 300, "resets_at": RESET_AT}
WEEK = {"used_percent": 3.5, "window_minutes": 10_080, "resets_at": WEEK_AT}


def sessions(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8", "surrogateescape")


def test_the_limits_in_session_files_become_history(path: Path, tmp_path: Path) -> None:
    day = tmp_path / "sessions" / "2026" / "09" / "21"
    in_seconds = {"used_percent": 13.0, "window_minutes": 299, "resets_in_seconds": 5_000}
    old = {"msg": {"type": "token_count", "rate_limits": {"primary": FIVE | {"used_percent": 11}}}}
    sessions(
        day,
        "rollout-2026-09-21T14-00-00-a.jsonl",
        json.dumps({"timestamp": "2026-09-21T14:00:00.000Z", "type": "session_meta"}),
        json.dumps({"timestamp": "2026-09-21T14:10:00.000Z", **old}),
        event(900, {"limit_id": "codex", "primary": FIVE, "secondary": WEEK, "plan_type": "pro"}),
        event(960, {"limit_id": None, "primary": FIVE, "secondary": WEEK}),
        event(970, {"limit_id": "codex_other", "primary": FIVE | {"used_percent": 77.0}}),
        event(1020, {"primary": in_seconds, "secondary": None}),
        event(1030, None),
        event(1040, {"primary": [], "secondary": 5}),
        '{"cut off "rate_limits"',
        '{"timestamp": "soon", "payload": {"rate_limits": {"primary": {"used_percent": 1}}}}',
        '{"rate_limits": 1, "payload": "text \udcff"}',
    )
    sessions(day, "notes.jsonl", event(0, {"primary": FIVE | {"used_percent": 99.0}}))
    (day / "rollout-folder.jsonl").mkdir()
    os.mkfifo(day / "rollout-pipe.jsonl")
    (day / "rollout-gone.jsonl").symlink_to(day / "nowhere")
    came = import_sessions(str(path), str(tmp_path / "sessions"), label="alice")
    assert came == Imported(4, 0, 0)
    query = ALL.replace("reset_at", "window_seconds")
    at = 1_789_999_200  # 14:00
    assert rows(path, query) == [
        ("alice", None, "pro", "five_hour", at + 600, at + 600, 1, 11, 17_940),
        ("alice", None, "pro", "five_hour", at + 900, at + 960, 2, 12, 17_940),
        ("alice", None, "pro", "five_hour", at + 1020, at + 1020, 1, 13, 17_940),
        ("alice", None, "pro", "weekly", at + 900, at + 960, 2, 3.5, 604_800),
    ]
    assert import_sessions(str(path), str(tmp_path / "sessions"), label="alice").taken == 0


def test_what_is_imported_for_a_name_is_its_accounts_once_it_is_polled(
    path: Path, tmp_path: Path
) -> None:
    sessions(tmp_path / "s", "rollout-a.jsonl", event(0, {"primary": FIVE}))
    import_sessions(str(path), str(tmp_path / "s"), label="alice")
    record(path, [report(12.0)])
    assert rows(path, "SELECT key, label FROM account") == [(KEYS["alice"], "alice")]
    assert [span[2] for span in spans(path)] == [2]


def test_folders_in_folders_without_end_are_not_looked_into(path: Path, tmp_path: Path) -> None:
    folders = [f"{tmp_path}/sessions{'/a' * depth}" for depth in range(1_200)]
    for folder in folders:
        os.mkdir(folder)
    assert import_sessions(str(path), folders[0], label="a") == Imported(0, 0, 0)
    for folder in reversed(folders):  # more than pytest can clear away
        os.rmdir(folder)


def test_a_folder_without_sessions_is_nothing(path: Path, tmp_path: Path) -> None:
    assert import_sessions(str(path), str(tmp_path / "none"), label="a") == Imported(0, 0, 0)


def test_pruning_removes_what_ended_and_the_file_shrinks(path: Path) -> None:
    record(path, *(wide(100, at=AT + 300 * n, number=n) for n in range(100)))
    record(path, [report(at=AT + 300 * 50)])
    size = path.stat().st_size
    pruned = prune(str(path), before=AT + 300 * 90)
    assert pruned.rows > 15_000
    assert path.stat().st_size == size - pruned.bytes_freed < size / 3
    assert rows(path, "SELECT min(until), count(*) FROM span") == [(AT + 300 * 90, 2000)]
    assert is_whole(path)
    assert rows(path, "SELECT count(*) FROM account") == [(100,)]
    assert prune(str(path), before=AT + 300 * 900).bytes_freed > 0
    for table in ("account", "series", "span", "state"):
        assert rows(path, f"SELECT count(*) FROM {table}") == [(0,)]


def test_what_somebody_reads_is_pruned_all_the_same(path: Path) -> None:
    record(path, *(wide(50, at=AT + 300 * n, number=n) for n in range(50)))
    with closing(sqlite3.connect(path, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        before = reading.execute("SELECT count(*) FROM span").fetchone()
        assert prune(str(path), before=AT + 300 * 900).rows > 5_000
        assert reading.execute("SELECT count(*) FROM span").fetchone() == before
    assert rows(path, "SELECT count(*) FROM span") == [(0,)]


def test_there_is_nothing_to_prune_where_there_is_no_history(path: Path) -> None:
    with pytest.raises(HistoryMissing):
        prune(str(path), before=AT)
    assert not path.exists()


def test_an_import_into_what_is_no_history_says_why(path: Path) -> None:
    path.write_bytes(b"a diary\n" * 100)
    with pytest.raises(HistoryUnusable, match="it is not a database"):
        import_lines(str(path), [serialize(report())])
    with pytest.raises(HistoryUnusable, match="name a file in a folder"):
        import_lines(str(path / "below"), [serialize(report())])
