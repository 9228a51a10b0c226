from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poller.present.record import record_of, serialize
from poller.values import (
    Credits,
    Failure,
    FailureKind,
    Forecast,
    Identity,
    Limit,
    Report,
    SpendLimit,
    Usage,
    Window,
)
from tests.running import schema

TOKEN = "Zm9yIHRlc3RzIG9ubHksIG5vIHRva2Vu"
USAGE = Usage(
    plan="plus",
    usable=True,
    windows=(
        Window("five_hour", 58.0, 18000, 1795363446),
        Window("weekly", 95.0, 604800, 1795446246),
    ),
    extra_limits=(Limit("GPT-5.3-Codex-Spark", "codex_bengalfox", usable=True, windows=()),),
    credits=Credits(has_credits=False, unlimited=False, balance="0"),
    reset_credits=0,
)
REPORT = Report(
    position=0,
    account="alice",
    source="account/alice.auth.json",
    observed_at=1795359845.1234,
    usage=USAGE,
    http_status=200,
    attempts=1,
    elapsed_s=0.21349,
    key="25e0a7f8f3d8bd5f",
    identity=Identity("user-1", "acc-1", "one@example.com"),
)
FAILED = replace(
    REPORT,
    usage=None,
    failure=Failure(FailureKind.SERVER_ERROR, "upstream error (503)", "try again later", "busy"),
)
VALID = Draft202012Validator(schema())


def answered(raw: object, headers: dict[str, str] | None = None) -> Report:
    return replace(REPORT, raw=raw, headers=headers)


def test_a_record_has_every_key_in_its_place() -> None:
    expected = {
        "schema_version": 1,
        "account": "alice",
        "source": "account/alice.auth.json",
        "ok": True,
        "observed_at": "2026-11-22T15:04:05.123Z",
        "plan": "plus",
        "usable": True,
        "limited_by": None,
        "usable_at": None,
        "remaining_percent": 58.0,
        "windows": {
            "five_hour": {
                "used_percent": 42.0,
                "remaining_percent": 58.0,
                "window_seconds": 18000,
                "reset_at": "2026-11-22T16:04:06Z",
                "started": None,
            },
            "weekly": {
                "used_percent": 5.0,
                "remaining_percent": 95.0,
                "window_seconds": 604800,
                "reset_at": "2026-11-23T15:04:06Z",
                "started": None,
            },
        },
        "extra_limits": [
            {
                "name": "GPT-5.3-Codex-Spark",
                "feature": "codex_bengalfox",
                "usable": True,
                "windows": {},
            }
        ],
        "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
        "spend_limit": None,
        "reset_credits": 0,
        "error": None,
        "http_status": 200,
        "attempts": 1,
        "refreshed": False,
        "elapsed_s": 0.213,
        "key": "25e0a7f8f3d8bd5f",
        "machine": None,
        "on_credits": None,
        "next_reset": {"window": "five_hour", "at": "2026-11-22T16:04:06Z", "in_s": 3601},
        "forecast": None,
    }
    assert json.dumps(record_of(REPORT)) == json.dumps(expected)


def test_a_failure_keeps_every_key_and_says_why() -> None:
    record = record_of(FAILED)
    assert list(record) == list(record_of(REPORT))
    assert record["ok"] is False
    assert (record["plan"], record["windows"], record["extra_limits"]) == (None, {}, [])
    assert record["error"] == {
        "kind": "server_error",
        "message": "upstream error (503)",
        "hint": "try again later",
        "code": "busy",
        "retryable": False,
    }


def test_a_blocked_account_says_until_when() -> None:
    limit = SpendLimit("10", "10", "0", 0.0, 1795359846)
    usage = Usage(usable=False, limited_by="spend_limit", usable_at=1795359846, spend_limit=limit)
    record = record_of(replace(REPORT, usage=usage))
    assert record["usable_at"] == "2026-11-22T15:04:06Z"
    assert record["spend_limit"] == {
        "limit": "10",
        "used": "10",
        "remaining": "0",
        "remaining_percent": 0.0,
        "reset_at": "2026-11-22T15:04:06Z",
    }


def test_an_account_that_was_never_tried_took_no_time() -> None:
    assert record_of(replace(FAILED, elapsed_s=None, attempts=0))["elapsed_s"] is None


