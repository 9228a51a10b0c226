"""Measure the program against what people would otherwise use: ``python -m tests.benchmarks``."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import contenders, fetching, running, servers, starting
from tests.benchmarks.measuring import client_core, server_core
from tests.benchmarks.report import heading, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.report import Verdict
    from tests.benchmarks.servers import Certificates, Server

_FAULT = "503-after-1x1"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    counts: tuple[int, int]
    rounds: Mapping[int, int]
    """How often everybody runs, by concurrency."""
    few_rounds: int
    """How often what takes a moment runs."""
    waiting: int
    """Accounts of the latency runs."""
    memory: tuple[int, ...]
    nginx: bool
    waiting_rounds: int = 3


_FULL = Plan((1_000, 10_000), {64: 3, 8: 1, 256: 1}, 9, 1_000, (1_000, 10_000, 100_000), nginx=True)
_QUICK = Plan((200, 1_000), {64: 3}, 5, 1_000, (1_000, 5_000), nginx=False, waiting_rounds=1)


def main() -> int:
    """Measure, print, and return 0 whatever the figures: they are for people to read."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in 90 s")
    args = parser.parse_args()
    began = time.monotonic()
    plan = _QUICK if args.quick else _FULL
    _preamble()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="poller-bench-"))
        verdicts = _Bench(plan, Path(folder), stack).everything()
    heading("what it must show")
    for verdict in verdicts:
        say(verdict.line)
    say(f"\nmeasured in {time.monotonic() - began:.0f} s")
    return 0


def _preamble() -> None:
    say(
        f"poller, whole program: auth files in, JSON lines out. Python {platform.python_version()}"
        f" on {platform.system()}; servers on core {server_core() or 'any'}, what is measured on"
        f" core {client_core() or 'any'}; medians of interleaved runs; ratio: poller's CPU over"
        " theirs.\n"
        "Answers: a dozen headers, two Set-Cookie, compressed for who asks; each with its"
        " account's identity.\n"
        "http: poller and requests reach 127.0.0.1 (poller sends tokens to no other name"
        " unencrypted), the aiohttp loops the name localhost: for a name the default loop keeps"
        " cookies, as it does at home.\n"
        "https: all reach the name localhost and trust one CA made up here, nothing else"
        " (requests loads it for each account; a full bundle would make it several times slower)."
    )


class _Bench:
    """The sections in order; what they share is started once."""

    def __init__(self, plan: Plan, folder: Path, stack: ExitStack) -> None:
        self._plan = plan
        self._folder = folder
        self._stack = stack
        self._tls: Certificates = servers.certificates(folder)

    def everything(self) -> list[Verdict]:
        """Measure every section; return the verdicts."""
        plain = self._stack.enter_context(servers.simulator())
        secure = self._stack.enter_context(servers.simulator(tls=self._tls))
        verdicts, start_s = self._starting(plain, secure)
        verdicts += self._fetching(plain, secure)
        verdicts += self._waiting(start_s)
        pools = [contenders.accounts(self._folder, count) for count in self._plan.memory]
        return verdicts + running.measure_memory(plain, pools)

    def _starting(self, plain: Server, secure: Server) -> tuple[list[Verdict], float]:
        rounds = self._plan.few_rounds
        one, three = (contenders.accounts(self._folder, count) for count in (1, 3))
        verdicts = starting.measure_help(rounds=rounds)
        cold, start_s = starting.measure_one(plain, one, rounds=rounds)
        verdicts += cold + starting.measure_one(secure, one, rounds=rounds)[0]
        for tls in (None, self._tls):
            with servers.simulator(tls=tls, latency="300ms") as slow:
                verdicts += starting.measure_three(slow, three, rounds=3)
        return verdicts, start_s

    def _fetching(self, plain: Server, secure: Server) -> list[Verdict]:
        pools = [contenders.accounts(self._folder, count) for count in self._plan.counts]
        verdicts: list[Verdict] = []
        for concurrency, rounds in self._plan.rounds.items():
            for server in (plain, secure):
                verdicts += fetching.compare(server, pools, concurrency, rounds=rounds)
        for tls in (None, self._tls) if self._plan.nginx else ():
            with servers.nginx(self._folder, tls=tls) as nginx:
                if nginx is None:
                    say("\nnginx is not installed: left out")
                    break
                verdicts += fetching.compare(nginx, pools, fetching.JUDGED_AT, rounds=3)
        return verdicts

    def _waiting(self, start_s: float) -> list[Verdict]:
        count = self._plan.waiting
        well = contenders.accounts(self._folder, count)
        failing = contenders.accounts(self._folder, count, faulty=0.05, fault=_FAULT)
        with servers.simulator(latency="200ms") as slow:
            return running.measure_waiting(
                slow, well, failing, start_s=start_s, rounds=self._plan.waiting_rounds
            )


if __name__ == "__main__":
    sys.exit(main())
