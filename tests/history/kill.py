"""End a recording process at random instants: ``python -m tests.history.kill [TIMES]``.

After each SIGKILL the file is whole, and holds every round that the process had said was
written: at most the last one, of which it had not, is missing.
"""

# ruff: noqa: T201 - what it says is what it is for

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path

from poller.history.store import open_history
from tests.history.made_up import AT, is_whole, report, rows

ROOT = Path(__file__).parents[2]
LONGEST_S = 60.0


async def write(path: str, name: str, rounds: int) -> None:
    """Record round after round; say each one's number once it is written."""
    async with open_history(path, close_within_s=LONGEST_S) as history:
        count = await history.transact(
            lambda db: db.execute("SELECT ifnull(max(since), 0) FROM span").fetchone()[0]
        )
        first = max(0, (count - int(AT)) // 60 + 1)
        for number in range(first, first + rounds):
            # Every figure is new, so that a round that is missing shows.
            history.record([report(number % 9973 / 100, at=AT + 60 * number, name=name)])
            await history.transact(lambda _: None)
            print(number, flush=True)


async def killed(path: Path, *, after_s: float) -> None:
    """Let a process write and kill it; raise AssertionError where something is lost."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.history.kill", "write", str(path), "alice", "1000000"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    written = [int(await asyncio.wait_for(process.stdout.readline(), LONGEST_S))]
    killing = asyncio.get_running_loop().call_later(after_s, process.send_signal, signal.SIGKILL)
    async with asyncio.timeout(LONGEST_S):
        written.extend([int(line) async for line in process.stdout if line.endswith(b"\n")])
        await process.wait()
    killing.cancel()
    assert process.returncode == -signal.SIGKILL
    assert is_whole(path)
    stored = {int(at - AT) // 60 for (at,) in rows(path, "SELECT since FROM span")}
    missing = set(written) - stored
    assert not missing, f"rounds {sorted(missing)} of {written[-1]} are missing"


async def kill(times: int) -> None:
    """Kill as often as that, each time in the same file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        for number in range(1, times + 1):
            await killed(path, after_s=random.uniform(0, 0.1))
            if sys.stdout.isatty():
                print(f"\r{number} of {times}", end="", flush=True)
        ((count,),) = rows(path, "SELECT count(*) FROM span")
    print(f"killed {times} times: whole, no round missing of {count}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        asyncio.run(write(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        asyncio.run(kill(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
