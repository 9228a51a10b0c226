"""What is in the file after rounds were recorded."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.history.database import open_to_change, transaction
from poller.history.observed import observed
from poller.history.recording import Recorder, Round
from poller.values import FailureKind, Report, Usage, Window
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

DAY = 86_400
BY_NAME = """
SELECT label, window, since, polls, used_percent FROM span
JOIN series ON series.id = series_id JOIN account ON account.id = account_id ORDER BY 1, 2, 3
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.db"


def test_equal_looks_are_one_span_and_another_figure_begins_the_next(path: Path) -> None:
    figures = (40.0, 40.0, 41.0, 41.0, 40.0)
    record(path, *([report(used, at=AT + 300 * n)] for n, used in enumerate(figures)))
    assert spans(path) == [(0, 300, 2, 40), (600, 900, 2, 41), (1200, 1200, 1, 40)]


def test_a_gap_is_a_gap(path: Path) -> None:
    record(path, [report()], [report(at=AT + 66 * 60)], [report(at=AT + 66 * 60 + 3961)])
    assert spans(path) == [(0, 3960, 2, 40), (7921, 7921, 1, 40)]


def test_a_window_that_has_not_begun_is_one_span_though_its_reset_slides(path: Path) -> None:
    ats = [AT + 300 * n for n in range(20)]
    record(path, *([report(0.0, at=at, reset_at=int(at) + 18_000)] for at in ats))
    assert rows(path, "SELECT polls, used_percent, reset_at FROM span") == [(20, 0, None)]


def test_percentages_have_two_decimals(path: Path) -> None:
    record(path, [report(33.333333)])
    assert rows(path, "SELECT used_percent FROM span") == [(33.33,)]


def test_a_window_without_a_figure_leaves_no_span(path: Path) -> None:
    windows = (Window("weekly", None, 604_800, WEEK_AT),)
    record(path, [Report(0, "alice", "/a", AT, Usage("plus", usable=True, windows=windows))])
    assert spans(path) == []
    assert rows(path, "SELECT usable FROM state") == [(1,)]


def test_an_answer_between_two_failures_ends_their_run(path: Path) -> None:
    kinds = [None, "timeout", "timeout", None, "timeout", "dns", "dns"]
    for n, kind in enumerate(kinds):
        at = AT + 300 * n
        record(path, [report(at=at) if kind is None else failed(FailureKind(kind), at=at)])
    assert rows(path, f"SELECT since - {AT:.0f}, polls, kind FROM failure") == [
        (300, 2, "timeout"),
        (1200, 1, "timeout"),
        (1500, 2, "dns"),
    ]
    assert spans(path) == [(0, 900, 2, 40)]


def test_a_poll_that_was_cancelled_is_not_recorded(path: Path) -> None:
    record(path, [failed(FailureKind.CANCELLED)])
    assert rows(path, "SELECT * FROM account") == []


def test_a_state_is_what_blocks_and_until_when(path: Path) -> None:
    blocked = report(100.0, at=AT + 60, usable=False, limited_by="five_hour", usable_at=RESET_AT)
    record(path, [report()], [blocked])
    found = rows(path, "SELECT polls, usable, on_credits, limited_by, usable_at FROM state")
    assert found == [(1, 1, 0, None, None), (1, 0, 0, "five_hour", RESET_AT)]


def test_an_account_is_its_key_whatever_its_label_and_has_no_identity(path: Path) -> None:
    record(path, [report()])
    later = AT + 300
    record(path, [Report(0, "work", "/w", later, report(at=later).usage, key=KEYS["alice"])])
    assert rows(path, "SELECT key, label, plan, first_seen, last_seen FROM account") == [
        (KEYS["alice"], "work", "plus", AT, later)
    ]
    assert spans(path) == [(0, 300, 2, 40)]


def test_without_a_key_the_label_counts_and_a_key_that_comes_later_is_taken_over(
    path: Path,
) -> None:
    nameless = Report(0, "alice", "/a", AT, report().usage)
    record(path, [nameless], [report(at=AT + 300)], [failed(at=AT + 600)])
    assert rows(path, "SELECT key, label FROM account") == [(KEYS["alice"], "alice")]
    record(path, [Report(0, "alice", "/a", AT + 900, report().usage, key="f" * 16)])
    assert rows(path, "SELECT key FROM account ORDER BY id") == [(KEYS["alice"],), ("f" * 16,)]


def test_another_plan_is_an_event(path: Path) -> None:
    record(path, [report()], [report(at=AT + 60, plan=None)], [report(at=AT + 120, plan="pro")])
    assert rows(path, "SELECT at, kind, before, after FROM event") == [
        (AT + 120, "plan_changed", "plus", "pro")
    ]


def test_a_clock_that_was_set_back_loses_nothing_and_old_spans_stay(path: Path) -> None:
    ats = [AT, AT + 300, AT - DAY, AT - DAY + 300, AT + 600]
    record(path, *([report(41.0 if at < AT else 40.0, at=at)] for at in ats))
    assert spans(path) == [(-DAY, 300 - DAY, 2, 41), (0, 600, 3, 40)]


def test_spans_dated_later_than_now_neither_block_nor_go(path: Path) -> None:
    record(path, [report(90.0, at=AT + 30 * DAY)])
    record(path, *([report(float(n), at=AT + 300 * n)] for n in range(1, 4)))
    assert [span[3] for span in spans(path)] == [1, 2, 3, 90]
    assert spans(path)[-1] == (30 * DAY, 30 * DAY, 1, 90)
    assert rows(path, "SELECT last_seen FROM account") == [(AT + 900,)]


