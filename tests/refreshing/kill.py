"""Kill the program at random instants of a refresh, and see what it leaves behind.

    python -m tests.refreshing.kill --instants 300 [--seed N]

Every run is the real program over a few expired logins, ended by SIGKILL at an instant
drawn evenly over a refresh, from its first lock on. A second run then shows what can be
mended. A login is lost where no file holds the refresh token that works.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from poller.renewal.endpoint import TokenEndpoint
from poller.settings import Settings
from poller.simulator.server import serve
from tests.refreshing.logins import (
    polled,
    refresh,
    refresh_token,
    sent_twice,
    store,
    surroundings,
    tokens,
)
from tests.running import POLLER, started

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.renewal.tokens import Refusal, Tokens
    from poller.simulator.server import Simulator
    from poller.values import Secret

ACCOUNTS = 4
UNMEASURED = ("env", "-u", "COVERAGE_PROCESS_CONFIG", "-u", "COVERAGE_PROCESS_START", *POLLER)
"""The program without coverage, whose file what is killed would leave half written."""
_SPAN_S = 0.06
_AT_ONCE = 2
_FAULT = "late-10ms"
"""The endpoint thinks for so long, then spends the token and answers at once."""


@dataclass(frozen=True)
class Killed:
    """One login after its kill, and after the run that followed."""

    found: str
    """``old``, ``new`` or ``spent``: the file is the old one, and its token was spent."""
    then: str
    """``well``, ``unknown`` (not lost, but poller will not send it again) or ``lost``."""
    spent_before_s: float | None
    """How long before the kill its token was spent; below 0 after it, None never."""

    @property
    def ended(self) -> str:
        """How it ended, and, where it was lost, where the kill fell."""
        if self.then != "lost" or self.spent_before_s is None:
            return self.then
        answered = self.spent_before_s > 0
        return f"lost, the request on its way {'back' if answered else 'there'}"


async def kill(folder: Path, simulator: Simulator, *, number: int, at_s: float) -> list[Killed]:
    """Start a run, kill it ``at_s`` after its first lock, and run again."""
    home = folder / f"{number:04d}"
    home.mkdir()
    names = [f"k{number:04d}-{index}" for index in range(ACCOUNTS)]
    paths = [store(home / "account", name, fault=_FAULT) for name in names]
    words = ("--refresh", "--chatgpt-url", simulator.url)
    env = surroundings(home, simulator)
    async with started(*words, cwd=home, env=env, command=UNMEASURED) as running:
        await _begun(home / "account", running)
        await anyio.sleep(at_s)
        killed_at_s = time.monotonic()
        if running.returncode is None:
            running.send_signal(signal.SIGKILL)
        await running.wait()
    await anyio.sleep(0.02)  # the server notices that nobody listens
    found = [state(simulator, path, name) for path, name in zip(paths, names, strict=True)]
    again = await refresh(home, simulator)
    assert sent_twice(simulator) == {}
    spent = simulator.logins.spent_at_s
    ago = {
        name: killed_at_s - spent[token]
        for name in names
        if (token := refresh_token(name, fault=_FAULT)) in spent
    }
    return [
        Killed(was, after(simulator, path, name, again.kinds[name]), ago.get(name))
        for path, name, was in zip(paths, names, found, strict=True)
    ]


async def _begun(folder: Path, running: asyncio.subprocess.Process) -> None:
    """Wait for the first lock."""

    def is_there() -> bool:
        return any(folder.glob(".*.lock"))

    while running.returncode is None and not is_there():  # noqa: ASYNC110 - no event tells
        await anyio.sleep(0.001)


def alive(simulator: Simulator, name: str) -> str:
    token = simulator.logins.alive(f"user-{name}", f"acct-{name}")
    return token or refresh_token(name, fault=_FAULT)


def state(simulator: Simulator, path: Path, name: str) -> str:
    """Return how a file stands; it is the old one or the new one, whole."""
    held = tokens(path)
    old, new = (refresh_token(name, fault=_FAULT, generation=each) for each in (0, 1))
    assert held["refresh_token"] in (old, new)
    assert len(held) == 4
    if held["refresh_token"] == new:
        return "new"
    return "old" if alive(simulator, name) == old else "spent"


def after(simulator: Simulator, path: Path, name: str, kind: str | None) -> str:
    is_held = tokens(path)["refresh_token"] == alive(simulator, name)
    if kind is None:
        assert is_held
        return "well"
    assert kind == "refresh_unknown", kind
    return "unknown" if is_held else "lost"


async def kill_all(count: int, *, seed: int, folder: Path) -> list[Killed]:
    """Kill so many runs; return every login."""
    chance = random.Random(seed)
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    killed: list[Killed] = []
    async with serve() as simulator, anyio.create_task_group() as group:

        async def one(number: int) -> None:
            at_s = chance.uniform(0, _SPAN_S)
            async with limiter:
                killed.extend(await kill(folder, simulator, number=number, at_s=at_s))

        for number in range(count):
            group.start_soon(one, number)
    return killed


class _Watch:
    """Notes when new tokens were written down, and when they had the file's own name."""

    def __init__(self) -> None:
        self.drafted_at_s: list[float] = []
        self.renamed_at_s: list[float] = []

    def hold(self) -> bool:
        return True

    def release(self) -> None:
        self.renamed_at_s.append(time.monotonic())


