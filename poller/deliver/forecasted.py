"""Reports on their way to a sink, each with the forecast that the history gives it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.history.recollection import Recollection
from poller.process.threads import run_in_thread

if TYPE_CHECKING:
    from poller.deliver.sinks import Sink
    from poller.values import Report, Snapshot

_WITHIN_S = 1.0
"""A disk that takes longer gets no forecast, and holds up no record any more."""


class Forecasted:
    """Another sink, whose reports have their forecasts."""

    def __init__(self, sink: Sink, path: str) -> None:
        """``path`` is the history's. What is the matter with it costs the forecasts alone."""
        self._sink = sink
        self._recollection: Recollection | None = Recollection(path, now=time.time())

    async def begin(self) -> None:
        """Begin a round."""
        await self._sink.begin()

    async def take(self, report: Report) -> None:
        """Hand on the report with its forecast."""
        await self._sink.take(await self._noted(report))

    async def end(self, snapshot: Snapshot) -> None:
        """End the round."""
        await self._sink.end(snapshot)

    def close(self) -> None:
        """Let go of what is held."""
        self._sink.close()

    async def _noted(self, report: Report) -> Report:
        recollection = self._recollection
        if recollection is None:
            return report
        noted = None
        try:
            with anyio.move_on_after(_WITHIN_S):
                note = partial(recollection.note, report)
                noted = await run_in_thread(note, abandon_on_cancel=True)
        except Exception:  # noqa: BLE001 - it shall cost the forecast, and no record
            noted = None
        if noted is None or recollection.trouble is not None:
            self._recollection = None
            return report
        return noted
