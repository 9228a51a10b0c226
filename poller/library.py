"""The program as a library: the same stream of reports, for code instead of a pipe."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from poller.authfiles import Source, discover
from poller.polling.scheduler import fan_out
from poller.settings import Settings, UsageError
from poller.settings.addresses import proxy_for
from poller.upstream.client import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from poller.renewal import Renewals
    from poller.values import Report


@asynccontextmanager
async def poll(
    accounts: Iterable[str | os.PathLike[str]] = (), settings: Settings | None = None
) -> AsyncGenerator[AsyncIterator[Report]]:
    """Poll accounts; hand out the stream of their reports, one per account, as they come.

    Needs asyncio's event loop, through anyio or not. Leaving the context early cancels
    what is under way. A slow reader slows the polling; nothing is printed, and nothing
    written but by ``settings.refresh``.

    Args:
        accounts: Names, shell-style patterns or paths of auth files, as on the command
            line, in place of the settings' own; a ``PathLike`` is a path whatever it
            looks like. Without any here and there, all that the settings' folders hold.
        settings: Of the requests, and where to look; its defaults without one. Those of
            the output mean nothing here, but ``raw_json`` or ``raw_headers`` keep each
            response in its report.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for; before any
            request is sent. What goes wrong with an account is in its report.
    """
    settings = settings or Settings()
    if settings.demo is not None:
        raise UsageError("settings.demo: only the command line has made-up accounts; leave it out")
    given = tuple(accounts) or None
    selection = discover(settings, environ=os.environ, cwd=os.getcwd(), accounts=given)
    source = Source(selection)
    try:
        proxy = settings.proxy or proxy_for(settings.chatgpt_url, environ=os.environ)
        async with (
            open_client(settings, proxy=proxy) as client,
            fan_out(source, client, settings, renewals=_renewals(settings)) as reports,
        ):
            yield reports
    finally:
        source.close()


def _renewals(settings: Settings) -> Renewals | None:
    if not settings.refresh:
        return None
    from poller.renewal import renewals_for  # what few runs need

    return renewals_for(settings, environ=os.environ)
