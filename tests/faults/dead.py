"""Poll a dead upstream, and count what it costs: ``python -m tests.faults.dead``."""

from __future__ import annotations

import argparse
import asyncio
import collections
import socket
import sys
import tempfile
import time
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poller.simulator.__main__ import write_accounts
from poller.simulator.accounts import made_up
from poller.simulator.server import PATH, serve
from tests.faults import program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

DEATHS = ("503", "edge", "refused", "reset", "404", "429")
"""Every request meets it; ``refused`` is a port where nobody listens."""


@dataclass(frozen=True)
class Cost:
    """What one run against a dead upstream took."""

    requests: int
    """At the server, or where nobody counts, the attempts in the records."""
    wall_s: float
    code: int
    kinds: collections.Counter[str]
    records: int


@asynccontextmanager
async def dead(
    death: str, *, latency_s: float = 0.0
) -> AsyncIterator[tuple[str, Callable[[], int] | None]]:
    """Yield the address of a dead upstream, and its count of requests where it has one."""
    if death == "refused":
        yield f"http://127.0.0.1:{free_port()}{PATH}", None
        return
    async with serve(fault=death, latency_s=latency_s, detail=False) as simulator:
        yield simulator.url, lambda: simulator.counts.requests


def free_port() -> int:
    """Return a port of loopback where nobody listens."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


async def cost(
    death: str, accounts: int, folder: Path, *flags: str, latency_s: float = 0.0
) -> Cost:
    """Poll so many accounts of a dead upstream with the real program.

    ``latency_s`` is how long each answer takes: the longer, the more are in flight.
    """
    if not (folder / "account").exists():
        write_accounts(folder / "account", made_up(accounts, now=time.time()))
    async with dead(death, latency_s=latency_s) as (url, count):
        command = program.poller("--chatgpt-url", url, *flags)
        ended = await program.ended(command, cwd=folder)
        attempts = sum(record["attempts"] for record in ended.records)
        requests = attempts if count is None else count()
        assert requests == attempts, (requests, attempts)
    kinds = collections.Counter(
        str((record["error"] or {}).get("kind")) for record in ended.records
    )
    return Cost(requests, ended.wall_s, ended.code, kinds, len(ended.records))


def main() -> None:
    """Print a line for each death and concurrency."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.dead", description=__doc__)
    parser.add_argument("--accounts", type=int, default=5_000)
    parser.add_argument("--deaths", nargs="*", default=DEATHS[:3])
    parser.add_argument("--concurrency", nargs="*", type=int, default=(8, 64, 256))
    parser.add_argument("--patience", default="40")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds (%(default)s)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for death in asked.deaths:
            for concurrency in asked.concurrency:
                flags = ("--concurrency", str(concurrency), "--patience", asked.patience)
                polling = cost(death, asked.accounts, Path(folder), *flags, latency_s=asked.latency)
                spent = asyncio.run(polling)
                kinds = ", ".join(f"{count} {kind}" for kind, count in spent.kinds.items())
                sys.stdout.write(
                    f"{death:8} concurrency {concurrency:3}: {spent.requests:4} requests,"
                    f" {spent.wall_s:5.1f} s, {spent.records} records, exit {spent.code}; {kinds}\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
