"""``poller timeline``: what comes back when, and whether the pool runs dry before."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from poller.commands.answering import MAX_AGE_S, answered, teller_for
from poller.commands.failing import failures_of
from poller.deliver.printing import print_out, shows_table
from poller.insight.pool import NO_WEIGHTS, pool
from poller.insight.timeline import timeline as timeline_of
from poller.present.timeline import TimelineTable, timeline_lines

if TYPE_CHECKING:
    from poller.commands.answering import KnownAccounts
    from poller.process.signals import Interrupts
    from poller.settings import Settings


def timeline(settings: Settings, interrupts: Interrupts) -> int:
    """Print every told reset ahead and what it brings; return 0."""
    max_age_s = settings.max_age_s or MAX_AGE_S
    return answered(settings, interrupts, partial(_tell, settings), max_age_s=max_age_s)


def _tell(settings: Settings, known: KnownAccounts) -> int:
    accounts, now, weights = known.accounts, known.now, settings.weights or NO_WEIGHTS
    ahead = timeline_of(accounts, now=now, hours=settings.hours, rates=known.rates, weights=weights)
    if not shows_table(settings.format):
        return print_out(b"".join(timeline_lines(ahead)).decode())
    from poller.present.terminal import ASCII, UNICODE, traits

    look = traits(sys.stdout, os.environ, color=settings.color)
    table = TimelineTable(
        ahead,
        pool(accounts, now=now, weights=weights),
        pace_known=any(known.rates.values()),
        teller=teller_for(settings, sys.stdout, now=now),
        marks=UNICODE if look.unicode else ASCII,
    )
    failures = failures_of(accounts, settings)
    return print_out("".join(table.render(failures, width=look.width, color=look.color)))
