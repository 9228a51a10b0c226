"""Many readers at once, and how long an answer takes meanwhile.

``python -m tests.serving.load [--accounts 300] [--readers 8] [--seconds 5]`` prints one line
for each path: the median and the 95th percentile in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from poller.simulator.server import serve as upstream
from tests.commands.test_serve import Site, site
from tests.running import numbered, write

PATHS = ("", "api/v1/accounts", "api/v1/pool", "metrics")


@dataclass(frozen=True, slots=True)
class Took:
    """Times of one path, in milliseconds."""

    path: str
    median_ms: float
    slow_ms: float
    """The 95th percentile."""
    answers: int
    size: int
    """Bytes of an answer."""


async def asked(served: Site, path: str, *, readers: int, seconds: float) -> Took:
    """Have so many readers ask for a path one time after the other."""
    took: list[float] = []
    size = 0
    end = time.monotonic() + seconds

    async def read() -> None:
        nonlocal size
        while (begun_at := time.monotonic()) < end:
            status, body = await served.get(path)
            assert status == 200
            took.append(1000 * (time.monotonic() - begun_at))
            size = len(body)

    await asyncio.gather(*(read() for _ in range(readers)))
    slow = statistics.quantiles(took, n=20)[-1]
    return Took(f"/{path}", statistics.median(took), slow, len(took), size)


async def measure(*, accounts: int, readers: int, seconds: float) -> list[Took]:
    """Serve made-up accounts and ask for each path."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "account", *numbered(accounts, "+two_windows:42:5"))
        words = ("--concurrency", "64", "--history", "quota.db", "--chatgpt-url")
        async with upstream() as simulator, site(*words, simulator.url, cwd=Path(folder)) as served:
            await served.until_polled()
            return [await asked(served, path, readers=readers, seconds=seconds) for path in PATHS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    measured = asyncio.run(
        measure(accounts=given.accounts, readers=given.readers, seconds=given.seconds)
    )
    for took in measured:
        print(  # noqa: T201 - what it is for
            f"{took.path:20} median {took.median_ms:6.1f} ms, 95 % {took.slow_ms:6.1f} ms, "
            f"{took.answers} answers of {took.size / 1000:.0f} kB"
        )


if __name__ == "__main__":
    main()
