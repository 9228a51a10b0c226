from __future__ import annotations

import errno
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import tty
from typing import TYPE_CHECKING

import anyio
import pytest

from poller.deliver import stdout as jsonl
from poller.deliver.stdout import ReaderGone, ResultsLost, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


class Pipe:
    def __init__(self) -> None:
        self.out, self.into = os.pipe()
        self._open = {self.out, self.into}

    def close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def fill(self) -> int:
        """Write until nothing more fits; return how many bytes that took."""
        os.set_blocking(self.into, False)
        filled = 0
        try:
            while True:
                filled += os.write(self.into, b"." * 4096)
        except BlockingIOError:
            os.set_blocking(self.into, True)
            return filled

    def read_all(self) -> bytes:
        return b"".join(iter(lambda: os.read(self.out, 65536), b""))


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close(pipe.into)
    pipe.close(pipe.out)


class Reader(threading.Thread):
    """Read a descriptor to its end, or so many bytes, elsewhere, once it is told to."""

    def __init__(self, fd: int, chunk: int = 65536, upto: int = 1 << 30) -> None:
        super().__init__(daemon=True)
        self.go = threading.Event()
        self.read = bytearray()
        self._fd, self._chunk, self._upto = fd, chunk, upto
        self.start()

    def run(self) -> None:
        self.go.wait(30)
        while len(self.read) < self._upto and (chunk := os.read(self._fd, self._chunk)):
            self.read += chunk

    async def ended(self) -> bytes:
        await anyio.to_thread.run_sync(self.join)
        return bytes(self.read)


def lines(count: int, size: int) -> list[bytes]:
    return [b"%08d" % number + b"x" * (size - 9) + b"\n" for number in range(count)]


async def cancelled_once_it_waits(writer: Writer, line: bytes) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, line)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()


async def test_a_line_is_in_the_pipe_when_write_returns(pipe: Pipe) -> None:
    await Writer(pipe.into).write(b'{"account": "alice"}\n')
    assert os.read(pipe.out, 100) == b'{"account": "alice"}\n'


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(("count", "size"), [(3, 1 << 20), (2000, 900), (40, 4096), (40, 4097)])
async def test_a_slow_reader_gets_every_byte_in_order_while_the_loop_turns(
    pipe: Pipe, blocking: bool, count: int, size: int
) -> None:
    os.set_blocking(pipe.into, blocking)
    reader = Reader(pipe.out, chunk=10_007)
    writer, sent = Writer(pipe.into), lines(count, size)
    async with anyio.create_task_group() as group:

        @group.start_soon
        async def _() -> None:
            for line in sent:
                await writer.write(line)
            pipe.close(pipe.into)

        await anyio.wait_all_tasks_blocked()  # returns: the loop turns
        assert not reader.read
        reader.go.set()
    assert await reader.ended() == b"".join(sent)


@pytest.mark.parametrize("blocking", [True, False])
async def test_the_flags_of_the_descriptor_stay_as_they_were(pipe: Pipe, blocking: bool) -> None:
    os.set_blocking(pipe.into, blocking)
    await Writer(pipe.into).write(b"x\n")
    assert os.get_blocking(pipe.into) is blocking


async def test_a_closed_reader_is_told_apart_from_lost_results(pipe: Pipe) -> None:
    writer = Writer(pipe.into)
    assert not writer.reader_is_gone()
    pipe.close(pipe.out)
    assert writer.reader_is_gone()
    with pytest.raises(ReaderGone, match="nobody reads the results any more"):
        await writer.write(b"x\n")


async def test_a_reader_that_goes_while_a_write_waits_ends_the_write(pipe: Pipe) -> None:
    pipe.fill()
    writer = Writer(pipe.into)
    async with anyio.create_task_group() as group:

        @group.start_soon
        async def _() -> None:
            with pytest.raises(ReaderGone):
                await writer.write(b"x\n")

        await anyio.wait_all_tasks_blocked()
        pipe.close(pipe.out)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
async def test_a_full_disk_loses_results_and_says_so() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    writer = Writer(fd)
    try:
        with pytest.raises(ResultsLost, match="standard output: no space left on device; what"):
            await writer.write(b"x\n")
        assert not writer.reader_is_gone()
    finally:
        os.close(fd)


@pytest.mark.parametrize("fd", [-1, 9999])
async def test_a_closed_descriptor_loses_results_and_says_so(fd: int) -> None:
    writer = Writer(fd)
    assert not writer.reader_is_gone()
    with pytest.raises(ResultsLost, match="standard output: it is closed"):
        await writer.write(b"x\n")


