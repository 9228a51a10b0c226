"""Let processes refresh the same logins at the same time, a careless writer beside them.

    python -m tests.refreshing.race --rounds 50 [--writer]

In every round each login is due, and two real programs start at once. The writer does
what Codex does with its file: it reads it, cuts it to nothing and writes it again, and
takes no lock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from poller.simulator.server import serve
from poller.simulator.tokens import Logins
from tests.refreshing.logins import (
    EXPIRED_S,
    is_alive,
    refresh,
    sent_twice,
    store,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from poller.simulator.server import Simulator

ACCOUNTS = 20
_LIFE_S = 200.0
"""Of access tokens: due again in the next round, and too short to be adopted."""

WRITER = """
import os, random, sys, time
paths = sys.argv[1:]
print("writing", flush=True)
while True:
    path = random.choice(paths)
    with open(path, "rb") as file:
        content = file.read()
    if not content.rstrip().endswith(b"}"):
        continue
    with open(path, "r+b", buffering=0) as file:
        file.truncate(0)
        time.sleep(random.uniform(0, 0.001))
        file.write(content[:1000])
        file.write(content[1000:])
    time.sleep(random.uniform(0, 0.004))
"""


@dataclass
class Race:
    """How a race ended."""

    rounds: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    requests: int = 0
    sent_twice: int = 0
    stale: int = 0
    """Files that did not hold the living refresh token after a round."""
    rescued: int = 0
    """The same, but for a file beside them that did."""


async def race(
    folder: Path, *, rounds: int, writer: bool, processes: int = 2, life_s: float = _LIFE_S
) -> Race:
    """Run so many rounds; return how they ended."""
    result = Race()
    async with serve(logins=Logins(life_s=life_s)) as simulator:
        names = [f"r{index:02d}" for index in range(ACCOUNTS)]
        paths = {name: store(folder / "account", name) for name in names}
        for _ in range(rounds):
            async with _writing(list(paths.values()), on=writer):
                runs = [refresh(folder, simulator) for _ in range(processes)]
                for ended in await asyncio.gather(*runs):
                    result.kinds.update(str(kind) for kind in ended.kinds.values())
            result.rounds += 1
            for name, path in paths.items():
                _check(result, simulator, path, name)
        result.requests = simulator.logins.requests
        result.sent_twice = len(sent_twice(simulator))
    return result


def _check(result: Race, simulator: Simulator, path: Path, name: str) -> None:
    """Count a file that is behind, and log its owner in again."""
    if is_alive(simulator, path, name):
        return
    alive = simulator.logins.alive(f"user-{name}", f"acct-{name}") or ""
    beside = [each for each in path.parent.iterdir() if each.name.startswith(f"{path.name}.rescue")]
    result.rescued += any(alive in each.read_text() for each in beside)
    result.stale += 1
    for each in beside:
        each.unlink()
    held = json.loads(path.read_bytes())
    held["tokens"]["refresh_token"] = alive
    path.write_text(json.dumps(held, indent=2))


@asynccontextmanager
async def _writing(paths: list[Path], *, on: bool) -> AsyncIterator[None]:
    if not on:
        yield
        return
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, *map(str, paths), stdout=asyncio.subprocess.PIPE
    )
    assert running.stdout is not None
    await running.stdout.readline()
    try:
        yield
    finally:
        running.terminate()
        await running.wait()
        for path in paths:  # it may have been ended with a file half written
            if not path.read_bytes().rstrip().endswith(b"}"):
                store(path.parent, path.name.removesuffix(".auth.json"), lives_s=EXPIRED_S)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.refreshing.race")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--writer", action="store_true")
    args = parser.parse_args()
    random.seed()
    with tempfile.TemporaryDirectory() as folder:
        begun_at = time.monotonic()
        result = asyncio.run(race(Path(folder), rounds=args.rounds, writer=args.writer))
    figures = {
        "rounds": result.rounds,
        "accounts": ACCOUNTS,
        "seconds": round(time.monotonic() - begun_at, 1),
        "refreshes": result.requests,
        "refresh tokens sent twice": result.sent_twice,
        "files left with an older token": result.stale,
        "of these with a rescue beside": result.rescued,
        "kinds of the records": dict(result.kinds),
    }
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")


if __name__ == "__main__":
    main()
