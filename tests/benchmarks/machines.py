"""Two agents beside one process: ``python -m tests.benchmarks.machines``.

The same accounts, the same cap, an upstream that takes 100 ms. Runs come in pairs, one
process and then two agents, so that whatever else the machine does weighs on both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from tests.nats_server import agent, nats_server
from tests.running import POLLER, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_FIRST_WITHIN_S = 1.0
_SHARED = ("--shared", "t=team")


@dataclass
class Timed:
    """What one run took."""

    wall_s: float
    first_s: float
    peak_mb: float
    records: int


async def main() -> int:
    """Print the figures of each pair, and what a job costs; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.machines")
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--latency", default="100ms")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poller-machines-") as name:
        return await _measure(Path(name), args)


async def _measure(folder: Path, args: argparse.Namespace) -> int:
    cap = ("--concurrency", str(args.concurrency))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            nats_server(folder / "nats", more='http: "127.0.0.1:-1"')
        )
        url = await stack.enter_async_context(_upstream(folder, args))
        agents = [
            await stack.enter_async_context(
                agent(server, who, *_SHARED, "--chatgpt-url", url, *cap, cwd=folder)
            )
            for who in ("one", "two")
        ]
        ratios: list[float] = []
        missed = False
        for _ in range(args.pairs):
            alone = await _run(folder, "--account-dir", "team", "--chatgpt-url", url, *cap)
            before = _counted(server.folder)
            urlopen(f"{_origin(url)}/stats/reset").close()  # noqa: ASYNC210 - our own
            two = await _run(folder, "--nats", server.url, *_SHARED, "--agents", "2", *cap)
            after, stats = _counted(server.folder), _stats(url)
            ratio = two.wall_s / alone.wall_s
            ratios.append(ratio)
            each = {name: (after[name] - before[name]) / args.accounts for name in after}
            stored = sum(path.stat().st_size for path in server.store.rglob("*.blk"))
            peaks = ", ".join(f"{_peak_mb(one.running.pid):.0f}" for one in agents)
            sys.stdout.write(
                f"one {alone.wall_s:.1f} s, two agents {two.wall_s:.1f} s ({ratio:.2f} times); "
                f"first record {alone.first_s:.2f} and {two.first_s:.2f} s; "
                f"MB {alone.peak_mb:.0f} and {two.peak_mb:.0f}, agents {peaks}; "
                f"requests {stats['requests']}, in flight {stats['most_in_flight']}; each account "
                f"{each['in_msgs']:.1f}+{each['out_msgs']:.1f} messages, "
                f"{each['in_bytes'] + each['out_bytes']:.0f} bytes; store {stored / 1e6:.1f} MB\n"
            )
            missed |= two.records != args.accounts or stats["most_in_flight"] > args.concurrency
            missed |= two.first_s > _FIRST_WITHIN_S
        middle = statistics.median(ratios)
        sys.stdout.write(f"median {middle:.2f} times; target 1.30\n")
        return int(missed or middle > 1.3)


@asynccontextmanager
async def _upstream(folder: Path, args: argparse.Namespace) -> AsyncIterator[str]:
    words = ("simulate", "--port", "0", "--lean", "--latency", args.latency)
    running = await asyncio.create_subprocess_exec(
        *(*POLLER, *words, "--dir", "team", "--accounts", str(args.accounts)),
        cwd=folder,
        env=environment(folder),
        stdout=-1,
        stderr=-1,
    )
    assert running.stdout is not None
    try:
        yield (await running.stdout.readline()).decode().strip()
    finally:
        running.terminate()
        await running.communicate()


async def _run(folder: Path, *words: str) -> Timed:
    began = time.monotonic()
    running = await asyncio.create_subprocess_exec(
        *POLLER, *words, cwd=folder, env=environment(folder), stdout=-1
    )
    assert running.stdout is not None
    first_s, records, peak_mb = 0.0, 0, 0.0
    while await running.stdout.readline():
        records += 1
        if records == 1:
            first_s = time.monotonic() - began
        if records % 1000 == 0:
            peak_mb = max(peak_mb, _peak_mb(running.pid))
    await running.wait()
    return Timed(time.monotonic() - began, first_s, peak_mb, records)


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def _origin(url: str) -> str:
    return url.partition("/backend-api")[0]


def _stats(url: str) -> dict[str, Any]:
    with urlopen(f"{_origin(url)}/stats") as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def _counted(folder: Path) -> dict[str, int]:
    ports = json.loads(next((folder / "poller.ports").glob("*.ports")).read_text())
    with urlopen(f"{ports['monitoring'][0]}/varz") as answer:
        told = json.load(answer)
    return {name: told[name] for name in ("in_msgs", "out_msgs", "in_bytes", "out_bytes")}


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