async def test_a_file_takes_any_number_of_bytes(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sent = lines(3, 1 << 20)
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        for line in sent:
            await writer.write(line)
        assert not writer.reader_is_gone()
    assert path.read_bytes() == b"".join(sent)


def test_a_file_size_limit_loses_results_and_says_so(tmp_path: Path) -> None:
    code = (
        "import anyio, sys, resource\n"
        "from poller.deliver.stdout import Writer, ResultsLost\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: anyio.run(Writer(1).write, b'x' * 2000)\n"
        "except ResultsLost as error: sys.exit(str(error))\n"
    )
    with (tmp_path / "out").open("wb") as out:
        ended = subprocess.run(
            [sys.executable, "-B", "-c", code], stdout=out, stderr=subprocess.PIPE, check=False
        )
    assert b"file too large" in ended.stderr


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_socket_is_never_waited_on_and_gets_everything(blocking: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(blocking)
        reader, writer, sent = Reader(theirs.fileno()), Writer(ours.fileno()), lines(4, 1 << 20)
        async with anyio.create_task_group() as group:

            @group.start_soon
            async def _() -> None:
                for line in sent:
                    await writer.write(line)
                ours.shutdown(socket.SHUT_WR)

            await anyio.wait_all_tasks_blocked()  # returns: the loop turns
            assert not reader.read
            reader.go.set()
        assert await reader.ended() == b"".join(sent)
        assert ours.getblocking() is blocking


async def test_a_socket_closed_at_the_other_end_is_a_reader_gone() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        writer = Writer(ours.fileno())
        theirs.close()
        assert writer.reader_is_gone()
        with pytest.raises(ReaderGone):
            await writer.write(b"x\n")


@pytest.mark.parametrize("reopened", [True, False])
async def test_a_stopped_terminal_does_not_stop_the_loop(
    monkeypatch: pytest.MonkeyPatch, reopened: bool
) -> None:
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        if not reopened:
            monkeypatch.delattr(os, "ttyname")
        reader, writer, sent = Reader(master, 1000, 300_000), Writer(slave), lines(300, 1000)
        async with anyio.create_task_group() as group:

            @group.start_soon
            async def _() -> None:
                for line in sent:
                    await writer.write(line)

            await anyio.wait_all_tasks_blocked()  # returns: the loop turns
            assert not reader.read
            reader.go.set()
        assert await reader.ended() == b"".join(sent)
        assert os.get_blocking(slave)
    finally:
        os.close(slave)
        os.close(master)


async def test_a_cancelled_write_has_written_nothing_of_a_line_not_begun(pipe: Pipe) -> None:
    filled = pipe.fill()
    writer = Writer(pipe.into)
    await cancelled_once_it_waits(writer, b"lost\n")
    os.read(pipe.out, filled)
    await writer.write(b"next\n")
    pipe.close(pipe.into)
    assert pipe.read_all() == b"next\n"


async def test_a_cancelled_write_finishes_the_line_it_has_begun(pipe: Pipe) -> None:
    reader, writer, sent = Reader(pipe.out), Writer(pipe.into), lines(1, 1 << 20)
    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, sent[0])
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        reader.go.set()
    pipe.close(pipe.into)
    assert await reader.ended() == sent[0]


async def test_what_a_cancelled_write_could_not_finish_goes_before_the_next_line(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_FINISH_S", 0.0)
    reader, writer, sent = Reader(pipe.out), Writer(pipe.into), lines(2, 1 << 20)
    for _ in range(2):  # the second is cancelled while it finishes the first
        await cancelled_once_it_waits(writer, sent[0])
    reader.go.set()
    await writer.write(sent[1])
    pipe.close(pipe.into)
    assert await reader.ended() == b"".join(sent)


async def test_where_the_loop_cannot_wait_the_descriptor_is_looked_at_again(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(fd: object) -> None:
        raise OSError(errno.EINVAL, "kqueue refuses this terminal")

    monkeypatch.setattr(anyio, "wait_writable", refused)
    reader, writer, sent = Reader(pipe.out), Writer(pipe.into), lines(1, 1 << 17)
    reader.go.set()
    await writer.write(sent[0])
    pipe.close(pipe.into)
    assert await reader.ended() == sent[0]


async def test_without_poll_everything_is_written_directly(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(select, "poll")
    writer = Writer(pipe.into)
    assert not writer.reader_is_gone()
    await writer.write(b"x\n")
    assert os.read(pipe.out, 10) == b"x\n"
