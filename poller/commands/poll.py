"""``poller poll``: ask once for every account, write the results, return the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import anyio

from poller.commands.demo import demo_if_asked_for
from poller.deliver.sinks import Lines, TextAtEnd
from poller.deliver.stderr import say, saying_what_is_logged
from poller.deliver.stdout import ReaderGone, ResultsLost, Writer
from poller.library import open_session, poll
from poller.present.record import serialize
from poller.process import exit_codes
from poller.process.threads import UnjoinedThreads
from poller.settings import UsageError
from poller.upstream.exchange import room_for_connections
from poller.values import Failure, FailureKind, Snapshot, unexpected_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poller.deliver.progress import Progress
    from poller.deliver.sinks import Sink, Writes
    from poller.library import Session
    from poller.polling.stream import Notices, Reports
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Report

_STDOUT = 1
_READER_CHECK_S = 0.25
_CLOCK_LEEWAY_S = 60.0
_DEMO_LATENCY_S = 0.15


def run(settings: Settings, interrupts: Interrupts) -> int:
    """Poll as ``settings`` say; return the exit code."""
    command = _Poll(_within_limits(settings), interrupts)
    if command.settings.concurrency < settings.concurrency:
        command.warn(
            f"concurrency lowered from {settings.concurrency} to "
            f"{command.settings.concurrency}: this process may open few files (ulimit -n)"
        )
    try:
        anyio.run(command.run)
    except UsageError as error:
        say(f"poller: {error}")
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
        self._tally = exit_codes.Tally(settings.fail_under, need=settings.need or 0)
        self._stdout = Writer(_STDOUT)
        self._ended_with: int | None = None
        self._begun = False
        self._replaced_report: Report | None = None
        """What was written in place of a report whose record could not be made."""

    async def run(self) -> None:
        """Poll every account and write every report."""
        asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
        try:
            writer = self._opened()
            try:
                await self._poll(writer)
            finally:
                writer.close()
        except ReaderGone:
            self._ended_with = exit_codes.READER_GONE
        except ResultsLost as error:
            say(f"poller: {error}")
            self._ended_with = exit_codes.RESULTS_LOST

    def _opened(self) -> Writes:
        """Open what the results are written to, before anything is polled."""
        if self.settings.output is None:
            return self._stdout
        from poller.deliver.files import NewFile

        return NewFile(self.settings.output)

    async def _poll(self, writer: Writes) -> None:
        async with demo_if_asked_for(self.settings) as (settings, accounts):
            async with (
                open_session(settings, exit_guard=self._interrupts) as session,
                poll(accounts, session=session) as reports,
            ):
                self._begun = True
                self._stop_on_signals(reports)
                await self._write_all(reports, writer, session)
            self._say_at_end(reports.notices, session)

    async def _write_all(self, reports: Reports, writer: Writes, session: Session) -> None:
        settings, progress = self.settings, None
        if not self._is_table():
            sink: Sink = Lines(writer, self._line, heading=self._heading)
        else:
            if not settings.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
                from poller.deliver.progress import Progress

                progress = Progress(total=reports.total, waiting=partial(_waiting, reports))
            sink = self._table_sink(writer, session, progress)
        lost: list[ReaderGone | ResultsLost] = []
        with saying_what_is_logged(settings.verbose, say if progress is None else progress.say):
            async with anyio.create_task_group() as tasks:
                if settings.output is None:
                    tasks.start_soon(self._leave_without_reader, tasks.cancel_scope)
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
            tally.note(self._replaced_report or report)
            self._replaced_report = None
        stopped = self._interrupts.number is not None
        if not stopped or self.settings.output is None:  # else what was in the file stays
            await sink.end(
                Snapshot(started_at, time.time(), tally.reports, tally.answered, tally.requests)
            )
        self.complete = True
        if tally.reports == 0 and not stopped:
            # Said here: raised, it would leave the task groups wrapped as their failure.
            say("poller: nothing to poll: every account is disabled or none is named")
            self._ended_with = exit_codes.USAGE

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
                f"poller: a bug in this program: {_named(error)}; the results that are missing "
                "are lost; please report it"
            )
            self._ended_with = exit_codes.RESULTS_LOST
        elif isinstance(error, MemoryError | OSError):
            reason = getattr(error, "strerror", None) or "out of memory"
            say(f"poller: could not start: {reason.lower()}; nothing was polled")
            self._ended_with = exit_codes.USAGE
        else:
            say(
                f"poller: a bug in this program: {_named(error)}; nothing was polled; "
                "please report it"
            )
            self._ended_with = exit_codes.INTERNAL
        return self.exit_code()

    def _stop_on_signals(self, reports: Reports) -> None:
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            loop.call_soon_threadsafe(reports.stop, _cancelled(number))

        self._interrupts.listen(stop)

    def _is_table(self) -> bool:
        settings = self.settings
        raw = settings.raw_json or settings.raw_headers
        to_terminal = settings.output is None and os.isatty(_STDOUT)
        return settings.format == "table" or (settings.format == "auto" and to_terminal and not raw)

    @property
    def _heading(self) -> bytes:
        if self.settings.format != "csv":
            return b""
        from poller.present import csv

        return csv.heading()

    @cached_property
    def _serialize(self) -> Callable[[Report], bytes]:
        settings = self.settings
        if settings.format == "csv":
            from poller.present import csv

            return csv.rows_of
        raw = settings.raw_json or settings.raw_headers
        return partial(
            serialize,
            show_identity=settings.show_identity,
            raw_json=settings.raw_json,
            raw_headers=settings.raw_headers,
            indent=raw and settings.output is None and os.isatty(_STDOUT),
        )

    def _line(self, report: Report) -> bytes:
        """Return a report's lines; where that fails, those of its failure."""
        try:
            return self._serialize(report)
        except Exception as error:  # noqa: BLE001 - it shall cost this account alone
            failure = unexpected_failure(error)
            self._replaced_report = replace(
                report, usage=None, raw=None, headers=None, failure=failure
            )
            return self._serialize(self._replaced_report)

    def _table_sink(self, writer: Writes, session: Session, progress: Progress | None) -> Sink:
        # Only where a person looks.
        from poller.commands.language import language_for
        from poller.present.terminal import traits
        from poller.present.usage_table import UsageTable
        from poller.process.clock import zone_of

        settings = self.settings
        zone = zone_of(settings.timezone, os.environ)
        language = language_for(settings, os.environ)
        table = UsageTable(zone, extra=settings.extra, language=language)
        stream = sys.stdout if settings.output is None else None
        look = traits(stream, os.environ, color=settings.color)

        def render(_snapshot: Snapshot) -> Iterable[str]:
            return table.render(
                width=look.width, color=look.color, unicode=look.unicode, now=session.clock()
            )

        return TextAtEnd(writer, add=table.add, render=render, progress=progress)

    def warn(self, line: str) -> None:
        """Say what a person should know, unless they want quiet."""
        if not self.settings.quiet:
            say(f"poller: {line}")

    def _say_at_end(self, notices: Notices, session: Session) -> None:
        for line in _warnings(notices):
            self.warn(line)
        offset_s = session.clock_offset_s
        if offset_s is not None and abs(offset_s) > _CLOCK_LEEWAY_S:
            self.warn(
                f"this machine's clock is off by {offset_s:+.0f} s against the upstream's: "
                "expiry and reset times may be judged wrongly"
            )

    async def _leave_without_reader(self, scope: anyio.CancelScope) -> None:
        """Stop soon after the reader of a pipe has gone, also while nothing is written."""
        while not self._stdout.reader_is_gone():  # noqa: ASYNC110 - a pipe sets no event
            await anyio.sleep(_READER_CHECK_S)
        self._ended_with = exit_codes.READER_GONE
        scope.cancel()


