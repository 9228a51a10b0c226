"""Print what the plan costs and how late it is, beside asking everybody every five minutes.

``python -m tests.plan [--seeds N] [--people N]``: a week to learn, a week that is judged.
Every seed is another population; the table has their mean and, in brackets, the worst.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from dataclasses import fields
from statistics import fmean
from typing import TYPE_CHECKING

from poller.polling.plan import Plan
from tests.plan.people import people
from tests.plan.trial import Asks, Figures, FixedInterval, measure, run

if TYPE_CHECKING:
    from collections.abc import Callable

_LEARNT_DAYS, _DAYS = 7, 14
_BUDGETS = (160.0, 80.0)
"""Requests an hour for forty accounts."""


def _contenders(count: int) -> dict[str, Callable[[int], Asks]]:
    def with_budget(budget: float) -> Callable[[int], Asks]:
        return lambda seed: Plan(budget * count / 40, seed)

    return {
        "every 5 min": lambda _: FixedInterval(),
        "plan": lambda seed: Plan(None, seed),
        **{f"{budget:.0f} an hour": with_budget(budget) for budget in _BUDGETS},
    }


def _print(columns: dict[str, list[Figures]]) -> None:
    sys.stdout.write("".join(f"{name:>20}" for name in ("", *columns)) + "\n")
    for name in [field.name for field in fields(Figures)]:
        cells = []
        for figures in columns.values():
            values = [float(getattr(each, name)) for each in figures]
            cells.append(f"{fmean(values):.3f} ({max(values):.3f})")
        sys.stdout.write(f"{name:<20}" + "".join(f"{cell:>20}" for cell in cells) + "\n")


def _plan_alone(count: int) -> tuple[float, float]:
    """Return microseconds of CPU per request, and bytes an account takes after a day."""
    lives = people(count, days=2, seed=0)
    spent_ns = 0

    class Timed(Plan):
        def answered(self, *args: object, requests: int = 1) -> None:
            nonlocal spent_ns
            began = time.thread_time_ns()
            super().answered(*args, requests=requests)  # type: ignore[arg-type]
            spent_ns += time.thread_time_ns() - began

        def next(self, now: float) -> tuple[str, float] | None:
            nonlocal spent_ns
            began = time.thread_time_ns()
            turn = super().next(now)
            spent_ns += time.thread_time_ns() - began
            return turn

    done = run(Timed(_BUDGETS[0]), lives, days=2)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    plan = Plan()
    run(plan, lives, days=1)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return spent_ns / 1000 / len(done.starts), (after - before) / count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.plan")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=40)
    args = parser.parse_args()
    contenders = _contenders(args.people)
    columns: dict[str, list[Figures]] = {name: [] for name in contenders}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        lives = people(args.people, days=_DAYS, seed=seed)
        for name, contender in contenders.items():
            done = run(contender(seed), lives, days=_DAYS, seed=seed)
            columns[name].append(measure(done, lives, from_day=_LEARNT_DAYS, days=_DAYS))
        sys.stderr.write(f"{seed} ")
    sys.stderr.write("\n")
    _print(columns)
    spent_us, kept_bytes = _plan_alone(args.people)
    sys.stdout.write(f"{spent_us:.0f} µs a request, {kept_bytes:.0f} bytes an account\n")


if __name__ == "__main__":
    main()
