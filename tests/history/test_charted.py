from __future__ import annotations

from typing import TYPE_CHECKING

from poller.history.charted import past_of
from poller.history.reading import open_reader
from poller.insight.series import Span
from poller.present.charts import Stretch
from poller.values import FailureKind
from tests.history.made_up import AT, RESET_AT, WEEK_AT, failed, record, report

if TYPE_CHECKING:
    from pathlib import Path

    from poller.present.overview import Past


def past(path: Path, *, since: float = 0) -> Past:
    with open_reader(str(path)) as reader:
        return past_of(reader, reader.accounts()[0], since=since, forecasts={})


def test_each_window_has_its_spans_the_shortest_first(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    record(path, *([report(40, at=AT + 300 * n, week=5 + n)] for n in range(3)))
    five, week = past(path).courses
    assert (five.window, five.window_seconds) == ("five_hour", 18_000)
    assert five.spans == (Span(AT, AT + 600, 40, RESET_AT),)
    assert week.window == "weekly"
    assert week.spans == tuple(Span(AT + 300 * n, AT + 300 * n, 5 + n, WEEK_AT) for n in range(3))


def test_blocked_times_and_failures_go_with_every_window(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    blocked = [report(100, at=AT + 300 * n, usable=False, limited_by="five_hour") for n in (1, 2)]
    record(
        path,
        [report(90)],
        *([one] for one in blocked),
        [failed(FailureKind.TIMEOUT, at=AT + 900)],
        [failed(FailureKind.TIMEOUT, at=AT + 1200)],
    )
    (five,) = past(path).courses
    assert five.blocked == (Stretch(AT + 300, AT + 600, 2),)
    assert five.failures == (Stretch(AT + 900, AT + 1200, 2),)


def test_only_what_reaches_into_the_time_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    record(path, [report(40)], [report(50, at=AT + 5000)], [report(60, at=AT + 9000)])
    (five,) = past(path, since=AT + 4000).courses
    assert [span.used_percent for span in five.spans] == [50, 60]
    assert past(path, since=AT + 90_000).courses == ()


def test_an_answer_that_flapped_is_neither_a_step_nor_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    flapped = report(2, at=AT + 3600, reset_at=RESET_AT + 7000)
    record(path, [report(60)], [flapped], [report(60, at=AT + 7200)])
    (five,) = past(path).courses
    assert five.spans == tuple(Span(AT + 3600 * n, AT + 3600 * n, 60, RESET_AT) for n in range(3))


def test_a_reset_that_two_answers_tell_is_one(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    later = RESET_AT + 7000
    record(path, [report(60)], *([report(2, at=AT + 300 * n, reset_at=later)] for n in (1, 2)))
    (five,) = past(path).courses
    assert five.spans == (Span(AT, AT, 60, RESET_AT), Span(AT + 300, AT + 600, 2, later))
