from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from poller.deliver.progress import Progress
from poller.deliver.sinks import Lines, TextAtEnd
from poller.deliver.stdout import ReaderGone, Writer
from poller.present.record import serialize
from poller.values import Report, Snapshot, Usage, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

WEEK = Window("weekly", 60.0, 604_800, 1_790_000_000)


def report(position: int, name: str | None = None) -> Report:
    return Report(
        position,
        name or f"n{position}",
        "there",
        1_789_000_000.0,
        usage=Usage(plan="plus", usable=True, windows=(WEEK,)),
    )


class Pipe:
    """What was written can be read at once."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self) -> bytes:
        try:
            return os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return b""

    def accounts(self) -> list[str]:
        return [json.loads(line)["account"] for line in self.read().splitlines()]

    def hang_up(self) -> None:
        if self.reader >= 0:
            os.close(self.reader)
        self.reader = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.hang_up()
    os.close(made.writer)


ENDED = Snapshot(0.0, 1.0, accounts=2, ok=2, requests=2)


async def test_each_record_is_there_as_soon_as_its_report_is_taken(pipe: Pipe) -> None:
    sink = Lines(Writer(pipe.writer), serialize)
    await sink.begin()
    for position in (1, 0):
        await sink.take(report(position))
        assert pipe.accounts() == [f"n{position}"]
    await sink.end(ENDED)
    sink.close()

    assert pipe.read() == b""


async def test_a_reader_that_is_gone_is_said(pipe: Pipe) -> None:
    sink = Lines(Writer(pipe.writer), serialize)
    pipe.hang_up()

    with pytest.raises(ReaderGone):
        await sink.take(report(0))


class Screen(Progress):
    """A progress that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def advance(self, report: Report) -> None:
        self.told.append(report.account)

    def stop(self) -> None:
        self.told.append("stopped")


async def test_a_text_is_written_once_at_the_end_when_the_progress_is_gone(pipe: Pipe) -> None:
    screen, added = Screen(), list[str]()

    def render(snapshot: Snapshot) -> list[str]:
        assert snapshot is ENDED
        screen.told.append("rendered")
        return ["a table of ", *added, "\n"]

    sink = TextAtEnd(
        Writer(pipe.writer),
        add=lambda report: added.append(report.account),
        render=render,
        progress=screen,
    )
    await sink.begin()
    for name in ("one", "two"):
        await sink.take(report(0, name))
    assert pipe.read() == b""
    await sink.end(ENDED)

    assert screen.told == ["one", "two", "stopped", "rendered"]
    assert pipe.read() == b"a table of onetwo\n"


async def test_a_progress_is_taken_off_the_screen_however_it_ends(pipe: Pipe) -> None:
    screen = Screen()
    TextAtEnd(Writer(pipe.writer), add=lambda _: None, render=lambda _: (), progress=screen).close()
    TextAtEnd(Writer(pipe.writer), add=lambda _: None, render=lambda _: ()).close()
    assert screen.told == ["stopped"]
