"""Runs of the matrix: rows that do not disturb each other share one, among healthy neighbours.

A row goes through three runs of the program: ``wide`` has every account in flight at
once, each on a connection of its own; ``narrow`` few, so that faults come over kept
connections; ``developer`` is narrow at ``-v`` in Python's development mode.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from poller.simulator.server import serve
from poller.values import FailureKind
from tests import running
from tests.faults import program
from tests.faults.rows import ROWS, Row
from tests.faults.spoiled import good
from tests.faults.watching import CAN_WATCH, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount
    from poller.simulator.counting import Stats
    from poller.simulator.server import Simulator

    State = tuple[tuple[str | int, ...], ...]

MODES = ("wide", "narrow", "developer")
_FLAGS = {
    "wide": ("--concurrency", "512"),
    "narrow": ("--concurrency", "8"),
    "developer": ("--concurrency", "8", "-v"),
}
_ENDLESS = ("hang", "drip", "slow", "big", "gzip-bomb", "endless", "header")
_NEIGHBOURS = 6
_BETWEEN = 4
"""Rows between two healthy accounts: the breaker counts failures in a row."""
DEADLINE_S = 60.0
_OF_RUNS = {"missing", "below_a_file"}


@dataclass(frozen=True)
class Group:
    """Rows that share a run, and whose failures ask for the same exit code."""

    rows: tuple[Row, ...]
    flags: tuple[str, ...]
    code: int

    @property
    def retries(self) -> int:
        """Retries its rows take of the run's budget."""
        return sum(row.attempts - 1 for row in self.rows if row.attempts)

    @property
    def latency_s(self) -> float:
        """Of the wide runs' answers: so that nearly all are asked before one has answered."""
        return 0.0 if any(row.gap_s for row in self.rows) else 0.4

    @property
    def neighbours(self) -> int:
        """Healthy accounts beside them: the run's budget of retries must do for all."""
        accounts = max(0.0, 4 * (self.retries - 20))
        needed = math.ceil(accounts) - len(self.rows)
        return max(_NEIGHBOURS, len(self.rows) // _BETWEEN + 1, needed)


def _code(row: Row) -> int:
    return 0 if row.kind is None else FailureKind(row.kind).exit_class


def grouped(rows: Iterable[Row] = ROWS) -> tuple[Group, ...]:
    """Return the rows by flags, exit code and what must stand apart."""
    groups: dict[tuple[tuple[str, ...], int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.flags, _code(row), row.apart), []).append(row)
    return tuple(Group(tuple(of), flags, code) for (flags, code, _), of in groups.items())


GROUPS = grouped()


def group_of(row: Row) -> int:
    """Return the number of the group that a row is in."""
    return next(number for number, group in enumerate(GROUPS) if row in group.rows)


@dataclass(frozen=True)
class Entry:
    """One account of a run: a row's, or a healthy neighbour (without a row)."""

    made_up: MadeUpAccount
    file_name: str
    row: Row | None


@dataclass(frozen=True)
class Run:
    """One group's run, over, and what the server saw of it."""

    group: Group
    entries: tuple[Entry, ...]
    folder: Path
    ended: program.Ended
    stats: Stats
    elsewhere: Stats
    concurrency: int
    expected: Callable[[MadeUpAccount], tuple[dict[str, Any], ...]]
    before: State
    after: State
    """Of the folder and everything in it."""
    seen: list[tuple[str, str]]
    """What was done in the folder meanwhile; see ``watching``."""

    @cached_property
    def by_source(self) -> dict[str, dict[str, Any]]:
        """The records by their file's name, of which none comes twice."""
        named = {os.path.basename(record["source"]): record for record in self.ended.records}
        assert len(named) == len(self.ended.records)
        return named

    def record(self, entry: Entry) -> dict[str, Any]:
        return self.by_source[shown(entry.file_name)]

    def counted(self, entry: Entry) -> int:
        """Return the attempts that the server counted for this account's user."""
        account = self.stats.accounts.get(entry.made_up.account_id)
        return 0 if account is None else account.users.get(entry.made_up.user_id, 0)

    def may_cost_more(self, entry: Entry) -> int:
        """Return 1 where an attempt came over a kept connection, which proves less."""
        account_id = entry.made_up.account_id
        reused = any(account_id in asked[1:] for asked in self.stats.connections)
        return int(reused or self.loses_unseen)

    def most_in_flight(self, entry: Entry) -> int:
        """Return how many requests for the account the server may see at once.

        Two where the program turns away from an answer that does not end: the server may
        hear of the next request before it hears that the last connection is gone.
        """
        return 2 if entry.row is not None and entry.row.fault.startswith(_ENDLESS) else 1

    @property
    def loses_unseen(self) -> bool:
        """Whether a request may have been lost before the server saw it: it hangs up unasked."""
        return any(row.fault == "goodbye" for row in self.group.rows)

    @cached_property
    def secret(self) -> frozenset[str]:
        """Every piece of every token in the folder."""
        return program.pieces(
            token for entry in self.entries for token in program.tokens(entry.made_up.auth_file)
        )


def shown(file_name: str) -> str:
    r"""Spell a file name as records do: ``\n``'s code and the like in place of what steers."""
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\udc80-\udcff]",
        lambda found: _spelled(ord(found[0])),
        file_name,
    )


