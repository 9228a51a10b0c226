"""Start-up: the help, and few accounts from cold."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.benchmarks import contenders
from tests.benchmarks.contenders import BARE, PROGRAM, SEQUENTIAL
from tests.benchmarks.measuring import cost, median
from tests.benchmarks.report import Target, Verdict, heading, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.contenders import Accounts
    from tests.benchmarks.measuring import Cost
    from tests.benchmarks.servers import Server

_BARE = "python -c pass"
_NOTHING = "python -m keyword"
_HELP = "poller --help"
_HELP_BY_MODULE = "python -m poller --help"
_ENTRY = "from poller.__main__ import entry; entry()"
"""What the installed command runs."""


def measure_help(*, rounds: int) -> list[Verdict]:
    """Compare ``--help`` with an interpreter that does nothing.

    ``-m`` loads what finds modules: a module of two lists, as ``keyword`` is, has it, too.
    """
    commands = {
        _BARE: [sys.executable, "-c", "pass"],
        _NOTHING: [sys.executable, "-m", "keyword"],
        _HELP: [sys.executable, "-c", _ENTRY, "--help"],
        _HELP_BY_MODULE: [sys.executable, "-m", "poller", "--help"],
    }
    spent = _in_turn(commands, rounds=rounds)
    heading("start-up: the help")
    _tell(spent)
    say(f"{_NOTHING} takes {_ratio(spent[_NOTHING], spent[_BARE]):.2f} of {_BARE}")
    return [
        Verdict(
            f"start-up: CPU of {name} over a bare interpreter's",
            _ratio(spent[name], spent[_BARE]),
            Target(1.6),
        )
        for name in (_HELP, _HELP_BY_MODULE)
    ]


def _ratio(ours: list[Cost], theirs: list[Cost]) -> float:
    pairs = zip(ours, theirs, strict=True)
    return median(mine.cpu_s / other.cpu_s for mine, other in pairs)


def measure_one(server: Server, one: Accounts, *, rounds: int) -> tuple[list[Verdict], float]:
    """Poll one account from cold; return verdicts, and the seconds that starting takes."""
    commands = {
        PROGRAM: contenders.program(one, server, 8),
        BARE: contenders.bare(one, server, 8),
        SEQUENTIAL: contenders.sequential(one, server),
    }
    spent = _in_turn(commands, rounds=rounds, env=contenders.trust(server))
    heading(f"start-up: one account from cold, {server.scheme}")
    _tell(spent)
    ratio = _ratio(spent[PROGRAM], spent[SEQUENTIAL])
    say(f"{PROGRAM} takes {ratio:.2f} of the CPU of {SEQUENTIAL}")
    ours_ms, theirs_ms = (_ms(spent[name]) for name in (PROGRAM, SEQUENTIAL))
    target = Target(350, round(theirs_ms))
    what = f"start-up: CPU of one account from cold, {server.scheme}"
    wall_s = median(each.wall_s for each in spent[PROGRAM])
    return [Verdict(what, ours_ms, target, "ms")], wall_s


def measure_three(server: Server, three: Accounts, *, rounds: int) -> list[Verdict]:
    """Poll three accounts that answer after 300 ms, from cold."""
    commands = {
        PROGRAM: contenders.program(three, server, 8),
        BARE: contenders.bare(three, server, 8),
        SEQUENTIAL: contenders.sequential(three, server),
    }
    spent = _in_turn(commands, rounds=rounds, env=contenders.trust(server))
    heading(f"three accounts, 300 ms latency, from cold, {server.scheme}")
    _tell(spent)
    wall_ms = median(each.wall_s for each in spent[PROGRAM]) * 1e3
    what = f"three accounts at 300 ms, {server.scheme}: wall"
    return [Verdict(what, wall_ms, Target(750), "ms")]


def _in_turn(
    commands: Mapping[str, list[str]], *, rounds: int, env: Mapping[str, str] | None = None
) -> dict[str, list[Cost]]:
    spent: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            spent[name].append(cost(command, env))
    return spent


def _tell(spent: Mapping[str, list[Cost]]) -> None:
    for name, costs in spent.items():
        wall_ms = median(each.wall_s for each in costs) * 1e3
        peak_mb = median(each.peak_bytes for each in costs) / 1e6
        say(f"{name:21} {_ms(costs):7.1f} ms CPU  {wall_ms:7.1f} ms wall  {peak_mb:6.1f} MB")


def _ms(costs: list[Cost]) -> float:
    return median(each.cpu_s for each in costs) * 1e3
