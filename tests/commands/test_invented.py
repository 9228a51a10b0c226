from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from poller.commands.invented import WEEK_S, record_week, week
from poller.history.reading import open_reader
from poller.insight.forecast import Outlook
from poller.insight.series import GAP_S

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_790_000_000.0


def test_a_week_is_the_same_every_time() -> None:
    once = [
        [(one.account, one.observed_at, one.usage) for one in each] for each in week(3, now=NOW)
    ]
    again = [
        [(one.account, one.observed_at, one.usage) for one in each] for each in week(3, now=NOW)
    ]
    assert once == again
    assert {len(each) for each in once} == {3}
    assert once[0][0][1] == NOW - WEEK_S
    assert NOW - 900 <= once[-1][0][1] < NOW


def test_it_has_failures_and_a_night_that_nobody_looked() -> None:
    reports = [one for each in week(12, now=NOW) for one in each]
    kinds = {one.failure.kind.value for one in reports if one.failure is not None}
    assert kinds == {"token_expired", "edge_blocked", "server_error"}
    ats = sorted({one.observed_at for one in reports})
    gaps = [later - at for at, later in itertools.pairwise(ats) if later - at > GAP_S]
    assert gaps == [pytest.approx(6 * 3600, abs=1800)]


@pytest.mark.parametrize(("count", "had"), [(100, 100), (5000, 300)])
def test_many_accounts_are_looked_at_less_often_and_never_seem_unwatched(
    count: int, had: int
) -> None:
    rounds = week(count, now=NOW)
    first, second = next(rounds), next(rounds)
    assert len(first) == had
    assert 900 < second[0].observed_at - first[0].observed_at < GAP_S


def test_what_is_recorded_is_enough_for_a_forecast(tmp_path: Path) -> None:
    path = str(tmp_path / "history.db")
    record_week(path, 2, now=NOW)
    with open_reader(path) as reader:
        account = next(one for one in reader.accounts() if one.label == "work")
        outlook = Outlook()
        for name, first, until, looks in reader.recollect(account):
            outlook.recall(name, first, until=until, looks=looks)
    assert "weekly" in outlook.forecast(NOW)