def _waiting(reports: Reports) -> str | None:
    """Say what keeps a round waiting; None where nothing does."""
    waiting = reports.waiting()
    if waiting is None:
        return None
    if waiting.pause_left_s > 0:
        return f"the upstream asks for a pause of {waiting.pause_left_s:.0f} s"
    return (
        f"the upstream has not answered for {waiting.silent_s:.0f} s; "
        f"giving up in {waiting.patience_left_s:.0f} s"
    )


def _named(error: BaseException) -> str:
    """Name an error by its classes: its text may hold anything."""
    if isinstance(error, BaseExceptionGroup):
        several = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return ", ".join(map(_named, several))
    return type(error).__name__


def _warnings(notices: Notices) -> Iterator[str]:
    if notices.list_trouble is not None:
        yield notices.list_trouble
    if notices.readable_by_others:
        several = len(notices.readable_by_others)
        files = ", ".join(notices.readable_by_others[:_FILES_NAMED])
        more = f" and {several - _FILES_NAMED} more" if several > _FILES_NAMED else ""
        yield f"others on this machine can read {files}{more}: chmod 600"
    if notices.same_logins:
        first, second = notices.same_logins[0]
        yield f"{first} and {second} are the same login (the first such pair; said once)"


_FILES_NAMED = 20


def _within_limits(settings: Settings) -> Settings:
    """Lower the concurrency to the files this process may open.

    A quarter of them is for connections that lie idle while new ones are in use.
    """
    most = max(1, room_for_connections() * 3 // 4)
    return replace(settings, concurrency=min(settings.concurrency, most))


def _cancelled(number: int) -> Failure:
    name = signal.Signals(number).name
    return Failure(
        FailureKind.CANCELLED,
        f"stopped by {name} before it was done",
        "run again",
        may_work_later=True,
    )
