from __future__ import annotations

import asyncio
import fcntl
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.leaving.leave import OUT_WITHIN_S, stop_all
from tests.running import (
    ROOT,
    UNMEASURED,
    account,
    ended,
    environment,
    numbered,
    record_of,
    started,
    write,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

INSTANTS = 50
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SLACK_S = 1.0
"""What a busy machine takes to start, end or notice a process, beyond what is measured."""
STAND_IN = Path(__file__).parents[1] / "torture" / "stand_in"
SMALL = 4096
"""Bytes of the smallest pipe there is."""


async def test_a_signal_at_any_moment_leaves_every_account_its_record(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    stopped = await stop_all(INSTANTS, seed=seed, folder=tmp_path)
    outcomes = Counter(one.outcome for one in stopped)
    assert {*outcomes} <= {"records", "done", "too early", "no time"}, (seed, outcomes)
    busy = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    assert outcomes["no time"] <= INSTANTS // 5 or busy, (seed, outcomes)
    assert outcomes["records"] >= INSTANTS // 2 or busy, (seed, outcomes)


def test_a_signal_while_the_libraries_load_is_caught(tmp_path: Path) -> None:
    # Everything but the interpreter itself and two of our own small modules.
    write(tmp_path / "account", *numbered(3))
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'argparse':\n"
        f"            os.kill(os.getpid(), {signal.SIGTERM:d})\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv = ['poller', '--chatgpt-url=http://127.0.0.1:9/usage']\n"
        "from poller.__main__ import entry\n"
        "entry()\n"
    )
    begun_at = time.monotonic()
    done = asyncio.run(_ended_of(code, tmp_path))
    assert done[0] == 143
    if not done[1] and time.monotonic() - begun_at > OUT_WITHIN_S:
        pytest.skip("the machine is too busy to load the libraries in two seconds")
    assert done[2] == b""
    kinds = [record_of(line)["error"]["kind"] for line in done[1].splitlines()]
    assert kinds == ["cancelled"] * 3


async def _ended_of(code: str, folder: Path) -> tuple[int | None, bytes, bytes]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        cwd=folder,
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate()
    return running.returncode, out, err


# A name look-up that hangs: the one thing that is stood in for, no network is asked


@asynccontextmanager
async def name_server_that_hangs(
    folder: Path,
) -> AsyncIterator[tuple[dict[str, str], asyncio.StreamReader]]:
    """Yield the environment in which look-ups hang, and what brings a byte for each."""
    fifo = folder / "looked-up"
    os.mkfifo(fifo)
    reader = asyncio.StreamReader()
    end = os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb")
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), end
    )
    torture = f"socket.getaddrinfo -1 hang {fifo}"
    try:
        yield {"PYTHONPATH": f"{STAND_IN}:{ROOT}", "POLLER_TORTURE": torture}, reader
    finally:
        transport.close()


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_name_server_that_hangs_holds_nobody_up(
    number: signal.Signals, tmp_path: Path
) -> None:
    write(tmp_path / "account", *numbered(20))
    async with (
        name_server_that_hangs(tmp_path) as (env, looked_up),
        started("--chatgpt-url=https://upstream.invalid/usage", cwd=tmp_path, env=env) as running,
    ):
        await looked_up.readexactly(1)
        stopped_at = time.monotonic()
        running.send_signal(number)
        done = await ended(running)
    assert time.monotonic() - stopped_at < OUT_WITHIN_S + SLACK_S
    assert done.code == 128 + number
    assert [*done.kinds.values()] == ["cancelled"] * 20


async def test_a_name_server_that_hangs_is_a_timeout_like_any_other(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(12))
    words = ["--chatgpt-url=https://upstream.invalid/usage", "--timeout=0.3", "--retries=0"]
    async with (
        name_server_that_hangs(tmp_path) as (env, _),
        started(*words, cwd=tmp_path, env=env) as running,
    ):
        begun_at = time.monotonic()
        done = await ended(running)
    assert time.monotonic() - begun_at < 0.6 + OUT_WITHIN_S + 2 * SLACK_S
    assert done.code == 2
    assert [*done.kinds.values()] == ["timeout"] * 12


# A reader that does not read


@asynccontextmanager
async def small_pipe() -> AsyncIterator[tuple[int, int]]:
    """Yield a pipe's two ends, with room for a few records between them."""
    read, write_end = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, SMALL)
    try:
        yield read, write_end
    finally:
        for descriptor in (read, write_end):
            try:
                os.close(descriptor)
            except OSError:
                continue


