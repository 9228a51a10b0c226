"""A week of history for the demo: what a poller would have seen of its living accounts.

The same time gives the same week, and a simulator that is served with ``live=True`` goes on
where it ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from poller.history.database import open_to_change, transaction
from poller.history.observed import observed
from poller.history.recording import Recorder, Round
from poller.simulator.accounts import demo_accounts
from poller.simulator.living import LivingAccounts
from poller.usage.identity import account_key
from poller.usage.normalizer import normalize
from poller.values import Failure, FailureKind, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.simulator.accounts import MadeUpAccount

WEEK_S = 7 * 86_400
_EVERY_S, _LONGEST_S = 900, 3300
"""How far apart its polls are: dense enough for a curve, a second's work for the usual twelve,
and at most so far that no gap is seen between them."""
_USUAL, _MOST = 24, 300
"""Accounts that have such a dense history, and that have one at all."""
_HOUR_S = 3600
_SLEPT_S = (52 * _HOUR_S, 46 * _HOUR_S)
"""How long ago the machine went to sleep and woke: a gap to be seen."""
_OUTAGE_S = (101 * _HOUR_S, 99 * _HOUR_S)
"""How long ago the upstream was in trouble."""
_EXPIRED_S = 86_400
"""How long ago the token of ``old-laptop`` expired."""
_BLOCKED_S = 30 * _HOUR_S
"""How long ago an account began to be blocked at the edge."""


def record_week(path: str, count: int, *, now: float) -> None:
    """Record a week up to ``now`` (Unix seconds) of ``count`` made-up accounts.

    Raises:
        HistoryUnusable: the file at ``path`` cannot be written.
    """
    with open_to_change(path) as connection:
        recorder = Recorder(connection)
        with transaction(connection):
            for reports in week(count, now=now):
                seen = [one for one in map(observed, reports) if one is not None]
                at, ok = int(reports[0].observed_at), sum(report.ok for report in reports)
                completed = Round(at, at + 1, len(reports), ok, len(reports))
                recorder.record(seen, live=True, completed=completed)


def week(count: int, *, now: float) -> Iterator[list[Report]]:
    """Yield the rounds of a week up to ``now`` (Unix seconds), each account's report in each."""
    now = int(now)
    world = LivingAccounts()
    accounts = list(demo_accounts(min(count, _MOST), now=now))
    every_s = min(_LONGEST_S, _EVERY_S * -(-count // _USUAL))
    for at in range(now - WEEK_S, now, every_s):
        ago = now - at
        if _SLEPT_S[0] >= ago >= _SLEPT_S[1]:
            continue
        yield [_report(number, account, world, at, ago) for number, account in enumerate(accounts)]


def _report(
    number: int, account: MadeUpAccount, world: LivingAccounts, at: int, ago: float
) -> Report:
    who = account.user_id, account.account_id
    file = f"{account.name}.auth.json"
    report = Report(number, account.name, file, at, key=account_key(*who), attempts=1)
    kind = _trouble(account, number, ago)
    if kind is not None:
        return replace(report, failure=Failure(kind, "made up", "nothing"))
    payload = world.payload(*who, plan=account.plan, email=account.email, now=at)
    return replace(report, usage=normalize(payload, observed_at=at))


def _trouble(account: MadeUpAccount, number: int, ago: float) -> FailureKind | None:
    if account.name == "old-laptop" and ago < _EXPIRED_S:
        return FailureKind.TOKEN_EXPIRED
    if account.account_id.endswith("~edge") and ago < _BLOCKED_S:
        return FailureKind.EDGE_BLOCKED
    if _OUTAGE_S[0] >= ago >= _OUTAGE_S[1] and number % 3:
        return FailureKind.SERVER_ERROR
    return None
