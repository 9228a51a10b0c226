"""What a reader finds, also while somebody writes."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from poller.history.database import HistoryMissing, HistoryUnusable, open_to_change
from poller.history.reading import Reader, StoredFailure, StoredState, open_reader
from poller.insight.forecast import Outlook
from poller.insight.series import Observation
from poller.values import FailureKind, Report, Usage, Window
from tests.history.made_up import (
    AT,
    KEYS,
    RESET_AT,
    WEEK_AT,
    failed,
    record,
    report,
    rows,
)

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600


def test_the_latest_is_the_last_answer_and_what_came_since(path: Path) -> None:
    record(
        path,
        [report(30.0, week=7.0, name="bob")],
        [report(40.0, week=5.5)],
        [report(42.0, at=AT + 60)],
        [failed(FailureKind.DNS, at=AT + 120), report(1.0, at=AT + 120, name="bob")],
        [failed(at=AT + 120, name="carol")],
    )
    with open_reader(str(path)) as reader:
        alice, bob, carol = reader.latest(now=AT + 200)
    windows = (Window("five_hour", 58, 18_000, RESET_AT, started=True),)
    assert alice.usage == Usage("plus", usable=True, windows=windows, on_credits=False)
    assert alice.answered_at == AT + 60
    assert alice.failure == StoredFailure(int(AT) + 120, int(AT) + 120, 1, "dns")
    assert alice.failure_kind is FailureKind.DNS
    assert alice.account.key == KEYS["alice"]
    assert (bob.answered_at, bob.failure, bob.failure_kind) == (AT + 120, None, None)
    assert (carol.usage, carol.answered_at) == (None, None)
    assert carol.failure_kind is FailureKind.TIMEOUT


def test_the_latest_is_not_what_a_wrong_clock_dated_later(path: Path) -> None:
    record(path, [report(90.0, at=AT + 9 * HOUR)], [report(40.0, usable=None, on_credits=None)])
    with open_reader(str(path)) as reader:
        (alice,) = reader.latest(now=AT + 60)
        assert alice.usage is not None
        assert alice.usage.windows[0].used_percent == 40
        assert (alice.usage.usable, alice.usage.on_credits) == (None, None)
        assert reader.latest(now=AT - 60)[0].usage is None


def test_a_kind_of_failure_of_another_version_is_none(path: Path) -> None:
    record(path, [failed()])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE failure SET kind = 'hiccup'")
    with open_reader(str(path)) as reader:
        (alice,) = reader.latest(now=AT)
    assert (alice.failure_kind, alice.failure and alice.failure.kind) == (None, "hiccup")


def test_spans_are_those_that_reach_into_the_time(path: Path) -> None:
    figures = [(0, 40.0), (300, 40.0), (600, 41.0), (900, 41.0), (1200, 42.0)]
    record(path, *([report(used, at=AT + at, week=7.0)] for at, used in figures))
    with open_reader(str(path)) as reader:
        (alice,) = reader.accounts()

        def found(since: float, window: str | None = "five_hour") -> list[tuple[float, float]]:
            spans = reader.spans(alice, window=window, since=AT + since)
            return [(span.since - AT, span.used_percent) for span in spans]

        assert found(-9) == found(300) == [(0, 40), (600, 41), (1200, 42)]
        assert found(301) == found(700) == [(600, 41), (1200, 42)]
        assert found(1201) == []
        assert found(700, None) == [(0, 7), (600, 41), (1200, 42)]
        span = reader.spans(alice, window="weekly")[0]
    assert span[:4] == ("alice", KEYS["alice"], "weekly", 604_800)
    assert span[5:] == (AT + 1200, 5, 7, WEEK_AT)


def test_states_and_failures_are_told_in_order(path: Path) -> None:
    record(
        path,
        [report()],
        [report(100.0, at=AT + 300, usable=False, limited_by="five_hour", usable_at=RESET_AT)],
        [failed(at=AT + 600)],
    )
    with open_reader(str(path)) as reader:
        (alice,) = reader.accounts()
        states = reader.states(alice)
        assert [bool(state.usable) for state in states] == [True, False]
        at = int(AT) + 300
        assert states[1] == StoredState(at, at, 1, False, False, "five_hour", RESET_AT)
        assert reader.states(alice, since=AT + 301) == []
        assert [failure.kind for failure in reader.failures(alice)] == ["timeout"]


def test_the_forecast_recalls_what_it_would_have_learnt_live(path: Path) -> None:
    live, recalled = Outlook(), Outlook()
    figures = [min(99.0, 10.0 + n // 4) for n in range(200)]
    for n, used in enumerate(figures):
        at = AT + 120 * n
        seen = Observation(at, used, AT + 26_000, 36_000, "plus")
        live.observe(at, {"10h": seen})
    usages = [
        Usage("plus", usable=True, windows=(Window("10h", 100 - used, 36_000, int(AT) + 26_000),))
        for used in figures
    ]
    record(
        path,
        *([Report(0, "alice", "/a", AT + 120 * n, usage)] for n, usage in enumerate(usages)),
    )
    with open_reader(str(path)) as reader:
        (alice,) = reader.accounts()
        for name, first, until, looks in reader.recollect(alice):
            recalled.recall(name, first, until=until, looks=looks)
    now = AT + 120 * 200
    one, other = live.forecast(now)["10h"], recalled.forecast(now)["10h"]
    assert other.percent_per_hour == pytest.approx(one.percent_per_hour, rel=0.02)
    assert (other.rises, other.rough) == (one.rises, one.rough)
    assert other.hours == pytest.approx(one.hours)


def test_a_recalled_span_knows_its_plan_and_whether_the_account_was_blocked(path: Path) -> None:
    blocked = report(100.0, at=AT + 60, usable=False, limited_by="five_hour", plan="pro")
    record(path, [report()], [blocked], [report(2.0, at=AT + 9000)])
    with open_reader(str(path)) as reader:
        (alice,) = reader.accounts()
        told = [(seen.plan, seen.blocked) for _, seen, _, _ in reader.recollect(alice)]
    assert told == [("plus", False), ("pro", True), ("plus", False)]
    changes = rows(path, "SELECT kind, before, after FROM event ORDER BY at")
    assert changes == [("plan_changed", "plus", "pro"), ("plan_changed", "pro", "plus")]


def test_a_reader_looks_on_while_somebody_writes(path: Path) -> None:
    record(path, [report()])
    with open_to_change(str(path)) as connection, open_reader(str(path)) as reader:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM span")
        (alice,) = reader.accounts()
        assert len(reader.spans(alice)) == 1
        connection.execute("COMMIT")
        assert reader.spans(alice) == []


def test_a_history_that_nobody_may_write_beside_is_read_all_the_same(path: Path) -> None:
    record(path, [report()])
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        assert len(Reader(connection).accounts()) == 1
    folder = path.parent
    folder.chmod(0o500)
    path.chmod(0o400)
    try:
        with open_reader(str(path)) as reader:
            assert [account.label for account in reader.accounts()] == ["alice"]
    finally:
        folder.chmod(0o700)


def test_without_a_history_the_reader_says_so(path: Path) -> None:
    with pytest.raises(HistoryMissing, match="there is none yet"), open_reader(str(path)):
        pass
    path.touch()
    with pytest.raises(HistoryMissing, match="it is empty"), open_reader(str(path)):
        pass


def test_the_default_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HistoryMissing, match=r"poller/history\.db"), open_reader():
        pass


def test_a_damaged_history_is_said_in_words(path: Path) -> None:
    record(path, *([report(float(n % 90), at=AT + 60 * n)] for n in range(900)))
    content = path.read_bytes()
    for damaged in (b"text" * 1000, content[:8192] + os.urandom(len(content) - 8192)):
        path.write_bytes(damaged)
        with (
            pytest.raises(HistoryUnusable, match=r"it is not a database|the file is damaged"),
            open_reader(str(path)) as reader,
        ):
            reader.spans(reader.accounts()[0])


def test_an_older_history_is_not_read_before_it_is_brought_up(path: Path) -> None:
    record(path, [report()])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    with pytest.raises(HistoryUnusable, match="an older poller made it"), open_reader(str(path)):
        pass


def test_a_disk_that_hangs_is_not_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(path, [report()])
    hang = threading.Event()
    monkeypatch.setattr("poller.history.reading._ANSWERS_WITHIN_S", 0.05)
    monkeypatch.setattr(os.path, "exists", lambda _: hang.wait(20))
    try:
        with pytest.raises(HistoryUnusable, match="does not answer"), open_reader(str(path)):
            pass
    finally:
        hang.set()
