"""The key figures on a few made-up people, and the judging that yields them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.forecast.baselines import baseline, climatology, ewma, naive
from tests.forecast.judging import Said, figures
from tests.forecast.stream import forecasts
from tests.forecast.weeks import Truth, generate


@dataclass(frozen=True)
class Bound:
    of_naive: float
    of_ewma: float
    calibration: float


# So few weeks leave a wide margin around the week's calibration; the table has more.
BOUNDS = {"five_hour": Bound(0.42, 0.55, 0.025), "weekly": Bound(0.65, 0.48, 0.12)}


def test_the_forecast_is_better_than_what_is_said_without_it() -> None:
    lines, truth = generate(accounts=10, weeks=2, seed=1)
    said, lasting, lately = forecasts(lines), baseline(lines, naive), baseline(lines, ewma)
    for window, bound in BOUNDS.items():
        ours = figures(said, truth, window)
        assert ours.brier < bound.of_naive * figures(lasting, truth, window).brier
        assert ours.brier < bound.of_ewma * figures(lately, truth, window).brier
        assert ours.brier < figures(climatology(truth), truth, window).brier
        assert ours.calibration_error < bound.calibration
        assert ours.warned >= 0.85
        assert 0.65 <= ours.covered <= 0.95


def test_what_is_said_lies_ahead_and_in_order() -> None:
    lines, truth = generate(accounts=3, weeks=1, seed=4)
    said = forecasts(lines)
    asks = {each.id: each.at for each in truth}
    timed = [(asks[ask], came) for (ask, _), came in said.items() if ask in asks and came.at]
    assert len(timed) > 100
    for asked_at, came in timed:
        assert came.at is not None
        assert came.since is not None
        assert came.until is not None
        assert asked_at <= came.since <= came.at <= came.until


def test_the_same_seed_draws_the_same_people() -> None:
    first, again, other = (generate(accounts=2, weeks=1, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_figures_of_a_forecast_that_is_always_right() -> None:
    truth = [
        Truth(1, "a", "five_hour", 0, 18_000, True, 3600, 30),
        Truth(2, "a", "five_hour", 0, 18_000, False, None, 30),
    ]
    right = {(1, "five_hour"): Said(1, 3600, 3000, 4000), (2, "five_hour"): Said(0)}
    came = figures(right, truth, "five_hour")
    assert (came.brier, came.calibration_error, came.covered) == (0, 0, 1)
    assert (came.warned, came.precision) == (1, 1)
    assert came.errors_h[1] == 0
    assert math.isnan(came.errors_h[2])


def test_figures_of_saying_nothing_are_those_of_the_base_rate() -> None:
    truth = [Truth(1, "a", "weekly", 0, 18_000, True, 3600, 30)]
    came = figures({}, truth, "weekly")
    assert came.brier == pytest.approx(0.83**2)
    assert (came.warned, math.isnan(came.covered), math.isnan(came.precision)) == (0, True, True)


def test_the_table_reads_a_stream_and_its_truth(tmp_path: Path) -> None:
    lines, truth = generate(accounts=2, weeks=1, seed=1)
    stream, answers = tmp_path / "stream.jsonl", tmp_path / "truth.jsonl"
    stream.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    renamed = {"at": "t", "reset_at": "reset", "runs_out": "out", "out_at": "ex"}
    with answers.open("w", encoding="utf-8") as written:
        for each in truth:
            row = {renamed.get(name, name): value for name, value in each._asdict().items()}
            written.write(json.dumps({**row, "age_h": each.age_hours}) + "\n")
    shown = subprocess.run(
        [sys.executable, "-m", "tests.forecast", str(stream), str(answers)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    ours = asdict(figures(forecasts(lines), truth, "five_hour"))
    assert f"five_hour: {ours['asks']} asks" in shown
    assert f"{ours['brier']:.4f}" in shown
    assert [line.split()[0] for line in shown.splitlines()[2:6]] == [
        "poller",
        "naive",
        "EWMA",
        "climatology",
    ]
