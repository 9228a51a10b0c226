from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poller.history.reading import open_reader
from poller.history.recollection import Recollection, standings_at
from poller.history.standings import standings_of
from poller.values import FailureKind, Report, Usage, Window
from tests.history.made_up import AT, KEYS, RESET_AT, failed, record, report, wide

if TYPE_CHECKING:
    from pathlib import Path

HOUR, DAY = 3600, 86_400


def recollection(path: Path, *, now: float = AT + 600) -> Recollection:
    return Recollection(str(path), now=now)


def test_what_was_seen_last_is_a_report_again(path: Path) -> None:
    record(path, [report(40, week=7), report(10, name="bob")], [failed(at=AT + 60)])
    seen = recollection(path)
    alice, bob = (seen.standing(name, KEYS[name]) for name in ("alice", "bob"))
    assert alice is not None
    assert bob is not None
    assert alice.report.failure is not None
    assert alice.report.failure.kind is FailureKind.TIMEOUT
    assert alice.report.failure.may_work_later
    assert (alice.answered_at, alice.report.observed_at) == (AT, AT + 60)
    assert alice.usage is not None
    assert [window.remaining_percent for window in alice.usage.windows] == [60, 93]
    assert (bob.report.ok, bob.report.observed_at) == (True, AT)
    assert seen.standing("nobody", "0" * 16) is None


def test_a_failure_of_the_file_is_the_files_to_tell(path: Path) -> None:
    record(path, [report(40)], [failed(FailureKind.TOKEN_EXPIRED, at=AT + 60)])
    known = recollection(path).standing("alice", KEYS["alice"])
    assert known is not None
    assert (known.report.ok, known.report.observed_at) == (True, AT)
    recorded = recollection(path).recorded("alice", KEYS["alice"])
    assert recorded is not None
    assert recorded.dead
    assert recorded.usage is not None
    with open_reader(str(path)) as reader:
        (told,) = standings_at(reader, AT + 600)
    assert told.dead


def test_another_login_under_the_same_label_is_another_account(path: Path) -> None:
    record(path, [report(40)])
    assert recollection(path).standing("alice", "f" * 16) is None
    seen = recollection(path)
    # Without a key the label counts, and with one whatever its label is now.
    assert seen.standing("alice", None) is not None
    assert seen.standing("renamed", KEYS["alice"]) is not None


def test_two_files_of_one_login_stand_apart(path: Path) -> None:
    record(path, [report(40)])
    seen = recollection(path)
    seen.note(report(41, at=AT + 300))
    seen.note(replace(failed(FailureKind.TOKEN_EXPIRED, at=AT + 301), account="copy"))
    alice, copy = (seen.standing(name, KEYS["alice"]) for name in ("alice", "copy"))
    assert alice is not None
    assert copy is not None
    assert (alice.report.ok, copy.report.ok) == (True, False)
    assert alice.identity == copy.identity


def test_one_flapped_answer_is_not_believed(path: Path) -> None:
    rounds = [[report(60 + n, at=AT + 300 * n)] for n in range(5)]
    flapped = report(0, at=AT + 1500, reset_at=int(AT) + 1500 + 18_000)
    record(path, *rounds)
    seen = recollection(path, now=AT + 1500)
    shown = seen.note(flapped)
    assert shown.usage == flapped.usage
    known = seen.standing("alice", KEYS["alice"])
    assert known is not None
    assert known.usage is not None
    assert known.usage.remaining_percent == 36
    # The same where the answer lies in the history.
    record(path, [flapped])
    known = recollection(path, now=AT + 1560).standing("alice", KEYS["alice"])
    assert known is not None
    assert known.usage is not None
    assert known.usage.remaining_percent == 36


