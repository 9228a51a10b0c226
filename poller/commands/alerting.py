"""The alerts of a command that records."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from poller.commands.language import language_for
from poller.process.clock import zone_of
from poller.process.stopping import stop_on_signal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence

    from anyio.abc import TaskGroup

    from poller.deliver.alerting import Alerting, Manner
    from poller.history.store import History
    from poller.process.clock import RunsOn
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Report

_AT_THE_END_S = 15.0
"""What deliveries get when a program that polls again and again ends by itself."""


def manner_of(settings: Settings) -> Manner:
    """Return how alerts are told."""
    from poller.deliver.alerting import Manner  # what few runs need

    return Manner(
        zone=zone_of(settings.timezone, os.environ),
        language=language_for(settings, os.environ),
        ca_file=settings.ca_file,
    )


def alerting_into(
    history: History | None, settings: Settings, *, warn: Callable[[str], None]
) -> Alerting | None:
    """Return what evaluates the alerts after each round; None where there are no rules.

    ``history`` is where the rounds are recorded. ``warn`` is called with a sentence for each
    trouble, which changes nothing else.
    """
    if history is None or not settings.alerts:
        return None
    from poller.deliver.alerting import Alerting

    return Alerting(
        settings.alerts,
        history,
        manner=manner_of(settings),
        warn=warn,
        weights=settings.weights,
    )


def asks_for_all(settings: Settings) -> bool:
    """Whether what is asked for is all that there is: an account that is missing is gone."""
    return not settings.accounts and settings.files_from is None


class BackgroundAlerts:
    """Tells of rounds that never stop, in the background: nothing waits for a hook."""

    def __init__(self, alerting: Alerting, clock: RunsOn, *, tasks: TaskGroup) -> None:
        self._alerting, self._clock, self._tasks = alerting, clock, tasks
        self._reports: dict[str, Report] = {}
        self._accounts: Collection[str] | None = None
        self._is_evaluating = False

    def take(self, reports: Iterable[Report], accounts: Collection[str] | None) -> None:
        """Take reports that are recorded; ``accounts`` are the labels of all there are."""
        self._reports |= {report.account: report for report in reports}
        self._accounts = accounts
        if not self._is_evaluating:
            self._is_evaluating = True
            self._tasks.start_soon(self._evaluate)

    async def _evaluate(self) -> None:
        while self._reports:
            reports, self._reports = [*self._reports.values()], {}
            now = self._clock.time()
            due = await self._alerting.evaluate(reports, now=now, accounts=self._accounts)
            for name in due:
                self._tasks.start_soon(self._alerting.deliver, name, now)
        self._is_evaluating = False


@asynccontextmanager
async def telling(alerting: Alerting, clock: RunsOn) -> AsyncGenerator[BackgroundAlerts]:
    """Yield what tells in the background; at the end, what is under way gets some seconds."""
    raised: list[Exception] = []
    async with anyio.create_task_group() as tasks:
        try:
            yield BackgroundAlerts(alerting, clock, tasks=tasks)
        except Exception as error:  # noqa: BLE001 - a task group would wrap it
            raised.append(error)
            tasks.cancel_scope.cancel()
        tasks.cancel_scope.deadline = anyio.current_time() + _AT_THE_END_S
    if raised:
        raise raised[0]


async def tell_once(
    alerting: Alerting,
    reports: Sequence[Report],
    *,
    now: float,
    accounts: Collection[str] | None,
    interrupts: Interrupts,
) -> None:
    """Tell what a single round brought; a signal cuts it short."""
    with anyio.CancelScope() as scope:
        stop_on_signal(interrupts, lambda _: scope.cancel())
        if interrupts.number is None:
            await alerting.tell(reports, now=now, accounts=accounts)