async def all_of(descriptor: int) -> bytes:
    return await asyncio.to_thread(_all_of, descriptor)


def _all_of(descriptor: int) -> bytes:
    return b"".join(iter(lambda: os.read(descriptor, 65_536), b""))


async def test_a_reader_that_does_not_read_cannot_keep_it(tmp_path: Path) -> None:
    accounts = numbered(40)
    write(tmp_path / "account", *accounts)
    async with serve() as simulator, small_pipe() as (read, write_end):
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, cwd=tmp_path, env=UNMEASURED, stdout=write_end) as running:
            os.close(write_end)
            await simulator.reached(len(accounts))  # a few fit the pipe, the others wait
            stopped_at = time.monotonic()
            running.send_signal(signal.SIGINT)
            assert await running.wait() == 130
            assert time.monotonic() - stopped_at < OUT_WITHIN_S + SLACK_S
            out = await all_of(read)
    assert out.endswith(b"\n"), "cut"
    names = [record_of(line)["account"] for line in out.splitlines()]
    assert len({*names}) == len(names) >= 1


async def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    accounts = numbered(40)
    write(tmp_path / "account", *accounts)
    async with serve() as simulator, small_pipe() as (_, write_end):
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, cwd=tmp_path, env=UNMEASURED, stdout=write_end) as running:
            await simulator.reached(len(accounts))
            running.send_signal(signal.SIGINT)
            again_at = time.monotonic()
            running.send_signal(signal.SIGTERM)
            assert await running.wait() == 130
    assert time.monotonic() - again_at < SLACK_S


# A reader that has gone


async def test_head_gets_its_line_and_the_program_leaves_quietly(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(60))
    script = '"$@" | head -1; exit ${PIPESTATUS[0]}'
    async with serve(latency_s=0.05) as simulator:
        command = ("bash", "-c", script, "-", sys.executable, "-m", "poller")
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, cwd=tmp_path, command=command) as running:
            done = await ended(running)
    assert (done.code, done.err) == (141, "")
    assert len(done.records) == 1


@pytest.mark.parametrize("others", ["~slow-3s", "~hang", "~503"])
async def test_no_request_is_sent_a_second_after_the_reader_has_gone(
    others: str, tmp_path: Path
) -> None:
    write(tmp_path / "account", account("a"), *numbered(200, others))
    words = ["--concurrency=4", "--timeout=0.3", "--format=jsonl"]
    async with serve() as simulator, small_pipe() as (read, write_end):
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, *words, cwd=tmp_path, stdout=write_end) as running:
            os.close(write_end)
            line = await asyncio.to_thread(os.read, read, SMALL)
            os.close(read)
            gone_at = time.monotonic()
            _, err = await running.communicate()
            left_at = time.monotonic()
        last_at = simulator.stats().last_request_at_s
    assert record_of(line.splitlines()[0])["account"] == "a"
    assert (running.returncode, err) == (141, b"")
    assert last_at is not None
    assert last_at < gone_at + 1.0
    assert left_at < gone_at + 1.0 + SLACK_S


async def test_a_signal_counts_for_more_than_a_reader_that_has_gone(tmp_path: Path) -> None:
    write(tmp_path / "account", account("a", "~hang"))
    async with serve() as simulator, small_pipe() as (read, write_end):
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, cwd=tmp_path, stdout=write_end) as running:
            await simulator.reached(1)
            os.close(write_end)
            os.close(read)
            running.send_signal(signal.SIGTERM)
            assert await running.wait() == 143


# Tables


async def test_a_table_that_is_interrupted_shows_what_it_has(tmp_path: Path) -> None:
    stuck = account("stuck", "~hang")
    write(tmp_path / "account", account("alice", "+two_windows:42:5"), account("bob", "~402"))
    write(tmp_path / "account", stuck, account("zoe"))
    words = ["alice", "bob", "stuck", "zoe", "--concurrency=1", "--format=table"]
    async with serve() as simulator:
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, *words, cwd=tmp_path) as running:
            await simulator.reached(4)  # bob is asked twice; whoever came before is done
            running.send_signal(signal.SIGINT)
            done = await ended(running)
    table = done.out.decode()
    assert done.code == 130
    assert re.search(r"^usable +alice .*58%", table, re.MULTILINE)
    assert "workspace unpaid or closed: bob" in table
    assert "stopped before they were asked: stuck, zoe" in table
    assert table.endswith("1 usable - 1 failed - 2 not asked\n")
