"""A month of watching living accounts, in minutes: what it costs, and whether anything grows.

``python -m tests.watching.soak [--accounts N] [--days D] [--speed S]`` runs the real program on
the demo's clock, and prints a line for each day: requests, CPU, memory, open files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.running import POLLER, environment

_DAY_S = 86_400
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Day:
    """What a program had used at the end of a day of the demo's time."""

    number: int
    requests: int
    """Of that day, and account."""
    cpu_s: float
    """In all."""
    memory_bytes: int
    files: int


def watched_days(
    folder: Path, *, accounts: int, days: int, speed: float, options: tuple[str, ...] = ()
) -> list[Day]:
    """Watch for so many days; return what each of them cost."""
    command = (
        *(*POLLER, "watch", "--demo", str(accounts), "--demo-speed", str(speed)),
        *("--format", "jsonl", "--history", str(folder / "history.db"), *options),
    )
    running = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    seen: list[Day] = []
    began_at: float | None = None
    requests = 0
    try:
        for line in running.stdout:
            at = _unix(json.loads(line)["observed_at"])
            began_at = began_at or at
            requests += 1
            if at - began_at >= (len(seen) + 1) * _DAY_S:
                seen.append(_day(running.pid, len(seen) + 1, round(requests / accounts)))
                requests = 0
                if len(seen) == days:
                    break
    finally:
        running.terminate()
        running.stdout.close()
        running.wait()
    return seen


def _unix(text: str) -> float:
    import calendar

    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def _day(pid: int, number: int, requests: int) -> Day:
    process = Path("/proc") / str(pid)
    spent = process.joinpath("stat").read_text().rpartition(")")[2].split()
    return Day(
        number,
        requests,
        (int(spent[11]) + int(spent[12])) / _TICKS,
        int(process.joinpath("statm").read_text().split()[1]) * _PAGE,
        len(os.listdir(process / "fd")),
    )


def main() -> None:
    """Print what each day cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--speed", type=float, default=4_000)
    given = parser.parse_args()
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        days = watched_days(
            Path(folder), accounts=given.accounts, days=given.days, speed=given.speed
        )
        size = sum(path.stat().st_size for path in Path(folder).glob("history.db*"))
    before = 0.0
    for day in days:
        sys.stdout.write(
            f"day {day.number:2}: {day.requests:4} requests an account, "
            f"{day.cpu_s - before:6.1f} s of CPU, {day.memory_bytes / 1e6:6.1f} MB, "
            f"{day.files:3} files\n"
        )
        before = day.cpu_s
    sys.stdout.write(
        f"{len(days)} days of {given.accounts} accounts in {time.monotonic() - began_at:.0f} s; "
        f"the history has {size / 1e6:.1f} MB\n"
    )


if __name__ == "__main__":
    main()
