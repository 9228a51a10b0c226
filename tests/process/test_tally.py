from __future__ import annotations

import pytest

from poller.process.tally import Tally
from poller.values import Failure, FailureKind, Report, Usage, Window

K = FailureKind


def failed(kind: FailureKind) -> Report:
    return Report(0, "a", "a.json", 0.0, failure=Failure(kind, "", ""))


def answered(remaining: float | None, *, usable: bool | None = True) -> Report:
    windows = (Window("weekly", remaining, 604_800, None),)
    return Report(0, "a", "a.json", 0.0, usage=Usage(usable=usable, windows=windows))


def code(*reports: Report, fail_under: float | None = None) -> int:
    tally = Tally(fail_under)
    for report in reports:
        tally.note(report)
    return tally.code


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], 0),
        ([K.TOKEN_EXPIRED], 1),
        ([K.DNS, K.FILE_MISSING], 2),
        ([K.FORBIDDEN, K.DNS, K.FILE_MISSING], 3),
        ([K.INTERNAL, K.FORBIDDEN], 70),
        ([K.CANCELLED], 0),
    ],
)
def test_the_highest_class_among_the_failures_wins(kinds: list[FailureKind], expected: int) -> None:
    assert code(*map(failed, kinds)) == expected


def test_every_kind_has_an_exit_class() -> None:
    assert {kind.exit_class for kind in K} == {1, 2, 3, 70, 130}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (answered(9.9), 4),
        (answered(10.0), 0),
        (answered(None), 0),
        (answered(50.0, usable=False), 4),
        (answered(50.0, usable=None), 0),
    ],
)
def test_fail_under_counts_accounts_with_less_left_or_blocked(
    report: Report, expected: int
) -> None:
    assert code(report, fail_under=10.0) == expected


def test_fail_under_comes_before_failures_and_after_bugs() -> None:
    assert code(answered(1.0), failed(K.FORBIDDEN), fail_under=10.0) == 4
    assert code(answered(1.0), failed(K.INTERNAL), fail_under=10.0) == 70
    assert code(answered(1.0)) == 0


@pytest.mark.parametrize(("need", "code"), [(0, 1), (1, 1), (2, 4)])
def test_so_many_accounts_have_to_be_usable(need: int, code: int) -> None:
    tally = Tally(need=need)
    for usage in (Usage(usable=True), Usage(usable=False), Usage()):
        tally.note(Report(0, "a", "a", 0.0, usage))
    tally.note(Report(0, "b", "b", 0.0, failure=Failure(FailureKind.FILE_MISSING, "", "")))
    assert tally.code == code
