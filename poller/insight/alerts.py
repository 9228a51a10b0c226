"""Rules x accounts x what the rules remember -> what to tell, and what to remember.

Edges, not levels: the first answer of an account is a baseline, each thing fires once and is
said to be over once. What is believed fires, so that an answer that flapped tells nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.insight.account_alerts import take
from poller.insight.alert_notes import Notes
from poller.insight.alert_rules import AlertKind
from poller.insight.failure_alerts import tell_failures
from poller.insight.fleet_alerts import tell_early_resets, tell_pool, tell_who_is_there
from poller.insight.pool import NO_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poller.insight.alert_rules import AlertRule, Mark, MarkKey, Told, Watched


def evaluate(  # noqa: PLR0913 - a rule and all it looks at
    rule: AlertRule,
    accounts: Iterable[Watched],
    marks: Mapping[MarkKey, Mark],
    *,
    now: float,
    gone: Sequence[Watched] = (),
    weights: Mapping[str, float] = NO_WEIGHTS,
    reminds: bool = True,
) -> tuple[list[Told], dict[MarkKey, Mark]]:
    """Return what a rule tells, and the marks that changed.

    Args:
        rule: The rule.
        accounts: All that there are, asked or not.
        marks: What the rule remembers.
        now: Unix seconds.
        gone: Accounts that were there at the last evaluation.
        weights: Of plans in the pool.
        reminds: Whether what lasts may be told again now.
    """
    here = [one for one in accounts if rule.covers(one.known.account)]
    notes = Notes(rule, here, marks, now=now, reminds=reminds)
    tell_who_is_there(notes, [one for one in gone if rule.covers(one.known.account)])
    asked = [one for one in here if one.fresh]
    for one in asked:
        take(notes, one)
    tell_failures(notes)
    tell_early_resets(notes)
    if rule.tells(AlertKind.POOL_LOW) and any(one.answer is not None for one in asked):
        tell_pool(notes, weights)
    return notes.told, notes.changed
