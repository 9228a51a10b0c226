"""Made-up accounts on an embedded upstream: ``--demo``."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from poller.authfiles.find import in_memory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poller.authfiles.read import AuthFile
    from poller.settings import Settings

_LATENCY_S = 0.15


def demo_files(count: int) -> list[AuthFile]:
    """Return the auth files of ``count`` made-up accounts, in memory."""
    from poller.simulator.accounts import demo_accounts

    made_up = demo_accounts(count, now=time.time())
    return in_memory((account.name, account.auth_file) for account in made_up)


@asynccontextmanager
async def demo_if_asked_for(
    settings: Settings,
) -> AsyncGenerator[tuple[Settings, list[AuthFile]]]:
    """Yield the settings and the accounts to poll: made-up ones where that was asked for."""
    if settings.demo is None:
        yield settings, []
        return
    from poller.simulator.server import serve

    async with serve(latency_s=_LATENCY_S) as simulator:
        pointed = replace(settings, chatgpt_url=simulator.url, proxy=None, refresh=False, demo=None)
        yield pointed, demo_files(settings.demo)
