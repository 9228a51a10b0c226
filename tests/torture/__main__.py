"""Fail every fallible call of a clean run: ``python -m tests.torture [--share S]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import anyio

from tests.torture.sweep import TARGETS, Arena, Blow, Survived, arena, blows, strike

_AT_ONCE = 3


async def _calls(arena: Arena) -> tuple[dict[str, int], Survived]:
    """Return how often a clean run makes each call, and what such a run shows."""
    counted: dict[str, int] = {}
    clean = await arena.run(Blow("os.open", 0, "EIO"))
    for target in TARGETS:
        counted[target] = (await arena.run(Blow(target, 0, "EIO"))).calls
    return counted, clean


async def _sweep(args: argparse.Namespace, folder: Path) -> tuple[Counter[str], int]:
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    outcomes: Counter[str] = Counter()

    async with arena(folder) as ring:
        calls, clean = await _calls(ring)
        sys.stderr.write(f"{json.dumps(calls)}\n")

        async def strike_once(blow: Blow) -> None:
            async with limiter:
                outcome = await strike(ring, blow, clean)
            outcomes[outcome] += 1
            if outcome.startswith("broken"):
                sys.stderr.write(f"{outcome[:1000]}\n")

        async with asyncio.TaskGroup() as group:
            for target in TARGETS:
                if args.target in target:
                    chance = random.Random(args.seed)
                    for blow in blows(target, calls[target], share=args.share, chance=chance):
                        group.create_task(strike_once(blow))
    return outcomes, sum(calls.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--share", type=float, default=1.0, help="of the calls, 0 to 1")
    parser.add_argument("--target", default="", help="only those with this in their name")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    begun_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, calls = asyncio.run(_sweep(args, Path(folder)))
    broken = sum(outcome.startswith("broken") for outcome in outcomes.elements())
    figures = {
        "calls of a clean run": calls,
        "runs with one that fails": outcomes.total() - outcomes["none"],
        "outcomes": {k: n for k, n in outcomes.most_common() if not k.startswith("broken")},
        "broken": broken,
        "seconds": round(time.monotonic() - begun_at),
    }
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
