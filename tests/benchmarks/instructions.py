"""Count instructions per account under cachegrind: ``python -m tests.benchmarks.instructions``.

Marginal: the difference between a run over many accounts and one over few, so that
start-up and the making of connections fall out. Repeats within a percent whatever else
the machine does. The server runs outside of valgrind.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import contenders, servers
from tests.benchmarks.contenders import BARE, FREE, PROGRAM, SEQUENTIAL
from tests.benchmarks.measuring import instructions
from tests.benchmarks.report import Target, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.benchmarks.contenders import Accounts
    from tests.benchmarks.servers import Server

    Command = Callable[[Accounts], list[str]]

FEW, MANY = 200, 1_000
_CONCURRENCY = 64
_MOST = 800_000
_MOONSHOT = 650_000


def main() -> int:
    """Print the table; return 1 where the program needs more than it may."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.instructions")
    parser.add_argument("--scheme", choices=("http", "https", "both"), default="both")
    parser.add_argument("--server", choices=("simulator", "nginx"), default="simulator")
    parser.add_argument("--only", choices=(PROGRAM, BARE, FREE, SEQUENTIAL), help="one contender")
    args = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.stderr.write("valgrind is not installed: apt-get install valgrind\n")
        return 2
    say(
        f"instructions per account: marginal between {FEW} and {MANY:,} accounts, concurrency "
        f"{_CONCURRENCY}; start: what a run over {FEW} takes beyond theirs"
    )
    reached = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poller-bench-")))
        pools = [contenders.accounts(folder, count) for count in (FEW, MANY)]
        for server in _servers(stack, folder, args.scheme, args.server):
            reached &= _tell(server, _counted(server, pools, args.only))
    return 0 if reached else 1


def _servers(stack: ExitStack, folder: Path, scheme: str, name: str) -> list[Server]:
    own = servers.certificates(folder)
    wanted = [tls for tls in (None, own) if scheme in ("both", "http" if tls is None else "https")]
    if name == "simulator":
        return [stack.enter_context(servers.simulator(tls=tls)) for tls in wanted]
    started = [stack.enter_context(servers.nginx(folder, tls=tls)) for tls in wanted]
    return [server for server in started if server is not None]


def _commands(server: Server) -> Mapping[str, Command]:
    commands: dict[str, Command] = {
        PROGRAM: lambda pool: contenders.program(pool, server, _CONCURRENCY),
        BARE: lambda pool: contenders.bare(pool, server, _CONCURRENCY),
        FREE: lambda pool: contenders.bare(pool, server, _CONCURRENCY, free=True),
        SEQUENTIAL: lambda pool: contenders.sequential(pool, server),
    }
    if not server.is_tls:  # how much of it is cookies: none are kept for an address
        commands[f"{BARE}, by address"] = lambda pool: contenders.bare(
            pool, server, _CONCURRENCY, named=False
        )
    return commands


def _counted(
    server: Server, pools: list[Accounts], only: str | None
) -> Mapping[str, tuple[float, float]]:
    """Return instructions per account and of the start, by contender."""
    found: dict[str, tuple[float, float]] = {}
    for name, command in _commands(server).items():
        if only is None or name == only:
            few, many = (instructions(command(pool), contenders.trust(server)) for pool in pools)
            each = (many - few) / (MANY - FEW)
            found[name] = (each, few - each * FEW)
    return found


def _tell(server: Server, counted: Mapping[str, tuple[float, float]]) -> bool:
    """Print the lines of one server; return whether the program's own target is reached."""
    ours = counted[PROGRAM][0] if PROGRAM in counted else None
    for name, (each, start) in counted.items():
        verdict = "" if ours is None else _verdict(name, ours, each)
        line = (
            f"{server.name} {server.scheme:5}  {name:28} {each:12,.0f}  start {start / 1e6:6,.0f} M"
        )
        say(f"{line}  {verdict}".rstrip())
    return ours is None or ours <= _MOST


def _verdict(name: str, ours: float, theirs: float) -> str:
    if name == PROGRAM:
        return Target(_MOST, _MOONSHOT).judged(ours)
    ratio = f"poller takes {ours / theirs:.2f} of it"
    targets = {BARE: Target(0.8, 0.65), FREE: Target(1.35, 1.15)}
    return f"{ratio}: {targets[name].judged(ours / theirs)}" if name in targets else ratio


if __name__ == "__main__":
    sys.exit(main())
