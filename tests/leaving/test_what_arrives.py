from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from poller.simulator.server import serve
from tests.leaving.test_leaving import all_of, small_pipe
from tests.running import account, ended, numbered, record_of, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.running import Ended

pytestmark = pytest.mark.anyio

LOST = "what is missing there is lost"
COLUMNS, LINES = 100, 30


# Where nothing can be written


@pytest.mark.parametrize("way", ["jsonl", "table"])
@pytest.mark.parametrize("end", ["closed", "full", "read-only"])
async def test_results_that_cannot_be_written_are_said_to_be_lost(
    end: str, way: str, tmp_path: Path
) -> None:
    write(tmp_path / "account", *numbered(5))
    place = {"closed": ">&-", "full": ">/dev/full", "read-only": "1</dev/null"}[end]
    done = await _in_shell(f'exec "$@" {place}', tmp_path, f"--format={way}")
    assert done.code == 74
    assert done.err.startswith("poller: the results cannot be written to standard output: ")
    assert LOST in done.err
    assert len(done.err.splitlines()) == 1


async def test_missing_standard_streams_are_not_reported_as_a_bug(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(5))
    done = await _in_shell('"$@" <&- >&- 2>&-; code=$?; exit $code', tmp_path)
    assert (done.code, done.out, done.err) == (74, b"", "")


@pytest.mark.parametrize("place", ["2>&-", "2>/dev/full"])
async def test_what_cannot_be_said_on_standard_error_is_left_out(
    place: str, tmp_path: Path
) -> None:
    write(tmp_path / "account", account("alice", "~402"))
    (tmp_path / "account" / "alice.auth.json").chmod(0o644)  # a warning
    for way in ("--verbose", "--format=table"):
        done = await _in_shell(f'exec "$@" {place}', tmp_path, way)
        assert done.code == 3
        assert b"others on this machine" not in done.out
        assert b"poller:" not in done.out


async def test_a_closed_standard_input_is_not_a_list_of_paths(tmp_path: Path) -> None:
    done = await _in_shell('exec "$@" <&-', tmp_path, "--files-from=-")
    assert done.code == 64
    assert done.err.startswith("poller: ")


async def _in_shell(script: str, folder: Path, *words: str) -> Ended:
    command = ("sh", "-c", script, "-", sys.executable, "-m", "poller")
    async with serve() as simulator:
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, *words, cwd=folder, command=command) as running:
            return await ended(running)


# Readers that take their time


@pytest.mark.parametrize("flags", [0, os.O_NONBLOCK])
async def test_a_slow_reader_gets_everything_and_no_account_pays_for_it(
    flags: int, tmp_path: Path
) -> None:
    accounts = numbered(150)
    write(tmp_path / "account", *accounts)
    words = ["--timeout=0.5", "--account-deadline=0.6"]
    async with serve() as simulator, small_pipe() as (read, write_end):
        _set_flags(write_end, flags)
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, *words, cwd=tmp_path, stdout=write_end) as running:
            os.close(write_end)
            out = await _taken_slowly(read) + await all_of(read)
            _, err = await running.communicate()
        stats = simulator.stats()
    records = [record_of(line) for line in out.splitlines()]
    assert (running.returncode, err) == (0, b"")
    assert sorted(record["account"] for record in records) == [one.name for one in accounts]
    assert stats.requests == len(accounts)
    assert max(record["elapsed_s"] for record in records) < 0.5


async def _taken_slowly(read: int) -> bytes:
    """Take a byte now and then, for longer than any account is given."""
    taken = [await asyncio.to_thread(os.read, read, 1)]
    for _ in range(20):
        await asyncio.sleep(0.05)  # this is the reader that is slow, not a wait for something
        taken.append(os.read(read, 1))
    return b"".join(taken)


def _set_flags(descriptor: int, flags: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | flags)


async def test_the_flags_of_standard_output_stay_as_they_were(tmp_path: Path) -> None:
    # Other programs share the pipe: `{ poller; next; } | reader`.
    write(tmp_path / "account", account("alice"))
    async with serve() as simulator, small_pipe() as (read, write_end):
        before = fcntl.fcntl(write_end, fcntl.F_GETFL)
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, cwd=tmp_path, stdout=write_end) as running:
            assert await running.wait() == 0
        assert os.read(read, 1) == b"{"
        assert fcntl.fcntl(write_end, fcntl.F_GETFL) == before


