"""Long runs: what latency costs in wall, and many accounts in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.benchmarks import contenders
from tests.benchmarks.contenders import BARE, PROGRAM
from tests.benchmarks.measuring import cost, median
from tests.benchmarks.report import Target, Verdict, heading, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.contenders import Accounts
    from tests.benchmarks.servers import Server

_CONCURRENCY = 64
LATENCY_S = 0.2


def measure_waiting(
    server: Server, well: Accounts, failing: Accounts, *, start_s: float, rounds: int
) -> list[Verdict]:
    """Poll a server that answers after 200 ms; of ``failing``, 5 % answer 503 first."""
    heading(f"{well.count:,} accounts, 200 ms latency, concurrency {_CONCURRENCY}")
    floor_s = math.ceil(well.count / _CONCURRENCY) * LATENCY_S
    walls = {"all answer": well, "5 % 503 + Retry-After: 1": failing}
    targets = {
        "all answer": 1.05 * floor_s,
        # 4.8 s for a thousand: the floor is 4.2, and the last to fail waits a second more
        "5 % 503 + Retry-After: 1": floor_s + 1.6,
    }
    verdicts: list[Verdict] = []
    for name, pool in walls.items():
        wall_s = median(_wall_s(server, pool) for _ in range(rounds))
        say(f"{name:26} {wall_s:6.2f} s wall, {start_s:.2f} s of it to start")
        what = f"{well.count:,} accounts at 200 ms, {name}: wall less start-up"
        verdicts.append(Verdict(what, wall_s - start_s, Target(round(targets[name], 2)), "s"))
    return verdicts


def _wall_s(server: Server, pool: Accounts) -> float:
    server.forget_counts()
    return cost(contenders.program(pool, server, _CONCURRENCY)).wall_s


def measure_memory(server: Server, pools: Sequence[Accounts]) -> list[Verdict]:
    """Poll ever more accounts; print the peaks."""
    heading(f"peak memory in MB, {server.scheme}, concurrency {_CONCURRENCY}")
    say(f"{'':28}" + "".join(f" {pool.count:>10,}" for pool in pools))
    commands = {
        PROGRAM: [contenders.program(pool, server, _CONCURRENCY) for pool in pools],
        f"{PROGRAM} --format table": [
            [*contenders.program(pool, server, _CONCURRENCY), "--format", "table"] for pool in pools
        ],
        BARE: [contenders.bare(pool, server, _CONCURRENCY) for pool in pools],
    }
    peaks_mb: dict[str, list[float]] = {}
    for name, each in commands.items():
        peaks_mb[name] = [cost(command).peak_bytes / 1e6 for command in each]
        say(f"{name:28}" + "".join(f" {peak:10.1f}" for peak in peaks_mb[name]))
    ours, table = peaks_mb[PROGRAM], peaks_mb[f"{PROGRAM} --format table"]
    many = pools[-1].count
    row_bytes = (table[-1] - ours[-1]) * 1e6 / many
    return [
        Verdict(
            f"memory: at {many:,} accounts above that at 1,000",
            ours[-1] - ours[0],
            Target(50),
            "MB",
        ),
        Verdict(f"memory: peak at {many:,} accounts", ours[-1], Target(90), "MB"),
        Verdict("memory: of the table beyond JSON lines, a row", row_bytes, Target(3000), "bytes"),
    ]
