"""The alerts of a command that records."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import anyio

from poller.commands.language import language_for
from poller.deliver.stderr import say
from poller.process.clock import zone_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from poller.deliver.alerting import Alerting, Manner
    from poller.history.store import History
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Report


def manner_of(settings: Settings) -> Manner:
    """Return how alerts are told."""
    from poller.deliver.alerting import Manner  # what few runs need

    return Manner(
        zone=zone_of(settings.timezone, os.environ),
        language=language_for(settings, os.environ),
        ca_file=settings.ca_file,
    )


def alerting_into(history: History | None, settings: Settings) -> Alerting | None:
    """Return what evaluates the alerts after each round; None where there are no rules.

    ``history`` is where the rounds are recorded. Trouble with telling is said on standard
    error, and changes nothing else.
    """
    if history is None or not settings.alerts:
        return None
    from poller.deliver.alerting import Alerting

    return Alerting(
        settings.alerts,
        history,
        manner=manner_of(settings),
        warn=lambda line: say(f"poller: {line}"),
        weights=settings.weights,
    )


async def tell_once(
    alerting: Alerting,
    reports: Sequence[Report],
    *,
    now: float,
    accounts: Collection[str] | None,
    interrupts: Interrupts,
) -> None:
    """Tell what a single round brought; a signal cuts it short."""
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:

        def stop(_number: int) -> None:
            loop.call_soon_threadsafe(scope.cancel)

        interrupts.listen(stop)
        if interrupts.number is None:
            await alerting.tell(reports, now=now, accounts=accounts)
