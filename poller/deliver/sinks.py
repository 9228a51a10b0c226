"""Where the reports of a round go: lines as they come, or a text at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poller.deliver.progress import Progress
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
