"""A year of one account is small, and quickly read; ``python -m tests.history.year`` says more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from poller.history.reading import open_reader
from poller.insight.forecast import Outlook
from tests.history.made_up import AT
from tests.history.year import DAY_S, Size, read_a_week, record_life

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 30


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Size]:
    """Return a month of an account that is looked at every five minutes."""
    path = tmp_path_factory.mktemp("month") / "history.db"
    return path, record_life(str(path), 1, DAYS)


def test_a_year_of_an_account_at_five_minutes_is_below_half_a_megabyte(
    month: tuple[Path, Size],
) -> None:
    _, size = month
    assert size.bytes + size.bytes_once < 500_000
    assert 4_000 < size.rows < 16_000


def test_a_week_is_read_at_once(month: tuple[Path, Size]) -> None:
    """The figure is 3 ms; the best of ten, as the machine may be shared."""
    path, _ = month
    times: list[float] = []
    with open_reader(str(path)) as reader:
        for _ in range(10):
            began = time.perf_counter()
            assert read_a_week(reader, until=AT + DAYS * DAY_S) > 50
            times.append(time.perf_counter() - began)
    assert min(times) < 0.003


def test_a_month_of_history_is_enough_for_a_forecast(month: tuple[Path, Size]) -> None:
    path, _ = month
    outlook = Outlook()
    with open_reader(str(path)) as reader:
        (account,) = reader.accounts()
        for name, first, until, looks in reader.recollect(account):
            outlook.recall(name, first, until=until, looks=looks)
    forecasts = outlook.forecast(AT + DAYS * DAY_S)
    assert "weekly" in forecasts
    assert not forecasts["weekly"].rough
