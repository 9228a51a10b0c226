"""``poller agent``: poll on this machine for a collector elsewhere."""

from __future__ import annotations

import asyncio
import platform
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from poller.agents import subjects
from poller.agents.agent import Agent
from poller.agents.link import open_link
from poller.agents.shared_folder import SharedFolder
from poller.commands.running import within_limits
from poller.deliver.printing import print_out
from poller.deliver.stderr import say_named, saying_what_is_logged
from poller.library import open_attempts
from poller.process import exit_codes
from poller.process.stopping import stop_on_signal
from poller.process.threads import UnjoinedThreads
from poller.settings import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.agents.link import Link
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_NEEDS = "agent: give the address of the server it gets its jobs from: --nats URL"
_NO_RIGHTS = (
    "the NATS server does not let this login be agent {name}: give the --name that it was made "
    "for, or another login with --creds FILE"
)
_AGAIN_S = 5.0
"""Before a server is asked anew that has turned the agent out."""


def serve(settings: Settings, interrupts: Interrupts) -> int:
    """Work for collectors until a signal comes; return the exit code."""
    try:
        if settings.server_config:
            from poller.agents.server_config import server_config

            return print_out(server_config(settings.server_config))
        if settings.nats is None:
            say_named(_NEEDS)
            return exit_codes.USAGE
        settings = within_limits(settings)
        with saying_what_is_logged(settings.verbose, say_named):
            anyio.run(_serve, settings, interrupts)
    except UsageError as error:
        say_named(str(error))
        return exit_codes.USAGE
    return 128 + (interrupts.number or 0)


async def _serve(settings: Settings, interrupts: Interrupts) -> None:
    asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
    name = settings.agent_name or _host_name()
    folders = [SharedFolder.of(each) for each in settings.shared or ()]
    shared = {folder.name: folder for folder in folders}
    stopping = anyio.Event()
    ended: str | None = None
    stop_on_signal(interrupts, lambda _: stopping.set())
    async with open_attempts(settings, exit_guard=interrupts) as attempts:
        while not stopping.is_set() and ended is None:
            async with AsyncExitStack() as stack:
                link = await _connected(stack, settings, name, stopping)
                if link is None:
                    return
                _say_ready(settings, name)
                agent = Agent(settings, name=name, attempts=attempts, link=link, shared=shared)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_call_when, stopping, agent.stop)
                    await agent.run()
                    tasks.cancel_scope.cancel()
                if agent.rival is not None:
                    ended = f"an agent called {name} runs already: give this one another --name"
                elif link.is_refused:
                    ended = _NO_RIGHTS.format(name=name)
            with anyio.move_on_after(0 if ended else _AGAIN_S):
                await stopping.wait()
    if ended is not None:
        raise UsageError(ended)


async def _connected(
    stack: AsyncExitStack, settings: Settings, name: str, stopping: anyio.Event
) -> Link | None:
    """Return a connection to the server; None where a signal came first."""
    link, failed = None, None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_call_when, stopping, tasks.cancel_scope.cancel)
        inbox = subjects.inbox(name)
        connecting = open_link(settings, name=f"poller agent {name}", inbox=inbox, within_s=None)
        try:
            link = await stack.enter_async_context(connecting)
        except UsageError as error:  # a task group would wrap it
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return link


def _say_ready(settings: Settings, name: str) -> None:
    if not settings.quiet:
        folders = ", ".join(settings.shared or ()) or "none"
        say_named(f"agent {name}: waiting for jobs; shared folders: {folders}")


async def _call_when(stopping: anyio.Event, work: Callable[[], None]) -> None:
    await stopping.wait()
    work()


def _host_name() -> str:
    """Return what this machine is called, as far as it fits a part of a subject."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", platform.node().partition(".")[0]).strip("-")
    return name[:40] or "agent"
