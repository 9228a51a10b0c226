"""``poller watch``: poll again and again, onto a screen or into a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from functools import cached_property, partial
from typing import TYPE_CHECKING

import anyio

from poller.commands.ending import ended_by
from poller.commands.following import follow
from poller.commands.notices import broken_demands
from poller.commands.output import RecordLines, is_table, table_sink
from poller.commands.running import (
    keeping_status,
    noticed,
    reader_gone,
    within_limits,
)
from poller.deliver.printing import STDOUT
from poller.deliver.screen import is_screen
from poller.deliver.stderr import say, say_named, saying_what_is_logged
from poller.deliver.stdout import ReaderGone, ResultsLost, Writer
from poller.process import exit_codes
from poller.process.stopping import stop_on_signal
from poller.process.tally import Tally
from poller.process.threads import UnjoinedThreads
from poller.settings import UsageError
from poller.values import Report, Snapshot

if TYPE_CHECKING:
    from poller.commands.following import Following
    from poller.commands.live_watch import LiveWatch
    from poller.present.words import Words
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_READER_EVERY_S = 2.0
"""Between two looks whether a pipe still has its reader: a run may last for weeks."""
_WARNINGS = 100
"""Kept for afterwards: a run may last for weeks."""


def watch(settings: Settings, interrupts: Interrupts) -> int:
    """Poll for as long as ``settings`` say; return the exit code."""
    command = _Watch(within_limits(settings), interrupts)
    try:
        try:
            anyio.run(command.run)
        finally:
            command.say_warnings()
    except BaseException as error:  # noqa: BLE001 - the last resort
        if interrupts.number is None or isinstance(error, UsageError):
            return ended_by(error)
    return command.exit_code()


class _Watch:
    """One run of the command."""

    def __init__(self, settings: Settings, interrupts: Interrupts) -> None:
        self._settings = settings
        self._interrupts = interrupts
        self._scope: anyio.CancelScope | None = None
        self._ended_with: int | None = None
        self._came_to_its_end = False
        """Whether what came is what was waited for."""
        self._tally: Tally | None = None
        """Of the last round, where it ends by itself."""
        self._onto_screen = is_table(settings) and is_screen(STDOUT)
        self._screen: LiveWatch | None = None
        self._warnings: deque[str] = deque(maxlen=_WARNINGS)
        """What stood on the screen meanwhile."""
        self._states: dict[str, tuple[object, ...]] = {}

    async def run(self) -> None:
        """Watch until there is a reason to end."""
        asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
        told = self._warn if self._onto_screen else say_named
        with (
            saying_what_is_logged(self._settings.verbose, told),
            anyio.CancelScope() as self._scope,
        ):
            stop_on_signal(self._interrupts, lambda _: self._end(None))
            async with (
                follow(self._settings, self._interrupts, warn=self._warn) as following,
                keeping_status(
                    following,
                    self._settings,
                    warn=self._warn,
                    came_to_its_end=lambda: self._came_to_its_end,
                ),
            ):
                await self._watch(following)

    async def _watch(self, following: Following) -> None:
        settings = self._settings
        if self._onto_screen:
            from poller.commands.live_watch import LiveWatch

            screen = LiveWatch(
                settings,
                following,
                interrupts=self._interrupts,
                ends=partial(self._is_end, following),
            )
            self._screen = screen
            for line in self._warnings:
                screen.warn(line)
            await screen.run()
            if screen.hung_up:
                self._end(128 + signal.SIGHUP)
            return
        stdout = Writer(STDOUT)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._leave_without_reader, stdout)
            try:
                if is_table(settings):
                    await self._write_tables(following, stdout)
                else:
                    await self._write_records(following, stdout)
            except ReaderGone:
                self._end(exit_codes.READER_GONE)
            except ResultsLost as error:
                say(f"poller: {error}")
                self._end(exit_codes.RESULTS_LOST)
            tasks.cancel_scope.cancel()

    async def _write_records(self, following: Following, stdout: Writer) -> None:
        sink = RecordLines(self._settings).sink(stdout)
        await sink.begin()
        async for came in following:
            if isinstance(came, Report):
                await sink.take(came)
            if self._is_end(following, came):
                return

    async def _write_tables(self, following: Following, stdout: Writer) -> None:
        """Write one table a round."""
        async for came in following:
            if isinstance(came, Snapshot):
                sink = table_sink(self._settings, stdout, clock=following.clock.time, progress=None)
                for report in came.reports:
                    await sink.take(report)
                await sink.end(came)
            if self._is_end(following, came):
                return

    def _is_end(self, following: Following, came: Report | Snapshot) -> bool:
        """Say whether what came was what is waited for."""
        self._came_to_its_end = self._ends_with(following, came)
        return self._came_to_its_end

    def _ends_with(self, following: Following, came: Report | Snapshot) -> bool:
        if isinstance(came, Snapshot) and following.is_first_round:
            for line in noticed(following, self._settings):
                self._warn(line)
        settings = self._settings
        if isinstance(came, Report):
            usage, failure = came.usage, came.failure
            state = (
                came.ok,
                None if usage is None else usage.usable,
                None if failure is None else failure.kind,
            )
            return self._states.setdefault(came.account, state) != state and settings.until_change
        rounds = min((report.round or 0 for report in came.reports), default=0)
        if settings.rounds is None or rounds < settings.rounds:
            return False
        self._tally = Tally(settings.fail_under, need=settings.need or 0)
        for report in came.reports:
            self._tally.note(report)
        return True

    def _warn(self, line: str) -> None:
        if self._settings.quiet:
            return
        if not self._onto_screen:
            say(f"poller: {line}")
            return
        self._warnings.append(line)
        if self._screen is not None:
            self._screen.warn(line)

    def say_warnings(self) -> None:
        """Say again what stood on the screen meanwhile."""
        for line in self._warnings:
            say(f"poller: {line}")

    @cached_property
    def _words(self) -> Words:
        from poller.commands.language import words_for

        return words_for(self._settings, os.environ, stream=sys.stderr)

    def _end(self, code: int | None) -> None:
        if self._ended_with is None:
            self._ended_with = code
        if self._scope is not None:
            self._scope.cancel()

    async def _leave_without_reader(self, stdout: Writer) -> None:
        await reader_gone(stdout, look_every_s=_READER_EVERY_S)
        self._end(exit_codes.READER_GONE)

    def exit_code(self) -> int:
        """Return the exit code of a run that came to its end."""
        if self._interrupts.number is not None:
            return 128 + self._interrupts.number
        if self._ended_with is not None:
            return self._ended_with
        if self._tally is None or self._settings.demo is not None:
            return 0
        for line in broken_demands(self._tally, lambda: self._words):
            say(f"poller: {line}")
        return self._tally.code
