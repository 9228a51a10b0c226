"""``poller poll``: ask once for every account, write the results, return the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import anyio

from poller.commands import command_like
from poller.commands.alerting import alerting_into, asks_for_all, tell_once
from poller.commands.demo import demo_if_asked_for
from poller.commands.ending import error_name
from poller.commands.notices import broken_demands, waiting, warnings
from poller.commands.output import (
    RecordLines,
    is_table,
    metrics_sink,
    open_output,
    shows_progress,
    table_sink,
)
from poller.commands.recording import recording_if_asked_for
from poller.commands.running import reader_gone, within_limits
from poller.commands.sessions import open_asking
from poller.deliver.sinks import Recorded
from poller.deliver.stderr import say, say_named, saying_what_is_logged
from poller.deliver.stdout import ReaderGone, ResultsLost, Writer
from poller.library import poll
from poller.process import exit_codes
from poller.process.stopping import stop_on_signal
from poller.process.tally import Tally
from poller.process.threads import UnjoinedThreads
from poller.settings import UsageError
from poller.values import Failure, FailureKind, Snapshot

if TYPE_CHECKING:
    from poller.deliver.sinks import Sink, Writes
    from poller.history.store import History
    from poller.library import Session
    from poller.polling.stream import Notices, Reports
    from poller.present.words import Words
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Report


def run(settings: Settings, interrupts: Interrupts) -> int:
    """Poll as ``settings`` say; return the exit code."""
    command = _Poll(within_limits(settings), interrupts)
    if command.settings.concurrency < settings.concurrency:
        command.warn(
            command.words.fewer_at_once.format(
                asked=settings.concurrency, most=command.settings.concurrency
            )
        )
    try:
        anyio.run(command.run)
    except UsageError as error:
        like = command_like(settings.accounts[0]) if settings.accounts else None
        say(f"poller: {error}" + (f"; did you mean `poller {like}`?" if like else ""))
        return exit_codes.USAGE
    except BaseException as error:  # noqa: BLE001 - the last resort: a sentence, never a traceback
        return command.broken_off(error)
    if not command.complete:  # a task group keeps a stray cancellation to itself
        return command.broken_off(asyncio.CancelledError())
    return command.exit_code()


class _Poll:
    """One run of the command."""

    def __init__(self, settings: Settings, interrupts: Interrupts) -> None:
        self.settings = settings
        self.complete = False
        """Whether every report was written that came."""
        self._interrupts = interrupts
        self._tally = Tally(settings.fail_under, need=settings.need or 0)
        self._records = RecordLines(settings)
        self._ended_with: int | None = None
        self._begun = False
        self._history: History | None = None
        self._came: list[Report] = []
        """The reports, where alerts are to tell of them."""

    async def run(self) -> None:
        """Poll every account and write every report."""
        asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
        try:
            writer = open_output(self.settings)
            try:
                await self._poll(writer)
            finally:
                writer.close()
        except ReaderGone:
            self._ended_with = exit_codes.READER_GONE
        except ResultsLost as error:
            say(f"poller: {error}")
            self._ended_with = exit_codes.RESULTS_LOST

    async def _poll(self, writer: Writes) -> None:
        async with (
            recording_if_asked_for(self.settings, self._interrupts) as self._history,
            demo_if_asked_for(self.settings) as (settings, accounts),
        ):
            with saying_what_is_logged(settings.verbose, say_named):
                async with (
                    open_asking(settings, self._interrupts) as session,
                    poll(accounts, session=session) as reports,
                ):
                    self._begun = True
                    stop_on_signal(
                        self._interrupts, lambda number: reports.stop(_cancelled(number))
                    )
                    await self._write_all(reports, writer, session)
            if reports.notices.lost_agents:
                self._tally.note_loss()
            elif self.complete and not self._tally.reports and self._interrupts.number is None:
                # Said here: raised, it would leave the task groups wrapped as their failure.
                say("poller: nothing to poll: no account is named, or all are disabled")
                self._ended_with = exit_codes.USAGE
            await self._tell_alerts(session.clock())
            self._say_at_end(reports.notices, clock_offset_s=session.clock_offset_s)

    async def _write_all(self, reports: Reports, writer: Writes, session: Session) -> None:
        settings, progress = self.settings, None
        if is_table(settings) and shows_progress(settings):
            from poller.deliver.progress import Progress

            progress = Progress(
                total=reports.total, waiting=partial(waiting, reports, self.words), words=self.words
            )
        if is_table(settings):
            sink = table_sink(settings, writer, clock=session.clock, progress=progress)
        elif settings.format == "prometheus":
            sink = metrics_sink(settings, writer, clock=session.clock)
        else:
            sink = self._records.sink(writer)
        if self._history is not None:
            from poller.deliver.forecasted import Forecasted  # what few runs need

            sink = Recorded(Forecasted(sink, self._history.path), self._history)
        lost: list[ReaderGone | ResultsLost] = []
        told = partial(say_named, to=say if progress is None else progress.say)
        with saying_what_is_logged(settings.verbose, told):
            async with anyio.create_task_group() as tasks:
                if isinstance(writer, Writer):
                    tasks.start_soon(self._leave_without_reader, writer, tasks.cancel_scope)
                if progress is not None:
                    tasks.start_soon(progress.run)
                try:
                    await self._write(reports, sink)
                except (ReaderGone, ResultsLost) as error:  # a task group would wrap it
                    lost.append(error)
                finally:
                    sink.close()
                tasks.cancel_scope.cancel()
        if lost:
            raise lost[0]

    async def _write(self, reports: Reports, sink: Sink) -> None:
        started_at, tally = time.time(), self._tally
        await sink.begin()
        async for report in reports:
            await sink.take(report)
            if self.settings.evaluate_alerts:
                self._came.append(replace(report, raw=None, headers=None))
            tally.note(self._records.written(report))
        stopped = self._interrupts.number is not None
        if not stopped or self.settings.output is None:  # else what was in the file stays
            await sink.end(
                Snapshot(started_at, time.time(), tally.reports, tally.answered, tally.requests)
            )
        self.complete = True

    async def _tell_alerts(self, now: float) -> None:
        settings = self.settings
        if not settings.evaluate_alerts:
            return
        alerting = alerting_into(self._history, settings, warn=lambda line: say(f"poller: {line}"))
        if alerting is None:
            return
        labels = {report.account for report in self._came} if asks_for_all(settings) else None
        await tell_once(alerting, self._came, now=now, accounts=labels, interrupts=self._interrupts)

    def exit_code(self) -> int:
        """Return the exit code of a run that came to its end."""
        if self._interrupts.number is not None:
            return 128 + self._interrupts.number
        if self._ended_with is not None:
            return self._ended_with
        return 0 if self.settings.demo is not None else self._tally.code

    def broken_off(self, error: BaseException) -> int:
        """Say what an error that nothing else took means for the results; return the exit code."""
        if self._ended_with is not None or self._interrupts.number is not None:
            return self.exit_code()
        if self._begun:
            say(
                f"poller: a bug in this program: {error_name(error)}; the results that are missing "
                "are lost; please report it"
            )
            self._ended_with = exit_codes.RESULTS_LOST
        elif isinstance(error, MemoryError | OSError):
            reason = getattr(error, "strerror", None) or "out of memory"
            say(f"poller: could not start: {reason.lower()}; nothing was polled")
            self._ended_with = exit_codes.USAGE
        else:
            say(
                f"poller: a bug in this program: {error_name(error)}; nothing was polled; "
                "please report it"
            )
            self._ended_with = exit_codes.INTERNAL
        return self.exit_code()

    @cached_property
    def words(self) -> Words:
        """Those for standard error."""
        from poller.commands.language import words_for

        return words_for(self.settings, os.environ, stream=sys.stderr)

    def _say_at_end(self, notices: Notices, *, clock_offset_s: float | None) -> None:
        tally, words = self._tally, lambda: self.words
        for line in warnings(notices, tally.renewed, words, clock_offset_s=clock_offset_s):
            self.warn(line)
        if self.settings.demo is None and self._interrupts.number is None:
            for line in broken_demands(tally, words):
                say(f"poller: {line}")

    def warn(self, line: str) -> None:
        """Say what a person should know, unless they want quiet."""
        if not self.settings.quiet:
            say(f"poller: {line}")

    async def _leave_without_reader(self, stdout: Writer, scope: anyio.CancelScope) -> None:
        """Stop soon after the reader of a pipe has gone, also while nothing is written."""
        await reader_gone(stdout)
        self._ended_with = exit_codes.READER_GONE
        scope.cancel()


def _cancelled(number: int) -> Failure:
    name = signal.Signals(number).name
    return Failure(
        FailureKind.CANCELLED,
        f"stopped by {name} before it was done",
        "run again",
        may_work_later=True,
    )
