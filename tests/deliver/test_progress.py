from __future__ import annotations

import os
import pty
import struct
import termios
from fcntl import ioctl
from typing import TYPE_CHECKING, TextIO

import anyio
import pytest

from poller.deliver.progress import Progress
from poller.present.catalogue import CHINESE
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


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def screen(_environment: None) -> Iterator[Screen]:
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Round:
    """What a progress asks about."""

    total: int | None = 3
    waiting: tuple[str, ...] = ()


@pytest.fixture
def asked() -> Round:
    return Round()


@pytest.fixture
def progress(screen: Screen, clock: Clock, asked: Round) -> Progress:
    return Progress(
        total=lambda: asked.total, waiting=lambda: asked.waiting, stream=screen.stream, clock=clock
    )


def line(screen: Screen) -> str:
    """Return what the line says after the last drawing; nothing where it was not drawn."""
    return screen.drawn().rpartition("\x1b[K")[2]


def test_it_tells_how_many_are_done_how_many_failed_and_how_long_yet(
    screen: Screen, clock: Clock, progress: Progress
) -> None:
    progress.draw()
    assert line(screen) == "0/3 · 0 s"
    clock.now += 4
    progress.advance(WELL)
    progress.advance(ILL)
    progress.draw()
    assert line(screen) == "2/3 · 1 failed · 2 s left"


def test_a_clock_moves_it_while_nothing_arrives(
    screen: Screen, clock: Clock, progress: Progress
) -> None:
    progress.draw()
    clock.now += 7
    progress.draw()
    assert line(screen) == "0/3 · 7 s"
    progress.draw()
    assert screen.drawn() == ""


def test_it_says_what_is_waited_for(
    screen: Screen, clock: Clock, progress: Progress, asked: Round
) -> None:
    asked.waiting = ("the upstream has not answered for 12 s; giving up in 34 s", "no answer")
    clock.now += 12
    progress.draw()
    assert line(screen) == "0/3 · the upstream has not answered for 12 s; giving up in 34 s"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (80, "1/3 · 1 failed · the upstream has not answered for 12 s; giving up in 34 s"),
        (70, "1/3 · the upstream has not answered for 12 s; giving up in 34 s"),
        (60, "1/3 · 1 failed · no answer for 12 s; 34 s left"),
        (40, "1/3 · no answer for 12 s; 34 s left"),
        (20, "1/3 · no answer for"),
    ],
)
def test_what_is_waited_for_is_said_in_fewer_words_where_there_is_less_room(
    columns: int, told: str, clock: Clock, asked: Round
) -> None:
    screen = Screen(columns)
    asked.waiting = (
        "the upstream has not answered for 12 s; giving up in 34 s",
        "no answer for 12 s; 34 s left",
    )
    progress = Progress(
        total=lambda: 3, waiting=lambda: asked.waiting, stream=screen.stream, clock=clock
    )
    progress.advance(ILL)
    progress.draw()
    assert line(screen) == told
    screen.close()


def test_it_speaks_chinese_and_counts_its_cells(clock: Clock) -> None:
    screen = Screen(columns=24)
    progress = Progress(total=lambda: 30, words=CHINESE, stream=screen.stream, clock=clock)
    clock.now += 4
    progress.advance(ILL)
    progress.draw()
    assert line(screen) == "1/30 · 还需 116 秒"  # one cell too few for what failed
    screen.close()


def test_where_only_ascii_can_be_shown_it_draws_no_more(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    screen = Screen()
    progress = Progress(total=lambda: 3, stream=screen.stream, clock=clock)
    progress.draw()
    assert line(screen) == "0/3 - 0 s"
    screen.close()


def test_without_a_total_it_counts(screen: Screen, progress: Progress, asked: Round) -> None:
    asked.total = None
    progress.advance(WELL)
    progress.draw()
    assert line(screen) == "1 done · 0 s"


def test_minutes_are_told_where_it_takes_long(
    screen: Screen, clock: Clock, progress: Progress, asked: Round
) -> None:
    asked.total = 100
    clock.now += 60
    progress.advance(WELL)
    progress.draw()
    assert line(screen) == "1/100 · 99 min left"


def test_it_never_breaks_its_line(clock: Clock) -> None:
    screen = Screen(columns=12)
    progress = Progress(total=lambda: 100_000, stream=screen.stream, clock=clock)
    progress.draw()
    assert line(screen) == "0/100000 · "
    screen.close()


def test_words_appear_above_it(
    screen: Screen, progress: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.draw()
    progress.say("a word")
    assert screen.drawn().endswith("\r\x1b[K")
    assert capsys.readouterr().err == "a word\n"
    progress.draw()
    assert line(screen) == "0/3 · 0 s"


def test_stopped_it_leaves_nothing_behind_and_draws_no_more(
    screen: Screen, progress: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.draw()
    progress.stop()
    progress.stop()
    assert screen.drawn().endswith("\r\x1b[K")
    progress.draw()
    progress.say("over")
    assert screen.drawn() == ""
    assert capsys.readouterr().err == "over\n"


def test_a_terminal_that_went_away_is_no_trouble(clock: Clock) -> None:
    screen = Screen()
    progress = Progress(stream=screen.stream, clock=clock)
    screen.close()
    progress.draw()
    progress.stop()


@pytest.mark.anyio
async def test_it_draws_by_itself_until_it_is_cancelled(
    screen: Screen, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poller.deliver.progress._BEFORE_S", 0.0)
    monkeypatch.setattr("poller.deliver.progress._BETWEEN_S", 0.01)
    drawn = anyio.Event()
    monkeypatch.setattr(progress, "draw", drawn.set)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await drawn.wait()
        tasks.cancel_scope.cancel()