def test_a_report_has_the_forecasts_of_its_windows_alone(path: Path) -> None:
    rounds = [[report(5 + n // 4, at=AT + 300 * n, reset_at=int(AT) + 18_000)] for n in range(48)]
    record(path, *rounds)
    seen = recollection(path, now=AT + 48 * 300)
    told = seen.note(report(17, at=AT + 48 * 300, reset_at=int(AT) + 18_000))
    assert told.forecast is not None
    assert 1 < told.forecast["five_hour"].percent_per_hour < 10
    other = Usage("plus", usable=True, windows=(Window("weekly", 50, 604_800, RESET_AT),))
    gone = Report(0, "alice", "", AT + 49 * 300, other, key=KEYS["alice"])
    assert seen.note(gone).forecast == {}
    assert seen.note(failed(at=AT + 50 * 300)).forecast is None


def test_without_a_history_it_learns_all_the_same(path: Path) -> None:
    for seen in (Recollection(None, now=AT), recollection(path)):
        for n in range(48):
            told = seen.note(report(5 + n / 4, at=AT + 300 * n, reset_at=int(AT) + 18_000))
        assert seen.trouble is None
        assert told.forecast is not None
        assert told.forecast.keys() == {"five_hour"}


def test_a_broken_history_is_told_and_nothing_is_known(path: Path) -> None:
    path.write_text("something else, and more than a hundred bytes of it\n" * 9)
    seen = recollection(path)
    assert seen.note(report(40)).forecast == {}
    assert "it is not a database" in (seen.trouble or "")


def test_a_history_that_breaks_later_costs_what_was_not_read(path: Path) -> None:
    record(path, [report(40), report(10, name="bob")])
    seen = recollection(path)
    assert seen.standing("alice", KEYS["alice"]) is not None
    path.unlink()
    path.write_text("something else, and more than a hundred bytes of it\n" * 9)
    assert seen.standing("bob", KEYS["bob"]) is not None
    assert seen.trouble is not None


def test_of_many_accounts_less_is_read(path: Path) -> None:
    many = [
        replace(report(40, name=f"n{n}"), key=f"{n:016x}", observed_at=AT + day * DAY)
        for n in range(300)
        for day in (0, 20)
    ]
    record(path, many[::2], many[1::2])
    began = time.perf_counter()
    seen = recollection(path, now=AT + 20 * DAY + 60)
    assert seen.standing("n0", f"{0:016x}") is not None
    assert time.perf_counter() - began < 5
    assert not seen._of("n0", f"{0:016x}").outlook._burns["five_hour"].polled_h


def test_a_state_of_then_is_what_was_seen_by_then(path: Path) -> None:
    record(
        path,
        [report(40, week=7), report(1, name="bob", at=AT)],
        [report(40, at=AT + 600, week=8), report(2, at=AT + 600, name="bob")],
        [report(40, at=AT + 1200, week=8), report(3, at=AT + 1200, name="bob")],
        [report(50, at=AT + 1800, name="carol")],
    )
    with open_reader(str(path)) as reader:
        alice, bob = standings_at(reader, AT + 900)
        assert alice.usage is not None
        assert [one.remaining_percent for one in alice.usage.windows] == [60, 92]
        assert alice.answered_at == AT + 900
        assert bob.usage is not None
        assert bob.usage.remaining_percent == 98
        late = standings_at(reader, AT + 900, else_first_by=AT + DAY)
        assert [one.account for one in late] == ["alice", "bob", "carol"]
        assert [one.account for one in standings_at(reader, AT - 60)] == []
        first = standings_at(reader, AT - 60, else_first_by=AT + DAY)
        assert [one.usage and one.usage.remaining_percent for one in first] == [60, 99, 50]


def test_who_was_not_asked_for_a_day_is_gone(path: Path) -> None:
    record(path, [report(40), report(1, name="bob")], [report(41, at=AT + DAY + 60)])
    with open_reader(str(path)) as reader:
        assert [one.account for one in standings_at(reader, AT + DAY + 120)] == ["alice"]
        assert len(standings_at(reader, AT + 120)) == 2


def test_an_account_that_fails_to_this_day_makes_no_other_one_gone_in_the_past(path: Path) -> None:
    rounds = [
        [report(40, at=at), failed(FailureKind.TOKEN_EXPIRED, at=at, name="carol")]
        for at in range(int(AT), int(AT) + 4 * DAY, 1800)
    ]
    record(path, *rounds)
    with open_reader(str(path)) as reader:
        alice, carol = standings_at(reader, AT + DAY)
        assert alice.account == "alice"
        assert carol.report.observed_at == AT + DAY


def test_the_plan_of_then_is_the_one_before_it_changed(path: Path) -> None:
    plans = ("plus", "pro", "team")
    record(path, *([report(40, at=AT + n * DAY, plan=plan)] for n, plan in enumerate(plans)))
    with open_reader(str(path)) as reader:
        then = [reader.latest(now=AT + n * DAY + 60)[0] for n in range(3)]
    assert [(one.account.plan, one.usage and one.usage.plan) for one in then] == [
        (plan, plan) for plan in plans
    ]


def test_what_only_a_wrong_clock_saw_was_not_there(path: Path) -> None:
    record(path, [report(40)], [report(1, name="bob", at=AT + 10 * DAY)])
    with open_reader(str(path)) as reader:
        first = standings_at(reader, AT - DAY, else_first_by=AT + 600)
        assert [one.account for one in first] == ["alice"]
        assert [one.account for one in standings_of(reader.latest(now=AT + 600))] == ["alice"]


def test_of_thousands_of_accounts_the_last_answer_alone_is_known(path: Path) -> None:
    record(path, wide(2001, at=AT), wide(2001, at=AT + 300, number=1))
    seen = recollection(path)
    known = seen.standing("n0000", f"{1:016x}")
    assert known is not None
    assert known.answered_at == AT + 300
    told = seen.note(replace(wide(1, at=AT + 600)[0]))
    assert told.forecast == {}