def test_identity_is_shown_only_where_it_is_asked_for() -> None:
    assert "one@example.com" not in str(record_of(REPORT))
    shown = record_of(REPORT, show_identity=True)
    assert list(shown.items())[-3:] == [
        ("email", "one@example.com"),
        ("user_id", "user-1"),
        ("account_id", "acc-1"),
    ]


@pytest.mark.parametrize("at", [math.nan, math.inf, 1e300, -1e300, 10**400, 1e12])
def test_a_time_that_no_calendar_has_is_unknown(at: Any) -> None:
    windows = (Window("weekly", 1.0, None, at),)
    record = record_of(replace(REPORT, observed_at=at, usage=Usage(windows=windows, usable_at=at)))
    assert record["observed_at"] is None
    assert record["usable_at"] is None


@settings(max_examples=1000)
@given(st.integers(-(10**11), 3 * 10**11))
def test_times_are_those_of_the_calendar(at: int) -> None:
    def told(at: float) -> str | None:
        try:
            moment = datetime.fromisoformat("1970-01-01") + timedelta(0, at)
            return f"{moment.isoformat(timespec='auto')}Z"
        except OverflowError:
            return None

    observed_at = replace(REPORT, observed_at=at + 0.25)
    record = record_of(replace(observed_at, usage=Usage(usable_at=at)))
    whole = told(at)
    assert record["usable_at"] == whole
    assert record["observed_at"] == (whole and whole.replace("Z", ".250Z"))


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (1_790_000_000.123, "2026-09-21T14:13:20.123Z"),
        (1_790_000_000.9999999, "2026-09-21T14:13:21.000Z"),
        (-0.001, "1969-12-31T23:59:59.999Z"),
        (144_115_188_076.25, "6536-10-29T20:41:16.250Z"),
    ],
)
def test_milliseconds_are_cut_off(at: float, told: str) -> None:
    assert record_of(replace(REPORT, observed_at=at))["observed_at"] == told


def test_a_record_is_one_line_and_may_be_indented() -> None:
    line = serialize(REPORT)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    indented = serialize(REPORT, indent=True)
    assert indented.startswith(b'{\n  "schema_version": 1,\n')
    assert indented.endswith(b"}\n")
    assert orjson.loads(line) == orjson.loads(indented) == record_of(REPORT)


def test_text_of_every_script_stays_as_it_is() -> None:
    line = serialize(replace(REPORT, account="工作 é\xa0\u3000"))
    assert '"account":"工作 é\xa0\u3000"' in line.decode()


@pytest.mark.parametrize("indent", [False, True])
def test_what_steers_a_terminal_is_written_as_json_escapes_and_is_not_lost(indent: bool) -> None:
    text = "a\x1b[0m\x7f\x9b\u202e\u2028\U000e0001\\\u2066 é"
    report = answered({text: text})
    line = serialize(report, raw_json=True, indent=indent)
    assert all(char.isprintable() or char == "\n" for char in line.decode())
    assert rb"\u007f\u009b\u202e\u2028\udb40\udc01\\\u2066" in line
    assert orjson.loads(line)["raw"] == {text: text}


def test_a_lone_delete_character_is_escaped_too() -> None:
    assert rb'"raw":"\u007f"' in serialize(answered("\x7f"), raw_json=True)


def test_the_answer_stands_in_the_record_where_it_is_asked_for() -> None:
    report = answered({"plan_type": "plus", "more": [1, None]}, {"via": "one"})
    record = record_of(report, raw_json=True, raw_headers=True)
    assert (record["raw"], record["headers"]) == (report.raw, report.headers)
    assert not {"raw", "headers"} & record_of(report).keys()


def test_without_an_answer_there_is_nothing_raw() -> None:
    record = record_of(REPORT, raw_json=True, raw_headers=True)
    assert (record["raw"], record["headers"]) == (None, None)


def test_what_json_cannot_hold_costs_no_record() -> None:
    report = answered({}, {"x-bytes": "caf\udce9 \x85"})
    odd = replace(report, account="\ud800", attempts=1 << 70, elapsed_s=math.nan)
    line = serialize(odd, raw_headers=True)
    record = orjson.loads(line)
    assert record["account"] == "\\ud800"
    assert record["headers"] == {"x-bytes": "caf\\xe9 \\x85"}
    assert (record["attempts"], record["elapsed_s"]) == (None, None)
    assert len(record["extra_limits"]) == 1


