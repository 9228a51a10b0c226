"""Rules over rounds that are recorded: told once, whoever evaluates, and believed alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from poller.history.alert_state import (
    MOST_KEPT,
    AskedRound,
    evaluate_all,
    firing,
    put_back,
    take,
)
from poller.history.database import open_to_change, transaction
from poller.history.observed import observed
from poller.history.recording import Recorder
from poller.insight.alert_rules import AlertKind, AlertRule, QuietHours, Told
from poller.values import FailureKind, Report
from tests.history.made_up import AT, failed, record, report, rows

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

RULE = AlertRule("rule")
EVERYTHING = replace(RULE, on=frozenset(AlertKind))
BERLIN = ZoneInfo("Europe/Berlin")
EVERY_S = 300.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def evaluate(
    path: Path,
    *reports: Report,
    rules: tuple[AlertRule, ...] = (RULE,),
    accounts: Collection[str] | None = None,
    now: float | None = None,
) -> list[str]:
    """Record a round and evaluate it, as one poller does; return the rules that are due."""
    when = max(each.observed_at for each in reports) if now is None else now
    with open_to_change(str(path)) as connection:
        seen = [one for one in map(observed, reports) if one is not None]
        with transaction(connection):
            Recorder(connection).record(seen, live=True)
        with transaction(connection):
            return evaluate_all(connection, rules, AskedRound(reports, when, accounts, BERLIN))


def taken(path: Path, rule: str = "rule") -> list[Told]:
    with open_to_change(str(path)) as connection, transaction(connection):
        return take(connection, rule)


def told(path: Path, *reports: Report, **how: Any) -> list[str]:
    """Evaluate a round; return what is told, in short."""
    evaluate(path, *reports, **how)
    return [
        f"{each.account or '-'} {each.change}{' over' if each.over else ''}" for each in taken(path)
    ]


def five(used: float, number: int, **more: Any) -> Report:
    return report(used, at=AT + number * EVERY_S, usable=used < 100, **more)


def test_a_change_is_told_once_whoever_evaluates(path: Path) -> None:
    assert evaluate(path, five(50, 0)) == []
    assert evaluate(path, five(100, 1)) == ["rule"]
    again = replace(five(100, 1), observed_at=AT + EVERY_S + 1)
    assert evaluate(path, again) == ["rule"]  # it still lies there
    assert [each.change for each in taken(path)] == ["exhausted"]
    assert taken(path) == []
    assert evaluate(path, five(100, 2)) == []


def test_what_another_poller_saw_later_is_not_taken_back_by_a_late_report(path: Path) -> None:
    told(path, five(50, 0))
    assert told(path, five(100, 2)) == ["alice exhausted"]
    assert told(path, five(50, 1), now=AT + 2 * EVERY_S) == []
    assert told(path, five(100, 3)) == []


def test_a_clock_that_was_ahead_does_not_silence_the_alerts(path: Path) -> None:
    told(path, five(50, 100_000))
    assert told(path, report(50, at=AT), now=AT) == []
    assert told(path, report(100, at=AT + 300, usable=False), now=AT + 300) == ["alice exhausted"]


def test_a_flapped_answer_tells_nothing_also_where_every_look_is_a_new_process(path: Path) -> None:
    rounds = (40, 41, 98, 41, 42, 2, 42, 43, 100, 43)
    for number, used in enumerate(rounds):
        flapped = replace(five(used, number), usage=report(used, usable=True).usage)
        assert told(path, flapped, rules=(EVERYTHING,)) == []


def test_an_early_reset_is_told_at_the_second_look(path: Path) -> None:
    moved = int(AT) + 9_000 + 9_000
    assert told(path, five(60, 0), rules=(EVERYTHING,)) == []
    assert told(path, five(1, 1, reset_at=moved), rules=(EVERYTHING,)) == []
    assert told(path, five(1, 2, reset_at=moved), rules=(EVERYTHING,)) == ["alice early_reset"]
    assert told(path, five(2, 3, reset_at=moved), rules=(EVERYTHING,)) == []


def test_a_failed_look_keeps_what_was_known(path: Path) -> None:
    told(path, five(50, 0))
    one = failed(at=AT + EVERY_S)
    assert told(path, one) == ["alice failed"]
    assert told(path, five(100, 2)) == ["alice failed over", "alice exhausted"]


def test_a_failure_that_lacks_the_key_is_its_accounts(path: Path) -> None:
    told(path, five(50, 0))
    assert told(path, replace(failed(at=AT + EVERY_S), key=None)) == ["alice failed"]
    assert told(path, five(50, 2)) == ["alice failed over"]


def test_the_better_of_two_files_of_one_login_counts(path: Path) -> None:
    told(path, five(50, 0))
    copy = replace(failed(at=AT + EVERY_S), account="copy")
    assert told(path, copy, five(100, 1)) == ["alice exhausted"]
    assert told(path, five(100, 2), replace(copy, observed_at=AT + 2 * EVERY_S)) == []


def test_an_account_without_a_key_is_known_by_its_label(path: Path) -> None:
    told(path, five(50, 0, name="zoe"))
    assert told(path, five(100, 1, name="zoe")) == ["zoe exhausted"]


def test_a_renamed_account_stays_what_it_was(path: Path) -> None:
    told(path, five(50, 0))
    renamed = replace(five(100, 1), account="al")
    assert told(path, renamed) == ["al exhausted"]


def test_an_id_that_changes_with_every_answer_still_makes_one_account(path: Path) -> None:
    rounds = [replace(five(50, n), key=f"{n:016x}") for n in range(6)]
    came = [told(path, each, rules=(EVERYTHING,)) for each in rounds]
    assert came == [[], ["alice appeared"], [], [], [], []]  # the third shows what it is
    spent = replace(five(100, 6), key="f" * 16)
    assert told(path, spent, rules=(EVERYTHING,)) == ["alice exhausted", "- pool_low"]
    assert told(path, replace(five(100, 7), key="e" * 16), rules=(EVERYTHING,)) == []


def test_accounts_appear_and_go(path: Path) -> None:
    both = ("alice", "bob")
    rule = replace(RULE, on=frozenset({AlertKind.APPEARED, AlertKind.GONE}))
    assert told(path, five(50, 0), rules=(rule,), accounts={"alice"}) == []
    bob = five(50, 1, name="bob")
    assert told(path, five(50, 1), bob, rules=(rule,), accounts=both) == ["bob appeared"]
    assert told(path, five(50, 2), rules=(rule,)) == []  # nobody asked for bob
    assert told(path, five(50, 3), rules=(rule,), accounts={"alice"}) == ["bob gone"]
    assert told(path, five(50, 4), rules=(rule,), accounts={"alice"}) == []


def test_another_login_in_its_file_takes_an_accounts_place(path: Path) -> None:
    rule = replace(RULE, on=frozenset({AlertKind.APPEARED, AlertKind.GONE, AlertKind.POOL_LOW}))
    looks = [five(50, 0), *(five(used, n) for n, used in enumerate((50, 70, 88, 92), 20))]
    reports = [looks[0], *(replace(look, key="f" * 16) for look in looks[1:])]
    came = [told(path, each, rules=(rule,), accounts={"alice"}) for each in reports]
    assert came == [[], ["alice appeared"], [], [], ["- pool_low"]]


def test_accounts_that_were_not_asked_count_among_all(path: Path) -> None:
    names = [f"n{number}" for number in range(10)]
    told(path, *(five(50, 0, name=name) for name in names))
    failing = [replace(failed(name=name, at=AT + EVERY_S)) for name in names]
    assert told(path, *failing[:3], accounts=names) == []
    assert told(path, *failing[3:6], accounts=names) == ["- incident"]
    assert told(path, failing[6], five(50, 1, name="n7")) == []


def test_a_stopped_run_and_an_unknown_account_change_nothing(path: Path) -> None:
    told(path, five(50, 0))
    stopped = failed(FailureKind.CANCELLED, at=AT + EVERY_S, name="nobody")
    assert told(path, stopped) == []


def test_quiet_hours_hold_back_and_tell_together_afterwards(path: Path) -> None:
    # AT is 16:13 in Berlin.
    quiet = replace(RULE, quiet=QuietHours(16 * 60, 16 * 60 + 40))
    urgent = replace(quiet, name="urgent", critical=True)
    rules = quiet, urgent
    evaluate(path, five(86, 0), rules=rules)
    assert evaluate(path, five(95, 1), rules=rules) == ["urgent"]
    assert evaluate(path, five(100, 2), rules=rules) == ["urgent"]
    assert evaluate(path, five(100, 8), rules=rules) == ["rule", "urgent"]
    assert [each.change for each in taken(path)] == ["low", "exhausted"]
    assert [each.change for each in taken(path, "urgent")] == ["low", "exhausted"]


def test_what_could_not_be_delivered_comes_first_next_time(path: Path) -> None:
    evaluate(path, five(86, 0))
    evaluate(path, five(95, 1))
    first = taken(path)
    evaluate(path, five(100, 2))
    with open_to_change(str(path)) as connection, transaction(connection):
        put_back(connection, "rule", first, AT)
    assert evaluate(path, five(100, 3)) == ["rule"]
    assert [each.change for each in taken(path)] == ["low", "exhausted"]


def test_what_waits_to_be_told_is_bounded_the_newest_stays(path: Path) -> None:
    evaluate(path, five(50, 0))
    many = [Told(f"n{n}", None, AlertKind.LOW, AT + n) for n in range(MOST_KEPT + 50)]
    with open_to_change(str(path)) as connection, transaction(connection):
        put_back(connection, "rule", many, AT)
    assert taken(path) == many[50:]


def test_what_fires_can_be_looked_up(path: Path) -> None:
    evaluate(path, five(50, 0))
    evaluate(path, five(100, 1))
    with closing(sqlite3.connect(path)) as connection:
        assert firing(connection, "rule") == [("alice", "exhausted", "five_hour")]
        assert firing(connection, "other") == []


def test_a_forecast_fires(path: Path) -> None:
    """Five hours that fill within three, again and again."""

    def cycle(number: int) -> list[Report]:
        begins = AT + number * 18_000
        return [
            report(min(99.0, 3.0 * n), at=begins + n * 300 + 1, reset_at=int(begins) + 18_000)
            for n in range(60)
        ]

    record(path, *([each] for number in range(5) for each in cycle(number)))
    rule = replace(RULE, on=frozenset({AlertKind.RUNS_OUT}))
    came = [told(path, each, rules=(rule,)) for each in cycle(5)[:20]]
    assert [each for each in came if each] == [["alice runs_out"]]


def test_the_rows_of_a_round_that_changes_nothing_stay(path: Path) -> None:
    evaluate(path, five(50, 0))
    query = "SELECT * FROM alert_state WHERE rule = 'rule' ORDER BY change, window"
    before = rows(path, query)
    assert len(before) == 7
    evaluate(path, five(51, 1))
    assert rows(path, query) == before
