"""``poller next``: name the account to use now."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from poller.commands.answering import MAX_AGE_S, answered, teller_for
from poller.commands.failing import failures_of
from poller.deliver.printing import print_out
from poller.deliver.stderr import say
from poller.insight.choice import ENOUGH_PERCENT, NoChoice, Strategy, Wanted, choose
from poller.insight.standing import STALE_S
from poller.present.answers import choice_record, reason
from poller.present.record import line_of
from poller.process import exit_codes

if TYPE_CHECKING:
    from poller.commands.answering import KnownAccounts
    from poller.process.signals import Interrupts
    from poller.settings import Settings


def next_account(settings: Settings, interrupts: Interrupts) -> int:
    """Print the account to use now; return 0, or 4 where there is none.

    The reason goes to standard error. Nothing is switched.
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
    least = ENOUGH_PERCENT if settings.min_remaining is None else settings.min_remaining
    wanted = Wanted(least, settings.for_s, known.forecasts, within_s=max(max_age_s, STALE_S))
    strategy = Strategy(settings.strategy)
    choice = choose(known.accounts, wanted, now=known.now, strategy=strategy)
    teller = teller_for(settings, sys.stderr, now=known.now)
    told = reason(choice, wanted, teller, failures=failures_of(known.accounts, settings))
    code = 0
    if settings.format == "jsonl":
        code = print_out(line_of(choice_record(choice, told)).decode())
    elif not isinstance(choice, NoChoice):
        code = print_out(f"{choice.account}\n")
    if not settings.quiet or isinstance(choice, NoChoice):
        say(told if not isinstance(choice, NoChoice) else f"poller: {told}")
    return code or (exit_codes.BELOW if isinstance(choice, NoChoice) else 0)
