"""Stop the program at random instants and see what it leaves behind.

    python -m tests.leaving.leave --instants 500 [--seed N]

Every run is the real program over files of every sort, stopped by SIGINT or SIGTERM at
an instant drawn evenly over its life, from the start of the interpreter on. What the
records must be is the contract's; a signal that comes before the program has its hands
on it is counted, and may do what signals do to an interpreter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from poller.simulator.server import serve
from tests.running import account, record_of, started, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.simulator.accounts import MadeUpAccount
    from poller.simulator.server import Simulator

WAYS = ("folder", "list", "table", "ordered")
OUT_WITHIN_S = 2.0
_SLACK_S = 1.0
"""What a busy machine takes to notice that a child has ended."""
_PATIENCE_S = 1.8
"""The program's own, after a signal."""
_HANGS_AFTER_S = 60.0
_LATENCY_S = 0.05
_AT_ONCE = 3
_COUNTED = re.compile(r"(\d+) (usable|blocked|failed|not asked)")
"""What the last line of a table tells."""


@dataclass(frozen=True)
class Plan:
    """One run and when it is stopped."""

    index: int
    way: str
    number: signal.Signals
    after_s: float
    """Seconds from the start of the process to the signal."""


@dataclass(frozen=True)
class Stopped:
    """What a stopped run left behind."""

    plan: Plan
    outcome: str
    """``records``; ``done`` where it had ended by itself; ``too early`` for the signal;
    ``no time``, where the machine was so busy that 2 s were over before the libraries were
    loaded; or what it left less than promised."""
    took_s: float
    """From the signal to the end."""
    cancelled: int
    answered: int


def plans(count: int, chance: random.Random, *, life_s: float) -> Iterator[Plan]:
    """Yield runs stopped at instants spread evenly over a life and a little beyond."""
    for index in range(count):
        after_s = life_s * 1.05 * (index + chance.random()) / count
        number = chance.choice((signal.SIGINT, signal.SIGTERM))
        yield Plan(index, WAYS[index % len(WAYS)], number, after_s)


def accounts_of(index: int) -> list[MadeUpAccount]:
    """Return accounts in every state: answering, failing, retrying, waiting, hanging."""
    endings = ("",) * 14 + ("~503x1", "~retry-after-1x1", "~401", "~hang", "~slow-200ms", "~reset")
    return [account(f"r{index}n{place:02d}", ending) for place, ending in enumerate(endings)]


async def life_s(simulator: Simulator, folder: Path, index: int) -> float:
    """Return how long a whole run takes here and now."""
    begun_at = time.monotonic()
    await stop(simulator, folder, Plan(index, "folder", signal.SIGTERM, after_s=60.0))
    return time.monotonic() - begun_at


async def stop(simulator: Simulator, folder: Path, plan: Plan) -> Stopped:
    """Make one run; raises AssertionError where it leaves less than was promised."""
    accounts = accounts_of(plan.index)
    home = folder / f"run{plan.index}"
    home.mkdir()
    write(home / "account", *accounts)
    broken = home / "account" / f"r{plan.index}broken.auth.json"
    broken.write_text("no JSON")
    paths = "".join(f"account/{one.name}.auth.json\n" for one in accounts) + f"{broken}\n"
    arguments = [f"--chatgpt-url={simulator.url}", "--concurrency=6", "--timeout=0.4"]
    arguments += ["--retries=1", *_arguments(plan.way)]
    listed = plan.way == "list"
    stdin = asyncio.subprocess.PIPE if listed else asyncio.subprocess.DEVNULL
    async with started(*arguments, cwd=home, stdin=stdin) as running:
        if running.stdin is not None:
            running.stdin.write(paths.encode())
        async with asyncio.TaskGroup() as group:
            reading_out = group.create_task(_all_of(running.stdout))
            reading_err = group.create_task(_all_of(running.stderr))
            ready, stopped_at = await _signalled(running, plan)
            # The list's end stays open: only the signal ends that run, where one could.
            if running.stdin is not None and not ready:
                running.stdin.close()
            async with asyncio.timeout(_HANGS_AFTER_S):
                code = await running.wait()
        out, err = reading_out.result(), reading_err.result()
    took_s = time.monotonic() - stopped_at
    names = [one.name for one in accounts] + [f"r{plan.index}broken"]
    if not ready and not out:  # 130 is ours, the others are the system's and the interpreter's
        assert code in (-plan.number, 1, 128 + plan.number), (plan, code, err)
        return Stopped(plan, "too early", took_s, 0, 0)
    if not ready and code in (0, 1, 2, 3):  # what runs before the program threw it away
        _check(plan, out, names, simulator, everything=True)
        return Stopped(plan, "too early", took_s, 0, 0)
    assert b"Traceback" not in err, (plan, err.decode())
    if code == 128 + plan.number and not out and took_s >= _PATIENCE_S and not listed:
        return Stopped(plan, "no time", took_s, 0, 0)
    if code in (0, 1, 2, 3) and not listed:
        _check(plan, out, names, simulator, everything=True)
        return Stopped(plan, "done", took_s, 0, len(names))
    assert code == 128 + plan.number, (plan, code, err.decode())
    assert took_s < OUT_WITHIN_S + _SLACK_S, (plan, took_s)
    cancelled, answered = _check(plan, out, names, simulator, everything=not listed)
    return Stopped(plan, "records", took_s, cancelled, answered)


