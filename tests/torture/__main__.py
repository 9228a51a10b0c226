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

from tests.torture.sweep import TARGETS, Arena, Blow, Survived, arena, blows, check

_AT_ONCE = 3


async def _calls(arena: Arena) -> tuple[dict[str, int], Survived]:
    """Return how often a clean run makes each call, and what such a run shows."""
    counted: dict[str, int] = {}
    clean = await arena.run(Blow("os.open", 0, "EIO"))
    for target in TARGETS:
        counted[target] = (await arena.run(Blow(target, 0, "EIO"))).calls
    return counted, clean


async def _sweep(args: argparse.Namespace, folder: Path) -> tuple[Counter[str], list[str], int]:
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    outcomes: Counter[str] = Counter()
    broken: list[str] = []

    async with arena(folder) as ring:
        calls, clean = await _calls(ring)
        sys.stderr.write(f"{json.dumps(calls)}\n{clean.kinds}\n")

        async def strike(blow: Blow) -> None:
            async with limiter:
                try:
                    outcomes[check(blow, await ring.run(blow), clean)] += 1
                except (AssertionError, TimeoutError) as error:
                    broken.append(f"{blow}: {type(error).__name__}: {error}")
                    sys.stderr.write(f"{broken[-1][:600]}\n")

        async with asyncio.TaskGroup() as group:
            for target in TARGETS:
                if args.target in target:
                    chance = random.Random(args.seed)
                    for blow in blows(target, calls[target], share=args.share, chance=chance):
                        group.create_task(strike(blow))
    return outcomes, broken, sum(calls.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--share", type=float, default=1.0, help="of the calls, 0 to 1")
    parser.add_argument("--target", default="", help="only those with this in their name")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    begun_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, broken, calls = asyncio.run(_sweep(args, Path(folder)))
    figures = {
        "calls of a clean run": calls,
        "runs with one that fails": sum(outcomes.values()) + len(broken),
        "outcomes": dict(outcomes.most_common()),
        "broken": len(broken),
        "seconds": round(time.monotonic() - begun_at),
    }
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
