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
    from poller.simulator.accounts import MadeUpAccount
    from poller.values import Report

_LATENCY_S = 0.15
_WEEK_S, _STEP_S = 7 * 86_400, 1_800
_MOST_WITH_A_PAST = 50
"""Accounts: each takes 30 ms to make up."""
_TOKENS_LIVE_S = 10 * 365 * 86_400
"""A demo may run for months of its time."""


@dataclass(frozen=True, slots=True)
class PolledWorld:
    """What a command that lives on asks, and by which clock: real accounts, or a demo's."""

    settings: Settings
    accounts: tuple[AuthFile, ...]
    """Of the demo; else none, and the settings say which."""
    clock: RunsOn
    made_up: tuple[MadeUpAccount, ...] = ()

    def week_before(self) -> list[list[Report]]:
        """Return what a poller would have seen of the demo's accounts in the week before.

        One list an account; takes a moment.
        """
        from poller.simulator.living import observations
        from poller.usage.identity import account_key
        from poller.usage.normalizer import normalize
        from poller.values import Report

        now = self.clock.time()
        times = [now - _WEEK_S + step for step in range(0, _WEEK_S, _STEP_S)]
        return [
            [
                Report(
                    position,
                    account.name,
                    account.name,
                    at,
                    normalize(payload, observed_at=at),
                    key=account_key(account.user_id, account.account_id),
                )
                for at, payload in observations(account, times)
            ]
            for position, account in enumerate(self.made_up[:_MOST_WITH_A_PAST])
        ]


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
        accounts = tuple(made_up)
        files = in_memory((account.name, account.auth_file) for account in accounts)
        pointed = replace(settings, chatgpt_url=simulator.url, proxy=None, refresh=False, demo=None)
        yield PolledWorld(pointed, tuple(files), clock, accounts)
