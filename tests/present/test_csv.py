from __future__ import annotations

import csv
from io import StringIO

import pytest

from poller.present.csv import heading, rows_of
from poller.values import Failure, FailureKind, Report, Usage, Window

NOW = 1_795_359_845.0
FIVE = Window("five_hour", 58.0, 18_000, 1_795_363_445, started=True)
WEEK = Window("weekly", None, 604_800, None)


def read(report: Report) -> list[dict[str, str]]:
    text = (heading() + rows_of(report)).decode()
    return list(csv.DictReader(StringIO(text, newline="")))


def test_a_report_has_a_row_for_each_window() -> None:
    usage = Usage(plan="plus", usable=True, windows=(FIVE, WEEK))
    five, week = read(Report(0, "alice", "a.json", NOW, usage, key="0011223344556677"))
    assert five == {
        "account": "alice",
        "key": "0011223344556677",
        "plan": "plus",
        "ok": "true",
        "usable": "true",
        "window": "five_hour",
        "used_percent": "42.0",
        "remaining_percent": "58.0",
        "window_seconds": "18000",
        "reset_at": "2026-11-22T16:04:05Z",
        "observed_at": "2026-11-22T15:04:05.000Z",
        "error_kind": "",
    }
    assert (week["window"], week["used_percent"], week["reset_at"]) == ("weekly", "", "")


def test_a_failure_has_one_row_that_says_its_kind() -> None:
    failure = Failure(FailureKind.DNS, "no such host", "wait")
    (row,) = read(Report(0, "bob", "b.json", NOW, failure=failure))
    assert (row["ok"], row["usable"], row["window"], row["error_kind"]) == ("false", "", "", "dns")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx", "\n=1", "\uff1d1", "\uff20x"])
def test_a_text_is_never_a_formula(name: str) -> None:
    (row,) = read(Report(0, name, "b.json", NOW, Usage(plan=name)))
    assert (row["account"], row["plan"]) == (f"'{name}", f"'{name}")


def test_quotes_commas_and_lines_stay_within_their_cell() -> None:
    name = 'a "b", c\nd \ud800'
    (row,) = read(Report(0, name, "b.json", NOW, Usage()))
    assert row["account"] == 'a "b", c\nd \\ud800'
