"""One run from settings to exit code: wires the parts, and leaves well."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import zoneinfo
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn, cast

import anyio

from poller import authfiles
from poller.deliver.sinks import JsonLines, Tables
from poller.deliver.stdout import ReaderGone, ResultsLost, Writer
from poller.polling.scheduler import fan_out
from poller.present.record import serialize
from poller.process import exit_codes
from poller.settings import UsageError
from poller.settings.addresses import proxy_for
from poller.upstream.client import open_client
from poller.upstream.exchange import room_for_connections
from poller.values import Failure, FailureKind, unexpected_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from poller.authfiles import Source
    from poller.deliver.sinks import Sink
    from poller.polling.stream import Reports
    from poller.present.usage_table import Table
    from poller.process.signals import Interrupts
    from poller.renewal import Renewals
    from poller.settings.model import Settings
    from poller.upstream.client import Client
    from poller.values import Report

_STDOUT = 1
_READER_CHECK_S = 0.25
_HOLD_CHECK_S = 0.02
_CLOCK_LEEWAY_S = 60.0
_DEMO_LATENCY_S = 0.15


def run(settings: Settings, interrupts: Interrupts) -> int:
    """Poll as ``settings`` say; return the exit code.

    Ends the process itself once everything is written: a thread that hangs in a name
    look-up would hold up the interpreter's own way out. Returns only where nothing was
    polled.
    """
    running = _Run(settings, interrupts)
    try:
        anyio.run(running.go)
    except UsageError as error:
        _say(f"poller: {error}")
        return exit_codes.USAGE
    except BaseException as error:  # noqa: BLE001 - the last resort: a sentence, never a traceback
        return running.broken_off(error)
    # It leaves by itself; whoever comes here was cancelled by nobody we know.
    return running.broken_off(asyncio.CancelledError())


def _named(error: BaseException) -> str:
    """Name an error by its classes: its text may hold anything."""
    if isinstance(error, BaseExceptionGroup):
        several = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return ", ".join(map(_named, several))
    return type(error).__name__


def _leave(code: int) -> NoReturn:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - what is said goes to stderr


class _Run:
    """One run of the program."""

    def __init__(self, settings: Settings, interrupts: Interrupts) -> None:
        self._settings = _within_limits(settings)
        self._interrupts = interrupts
        self._tally = exit_codes.Tally(settings.fail_under)
        self._unspoken: Report | None = None
        """What became of a report whose record could not be made."""
        self._writer = Writer(_STDOUT)
        self._table: Table | None = None
        self._begun = False
        if self._settings.concurrency < settings.concurrency:
            self._warn(
                f"concurrency lowered from {settings.concurrency} to "
                f"{self._settings.concurrency}: this process may open few files (ulimit -n)"
            )

    async def go(self) -> None:
        """Poll every account, write every report, and leave."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            if settings.demo is not None:
                settings, source = await _demo(stack, settings, settings.demo)
            else:
                selection = authfiles.discover(settings, environ=os.environ, cwd=os.getcwd())
                source = authfiles.Source(selection)
            proxy = settings.proxy or proxy_for(settings.chatgpt_url, environ=os.environ)
            client = await stack.enter_async_context(open_client(settings, proxy=proxy))
            note = _say if settings.verbose else None
            renewals = _renewals(settings, self._interrupts)
            self._begun = True
            reports = await stack.enter_async_context(
                fan_out(source, client, settings, note=note, renewals=renewals)
            )
            watches = await stack.enter_async_context(anyio.create_task_group())
            watches.start_soon(self._watch_reader)
            self._heed_signals(reports)
            code = await self._write(reports, self._sink())
            self._say_at_end(source, client)
            await self._leave(code)

    def broken_off(self, error: BaseException) -> int:
        """Say what an error that nothing else took means for the results; return the exit code."""
        if self._begun:
            _say(
                f"poller: a bug in this program: {_named(error)}; the results that are missing "
                "are lost; please report it"
            )
            _leave(self._final(exit_codes.RESULTS_LOST))
        if isinstance(error, MemoryError | OSError):
            reason = getattr(error, "strerror", None) or "out of memory"
            _say(f"poller: could not start: {reason.lower()}; nothing was polled")
            return self._final(exit_codes.USAGE)
        _say(
            f"poller: a bug in this program: {_named(error)}; nothing was polled; please report it"
        )
        return self._final(exit_codes.INTERNAL)

    async def _leave(self, code: int | None) -> NoReturn:
        """Leave with the run's code, once nothing is under way that must not be split."""
        while not self._interrupts.shut():  # noqa: ASYNC110 - signals set no event
            await anyio.sleep(_HOLD_CHECK_S)
        _leave(self._final(code))

    def _heed_signals(self, reports: Reports) -> None:
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            loop.call_soon_threadsafe(reports.stop, _cancelled(number))

        self._interrupts.listen(stop)

    async def _write(self, reports: Reports, sink: Sink) -> int | None:
        """Write the reports as they come; return the exit code where writing failed."""
        try:
            async for report in reports:
                await sink.take(report)
                self._count(report)
            await sink.close()
        except ReaderGone:
            return exit_codes.READER_GONE
        except ResultsLost as error:
            _say(f"poller: {error}")
            return exit_codes.RESULTS_LOST
        if self._tally.reports == 0 and self._interrupts.number is None:
            # Said here: raised, it would leave the task groups wrapped as their failure.
            _say("poller: nothing to poll: every account is disabled or none is named")
            return exit_codes.USAGE
        return None

    def _count(self, report: Report) -> None:
        """Count what was written of a report."""
        self._tally.note(self._unspoken or report)
        self._unspoken = None

    def _final(self, code: int | None) -> int:
        if self._interrupts.number is not None:
            return 128 + self._interrupts.number
        if code is not None:
            return code
        return 0 if self._settings.demo is not None else self._tally.code

    def _sink(self) -> Sink:
        settings = self._settings
        terminal = os.isatty(_STDOUT)
        raw = settings.raw_json or settings.raw_headers
        if settings.format == "table" or (settings.format == "auto" and terminal and not raw):
            return self._table_sink()
        record = partial(
            serialize,
            show_identity=settings.show_identity,
            raw_json=settings.raw_json,
            raw_headers=settings.raw_headers,
            indent=raw and terminal,
        )
        return JsonLines(self._writer, partial(self._line, record), ordered=settings.ordered)

    def _line(self, record: Callable[[Report], bytes], report: Report) -> bytes:
        """Return a report's record; where that fails, the record of its failure."""
        try:
            return record(report)
        except Exception as error:  # noqa: BLE001 - it shall cost this account alone
            broken = replace(
                report, usage=None, raw=None, headers=None, failure=unexpected_failure(error)
            )
            self._unspoken = broken
            return record(broken)

    def _table_sink(self) -> Sink:
        # Only where a person looks: rich costs 70 ms.
        from poller.deliver.progress import Progress
        from poller.present.terminal import traits
        from poller.present.usage_table import Table

        settings = self._settings
        table = self._table = Table(_zone(settings.timezone))
        look = traits(sys.stdout, os.environ)
        progress = Progress() if sys.stderr.isatty() and not settings.quiet else None
        return Tables(
            table,
            self._writer,
            lambda now: table.render(
                width=look.width, color=look.color, unicode=look.unicode, now=now
            ),
            progress=progress,
        )

    def _warn(self, line: str) -> None:
        if not self._settings.quiet:
            _say(f"poller: {line}")

    def _say_at_end(self, source: Source, client: Client) -> None:
        for line in _warnings(source):
            self._warn(line)
        offset_s = client.clock_offset_s
        if offset_s is not None and abs(offset_s) > _CLOCK_LEEWAY_S:
            self._warn(
                f"this machine's clock is off by {offset_s:+.0f} s against the upstream's: "
                "expiry and reset times may be judged wrongly"
            )
        if self._table is not None and not self._settings.quiet:
            _say(self._table.summary(time.time()))

    async def _watch_reader(self) -> None:
        """Leave soon after the reader of a pipe has gone, also while nothing is written."""
        while True:
            await anyio.sleep(_READER_CHECK_S)
            if self._writer.reader_is_gone():
                await self._leave(exit_codes.READER_GONE)