def _spelled(code: int) -> str:
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def entries_of(group: Group, elsewhere: str = "") -> tuple[Entry, ...]:
    """Return a run's accounts in their order: healthy ones first, then now and then."""
    rows = list(group.rows)
    healthy = group.neighbours
    first = max(_NEIGHBOURS, healthy - len(rows) // _BETWEEN)
    entries = [_healthy(index) for index in range(first)]
    for index, row in enumerate(rows):
        entries.append(_faulty(len(entries), row, elsewhere))
        if index % _BETWEEN == _BETWEEN - 1 or index == len(rows) - 1:
            entries.append(_healthy(len(entries)))
    return tuple(entries)


def _healthy(index: int) -> Entry:
    made_up = running.account(f"{index:03d}-healthy")
    return Entry(made_up, f"{made_up.name}.auth.json", None)


def _faulty(index: int, row: Row, elsewhere: str) -> Entry:
    slug = re.sub(r"[^a-z0-9]+", "-", row.name.lower())
    fault = row.fault.replace("{elsewhere}", elsewhere)
    made_up = running.account(f"{index:03d}-{slug}", f"~{fault}" if fault else "")
    return Entry(made_up, f"{index:03d}-{row.file_name or slug + '.auth.json'}", row)


async def run_group(group: Group, mode: str, folder: Path, laid: asyncio.Barrier) -> Run:
    """Lay the files, start the servers, run the program to its end.

    Nothing starts before all that run beside it have ``laid`` theirs: a process started
    meanwhile would inherit a file that is being written, and its closing would be seen.
    """
    accounts = folder / "account"
    accounts.mkdir(mode=0o700)
    latency_s = group.latency_s if mode == "wide" else 0.0
    async with serve(seed=1, latency_s=latency_s) as simulator, serve() as elsewhere:
        entries = entries_of(group, elsewhere.origin)
        for entry in entries:
            spoil = good if entry.row is None or entry.row.spoil is None else entry.row.spoil
            spoil(str(accounts / entry.file_name), entry.made_up.auth_file)
        developer = program.DEVELOPER if mode == "developer" else ()
        command = program.poller(
            *_named(group, mode, accounts, entries),
            *("--chatgpt-url", simulator.url, "--deadline", str(DEADLINE_S)),
            *_FLAGS[mode],
            *group.flags,
            python=developer,
        )
        await laid.wait()
        before = state(accounts)
        watching: AbstractContextManager[list[tuple[str, str]]] = nullcontext([])
        if CAN_WATCH:
            watching = watched(accounts)
        with watching as seen:
            ended = await program.ended(command, cwd=folder)
        after = state(accounts)
        stats, other = simulator.stats(), elsewhere.stats()
        expected = _expected(simulator, ended)
    return Run(
        group,
        entries,
        accounts,
        ended,
        stats,
        other,
        int(_FLAGS[mode][1]),
        expected,
        before,
        after,
        seen,
    )


def state(folder: Path) -> State:
    """Return what stands on disk of a folder and its entries, but when they were last read."""
    paths = [folder, *(folder / name for name in sorted(os.listdir(folder)))]
    return tuple((str(path), *_standing(path.lstat())) for path in paths)


def _standing(found: os.stat_result) -> tuple[int, ...]:
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_ino, found.st_mode, found.st_uid, found.st_size, found.st_nlink, *times)


def _named(group: Group, mode: str, accounts: Path, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Name the folder, or, where a file of it is missing and to see both ways, each file."""
    if any(row.spoil is not None and row.spoil.__name__ in _OF_RUNS for row in group.rows):
        return tuple(str(accounts / entry.file_name) for entry in entries)
    return ("--account-dir", str(accounts))


def _expected(
    simulator: Simulator, ended: program.Ended
) -> Callable[[MadeUpAccount], tuple[dict[str, Any], ...]]:
    """Return what tells an account's windows: as they were when the run began and ended."""
    simulators = tuple(
        _at(simulator, at) for at in (ended.started_at, ended.started_at + ended.wall_s)
    )
    return lambda made_up: tuple(running.windows_of(one, made_up) for one in simulators)


def _at(simulator: Simulator, now: float) -> Simulator:
    frozen = type(simulator)(now=now)
    frozen.url = simulator.url
    return frozen


class Runs:
    """The runs so far, each made when it is first asked for."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._made: dict[tuple[int, str], Run] = {}

    def of(self, row: Row, mode: str) -> tuple[Run, Entry]:
        """Return the run that a row was in, and the row's account."""
        run = self.of_group(group_of(row), mode)
        return run, next(entry for entry in run.entries if entry.row is row)

    def of_group(self, number: int, mode: str) -> Run:
        """Return one group's run; its runs in the other modes are made beside it."""
        if (number, mode) not in self._made:
            asyncio.run(self._make(number))
        return self._made[number, mode]

    async def _make(self, number: int) -> None:
        group = GROUPS[number]
        folders = [self._folder(f"{number}-{mode}-") for mode in MODES]
        pairs = zip(MODES, folders, strict=True)
        laid = asyncio.Barrier(len(MODES))
        running_all = (run_group(group, mode, folder, laid) for mode, folder in pairs)
        made = await asyncio.gather(*running_all)
        self._made |= {(number, mode): run for mode, run in zip(MODES, made, strict=True)}
