from __future__ import annotations

import os
import pty
import struct
import sys
import termios
import threading
from fcntl import ioctl
from typing import TYPE_CHECKING, TextIO

import pytest

from poller.deliver.progress import Progress
from poller.values import Failure, FailureKind, Report, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

WELL = Report(0, "alice", "alice.auth.json", 0.0, Usage())
ILL = Report(1, "bob", "bob.auth.json", 0.0, failure=Failure(FailureKind.DNS, "no such host", ""))


class Screen:
    """A terminal, and everything that was drawn on it."""

    def __init__(self, columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream: TextIO = os.fdopen(slave, "w", encoding="utf-8")

    def drawn(self) -> str:
        self.stream.write("\0")  # tells the end of what there is to read
        self.stream.flush()
        read = b""
        while not read.endswith(b"\0"):
            read += os.read(self._master, 65536)
        return read[:-1].decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(screen: Screen, clock: Clock) -> Iterator[Progress]:
    progress = Progress(3, stream=screen.stream, clock=clock)
    yield progress
    progress.stop()


def test_it_tells_how_many_are_done_how_many_failed_and_for_how_long(
    screen: Screen, clock: Clock, progress: Progress
) -> None:
    progress.start()
    assert "0/3, 0 s" in screen.drawn()
    clock.now += 2
    progress.advance(WELL)
    assert "1/3, 2 s" in screen.drawn()
    clock.now += 1
    progress.advance(ILL)
    assert "2/3, 1 failed, 3 s" in screen.drawn()


def test_a_run_that_is_over_at_once_draws_nothing(
    screen: Screen, clock: Clock, progress: Progress
) -> None:
    clock.now += 0.2
    progress.advance(WELL)
    progress.refresh()
    progress.stop()
    assert screen.drawn() == ""


def test_a_longer_one_is_drawn_with_the_next_report_or_without(
    screen: Screen, clock: Clock, progress: Progress
) -> None:
    progress.advance(WELL)
    clock.now += 0.4
    progress.refresh()
    assert "1/3" in screen.drawn()


def test_it_is_drawn_ten_times_a_second_at_most(
    screen: Screen, clock: Clock, progress: Progress
) -> None:
    progress.start()
    screen.drawn()
    for _ in range(50):
        clock.now += 0.001
        progress.advance(WELL)
    assert screen.drawn() == ""
    clock.now += 0.1
    progress.advance(WELL)
    assert "51/3" in screen.drawn()


def test_a_total_may_be_unknown_and_become_known(screen: Screen, clock: Clock) -> None:
    progress = Progress(stream=screen.stream, clock=clock)
    progress.start()
    assert "0 done, 0 s" in screen.drawn()
    progress.expect(7)
    clock.now += 1
    progress.refresh()
    assert "0/7" in screen.drawn()
    progress.stop()


def test_it_leaves_neither_a_line_nor_a_hidden_cursor_nor_a_thread(
    screen: Screen, progress: Progress
) -> None:
    threads = threading.active_count()
    progress.start()
    assert threading.active_count() == threads
    during = screen.drawn()
    assert during.rfind("\x1b[?25h") > during.rfind("\x1b[?25l")
    progress.stop()
    after = screen.drawn()
    assert after.endswith("\x1b[2K")
    assert "\x1b[?25l" not in after


def test_nothing_is_drawn_once_it_was_stopped(screen: Screen, progress: Progress) -> None:
    progress.start()
    progress.stop()
    screen.drawn()
    progress.stop()
    progress.start()
    progress.advance(WELL)
    assert screen.drawn() == ""


def test_a_warning_appears_above_the_bar(
    screen: Screen, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", screen.stream)
    progress = Progress(3, clock=clock)
    progress.start()
    screen.drawn()
    sys.stderr.write("poller: something to say\n")
    assert screen.drawn().index("something to say") < len("\r\x1b[2Kpoller: ") + 1
    progress.stop()
    assert sys.stderr is screen.stream


@pytest.mark.parametrize("columns", [40, 200])
def test_it_stays_on_one_line(
    columns: int, clock: Clock, monkeypatch: pytest.MonkeyPatch, screen: Screen
) -> None:
    other = Screen(columns)
    progress = Progress(100_000, stream=other.stream, clock=clock)
    progress.start()
    assert other.drawn().count("\n") == 0
    progress.stop()
    other.close()
