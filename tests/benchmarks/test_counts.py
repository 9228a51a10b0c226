"""Guard the speed by counts that repeat exactly, whatever else the machine does.

Each bound is what a run takes today, or what its structure allows, with its reason. One
that is broken means work done twice, or something that grows with the accounts.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poller.simulator.__main__ import write_accounts
from poller.simulator.accounts import made_up
from poller.simulator.server import serve
from tests.benchmarks.measuring import environment

if TYPE_CHECKING:
    from poller.simulator.counting import Stats
    from tests.conftest import Certificates

_COUNTED = str(Path(__file__).parent / "clients" / "counted.py")
ACCOUNTS = 300
CONCURRENCY = 16
FAILING = 15
"""5 % of them, each answered with 503 once."""


@dataclass(frozen=True)
class Counted:
    """What one run did."""

    code: int
    counts: dict[str, int]
    opened: dict[str, int]
    modules: frozenset[str]
    stats: Stats | None = None
    """The server's."""

    @property
    def foreign(self) -> set[str]:
        """Packages that are neither the program's nor Python's own."""
        packages = {name.partition(".")[0] for name in self.modules if not name.startswith("_")}
        return packages - sys.stdlib_module_names - {"poller"}


async def counted(tmp_path: Path, *args: str, **env: str) -> Counted:
    found = tmp_path / "counts.json"
    command = [sys.executable, _COUNTED, str(found), *args]
    ended = await anyio.run_process(command, env=environment(env), cwd=tmp_path, check=False)
    told: dict[str, Any] = json.loads(found.read_bytes())
    return Counted(ended.returncode, told["counts"], told["opened"], frozenset(told["modules"]))


@pytest.fixture(scope="module", params=["http", "https"])
def polled(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    certificates: Certificates,
) -> Counted:
    """Poll accounts that all answer, once for all tests."""
    tls = certificates if request.param == "https" else None
    return anyio.run(_polled, tmp_path_factory.mktemp(request.param), tls)


async def _polled(tmp_path: Path, tls: Certificates | None, **faults: Any) -> Counted:
    write_accounts(tmp_path / "account", made_up(ACCOUNTS, now=time.time(), **faults))
    context = None if tls is None else tls.server
    host = "127.0.0.1" if tls is None else "localhost"
    trust = {} if tls is None else {"SSL_CERT_FILE": tls.ca_file}
    async with serve(host=host, ssl_context=context) as simulator:
        run = await counted(
            tmp_path,
            *("--chatgpt-url", simulator.url, "--concurrency", str(CONCURRENCY)),
            *("--account-deadline", "30", "--account-dir", str(tmp_path / "account")),
            **trust,
        )
        stats = simulator.stats()
    return Counted(run.code, run.counts, run.opened, run.modules, stats)


@pytest.mark.anyio
async def test_the_help_loads_the_options_and_nothing_else(tmp_path: Path) -> None:
    run = await counted(tmp_path, "--help")
    assert run.code == 0
    # What the standard library has costs milliseconds.
    options = {name for name in run.modules if name.startswith("poller.settings.options.")}
    settings = {
        "settings",
        *(f"settings.{name}" for name in ("addresses", "options", "value_types")),
    }
    writing = {"deliver", "deliver.printing"}
    process = {"process", "process.exit_codes", "process.importing"}
    own = {"cli", "commands", "commands.help", *settings, *writing, *process}
    known = {"__future__", "poller", *(f"poller.{name}" for name in own)}
    assert run.modules - options <= known


def test_json_lines_load_only_what_asking_takes(polled: Counted) -> None:
    assert polled.code == 0
    # aiohttp brings all of these but the first five along.
    assert polled.foreign <= {
        *("anyio", "aiohttp", "orjson", "platformdirs", "tenacity"),
        *("aiohappyeyeballs", "aiosignal", "attr", "frozenlist", "idna", "multidict"),
        *("propcache", "typing_extensions", "yarl", "cython_runtime"),
    }
    rooms = {"simulator", "commands.list", "commands.completion"}
    looks = {
        *("catalogue", "failure_words", "sentences"),
        *("files_table", "table", "terminal", "usage_table"),
    }
    unwanted = {f"poller.{room}" for room in rooms} | {f"poller.present.{look}" for look in looks}
    assert not polled.modules & unwanted
    own = {name for name in polled.modules if name.startswith("poller")}
    options = {name for name in own if name.startswith("poller.settings.options.")}
    # One more costs a tenth of a millisecond; a folder of them is a room that was entered.
    assert len(own - options) <= 85


def test_each_file_is_opened_and_read_once(polled: Counted) -> None:
    files = {path: times for path, times in polled.opened.items() if path.endswith(".auth.json")}
    assert len(files) == ACCOUNTS
    assert set(files.values()) == {1}
    assert next(times for path, times in polled.opened.items() if path.endswith("/account")) == 1
    assert polled.counts["reads"] == ACCOUNTS


def test_nothing_is_parsed_or_written_twice(polled: Counted) -> None:
    # The file, the access token's claims, the answer.
    assert polled.counts["json_loads"] == 3 * ACCOUNTS
    assert polled.counts["json_dumps"] <= ACCOUNTS
    assert polled.counts["writes"] <= ACCOUNTS + 1


def test_no_account_has_a_task_of_its_own(polled: Counted) -> None:
    # A worker for each slot; the run, the stream and the watches are the rest.
    assert polled.counts["tasks"] <= CONCURRENCY + 6


def test_no_account_has_a_timer_of_its_own(polled: Counted) -> None:
    # A look whether the reader is there (four a second), and two for a handshake.
    assert polled.counts["timers"] <= 2 * CONCURRENCY + 20


def test_files_are_read_in_a_few_threads(polled: Counted) -> None:
    # One finds the files, one reads them; another resolves the server's name, where it has one.
    assert polled.counts["threads"] <= 3


def test_connections_are_kept_and_every_account_is_asked_once(polled: Counted) -> None:
    assert polled.stats is not None
    assert polled.stats.requests == ACCOUNTS
    assert polled.stats.connections_opened <= CONCURRENCY
    assert polled.stats.most_in_flight <= CONCURRENCY
    assert all(count.attempts == 1 for count in polled.stats.accounts.values())


@pytest.mark.anyio
async def test_only_who_fails_gets_a_task(tmp_path: Path) -> None:
    faults = {"fault_share": FAILING / ACCOUNTS, "fault_mix": ("503x1",)}
    run = await _polled(tmp_path, None, **faults)
    assert run.code == 0
    assert run.stats is not None
    assert run.stats.requests == ACCOUNTS + FAILING
    assert run.counts["tasks"] <= CONCURRENCY + 6 + FAILING
    # A retry goes over a connection of its own, so that its end needs no more proof.
    assert run.stats.connections_opened <= CONCURRENCY + FAILING
    assert run.counts["reads"] == ACCOUNTS
