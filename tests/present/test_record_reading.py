from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.present.record import record_of
from poller.present.record_reading import report_in
from poller.values import Failure, FailureKind, Identity, Report
from tests.known_accounts import FRESH, NOW, answered, failed, silent

anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


def read_back(report: Report) -> Report:
    again = report_in(json.loads(json.dumps(record_of(report))))
    assert again is not None
    return again


@pytest.mark.parametrize(
    "report",
    [
        answered("a", five=(42, 2), week=(5, 90), key="0" * 16),
        answered("a", five=FRESH, week=(100, 90)),
        silent("a"),
        answered("a", five=(100, 2), rate_limit_reached_type="x"),
    ],
)
def test_an_answer_is_read_back_as_it_was(report: Report) -> None:
    again = read_back(report)
    usage = report.usage
    assert usage is not None
    left_out: dict[str, Any] = {
        "credits": None,
        "spend_limit": None,
        "extra_limits": (),
        "reset_credits": None,
        "identity": Identity(),
    }
    assert again.usage == replace(usage, **left_out)
    assert (again.account, again.key, again.observed_at) == ("a", report.key, NOW)


def test_a_failure_is_read_back_as_it_was() -> None:
    report = failed("a", FailureKind.TIMEOUT)
    assert report.failure is not None
    again = read_back(report).failure
    assert again is not None
    assert (again.kind, again.message) == (FailureKind.TIMEOUT, report.failure.message)
    later = replace(report, failure=Failure(FailureKind.DNS, "m", "h", may_work_later=True))
    told = read_back(later).failure
    assert told is not None
    assert told.may_work_later


def test_a_kind_of_a_newer_version_is_a_failure_all_the_same() -> None:
    line = record_of(failed("a", FailureKind.TIMEOUT))
    again = report_in({**line, "error": {"kind": "from the future"}})
    assert again is not None
    assert again.failure is not None
    assert again.failure.kind is FailureKind.HTTP_ERROR


@pytest.mark.parametrize(
    "line",
    [
        None,
        [],
        "text",
        {},
        {"ok": True},
        {"ok": True, "account": "a"},
        {"ok": True, "account": "a", "observed_at": "never"},
        {"account": "a", "observed_at": "2026-11-22T15:04:05Z"},
        {"ok": True, "account": 7, "observed_at": "2026-11-22T15:04:05Z"},
    ],
)
def test_what_is_no_record_is_none(line: object) -> None:
    assert report_in(line) is None


def test_figures_that_make_no_sense_are_unknown() -> None:
    line = record_of(answered("a", five=(42, 2)))
    windows = {"five_hour": {"remaining_percent": 130, "window_seconds": 1e30}, "x": 7, "": {}}
    again = report_in({**line, "windows": windows, "usable": "yes"})
    assert again is not None
    assert again.usage is not None
    assert again.usage.usable is None
    first, second = again.usage.windows
    assert (first.name, first.remaining_percent, first.window_seconds) == ("five_hour", None, None)
    assert (second.name, second.reset_at, second.started) == ("?", None, None)


def test_no_token_comes_back_from_a_record_of_others() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh"
    line: dict[str, Any] = record_of(answered("a", five=(42, 2)))
    line["windows"][token] = line["windows"]["five_hour"]
    for key in ("plan", "limited_by", "key", "machine"):
        assert token not in repr(report_in({**line, key: token}))
    error = {"kind": token, "message": token, "hint": token}
    assert token not in repr(report_in({**line, "error": error}))


def test_a_record_of_others_has_so_many_windows_at_most() -> None:
    line: dict[str, Any] = record_of(answered("a", five=(42, 2)))
    line["windows"] = {f"w{number}": line["windows"]["five_hour"] for number in range(9_000)}
    again = report_in(line)
    assert again is not None
    assert again.usage is not None
    assert len(again.usage.windows) == 32


@given(line=anything, inside=anything)
def test_no_line_raises(line: Any, inside: Any) -> None:
    report_in(line)
    good = record_of(answered("a", five=(42, 2)))
    for key in good:
        report_in({**good, key: inside})
    report_in({**good, "windows": {"five_hour": inside, "w": {"reset_at": inside}}})
