"""`poller history check` finds what the judging of made-up weeks finds, from the history alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from poller.history.database import open_to_change, transaction
from poller.history.observed import observed
from poller.history.reading import open_reader
from poller.history.recording import Recorder
from poller.insight.replay import replay, score
from poller.insight.series import EXHAUSTED_PERCENT
from poller.values import Report, Usage, Window
from tests.forecast.baselines import baseline, naive
from tests.forecast.judging import figures
from tests.forecast.stream import forecasts
from tests.forecast.weeks import generate

if TYPE_CHECKING:
    from pathlib import Path


def report(line: dict[str, Any]) -> Report:
    told = line["windows"].items()
    windows = tuple(
        Window(
            name,
            100 - window["used_percent"],
            window["window_seconds"],
            None if window["reset_at"] is None else int(window["reset_at"]),
        )
        for name, window in told
    )
    spent = any(window["used_percent"] >= EXHAUSTED_PERCENT for _, window in told)
    usage = Usage(usable=not spent, windows=windows)
    return Report(0, line["account"], "", line["t"], usage, key=line["account"])


def test_the_check_agrees_with_the_judge(tmp_path: Path) -> None:
    lines, truth = generate(accounts=14, weeks=3, seed=7)
    path = str(tmp_path / "h.db")
    with open_to_change(path) as connection, transaction(connection):
        recorder = Recorder(connection)
        for line in lines:
            seen = observed(report(line)) if line["type"] == "sample" else None
            if seen is not None:
                recorder.record([seen], live=True)
    with open_reader(path) as reader:
        played = [replay(reader.recollect(account))["five_hour"] for account in reader.accounts()]
    came = score("five_hour", played)
    judged = figures(forecasts(lines), truth, "five_hour")
    naively = figures(baseline(lines, naive), truth, "five_hour")
    assert came is not None
    assert came.brier == pytest.approx(judged.brier, rel=0.2)
    assert came.brier_naive == pytest.approx(naively.brier, rel=0.2)
    assert came.covered == pytest.approx(judged.covered, abs=0.12)
    assert came.ran_out > 20
    for lead, error_h in zip(came.leads, judged.errors_h, strict=True):
        assert lead.error_h == pytest.approx(error_h, rel=0.5, abs=0.2)
