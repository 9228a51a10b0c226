from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as families

from poller.insight.pool import pool
from poller.insight.standing import standing, standings
from poller.present.prometheus import ROUND_BUCKETS_S, Counted, Measured, metrics
from poller.values import FailureKind, Forecast, Snapshot
from tests.known_accounts import FRESH, HOUR, NOW, answered, failed, silent

if TYPE_CHECKING:
    from poller.values import Report

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def measured(*reports: Report, **more: object) -> Measured:
    accounts = standings(reports)
    return replace(Measured("1.2.3", accounts, pool(accounts, now=NOW)), **more)  # type: ignore[arg-type]


def samples_of(text: str) -> Samples:
    found: Samples = {}
    for family in families(text):
        for sample in family.samples:
            of = sample.name, frozenset(sample.labels.items())
            assert of not in found, "a scraper refuses a text that tells a value twice"
            found[of] = sample.value
    return found


def said(*reports: Report, **more: object) -> Samples:
    text, media_type = metrics(measured(*reports, **more))
    assert media_type.startswith("text/plain; version=0.0.4")
    return samples_of(text.decode())


def at(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"poller_{name}", frozenset(labels.items())


def named(samples: Samples, name: str) -> list[dict[str, str]]:
    return [dict(labels) for found, labels in samples if found == f"poller_{name}"]


def test_an_account_that_answered_tells_its_windows() -> None:
    found = said(answered("alice", five=(42, 1), week=(5, 90), key="00ff"))
    five = {"account": "alice", "window": "five_hour"}
    assert found[at("window_used_ratio", **five)] == 0.42
    assert found[at("window_reset_timestamp_seconds", **five)] == NOW + HOUR
    assert found[at("window_length_seconds", **five)] == 18_000
    assert found[at("window_used_ratio", account="alice", window="weekly")] == 0.05
    assert found[at("account_ok", account="alice")] == 1
    assert found[at("account_usable", account="alice")] == 1
    assert found[at("account_on_credits", account="alice")] == 0
    assert found[at("account_observed_timestamp_seconds", account="alice")] == NOW
    who = {"account": "alice", "key": "00ff", "plan": "plus", "machine": ""}
    assert found[at("account_info", **who)] == 1
    assert found[at("pool_accounts", state="usable")] == 1
    assert found[at("pool_remaining_windows", window="five_hour", bound="lower")] == 0.58
    assert found[at("build_info", version="1.2.3")] == 1


def test_a_window_that_has_not_begun_tells_no_reset() -> None:
    found = said(answered("alice", five=FRESH, week=(5, 90)))
    assert named(found, "window_reset_timestamp_seconds") == [
        {"account": "alice", "window": "weekly"}
    ]
    assert found[at("window_used_ratio", account="alice", window="five_hour")] == 0


def test_after_a_failure_the_windows_are_absent_but_not_when_it_answered() -> None:
    found = said(
        answered("alice", five=(42, 1), at=NOW - 60), failed("alice", FailureKind.TIMEOUT, at=NOW)
    )
    assert named(found, "window_used_ratio") == []
    assert named(found, "account_usable") == []
    assert found[at("account_ok", account="alice")] == 0
    assert found[at("account_failure", account="alice", kind="timeout")] == 1
    assert found[at("account_observed_timestamp_seconds", account="alice")] == NOW - 60
    assert found[at("pool_accounts", state="failed")] == 1


def test_what_nothing_tells_is_absent() -> None:
    found = said(silent("alice"))
    absent = ("account_usable", "account_on_credits", "window_used_ratio", "credits_balance")
    assert [named(found, name) for name in absent] == [[]] * len(absent)
    assert named(said(), "account_ok") == []


@pytest.mark.parametrize(
    ("balance", "value"),
    [("5", 5.0), ("0.25", 0.25), (None, None), ("1e999", None), ("plenty", None)],
)
def test_credits(balance: str | None, value: float | None) -> None:
    bought = {"has_credits": True, "unlimited": False, "balance": "5"}
    report = answered("alice", five=(42, 1), credits=bought)
    assert report.usage is not None
    assert report.usage.credits is not None
    has = replace(report.usage.credits, balance=balance)
    found = said(replace(report, usage=replace(report.usage, credits=has)))
    assert found.get(at("credits_balance", account="alice")) == value


def test_extra_limits_that_share_a_name_are_told_once_the_fuller_one() -> None:
    spark = [
        {
            "limit_name": "Spark",
            "rate_limit": {"primary_window": {"used_percent": used, "limit_window_seconds": 18000}},
        }
        for used in (30, 80, 10)
    ]
    nameless = {**spark[0], "limit_name": None}
    found = said(answered("alice", five=(42, 1), additional_rate_limits=[*spark, nameless]))
    of = {"account": "alice", "window": "five_hour"}
    assert found[at("extra_limit_used_ratio", limit="Spark", **of)] == 0.8
    assert found[at("extra_limit_used_ratio", limit="", **of)] == 0.3


def test_a_limit_without_a_figure_is_absent() -> None:
    odd = {"limit_name": "odd", "rate_limit": {"primary_window": {"limit_window_seconds": 18000}}}
    assert named(said(answered("a", additional_rate_limits=[odd])), "extra_limit_used_ratio") == []


def test_the_chance_to_run_out_is_told_where_there_is_one() -> None:
    sure = Forecast(9.0, NOW + HOUR, 0.67, NOW, NOW + HOUR, NOW + 2 * HOUR, 30.0, 9, rough=False)
    unsure = replace(sure, runs_out_chance=None)
    found = said(
        answered("alice", five=(42, 1)),
        forecasts={"alice": {"five_hour": sure, "weekly": unsure}},
    )
    assert named(found, "forecast_runs_out_ratio") == [{"account": "alice", "window": "five_hour"}]
    assert found[at("forecast_runs_out_ratio", account="alice", window="five_hour")] == 0.67
    dead = said(failed("alice"), forecasts={"alice": {"five_hour": sure}})
    assert named(dead, "forecast_runs_out_ratio") == []


def test_the_last_round_is_told_and_never_with_a_negative_length() -> None:
    found = said(last_round=Snapshot(NOW, NOW + 2, 1, 1, 1))
    assert found[at("last_round_timestamp_seconds")] == NOW + 2
    assert found[at("last_round_duration_seconds")] == 2
    back = said(last_round=Snapshot(NOW, NOW - 50, 1, 1, 1))
    assert back[at("last_round_duration_seconds")] == 0


def test_a_token_tells_when_it_expires() -> None:
    found = said(replace(answered("alice"), expires_at=NOW + 7.5))
    assert found[at("token_expiry_timestamp_seconds", account="alice")] == NOW + 7.5


COUNTS = Counted(
    {"ok": 7, "timeout": 2},
    {"sent": 3},
    [1, 0, 0, 2, *[0] * (len(ROUND_BUCKETS_S) - 4), 1],
    703.5,
)


def test_one_round_has_no_counters() -> None:
    text, _ = metrics(measured(answered("alice")))
    assert b"counter" not in text
    assert b"histogram" not in text
    counted, _ = metrics(measured(answered("alice"), counts=COUNTS))
    found = samples_of(counted.decode())
    assert found[at("requests_total", result="timeout")] == 2
    assert found[at("notifications_total", result="sent")] == 3
    assert found[at("round_duration_seconds_bucket", le="0.1")] == 1
    assert found[at("round_duration_seconds_bucket", le="1.0")] == 3
    assert found[at("round_duration_seconds_bucket", le="+Inf")] == 4
    assert found[at("round_duration_seconds_count")] == 4
    assert found[at("round_duration_seconds_sum")] == 703.5


def test_neither_the_process_nor_when_a_counter_was_made_is_told() -> None:
    for accept in ("", OPENMETRICS):
        text, _ = metrics(measured(answered("alice"), counts=COUNTS), accept=accept)
        names = re.findall(r"^(?!#)\w+", text.decode(), re.MULTILINE)
        assert {name.partition("_")[0] for name in names} == {"poller"}
        assert not [name for name in names if name.endswith("_created")]


def test_openmetrics_where_it_is_asked_for() -> None:
    text, media_type = metrics(measured(answered("alice"), counts=COUNTS), accept=OPENMETRICS)
    assert media_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    values = [family.name for family in openmetrics_families(text.decode())]  # type: ignore[no-untyped-call]
    assert "poller_requests" in values


@pytest.mark.parametrize("name", ['a"b\\c', "学习 🙂", "x" * 200])
def test_any_name_is_a_label(name: str) -> None:
    for accept in ("", OPENMETRICS):
        text, _ = metrics(measured(answered(name, five=(1, 1))), accept=accept)
        parsed = families if not accept else openmetrics_families
        labels = [
            s.labels for f in parsed(text.decode()) for s in f.samples if f.name.endswith("_ok")
        ]
        assert labels == [{"account": name}]


def test_an_account_that_never_answered_has_its_failure_alone() -> None:
    one = standing(failed("old", FailureKind.TOKEN_EXPIRED))
    text, _ = metrics(Measured("1", [one], pool([one], now=NOW)))
    found = samples_of(text.decode())
    assert named(found, "account_failure") == [{"account": "old", "kind": "token_expired"}]
    assert named(found, "account_observed_timestamp_seconds") == []
