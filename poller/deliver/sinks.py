"""Where the reports of a run go: JSON Lines as they come, or one table at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from poller.deliver.stdout import Ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poller.deliver.progress import Progress
    from poller.deliver.stdout import Writer
    from poller.present.usage_table import UsageTable
    from poller.values import Report


class Sink(Protocol):
    """Takes every report of a run, then is closed once."""

    async def take(self, report: Report) -> None:
        """Take one report; raises ReaderGone or ResultsLost."""
        ...

    async def close(self) -> None:
        """Write what is left to be written; likewise."""
        ...


class JsonLines:
    """One record a line, flushed as its account is done; ``ordered`` in input order."""

    def __init__(
        self, writer: Writer, serialize: Callable[[Report], bytes], *, ordered: bool = False
    ) -> None:
        self._writer = writer
        self._serialize = serialize
        self._order = Ordered() if ordered else None

    async def take(self, report: Report) -> None:
        """Write the record, or keep it until its turn has come."""
        line = self._serialize(report)
        if self._order is None:
            await self._writer.write(line)
            return
        for due in self._order.push(report.position, line):
            await self._writer.write(due)

    async def close(self) -> None:
        """Write the records whose turn never came, in order."""
        for line in self._order.drain() if self._order is not None else ():
            await self._writer.write(line)


class Tables:
    """One table at the end; progress meanwhile."""

    def __init__(
        self,
        table: UsageTable,
        writer: Writer,
        paint: Callable[[float], Iterable[str]],
        *,
        progress: Progress | None = None,
    ) -> None:
        self._table = table
        self._writer = writer
        self._paint = paint
        self._progress = progress

    async def take(self, report: Report) -> None:
        """Keep the report's row."""
        self._table.add(report)
        if self._progress is not None:
            self._progress.advance(report)

    async def close(self) -> None:
        """Draw the table of what there is."""
        if self._progress is not None:
            self._progress.stop()
        for piece in self._paint(time.time()):
            await self._writer.write(piece.encode())
