"""Where the reports of a round go: lines as they come, or a text at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poller.deliver.progress import Progress
    from poller.history.store import History
    from poller.values import Report, Snapshot


class Writes(Protocol):
    """What bytes are written to: `poller.deliver.stdout.Writer`, or a file."""

    async def write(self, line: bytes) -> None:
        """Write; raises ReaderGone or ResultsLost."""
        ...

    async def finish(self) -> None:
        """End what was written, well; likewise."""
        ...

    def close(self) -> None:
        """Let go of it, finished or not."""
        ...


class Sink(Protocol):
    """Takes the reports of one round after the other."""

    async def begin(self) -> None:
        """Begin a round."""
        ...

    async def take(self, report: Report) -> None:
        """Take one report; raises ReaderGone or ResultsLost."""
        ...

    async def end(self, snapshot: Snapshot) -> None:
        """End the round: write what is left to be written; likewise."""
        ...

    def close(self) -> None:
        """Let go of whatever is held, however it ended."""
        ...


class Lines:
    """A line a report, written as its account is done."""

    def __init__(
        self, writer: Writes, serialize: Callable[[Report], bytes], *, heading: bytes = b""
    ) -> None:
        """``serialize`` makes a report's lines; ``heading`` stands before the first."""
        self._writer = writer
        self._serialize = serialize
        self._heading = heading

    async def begin(self) -> None:
        """Write the heading."""
        if self._heading:
            await self._writer.write(self._heading)
            self._heading = b""

    async def take(self, report: Report) -> None:
        """Write the line."""
        await self._writer.write(self._serialize(report))

    async def end(self, snapshot: Snapshot) -> None:  # noqa: ARG002 - the protocol's
        """End what was written."""
        await self._writer.finish()

    def close(self) -> None:
        """Let go of the writer."""
        self._writer.close()


class TextAtEnd:
    """One text about all reports of a round, such as a table; progress meanwhile."""

    def __init__(
        self,
        writer: Writes,
        *,
        add: Callable[[Report], None],
        render: Callable[[Snapshot], Iterable[str]],
        progress: Progress | None = None,
    ) -> None:
        """``render`` is called once ``add`` has been called with every report."""
        self._writer = writer
        self._add = add
        self._render = render
        self._progress = progress

    async def begin(self) -> None:
        """Do nothing."""

    async def take(self, report: Report) -> None:
        """Keep what the text says of the report."""
        self._add(report)
        if self._progress is not None:
            self._progress.advance(report)

    async def end(self, snapshot: Snapshot) -> None:
        """Write the text."""
        if self._progress is not None:
            self._progress.stop()
        for piece in self._render(snapshot):
            await self._writer.write(piece.encode())
        await self._writer.finish()

    def close(self) -> None:
        """Take the progress off the screen, and let go of the writer."""
        if self._progress is not None:
            self._progress.stop()
        self._writer.close()


class Recorded:
    """Another sink, whose rounds go into the history as well."""

    def __init__(self, sink: Sink, history: History) -> None:
        self._sink = sink
        self._history = history
        self._reports: list[Report] = []

    async def begin(self) -> None:
        """Begin a round."""
        await self._sink.begin()

    async def take(self, report: Report) -> None:
        """Keep the report until its round ends; nothing is recorded of a raw answer."""
        self._reports.append(replace(report, raw=None, headers=None))
        await self._sink.take(report)

    async def end(self, snapshot: Snapshot) -> None:
        """Hand the round over; one that a signal cut short is none."""
        failures = (report.failure for report in self._reports)
        cut = any(one is not None and one.kind is FailureKind.CANCELLED for one in failures)
        self._record(None if cut else snapshot)
        await self._sink.end(snapshot)

    def close(self) -> None:
        """Hand over what came of a round that did not end."""
        if self._reports:
            self._record(None)
        self._sink.close()

    def _record(self, snapshot: Snapshot | None) -> None:
        self._history.record(self._reports, snapshot=snapshot)
        self._reports = []
