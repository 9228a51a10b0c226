"""``poller guard``: whether enough accounts can be used, as an exit code."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from poller.commands.answering import MAX_AGE_S, answered, teller_for
from poller.commands.failing import failures_of
from poller.deliver.stderr import say
from poller.insight.choice import Wanted, count
from poller.insight.standing import STALE_S, distinct
from poller.present.answers import count_text
from poller.process import exit_codes
from poller.values import FailureKind

if TYPE_CHECKING:
    from poller.commands.answering import KnownAccounts
    from poller.insight.choice import Count
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_UPSTREAM_CLASS = 3
"""The exit class of an upstream that answered, and did not tell."""


def guard(settings: Settings, interrupts: Interrupts) -> int:
    """Return 0 where enough accounts are good, 4 where not, else why it cannot be told.

    One sentence on standard error says how many; nothing goes to standard output.
    """
    max_age_s = settings.max_age_s or MAX_AGE_S
    return answered(
        settings,
        interrupts,
        partial(_tell, settings, max_age_s),
        max_age_s=max_age_s,
        forecasts=settings.for_s is not None,
    )


def _tell(settings: Settings, max_age_s: float, known: KnownAccounts) -> int:
    stale_s = max(max_age_s, STALE_S)
    wanted = Wanted(
        settings.min_remaining or 0.0, settings.for_s, known.forecasts, within_s=stale_s
    )
    counted = count(
        known.accounts, wanted, now=known.now, window=settings.window, need=settings.need or 1
    )
    code = _exit_code(counted, settings.unknown)
    if code or not settings.quiet:
        total = len(distinct(known.accounts))
        teller = teller_for(settings, sys.stderr, now=known.now)
        failures = failures_of(known.accounts, settings)
        told = count_text(
            counted, wanted, teller, total=total, window=settings.window, failures=failures
        )
        say(f"poller: {told}")
    return code


def _exit_code(counted: Count, unknown: str | None) -> int:
    if counted.enough is not None:
        return 0 if counted.enough else exit_codes.BELOW
    if unknown is not None:
        return 0 if unknown == "ok" else exit_codes.BELOW
    if FailureKind.INTERNAL in counted.failures:
        return exit_codes.INTERNAL
    classes = [kind.exit_class for kind in counted.failures]
    untold = counted.unknown > len(counted.failures) or not classes
    return max(_UPSTREAM_CLASS if untold else 0, *classes, 0)
