"""Poll an upstream that answers kept connections twice: ``python -m tests.faults.swaps``.

After each answer another account's answer follows on the same connection, 0 to 20 ms
later; teams share an account id, so that only the user id tells their members apart; and
a tenth of the accounts stall, reset or cut at first, so that requests are abandoned at
every point. What each account must show is computed from its ids alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poller.simulator.accounts import made_up
from poller.simulator.server import Simulator
from tests import running
from tests.faults import program
from tests.faults.load import simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.simulator.accounts import MadeUpAccount

FAULTS = ("hangx1", "hang-halfx1", "slow-900msx1", "resetx1", "reset-halfx1", "cutx1", "closex1")
"""All heal: every account must answer in the end."""
FAULT_SHARE = 0.1
TEAM_SIZE = 3
FLAGS = ("--timeout", "0.7", "--retries", "5", "--show-identity")


@dataclass(frozen=True)
class Swaps:
    """How a run went."""

    accounts: int
    answered: int
    wrong: int
    """Accounts that show figures which are not theirs."""
    attempts: int
    cpu_s: float
    wall_s: float


def population(accounts: int, now: float) -> Iterator[MadeUpAccount]:
    """Yield the accounts, the same as the simulator writes with the same arguments."""
    return made_up(
        accounts, now=now, fault_share=FAULT_SHARE, fault_mix=FAULTS, team_size=TEAM_SIZE
    )


def wrong_answers(
    records: Iterable[dict[str, Any]], accounts: int, *, began_at: float, ended_at: float
) -> int:
    """Return how many records show what is not their account's, by figures or by user.

    A window may have been reset once between the two times, in Unix seconds.
    """
    expected = {one.name: one for one in population(accounts, began_at)}
    clocks = [Simulator(now=began_at), Simulator(now=ended_at)]
    wrong = 0
    for record in records:
        one = expected[record["account"]]
        windows = record["windows"].items()
        right = [running.windows_of(clock, one) for clock in clocks]
        own = all(window in (either.get(name) for either in right) for name, window in windows)
        wrong += record["ok"] and not (own and record["user_id"] == one.user_id)
    return wrong


def polled(accounts: int, *, concurrency: int, surplus: bool) -> Swaps:
    """Poll so many accounts with the real program; return how it went."""
    with tempfile.TemporaryDirectory() as made:
        folder, began_at = Path(made) / "account", time.time()
        args = [
            *("--accounts", str(accounts), "--team-size", str(TEAM_SIZE), "--lean"),
            *("--fault-share", str(FAULT_SHARE), "--fault-mix", ",".join(FAULTS)),
        ]
        with simulator(folder, *args, *(["--surplus"] if surplus else [])) as url:
            flags = ("--concurrency", str(concurrency), *FLAGS)
            asked = ("--account-dir", str(folder), "--chatgpt-url", url)
            ended = asyncio.run(program.ended(program.poller(*asked, *flags), cwd=Path(made)))
        records = [json.loads(line) for line in ended.stdout.splitlines()]
    named = {record["account"]: record for record in records}
    return Swaps(
        accounts=len(named),
        answered=sum(record["ok"] for record in named.values()),
        wrong=wrong_answers(
            named.values(), accounts, began_at=began_at, ended_at=began_at + ended.wall_s + 60
        ),
        attempts=sum(record["attempts"] for record in named.values()),
        cpu_s=ended.cpu_s,
        wall_s=ended.wall_s,
    )


def main() -> int:
    """Print the figures with and without surplus answers; 1 where an answer went astray."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.swaps", description=__doc__)
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=64)
    asked = parser.parse_args()
    good = True
    for surplus in (False, True):
        swaps = polled(asked.accounts, concurrency=asked.concurrency, surplus=surplus)
        good &= swaps.wrong == 0 and swaps.answered == asked.accounts
        sys.stdout.write(
            f"{'surplus answers' if surplus else 'a sound upstream'}:"
            f" {swaps.answered} of {asked.accounts} answered, {swaps.wrong} at the wrong account,"
            f" {swaps.attempts / asked.accounts:.3f} requests an account,"
            f" {1000 * swaps.cpu_s / asked.accounts:.3f} ms of CPU an account,"
            f" {swaps.wall_s:.1f} s\n"
        )
        sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
