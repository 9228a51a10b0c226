"""The main table: the whole program against what people would otherwise use."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tests.benchmarks import contenders
from tests.benchmarks.contenders import BARE, CURL, FREE, PROGRAM, SEQUENTIAL
from tests.benchmarks.measuring import cost, median
from tests.benchmarks.report import Target, Verdict, heading, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.benchmarks.contenders import Accounts
    from tests.benchmarks.measuring import Cost
    from tests.benchmarks.servers import Server

    Run: TypeAlias = tuple[str, int]
    """Who, and over how many accounts."""
    Runs: TypeAlias = dict[Run, list[Cost]]

JUDGED_AT = 64
"""The concurrency that the targets speak of."""
_TARGETS = {
    BARE: Target(0.8, 0.65),
    FREE: Target(1.35, 1.15),
    CURL: Target(3),
}
_TIMES_LESS = {"http": Target(7, is_least=True), "https": Target(10, is_least=True)}


def compare(
    server: Server, pools: Sequence[Accounts], concurrency: int, *, rounds: int
) -> list[Verdict]:
    """Run everybody over every pool in turn, ``rounds`` times; print and return the ratios."""
    runs: Runs = {}
    for turn in range(rounds):
        for pool in pools:
            # The script takes long, and knows no concurrency.
            slow = concurrency == JUDGED_AT and (turn == 0 or pool is pools[0])
            for name, command in _commands(server, pool, concurrency, slow=slow).items():
                spent = cost(command, contenders.trust(server))
                runs.setdefault((name, pool.count), []).append(spent)
    counts = [pool.count for pool in pools]
    _tell(server, concurrency, runs, counts=counts)
    return list(_verdicts(server, runs, counts)) if concurrency == JUDGED_AT else []


def _commands(
    server: Server, pool: Accounts, concurrency: int, *, slow: bool
) -> Mapping[str, list[str]]:
    commands = {
        PROGRAM: contenders.program(pool, server, concurrency),
        BARE: contenders.bare(pool, server, concurrency),
        FREE: contenders.bare(pool, server, concurrency, free=True),
    }
    curl = contenders.curl(pool, server, concurrency)
    if curl is not None:
        commands[CURL] = curl
    if slow:
        commands[SEQUENTIAL] = contenders.sequential(pool, server)
    return commands


def _tell(server: Server, concurrency: int, runs: Runs, *, counts: Sequence[int]) -> None:
    heading(f"{server.name}, {server.scheme}, concurrency {concurrency}")
    groups = "".join(f" | {f'{count:,} accounts':^34}" for count in counts)
    say(f"{'':21}{groups} | {'marginal':^15}")
    columns = f" | {'acc/s':>7} {'µs CPU each':>11} {'peak MB':>7} {'ratio':>6}"
    say(f"{'':21}{columns * len(counts)} | {'µs CPU':>8} {'ratio':>6}")
    for name in dict.fromkeys(name for name, _ in runs):
        cells = "".join(_cell(runs, name, count) for count in counts)
        few, many = counts[0], counts[-1]
        each_us = median(_marginals(runs, name, few, many)) * 1e6
        say(f"{name:21}{cells} | {each_us:8,.0f} {marginal_ratio(runs, name, few, many):6.2f}")


def _cell(runs: Runs, name: str, count: int) -> str:
    spent = runs[name, count]
    per_s = median(count / each.wall_s for each in spent)
    each_us = median(each.cpu_s for each in spent) / count * 1e6
    peak_mb = median(each.peak_bytes for each in spent) / 1e6
    ratio = whole_ratio(runs, name, count)
    return f" | {per_s:7,.0f} {each_us:11,.0f} {peak_mb:7.1f} {ratio:6.2f}"


def whole_ratio(runs: Runs, name: str, count: int) -> float:
    """Return the program's CPU over another's, whole processes: the median of the rounds'."""
    pairs = zip(runs[PROGRAM, count], runs[name, count], strict=False)
    return median(ours.cpu_s / theirs.cpu_s for ours, theirs in pairs)


def marginal_ratio(runs: Runs, name: str, few: int, many: int) -> float:
    """Return the same of what each further account costs, start-up left out."""
    ours, theirs = (_marginals(runs, each, few, many) for each in (PROGRAM, name))
    return median(a / b for a, b in zip(ours, theirs, strict=False))


def _marginals(runs: Runs, name: str, few: int, many: int) -> list[float]:
    pairs = zip(runs[name, few], runs[name, many], strict=False)
    return [max(b.cpu_s - a.cpu_s, 1e-9) / (many - few) for a, b in pairs]


def _verdicts(server: Server, runs: Runs, counts: Sequence[int]) -> Iterator[Verdict]:
    few, many = counts[0], counts[-1]
    where = f"{server.name} {server.scheme}"
    for name in dict.fromkeys(name for name, _ in runs):
        figures = {
            f"whole run of {many:,}": whole_ratio(runs, name, many),
            "marginal": marginal_ratio(runs, name, few, many),
        }
        for kind, figure in figures.items():
            if name in _TARGETS:
                yield Verdict(f"{where}: CPU over that of {name}, {kind}", figure, _TARGETS[name])
            if name == SEQUENTIAL:
                target = _TIMES_LESS[server.scheme]
                what = f"{where}: times less CPU than {name}, {kind}"
                yield Verdict(what, 1 / figure, target)