def test_a_span_that_a_fast_clock_drew_too_long_ends_where_another_figure_is_seen(
    path: Path,
) -> None:
    record(path, [report()], [report(at=AT + 3000)], [report(41.0, at=AT + 300)])
    assert spans(path) == [(0, 299, 2, 40), (300, 300, 1, 41)]


def test_rounds_are_kept_for_thirty_days(path: Path) -> None:
    with open_to_change(str(path)) as connection:
        recorder = Recorder(connection)
        for day in range(40):
            at = int(AT) + day * DAY
            with transaction(connection):
                recorder.record([], live=True, completed=Round(at, at + 2, 5, 4, 6))
    kept = rows(path, "SELECT count(*), min(ended_at), accounts, ok, requests FROM round")
    assert kept == [(31, AT + 9 * DAY + 2, 5, 4, 6)]


def test_many_accounts_at_once_are_the_same_as_one_by_one(path: Path, tmp_path: Path) -> None:
    rounds = [wide(230, at=AT + 300 * n, number=n // 2) for n in range(4)]
    other = tmp_path / "other.db"
    for reports in rounds:
        record(path, reports)
    record(other, *([one] for reports in rounds for one in reports))
    assert rows(path, BY_NAME) == rows(other, BY_NAME)
    assert len(rows(path, BY_NAME)) == 230 * 2 * 2
    assert is_whole(path)


def test_two_recorders_of_one_file_continue_each_others_spans(path: Path) -> None:
    with open_to_change(str(path)) as one, open_to_change(str(path)) as two:
        recorders = [(one, Recorder(one)), (two, Recorder(two))]
        for number in range(10):
            connection, recorder = recorders[number % 2]
            seen = [observed(report(at=AT + 60 * number, name=name)) for name in ("alice", "bob")]
            with transaction(connection):
                recorder.record([one for one in seen if one is not None], live=True)
    assert spans(path) == [(0, 540, 10, 40), (0, 540, 10, 40)]


def test_the_file_and_its_companions_are_their_owners_alone(path: Path) -> None:
    record(path, [report()])
    with open_to_change(str(path)) as connection:
        connection.execute("DELETE FROM round")
        names = sorted(path.parent.iterdir())
        assert [stat.S_IMODE(name.stat().st_mode) for name in names] == [0o600] * 3
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name == "nt", reason="no such modes")
@pytest.mark.parametrize("umask", [0o000, 0o277, 0o777])
def test_no_umask_changes_who_may_read_it(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "state" / "poller" / "history.db"
    usual = os.umask(umask)
    try:
        for _ in range(2):
            record(path, [report()])
    finally:
        os.umask(usual)
    made = (path.parents[1], path.parent, path)
    assert [stat.S_IMODE(each.stat().st_mode) for each in made] == [0o700, 0o700, 0o600]


def test_a_file_that_a_link_leads_to_is_its_owners_alone_too(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    link = path.with_name("link.db")
    link.symlink_to(path)
    umask = os.umask(0o022)
    try:
        record(link, [report()])
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_views_tell_times_for_people(path: Path) -> None:
    day = 1_600_000_000.0  # the view of the latest leaves out what is dated later than now
    ended = int(day) + 3_000
    record(
        path,
        [report(90.0, at=day, reset_at=ended)],
        [report(95.0, at=day + 300, reset_at=ended)],
        [report(3.0, at=day + 3_600, reset_at=ended + 18_000)],
    )
    assert rows(path, "SELECT account, window, at, time, used_percent FROM samples") == [
        ("alice", "five_hour", day, "2020-09-13T12:26:40Z", 90),
        ("alice", "five_hour", day + 300, "2020-09-13T12:31:40Z", 95),
        ("alice", "five_hour", day + 3600, "2020-09-13T13:26:40Z", 3),
    ]
    assert rows(path, "SELECT account, remaining_percent, seen_time, reset_time FROM latest") == [
        ("alice", 97, "2020-09-13T13:26:40Z", "2020-09-13T18:16:40Z")
    ]
    query = "SELECT time, used_percent_before, used_percent_after, told_reset_at FROM resets"
    assert rows(path, query) == [("2020-09-13T13:26:40Z", 95, 3, ended)]


LOOKS = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.none() | st.integers(1, 400).map(lambda quarters: quarters / 4),
        st.sampled_from((RESET_AT, RESET_AT + 299, RESET_AT + 18_000, None)),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(LOOKS)
def test_what_was_observed_is_read_back_at_its_time(
    tmp_path_factory: pytest.TempPathFactory,
    looks: list[tuple[int, float | None, int | None]],
) -> None:
    path = tmp_path_factory.mktemp("any") / "history.db"
    at, rounds = AT, []
    for minutes, used, reset_at in looks:
        at += 60 * minutes
        rounds.append(failed(at=at) if used is None else report(used, at=at, reset_at=reset_at))
    record(path, *([one] for one in rounds))
    stored = rows(path, "SELECT since, until, used_percent, reset_at FROM span")
    for one, (_, used, reset_at) in zip(rounds, looks, strict=True):
        if used is None:
            continue
        ((seen, reset),) = [row[2:] for row in stored if row[0] <= one.observed_at <= row[1]]
        assert seen == used
        assert (reset is None) == (reset_at is None)
        assert abs((reset or 0) - (reset_at or 0)) <= 300
    failures = sum(used is None for _, used, _ in looks)
    polls = "SELECT ifnull(sum(polls), 0) FROM"
    assert rows(path, f"{polls} failure") == [(failures,)]
    assert rows(path, f"{polls} span") == rows(path, f"{polls} state") == [(len(looks) - failures,)]
