from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from poller.deliver.progress import Progress
from poller.deliver.sinks import JsonLines, Tables
from poller.deliver.stdout import ReaderGone, Writer
from poller.present.record import serialize
from poller.present.usage_table import UsageTable
from poller.values import Failure, FailureKind, Report, Usage, Window

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


async def test_each_record_is_there_as_soon_as_its_report_is_taken(pipe: Pipe) -> None:
    sink = JsonLines(Writer(pipe.writer), serialize)
    for position in (1, 0):
        await sink.take(report(position))
        assert pipe.accounts() == [f"n{position}"]
    await sink.close()

    assert pipe.read() == b""


async def test_ordered_records_wait_for_their_turn(pipe: Pipe) -> None:
    sink = JsonLines(Writer(pipe.writer), serialize, ordered=True)
    seen = []
    for position in (2, 0, 3, 1):
        await sink.take(report(position))
        seen.append(pipe.accounts())
    await sink.close()

    assert seen == [[], ["n0"], [], ["n1", "n2", "n3"]]
    assert pipe.read() == b""


async def test_records_whose_turn_never_came_are_written_at_the_end_in_order(pipe: Pipe) -> None:
    sink = JsonLines(Writer(pipe.writer), serialize, ordered=True)
    for position in (5, 3, 0):
        await sink.take(report(position))
    assert pipe.accounts() == ["n0"]
    await sink.close()

    assert pipe.accounts() == ["n3", "n5"]


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_reader_that_is_gone_is_said(pipe: Pipe, ordered: bool) -> None:
    sink = JsonLines(Writer(pipe.writer), serialize, ordered=ordered)
    pipe.hang_up()

    with pytest.raises(ReaderGone):
        await sink.take(report(0))


async def test_a_table_is_written_once_at_the_end(pipe: Pipe) -> None:
    table = UsageTable()
    draw = partial(table.render, width=80, color=False, unicode=True)
    sink = Tables(table, Writer(pipe.writer), lambda now: draw(now=now))
    await sink.take(report(0, "one"))
    await sink.take(report(1, "two"))
    assert pipe.read() == b""
    await sink.close()
    drawn = pipe.read().decode()

    assert drawn.index("one") < drawn.index("two")
    assert drawn.endswith("\n")


class Screen(Progress):
    """A progress that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def advance(self, report: Report) -> None:
        self.told.append(report.account)

    def stop(self) -> None:
        self.told.append("stopped")


async def test_progress_is_told_of_each_report_and_gone_before_the_table(pipe: Pipe) -> None:
    screen = Screen()

    def paint(_now: float) -> str:
        screen.told.append("painted")
        return "table\n"

    sink = Tables(UsageTable(), Writer(pipe.writer), paint, progress=screen)
    failed = Failure(FailureKind.CONNECT, "no", "wait")
    await sink.take(Report(0, "one", "there", 0.0, failure=failed))
    await sink.close()

    assert screen.told == ["one", "stopped", "painted"]
    assert pipe.read() == b"table\n"