def _warnings(source: Source) -> Iterator[str]:
    if source.list_trouble is not None:
        yield source.list_trouble
    if source.readable_by_others is not None:
        yield (
            f"{source.readable_by_others}: others on this machine can read it (the first such "
            "file; said once): chmod 600"
        )
    if source.same_login is not None:
        first, second = source.same_login
        yield f"{first} and {second} are the same login (the first such pair; said once)"


async def _demo(stack: AsyncExitStack, settings: Settings, count: int) -> tuple[Settings, Source]:
    """Start the embedded upstream; return the settings that point to it, and its accounts."""
    from poller.simulator.accounts import demo_accounts
    from poller.simulator.server import serve

    simulator = await stack.enter_async_context(serve(latency_s=_DEMO_LATENCY_S))
    made_up = ((a.name, a.auth_file) for a in demo_accounts(count, now=time.time()))
    source = authfiles.Source(authfiles.in_memory(made_up))
    return replace(settings, chatgpt_url=simulator.url, proxy=None, refresh=False), source


def _renewals(settings: Settings, interrupts: Interrupts) -> Renewals | None:
    if not settings.refresh:
        return None
    from poller.renewal import renewals_for  # what few runs need

    return renewals_for(settings, environ=os.environ, exit_guard=interrupts)


def _within_limits(settings: Settings) -> Settings:
    """Lower the concurrency to the files this process may open.

    A quarter of them is for connections that lie idle while new ones are in use.
    """
    most = max(1, room_for_connections() * 3 // 4)
    return replace(settings, concurrency=min(settings.concurrency, most))


def _zone(name: str | None) -> tzinfo | None:
    """Return the time zone of the table's times; None is local time."""
    return None if name is None else zoneinfo.ZoneInfo(name)


def _cancelled(number: int) -> Failure:
    name = signal.Signals(number).name
    return Failure(
        FailureKind.CANCELLED,
        f"stopped by {name} before it was done",
        "run again",
        may_work_later=True,
    )
