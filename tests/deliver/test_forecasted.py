from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from poller.deliver.forecasted import Forecasted
from poller.values import Report, Snapshot
from tests.history.made_up import failed, record, report

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


class Kept:
    """A sink that keeps what it is handed."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.calls: list[str] = []

    async def begin(self) -> None:
        self.calls.append("begin")

    async def take(self, report: Report) -> None:
        self.reports.append(report)

    async def end(self, snapshot: Snapshot) -> None:
        self.calls.append(f"end {snapshot.accounts}")

    def close(self) -> None:
        self.calls.append("close")


async def taken(path: Path, *reports: Report) -> list[Report]:
    kept = Kept()
    sink = Forecasted(kept, str(path))
    await sink.begin()
    for one in reports:
        await sink.take(one)
    await sink.end(Snapshot(0, 1, len(reports), 0, 0))
    sink.close()
    assert kept.calls == ["begin", f"end {len(reports)}", "close"]
    return kept.reports


async def test_a_report_gets_the_forecast_of_its_history(tmp_path: Path) -> None:
    start = int(time.time()) - 200 * 60
    resets_at = start + 18_000
    past = [report(n * 0.4, at=start + 60 * n, reset_at=resets_at) for n in range(200)]
    record(tmp_path / "h.db", *([one] for one in past))
    (alice, bob) = await taken(
        tmp_path / "h.db",
        report(80, at=start + 200 * 60, reset_at=resets_at),
        failed(name="bob"),
    )
    assert alice.forecast is not None
    assert alice.forecast.keys() == {"five_hour"}
    assert bob.forecast is None


async def test_a_broken_history_costs_the_forecast_alone(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_text("something else, and more than a hundred bytes of it\n" * 9)
    told = report(40)
    assert await taken(tmp_path / "h.db", told, told) == [told, told]


async def test_a_locked_history_is_waited_for_once(tmp_path: Path) -> None:
    record(tmp_path / "h.db", [report(40)])
    other = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    told = [report(40 + n) for n in range(20)]
    assert await taken(tmp_path / "h.db", *told) == told
    other.close()
