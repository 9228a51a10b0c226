"""The history of a running poller: rounds are handed over, a thread of its own writes them.

Recording never costs a record and never holds the event loop. What cannot be written is
kept, up to a bound, and tried again; each trouble is told once.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

from poller.history.database import default_path
from poller.history.writer import HistoryWriter, Work
from poller.text import printable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Iterable

    from poller.values import Report, Snapshot

T = TypeVar("T")

_LAST_WORDS_S = 1.0
"""What the thread gets beyond the deadline to say what it could not write."""


class History:
    """Where rounds are recorded; made by :func:`open_history`."""

    def __init__(self, path: str, *, on_trouble: Callable[[str], None] | None) -> None:
        self.path = path
        self.trouble: str | None = None
        """Why nothing can be written at present, for a person; None while all is well."""
        self._on_trouble = on_trouble
        self._told: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._writer = HistoryWriter(path, tell=lambda trouble: self._on_loop(self._note, trouble))

    @property
    def reports_lost(self) -> int:
        """Reports that had to make room for newer ones while nothing could be written."""
        return self._writer.reports_lost

    def record(self, reports: Iterable[Report], *, snapshot: Snapshot | None = None) -> None:
        """Hand over reports to be written, without waiting.

        ``snapshot`` says that they are a whole round, which is then counted as one.
        """
        self._writer.hand_over(tuple(reports), snapshot)

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` returns: one transaction, after what was handed over before.

        ``work`` runs in the writer's thread; an exception of its own rolls back, and is
        raised here.

        Raises:
            HistoryUnusable: nothing can be written at present.
        """
        came: Future[T] = Future()
        self._writer.do(Work(work, came))
        # Whoever no longer waits for it has not undone it.
        return await asyncio.shield(asyncio.wrap_future(came))

    def start(self) -> None:
        """Start the writer's thread; where none can be started, that is the trouble."""
        try:
            threading.Thread(target=self._write, name="history", daemon=True).start()
        except RuntimeError:
            self._writer.abandon()
            self._ended.set()
            self._note(self._said("this machine is out of threads: nothing is recorded"))

    async def close(self, *, within_s: float) -> None:
        """Wait until everything is written, or the time is over."""
        self._writer.stop(within_s=within_s)
        with anyio.move_on_after(within_s + _LAST_WORDS_S, shield=True):
            await self._ended.wait()
        if not self._ended.is_set():
            self._note(self._said("its disk does not answer: the last polls are not in it"))

    def _said(self, what: str) -> str:
        return f"history {printable(self.path)}: {what}"

    def _write(self) -> None:
        try:
            self._writer.run()
        finally:
            self._on_loop(self._ended.set)

    def _on_loop(self, do: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody listens any more
            self._loop.call_soon_threadsafe(do, *args)

    def _note(self, trouble: str | None) -> None:
        self.trouble = trouble
        if trouble is not None and trouble not in self._told:
            self._told.add(trouble)
            if self._on_trouble is not None:
                self._on_trouble(trouble)


@asynccontextmanager
async def open_history(
    path: str | None = None,
    *,
    on_trouble: Callable[[str], None] | None = None,
    close_within_s: float = 5.0,
) -> AsyncGenerator[History]:
    """Open the history to record into; leaving waits until the last round is written.

    Whatever is the matter with the file costs no record and raises nothing here.

    Args:
        path: The file; None for the user's own.
        on_trouble: Called in the event loop with a sentence for a person; once for each
            trouble, however long it lasts.
        close_within_s: How long leaving waits at most for a file that is locked. A file
            that cannot be written for another reason is tried once more.
    """
    history = History(default_path() if path is None else path, on_trouble=on_trouble)
    history.start()
    try:
        yield history
    finally:
        await history.close(within_s=close_within_s)