def _arguments(way: str) -> list[str]:
    match way:
        case "list":
            return ["--files-from=-"]
        case "table":
            return ["--format=table"]
        case "ordered":
            return ["--ordered", "--show-identity"]
        case _:
            return []


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


async def _signalled(running: asyncio.subprocess.Process, plan: Plan) -> tuple[bool, float]:
    """Signal at the instant; tell whether the program could catch it, and when that was."""
    with suppress(TimeoutError):
        await asyncio.wait_for(running.wait(), plan.after_s)
    if running.returncode is not None:
        return True, time.monotonic()
    ready = _catches(running.pid, plan.number)
    with suppress(ProcessLookupError):
        # Not its own send_signal(), which may take a status away from who waits for it.
        os.kill(running.pid, plan.number)
    return ready, time.monotonic()


def _catches(pid: int, number: int) -> bool:
    """Tell whether the program's own hand is on the signals: Python's is on SIGINT alone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:  # gone meanwhile, or no Linux
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def _check(
    plan: Plan, out: bytes, names: list[str], simulator: Simulator, *, everything: bool
) -> tuple[int, int]:
    """Check the records; return how many were cancelled and how many were not."""
    if plan.way == "table":
        return _check_table(plan, out.decode(), names)
    records = [record_of(line) for line in out.splitlines()]
    assert not out or out.endswith(b"\n"), plan
    found = [record["account"] for record in records]
    assert len({*found}) == len(found), (plan, Counter(found).most_common(1))
    # A list comes in one piece: it was read, or it was not.
    wanted = names if everything or found else []
    assert sorted(found) == sorted(wanted), (plan, {*wanted} ^ {*found})
    if plan.way == "ordered":
        assert found == sorted(found), plan
    counts = simulator.counts.accounts
    for record in records:
        name, error = record["account"], record["error"]
        seen = next((c.attempts for i, c in counts.items() if i.startswith(f"acct-{name}")), 0)
        if error is None or error["kind"] != "cancelled":
            assert seen == record["attempts"], (plan, record)
        else:  # a request that was cut may not have got there
            assert 0 <= record["attempts"] - seen <= 1, (plan, record)
    unseen = {i for i in counts if i.startswith(f"acct-r{plan.index}n")}
    assert not unseen or records, plan
    cancelled = sum(r["error"] is not None and r["error"]["kind"] == "cancelled" for r in records)
    return cancelled, len(records) - cancelled


def _check_table(plan: Plan, table: str, names: list[str]) -> tuple[int, int]:
    rows = [line.split() for line in table.splitlines()]
    usable = Counter(row[1] for row in rows if row[:1] == ["usable"])
    assert max(usable.values(), default=1) == 1, (plan, table)
    assert {*usable} <= {*names}, (plan, table)
    counts = {state: int(count) for count, state in _COUNTED.findall(table.splitlines()[-1])}
    assert counts["usable"] == len(usable), (plan, table)
    assert sum(counts.values()) == len(names), (plan, table)
    return counts.get("not asked", 0), len(names) - counts.get("not asked", 0)


async def stop_all(count: int, *, seed: int, folder: Path) -> list[Stopped]:
    """Make so many runs, some at a time, and return what they left."""
    chance = random.Random(seed)
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    stopped: list[Stopped] = []
    async with serve(latency_s=_LATENCY_S) as simulator:
        # As under the load of the runs to come.
        lives = (life_s(simulator, folder, count + place) for place in range(_AT_ONCE))
        life = sorted(await asyncio.gather(*lives))[_AT_ONCE // 2]

        async def one(plan: Plan) -> None:
            async with limiter:
                try:
                    stopped.append(await stop(simulator, folder, plan))
                except (AssertionError, TimeoutError) as error:
                    stopped.append(Stopped(plan, f"broken: {error}", 0.0, 0, 0))

        async with asyncio.TaskGroup() as group:
            for plan in plans(count, chance, life_s=life):
                group.create_task(one(plan))
    return stopped


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.leaving.leave")
    parser.add_argument("--instants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun_at = time.monotonic()
        stopped = asyncio.run(stop_all(args.instants, seed=args.seed, folder=Path(folder)))
    figures = {
        "instants": len(stopped),
        "seed": args.seed,
        "seconds": round(time.monotonic() - begun_at, 1),
        "outcomes": dict(Counter(one.outcome for one in stopped)),
        "latest too early, ms": round(
            1000 * max((s.plan.after_s for s in stopped if s.outcome == "too early"), default=0)
        ),
        "slowest ways out": [
            f"{1000 * one.took_s:.0f} ms ({one.plan.way}, after {1000 * one.plan.after_s:.0f} ms)"
            for one in sorted(stopped, key=lambda s: -s.took_s)[:5]
            if one.outcome == "records"
        ],
        "records cancelled": sum(one.cancelled for one in stopped),
        "records of accounts that were done": sum(one.answered for one in stopped),
    }
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")
    sys.exit(any(one.outcome.startswith("broken") for one in stopped))


if __name__ == "__main__":
    main()