# Places that know ASCII alone

PLAIN = {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb"}


async def test_records_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    write(tmp_path / "account", account("学习"), account("café"))
    async with serve() as simulator:
        url = f"--chatgpt-url={simulator.url}"
        async with started(url, cwd=tmp_path, env=PLAIN) as running:
            done = await ended(running)
    assert done.code == 0
    assert {*done.by_account} == {"学习", "café"}
    assert "学习".encode() in done.out


async def test_a_table_is_plain_utf8_where_no_terminal_can_show_more(tmp_path: Path) -> None:
    write(tmp_path / "account", account("学习"), account("café", "~402"))
    async with serve() as simulator:
        words = [f"--chatgpt-url={simulator.url}", "--format=table"]
        async with started(*words, cwd=tmp_path, env=PLAIN) as running:
            done = await ended(running)
    assert done.code == 3
    assert "学习" in done.out.decode()
    assert "\x1b" not in done.out.decode() + done.err


# A terminal


class Terminal:
    """Our side of a terminal that the program runs in."""

    def __init__(self, end: int) -> None:
        self._end = end
        self.shown = ""
        os.set_blocking(end, False)

    async def until(self, pattern: str) -> None:
        """Return once what has been shown matches."""
        while not re.search(pattern, self.shown):
            piece = await self._piece()
            assert piece, self.shown
            self.shown += piece.decode()

    async def rest(self) -> None:
        """Return once the program has let go of the terminal."""
        while piece := await self._piece():
            self.shown += piece.decode()

    def press(self, key: bytes) -> None:
        os.write(self._end, key)

    async def _piece(self) -> bytes:
        async with asyncio.timeout(20):
            await anyio.wait_readable(self._end)
        try:
            return os.read(self._end, 65_536)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that nobody is left on the other side
                raise
            return b""


@asynccontextmanager
async def in_terminal(
    *words: str, folder: Path, **env: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Terminal]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    # A new session whose first terminal this is: so that its Ctrl-C is a signal.
    opening = "import os, sys; os.setsid(); os.open(os.ttyname(0), os.O_RDWR)"
    script = f"{opening}; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = (sys.executable, "-c", script, "-m", "poller")
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    terminal = Terminal(ours)
    try:
        async with started(
            *words, cwd=folder, command=command, env={"TERM": "xterm", **env}, **streams
        ) as running:
            os.close(theirs)
            yield running, terminal
    finally:
        os.close(ours)


@pytest.mark.parametrize("term", ["xterm", "dumb"])
async def test_ctrl_c_leaves_a_table_and_a_terminal_that_works(term: str, tmp_path: Path) -> None:
    slow = account("slow", "~slow-500ms")  # the progress bar is for those who wait
    write(tmp_path / "account", account("alice"), slow, account("stuck", "~hang"))
    async with serve() as simulator:
        words = ["alice", "slow", "stuck", f"--chatgpt-url={simulator.url}", "--concurrency=1"]
        async with in_terminal(*words, folder=tmp_path, TERM=term) as (running, terminal):
            await simulator.reached(3)
            if term != "dumb":
                await terminal.until(r"2/3")
            terminal.press(b"\x03")
            await terminal.rest()
            assert await running.wait() == 130
    shown = terminal.shown
    table = shown[shown.rindex("account ") :]
    assert "alice" in table
    assert "stopped before they were asked: stuck" in table
    assert shown.rfind("\x1b[?25h") >= shown.rfind("\x1b[?25l")  # the cursor is there again
    assert "Traceback" not in shown
    if term == "dumb":
        assert "\x1b" not in shown


async def test_a_terminal_that_hangs_up_ends_the_run(tmp_path: Path) -> None:
    write(tmp_path / "account", account("stuck", "~hang"))
    async with serve() as simulator:
        words = [f"--chatgpt-url={simulator.url}"]
        async with in_terminal(*words, folder=tmp_path) as (running, _):
            await simulator.reached(1)
            running.send_signal(signal.SIGHUP)
            assert await running.wait() == 128 + signal.SIGHUP
