"""Run the real program against a simulator, and read what it wrote."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from poller.authfiles.find import in_memory
from poller.cli import main
from poller.polling.account import Attempts
from poller.polling.breaker import Breaker, UpstreamHealth
from poller.polling.feed import AccountFeed
from poller.polling.policy import Pace
from poller.polling.scheduler import open_round
from poller.settings import Settings
from poller.simulator.accounts import MadeUpAccount, auth_file
from poller.simulator.wire import Caller
from poller.text import KnownTokens
from poller.upstream.client import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    import pytest

    from poller.authfiles.read import AuthFile
    from poller.polling.account import Fetches, Renews
    from poller.polling.stream import Reports
    from poller.simulator.server import Simulator
    from poller.values import Report

ROOT = Path(__file__).parents[1]
POLLER = (sys.executable, "-m", "poller")
LONGEST_S = 30.0
"""A program that takes longer hangs."""
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
"""For a program that its signal handler ends: coverage saves what it measured there, and waits
for ever where the signal came while it held its own lock."""


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of a record, as it lies in the package."""
    told: dict[str, Any] = json.loads((ROOT / "poller/present/record.schema.json").read_bytes())
    return told


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def record_of(line: bytes | str) -> dict[str, Any]:
    """Return one line's record; it fits the schema."""
    record: dict[str, Any] = json.loads(line)
    _validator().validate(record)
    return record


@contextmanager
def unmeasured() -> Iterator[None]:
    """Keep coverage, which makes code take three times as long, out of what is timed."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def account(
    name: str,
    ending: str = "",
    *,
    plan: str = "plus",
    user_id: str | None = None,
    lives_s: float = 86_400,
) -> MadeUpAccount:
    """Return an account; ``ending`` of its id says what the simulator does: ``~503x1``."""
    slug = name if name.isascii() else name.encode().hex()
    who = (user_id or f"user-{slug}", f"acct-{slug}{ending}", f"{slug}@example.com", plan)
    content = auth_file(
        user_id=who[0],
        account_id=who[1],
        email=who[2],
        plan=plan,
        expires_at=time.time() + lives_s,
    )
    return MadeUpAccount(name, *who, content)


def numbered(count: int, ending: str = "", *, start: int = 0) -> list[MadeUpAccount]:
    return [account(f"n{index:04d}", ending) for index in range(start, start + count)]


def write(folder: Path, *accounts: MadeUpAccount) -> Path:
    """Write the accounts' auth files, readable by their owner alone; return the folder."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for one in accounts:
        path = folder / f"{one.name}.auth.json"
        path.write_bytes(one.auth_file)
        path.chmod(0o600)
    return folder


def windows_of(simulator: Simulator, one: MadeUpAccount) -> dict[str, Any]:
    """Return the windows that the simulator tells of an account, as a record shows them."""
    caller = Caller(one.user_id, one.account_id, one.plan, one.email)
    limit: Any = simulator.payload(caller)["rate_limit"] or {}
    names = {18_000: "five_hour", 604_800: "weekly", 2_592_000: "monthly", 2_628_000: "monthly"}
    return {
        names[window["limit_window_seconds"]]: {
            "used_percent": window["used_percent"],
            "remaining_percent": 100 - window["used_percent"],
            "window_seconds": window["limit_window_seconds"],
            "reset_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(window["reset_at"])),
            "started": window["used_percent"] > 0
            or window["reset_after_seconds"] < window["limit_window_seconds"] - 120,
        }
        for window in (limit.get("primary_window"), limit.get("secondary_window"))
        if window and window["limit_window_seconds"]
    }


