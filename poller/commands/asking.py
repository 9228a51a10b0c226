"""Ask some accounts once, for a command that answers from what is known."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.commands.demo import demo_if_asked_for
from poller.commands.language import words_for
from poller.commands.notices import waiting
from poller.commands.output import shows_progress
from poller.commands.recording import recording_if_asked_for
from poller.commands.running import within_limits
from poller.deliver.progress import Progress
from poller.deliver.stderr import say, say_named, saying_what_is_logged
from poller.library import open_session, poll
from poller.process.stopping import stop_on_signal
from poller.process.threads import UnjoinedThreads

if TYPE_CHECKING:
    from poller.authfiles.read import AuthFile
    from poller.polling.stream import Reports
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Report


def ask(settings: Settings, interrupts: Interrupts, files: list[AuthFile]) -> list[Report]:
    """Return the reports of ``files``, of all that the settings name where there are none.

    They are recorded where ``settings.record`` says so. After a signal, those that came.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for.
    """
    return anyio.run(_ask, within_limits(settings), interrupts, files)


async def _ask(settings: Settings, interrupts: Interrupts, files: list[AuthFile]) -> list[Report]:
    asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
    came: list[Report] = []
    async with recording_if_asked_for(settings, interrupts) as history:
        with anyio.CancelScope() as scope:
            stop_on_signal(interrupts, lambda _: scope.cancel())
            async with (
                demo_if_asked_for(settings, live=True) as (pointed, made_up),
                open_session(pointed, exit_guard=interrupts) as session,
                poll(made_up or files, session=session) as reports,
            ):
                await _take_all(reports, came, settings)
            if reports.notices.list_trouble is not None:
                say(f"poller: {reports.notices.list_trouble}")
        if history is not None:
            history.record(came)
    return came


async def _take_all(reports: Reports, came: list[Report], settings: Settings) -> None:
    progress = None
    if shows_progress(settings):
        words = words_for(settings, os.environ, stream=sys.stderr)
        progress = Progress(
            total=reports.total, waiting=partial(waiting, reports, words), words=words
        )
    with saying_what_is_logged(
        settings.verbose, partial(say_named, to=say if progress is None else progress.say)
    ):
        async with anyio.create_task_group() as tasks:
            if progress is not None:
                tasks.start_soon(progress.run)
            try:
                async for report in reports:
                    came.append(report)
                    if progress is not None:
                        progress.advance(report)
            finally:
                if progress is not None:
                    progress.stop()
            tasks.cancel_scope.cancel()
