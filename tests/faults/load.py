"""Poll thousands of accounts, a fifth of them faulty: ``python -m tests.faults.load``.

Healthy accounts' median time is compared with that of a run without faults; runs of the
two kinds alternate, as a machine may be busier at one time than at another.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests import running
from tests.faults import program

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 120 << 20


@dataclass(frozen=True)
class Figures:
    """What one run took."""

    accounts: int
    records: int
    healthy: int
    """Accounts without a fault."""
    healthy_answered: int
    attempts: int
    median_s: float
    """Of the healthy ones, from first attempt to record."""
    peak_bytes: int
    wall_s: float
    cpu_s: float
    kinds: collections.Counter[str]

    def broken(self) -> list[str]:
        """Return what does not hold of all that must, whatever the machine."""
        limit = 1.25 * self.accounts + 20
        promises = {
            f"{self.records} records of {self.accounts} accounts": self.records == self.accounts,
            f"{self.healthy_answered} of {self.healthy} healthy accounts answered": (
                self.healthy_answered == self.healthy
            ),
            f"{self.attempts} requests, {limit:.0f} at most": self.attempts <= limit,
            f"{self.peak_bytes >> 20} MiB, 120 MB at most": self.peak_bytes < MOST_BYTES,
        }
        return [what for what, holds in promises.items() if not holds]


@contextmanager
def simulator(folder: Path, *args: str) -> Iterator[str]:
    """Run the simulator as a process of its own; yield its address."""
    command = [sys.executable, "-m", "poller.simulator", "--port", "0", "--dir", str(folder)]
    with subprocess.Popen(
        [*command, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=running.environment(folder.parent),
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def measured(
    accounts: int,
    *,
    fault_share: float,
    concurrency: int,
    latency: str = "0",
    fault_mix: str | None = None,
) -> Figures:
    """Poll a population with the real program; return what that took."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "account"
        args = ["--accounts", str(accounts), "--fault-share", str(fault_share)]
        args += [] if fault_mix is None else ["--fault-mix", fault_mix]
        with simulator(folder, *args, "--latency", latency, "--lean") as url:
            command = program.poller(
                *("--account-dir", str(folder), "--chatgpt-url", url),
                *("--concurrency", str(concurrency), "--show-identity"),
            )
            ended = asyncio.run(program.ended(command, cwd=Path(made)))
        return _figures(ended, _healthy_names(folder))


def _healthy_names(folder: Path) -> dict[str, bool]:
    """Return by label whether an account is healthy: its id asks for no fault."""
    return {
        path.name.removesuffix(".auth.json"): b"~" not in path.read_bytes()
        for path in folder.glob("*.auth.json")
    }


def _figures(ended: program.Ended, healthy: dict[str, bool]) -> Figures:
    records = [json.loads(line) for line in ended.stdout.splitlines()]
    well = [record for record in records if healthy[record["account"]]]
    answered = [record for record in well if record["ok"]]
    return Figures(
        accounts=len(healthy),
        records=len({record["account"] for record in records}),
        healthy=sum(healthy.values()),
        healthy_answered=len(answered),
        attempts=sum(record["attempts"] for record in records),
        # Told in whole milliseconds, of which it may be two or three.
        median_s=statistics.median_grouped([record["elapsed_s"] for record in answered], 0.001),
        peak_bytes=ended.peak_bytes,
        wall_s=ended.wall_s,
        cpu_s=ended.cpu_s,
        kinds=collections.Counter(record["error"]["kind"] for record in records if record["error"]),
    )


def main() -> int:
    """Print the figures; return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.load", description=__doc__)
    add = parser.add_argument
    add("--accounts", type=int, default=10_000)
    add("--concurrency", type=int, default=256)
    add("--fault-share", type=float, default=0.2)
    add("--fault-mix", help="comma-separated; the simulator's own mix without it")
    add("--latency", default="100ms", help="of every answer (%(default)s)")
    add("--rounds", type=int, default=1)
    asked = parser.parse_args()
    broken: list[str] = []
    medians: dict[float, list[float]] = {0.0: [], asked.fault_share: []}
    for _ in range(asked.rounds):
        for share, seen in medians.items():
            figures = measured(
                asked.accounts,
                fault_share=share,
                concurrency=asked.concurrency,
                latency=asked.latency,
                fault_mix=asked.fault_mix,
            )
            seen.append(figures.median_s)
            broken += figures.broken()
            _say(share, figures)
    without, with_faults = (statistics.median(seen) for seen in medians.values())
    ratio = with_faults / without
    sys.stdout.write(f"healthy accounts' median: {ratio:.2f} times that without faults\n")
    if ratio > 1.25:
        broken.append(f"median time {ratio:.2f} times, 1.25 at most")
    for line in broken:
        sys.stdout.write(f"does not hold: {line}\n")
    return 1 if broken else 0


def _say(share: float, figures: Figures) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.kinds.items()))
    sys.stdout.write(
        f"{share:4.0%} faulty: {figures.records} records,"
        f" {figures.healthy_answered}/{figures.healthy} healthy answered,"
        f" {figures.attempts / figures.accounts:.3f} requests an account,"
        f" peak {figures.peak_bytes / 1e6:.0f} MB, median {figures.median_s * 1000:.1f} ms,"
        f" {figures.wall_s:.1f} s ({figures.cpu_s:.1f} s of CPU); {kinds or 'no failures'}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