@dataclass(frozen=True)
class Ended:
    """What a run left behind."""

    code: int
    out: bytes
    err: str

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Its records in order, each valid."""
        return [record_of(line) for line in self.out.splitlines()]

    @cached_property
    def by_account(self) -> dict[str, dict[str, Any]]:
        """Its records by label, of which none comes twice."""
        named = {record["account"]: record for record in self.records}
        assert len(named) == len(self.records)
        return named

    @property
    def kinds(self) -> dict[str, str | None]:
        """The kind of failure by label, None for who answered."""
        return {
            name: record["error"] and record["error"]["kind"]
            for name, record in self.by_account.items()
        }


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a clean environment: no proxies, no configuration, nobody's login."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PATH" or name.startswith("COVERAGE_")
    }
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "LC_ALL": "C", **(more or {})}


@asynccontextmanager
async def started(
    *args: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    command: Iterable[str] = POLLER,
    **streams: Any,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the program in ``cwd``; end it where the test does not."""
    pipe = asyncio.subprocess.PIPE
    streams = {"stdin": asyncio.subprocess.DEVNULL, "stdout": pipe, "stderr": pipe} | streams
    running = await asyncio.create_subprocess_exec(
        *command, *args, cwd=cwd, env=environment(cwd, env), **streams
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def ended(running: asyncio.subprocess.Process, given: bytes | None = None) -> Ended:
    """Wait for the end; whatever it says on standard error is no traceback."""
    out, err = await running.communicate(given)
    assert running.returncode is not None
    said = (err or b"").decode()
    assert "Traceback" not in said
    assert "Error" not in said
    return Ended(running.returncode, out or b"", said)


async def run(*args: str, cwd: Path, given: bytes | None = None, **how: Any) -> Ended:
    """Run the program to its end."""
    if given is not None:
        how["stdin"] = asyncio.subprocess.PIPE
    async with started(*args, cwd=cwd, **how) as running:
        return await ended(running, given)


def ran_here(capfdbinary: pytest.CaptureFixture[bytes], *words: str) -> Ended:
    """Run a command that asks nobody, in this process: that is a tenth of the time."""
    capfdbinary.readouterr()
    code = main(words)
    out, err = capfdbinary.readouterr()
    return Ended(code, out, err.decode())


@asynccontextmanager
async def streamed(
    url: str,
    accounts: Iterable[MadeUpAccount],
    **settings: Any,
) -> AsyncIterator[Reports]:
    """Poll accounts in memory, in this process."""
    async with one_round(made_up(accounts), Settings(chatgpt_url=url, **settings)) as reports:
        yield reports


def made_up(accounts: Iterable[MadeUpAccount]) -> list[AuthFile]:
    """Return the auth files of made-up accounts, in memory."""
    return in_memory((one.name, one.auth_file) for one in accounts)


@asynccontextmanager
async def one_round(
    files: Iterable[AuthFile] | AccountFeed,
    settings: Settings,
    *,
    client: Fetches | None = None,
    renewals: Renews | None = None,
    health: UpstreamHealth | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Reports]:
    """Poll files in one round; what is not given is as the program makes it."""
    if client is None:
        async with (
            open_client(settings, proxy=None) as own,
            one_round(
                files, settings, client=own, renewals=renewals, health=health, clock=clock
            ) as reports,
        ):
            yield reports
        return
    feed = files if isinstance(files, AccountFeed) else AccountFeed(files, clock=clock)
    attempts = Attempts(
        client,
        settings,
        tokens=KnownTokens(),
        pace=None if settings.rate is None else Pace(settings.rate),
        renewals=renewals,
        clock=clock,
    )
    health = health or UpstreamHealth(Breaker(settings.patience_s))
    async with open_round(feed, attempts, health, settings) as reports:
        yield reports


async def polled(url: str, accounts: Iterable[MadeUpAccount], **how: Any) -> dict[str, Report]:
    """Return the reports by account, of which each has one."""
    accounts = list(accounts)
    async with asyncio.timeout(LONGEST_S), streamed(url, accounts, **how) as reports:
        came = [report async for report in reports]
    named = {report.account: report for report in came}
    assert sorted(report.account for report in came) == sorted(one.name for one in accounts)
    assert {report.position for report in came} == {*range(len(accounts))}
    return named


def kind_of(report: Report) -> str | None:
    return None if report.failure is None else str(report.failure.kind)