# The schema


def test_an_endless_number_costs_no_record() -> None:
    line = serialize(replace(REPORT, raw={"n": [1 << 64, 1]}), raw_json=True)
    assert json.loads(line)["raw"] == {"n": [None, 1]}


def test_a_forecast_is_told_by_window() -> None:
    at = 1_795_000_000
    said = Forecast(12.34567, at + 0.6, 0.66667, at + 60, at + 90, at + 120, 50.04, 20, rough=True)
    paced = Forecast(0.0, None, None, None, None, None, 3, 0, rough=False)
    told = record_of(replace(REPORT, forecast={"five_hour": said, "1d": paced}))
    assert told["forecast"] == {
        "five_hour": {
            "percent_per_hour": 12.346,
            "empty_at_pace": "2026-11-18T11:06:41Z",
            "runs_out_chance": 0.667,
            "runs_out_from": "2026-11-18T11:07:40Z",
            "runs_out_to": "2026-11-18T11:08:40Z",
            "basis": {"hours": 50.0, "rises": 20},
            "rough": True,
        },
        "1d": {
            "percent_per_hour": 0.0,
            "empty_at_pace": None,
            "runs_out_chance": None,
            "runs_out_from": None,
            "runs_out_to": None,
            "basis": {"hours": 3, "rises": 0},
            "rough": False,
        },
    }
    VALID.validate(told)


@pytest.mark.parametrize("observed_at", [-math.inf, -1e300, -(2.0**63)])
def test_a_clock_gone_mad_tells_no_next_reset(observed_at: float) -> None:
    record = json.loads(serialize(replace(REPORT, observed_at=observed_at)))
    assert record["next_reset"] is None
    Draft202012Validator(schema()).validate(record)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_every_key_of_the_schema_is_in_the_record_in_the_same_order() -> None:
    again = replace(REPORT, round=2)
    full = record_of(again, show_identity=True, raw_json=True, raw_headers=True)
    properties = schema()["properties"]
    assert isinstance(properties, dict)
    assert list(full) == list(properties)
    assert schema()["required"] == list(record_of(REPORT))


@pytest.mark.parametrize("key", list(record_of(REPORT)))
def test_a_record_without_one_of_its_keys_is_refused(key: str) -> None:
    record: dict[str, object] = record_of(REPORT)
    assert VALID.is_valid(record)
    del record[key]
    assert not VALID.is_valid(record)


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"remaining_percent": 101},
        {"usable": "yes"},
        {"usable_at": 1795359846},
        {"observed_at": "2026-11-22T15:04:05Z"},
        {"windows": {"someday": {}}},
        {"windows": {"weekly": {"used_percent": 1}}},
        {"credits": {}},
        {"error": {"kind": "other", "message": "", "hint": "", "code": None, "retryable": True}},
        {"attempts": -1},
    ],
)
def test_a_record_with_a_wrong_value_is_refused(change: dict[str, object]) -> None:
    assert not VALID.is_valid(record_of(REPORT) | change)


TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["\ud800", "\x7f"])
REPORTS = st.builds(
    Report,
    position=st.just(0),
    account=TEXT,
    source=TEXT,
    observed_at=st.floats() | st.integers(),
    usage=st.none() | st.just(USAGE),
    failure=st.none()
    | st.builds(Failure, st.sampled_from(FailureKind), TEXT, TEXT, st.none() | TEXT),
    http_status=st.none() | st.integers(0, 999),
    attempts=st.integers(0, 99),
    elapsed_s=st.none() | st.floats(min_value=0),
    identity=st.builds(Identity, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT),
    raw=st.none() | TEXT | st.dictionaries(TEXT, st.lists(TEXT, max_size=2), max_size=2),
    headers=st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
)


@settings(deadline=None)
@given(REPORTS, st.booleans())
def test_any_report_makes_a_record_that_is_safe_to_show(report: Report, indent: bool) -> None:
    line = serialize(report, show_identity=True, raw_json=True, raw_headers=True, indent=indent)
    VALID.validate(orjson.loads(line))
    shown = line.decode()
    assert not {"\x1b", "\x7f", "\x9b", "\u202e", "\u2028"} & set(shown)