class _Watched(TokenEndpoint):
    """A token endpoint whose answers are timed once they are drafted."""

    watch: _Watch

    async def refresh(
        self, refresh_token: Secret, *, received: Callable[[Tokens], None], **how: Any
    ) -> Tokens | Refusal:
        def timed(tokens: Tokens) -> None:
            received(tokens)
            self.watch.drafted_at_s.append(time.monotonic())

        return await super().refresh(refresh_token, received=timed, **how)


async def windows_ms(folder: Path, *, count: int = 200) -> dict[str, dict[str, float]]:
    """Measure from spending a token to its successor's first write, and to the new name."""
    async with serve() as simulator:
        endpoint = _Watched(Settings(), url=simulator.token_url, proxy=None)
        watch = endpoint.watch = _Watch()
        for index in range(count):
            path = store(folder / "window", f"w{index}")
            how = {"exit_guard": watch, "endpoint": endpoint}
            await polled(folder, simulator, str(path), renewing=how)
    spent_at_s = sorted(simulator.logins.spent_at_s.values())
    return {
        "to its draft": _figures(spent_at_s, watch.drafted_at_s),
        "to the file's new name": _figures(spent_at_s, watch.renamed_at_s),
    }


def _figures(spent_at_s: list[float], at_s: list[float]) -> dict[str, float]:
    took = sorted(1000 * (to - at) for at, to in zip(spent_at_s, at_s, strict=True))
    return {
        "median": round(statistics.median(took), 2),
        "p99": round(took[int(len(took) * 0.99)], 2),
        "longest": round(took[-1], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.refreshing.kill")
    parser.add_argument("--instants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun_at = time.monotonic()
        killed = asyncio.run(kill_all(args.instants, seed=args.seed, folder=Path(folder)))
        window = asyncio.run(windows_ms(Path(folder)))
    figures = {
        "instants": args.instants,
        "logins": len(killed),
        "seed": args.seed,
        "seconds": round(time.monotonic() - begun_at, 1),
        "found after the kill": dict(Counter(one.found for one in killed)),
        "after the next run": dict(Counter(one.ended for one in killed)),
        "lost, longest from the spending to the kill, ms": round(
            1000
            * max((one.spent_before_s or 0 for one in killed if one.then == "lost"), default=0),
            2,
        ),
        "from the spending, ms": window,
    }
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")


if __name__ == "__main__":
    main()
