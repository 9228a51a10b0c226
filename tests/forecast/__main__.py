"""How good the forecast is: ``python -m tests.forecast [STREAM TRUTH] [--accounts N] …``.

Without files, on made-up people. Their figures say how one forecast stands to another; how
good it is for anybody real, only that person's history can say.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from tests.forecast.baselines import baseline, climatology, ewma, naive
from tests.forecast.judging import LEADS_H, Figures, figures, read_truth
from tests.forecast.stream import forecasts
from tests.forecast.weeks import generate

if TYPE_CHECKING:
    from tests.forecast.weeks import Line, Truth

_ROW = "  {:<12}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}   {}"


def _read(stream: str, truth: str) -> tuple[list[Line], list[Truth]]:
    with open(stream, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines], read_truth(truth)


def _row(name: str, figures: Figures, naive_brier: float) -> str:
    return _ROW.format(
        name,
        f"{figures.brier:.4f}",
        f"{figures.brier / naive_brier:.3f}",
        f"{figures.calibration_error:.3f}",
        f"{figures.covered:.2f}",
        f"{figures.warned:.2f}",
        f"{figures.precision:.2f}",
        " ".join(f"{error:6.2f}" for error in figures.errors_h),
    )


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.forecast", description=__doc__)
    asked.add_argument("files", nargs="*", metavar="STREAM TRUTH", help="in the judge's format")
    asked.add_argument("--accounts", type=int, default=40)
    asked.add_argument("--weeks", type=int, default=4)
    asked.add_argument("--seed", type=int, default=7)
    options = asked.parse_args()
    if len(options.files) not in (0, 2):
        asked.error("a stream needs its truth: name both files, or none")
    lines, truth = (
        _read(*options.files)
        if options.files
        else generate(accounts=options.accounts, weeks=options.weeks, seed=options.seed)
    )
    began = time.perf_counter()
    ours = forecasts(lines)
    took = time.perf_counter() - began
    contenders = {
        "poller": ours,
        "naive": baseline(lines, naive),
        "EWMA": baseline(lines, ewma),
        "climatology": climatology(truth),
    }
    for window, leads in LEADS_H.items():
        scored = {name: figures(said, truth, window) for name, said in contenders.items()}
        head = "error of when, at " + ", ".join(f"{lead:g} h" for lead, _ in leads)
        print(f"{window}: {scored['poller'].asks} asks")  # noqa: T201 - what it is for
        names = ("", "Brier", "/naive", "calib.", "covered", "warned", "precis.", head)
        print(_ROW.format(*names))  # noqa: T201 - likewise
        for name, each in scored.items():
            print(_row(name, each, scored["naive"].brier))  # noqa: T201 - likewise
    print(f"{len(lines)} lines in {took:.1f} s, {took / len(lines) * 1e6:.0f} µs a line")  # noqa: T201


if __name__ == "__main__":
    main()
