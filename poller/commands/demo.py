"""Made-up accounts on an embedded upstream: ``--demo``."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from poller.authfiles.find import in_memory
from poller.process.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poller.authfiles.read import AuthFile
    from poller.process.clock import RunsOn
    from poller.settings import Settings

_LATENCY_S = 0.15
_TOKENS_LIVE_S = 10 * 365 * 86_400
"""A demo may run for months of its time."""


@dataclass(frozen=True, slots=True)
class PolledWorld:
    """What a command that lives on asks, and by which clock: real accounts, or a demo's."""

    settings: Settings
    accounts: tuple[AuthFile, ...]
    """Of the demo; else none, and the settings say which."""
    clock: RunsOn
    made_up: int = 0
    """How many they are; 0 where they are real."""


def demo_files(count: int) -> list[AuthFile]:
    """Return the auth files of ``count`` made-up accounts, in memory."""
    from poller.simulator.accounts import demo_accounts

    made_up = demo_accounts(count, now=time.time())
    return in_memory((account.name, account.auth_file) for account in made_up)


@asynccontextmanager
async def demo_if_asked_for(
    settings: Settings, *, live: bool = False
) -> AsyncGenerator[tuple[Settings, list[AuthFile]]]:
    """Yield the settings and the accounts to poll: made-up ones where that was asked for.

    ``live``: their usage moves as people's does.
    """
    if settings.demo is None:
        yield settings, []
        return
    from poller.simulator.server import serve

    async with serve(latency_s=_LATENCY_S, live=live) as simulator:
        pointed = replace(settings, chatgpt_url=simulator.url, proxy=None, refresh=False, demo=None)
        yield pointed, demo_files(settings.demo)


@asynccontextmanager
async def living_demo_if_asked_for(settings: Settings) -> AsyncGenerator[PolledWorld]:
    """Yield what to ask: where that was asked for, made-up accounts that live."""
    if settings.demo is None:
        yield PolledWorld(settings, (), SystemClock())
        return
    from poller.simulator.accounts import demo_accounts
    from poller.simulator.clock import SpedUpClock
    from poller.simulator.server import serve

    clock = SpedUpClock(time.time(), settings.demo_speed)
    latency_s = _LATENCY_S / settings.demo_speed
    async with serve(latency_s=latency_s, live=True, clock=clock, detail=False) as simulator:
        made_up = demo_accounts(settings.demo, now=clock.time(), life_s=_TOKENS_LIVE_S)
        files = in_memory((account.name, account.auth_file) for account in made_up)
        pointed = replace(settings, chatgpt_url=simulator.url, proxy=None, refresh=False, demo=None)
        yield PolledWorld(pointed, tuple(files), clock, settings.demo)
