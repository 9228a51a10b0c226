"""Turns at a fixed interval, spread evenly over it; a turn that was missed is left out."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poller.values import Report

_JITTER = 0.05
"""Of the interval, or half of what lies between two accounts: several pollers shall not ask
in step, and no account its next turn before another one its last."""

_APART_S = 60.0
"""A turn that would come sooner after another one is left out, too."""


@dataclass(slots=True)
class _Due:
    turn_at: float
    """Before jitter; a whole number of intervals after the account's other turns."""
    due_at: float


class Every:
    """Who is asked when. It knows no clock: each call is told the time, in any seconds.

    The clock it is told should go on while the machine sleeps, and not step.
    """

    def __init__(self, interval_s: float, *, at_once: int, seed: int = 0) -> None:
        self.at_once = at_once
        """How many accounts may be asked at the same time."""
        self.plans_retries = False
        self.longest_wait_s = interval_s * (1 + _JITTER)
        """Between two turns of an account."""
        self._interval_s = interval_s
        self._apart_s = min(_APART_S, interval_s / 2)
        self._random = Random(seed)  # noqa: S311 - spreads requests, keeps no secret
        self._accounts: dict[str, _Due] = {}

    def begin(self, accounts: Sequence[str], now: float) -> None:
        """Spread the next turns of accounts that were all asked at ``now``."""
        for place, account in enumerate(accounts):
            turn_at = now + self._interval_s * (1 + place / len(accounts))
            self._accounts[account] = self._due(turn_at)

    def add(self, account: str, now: float) -> None:
        """Have an account asked at once; one that is known stays as it is."""
        self._accounts.setdefault(account, _Due(now, now))

    def remove(self, account: str) -> None:
        """Forget an account."""
        self._accounts.pop(account, None)

    def changed(self, account: str, now: float) -> None:
        """Have an account asked now, and at its usual turns after that."""
        due = self._accounts.get(account)
        if due is not None:
            due.due_at = min(due.due_at, now)

    def next(self, now: float) -> tuple[str, float] | None:  # noqa: ARG002 - as the plan is asked
        """Return who is due next, and when; None where there is nobody."""
        due = self._accounts
        account = min(due, key=lambda name: due[name].due_at, default=None)
        return None if account is None else (account, due[account].due_at)

    def begun(self, account: str, now: float) -> None:
        """Plan the turn after the one that begins now."""
        due = self._accounts.get(account)
        if due is not None:
            missed = max(0.0, (now - due.turn_at) // self._interval_s + 1)
            turn_at = due.turn_at + missed * self._interval_s
            if turn_at - now < self._apart_s:  # this one came early, or very late
                turn_at += self._interval_s
            self._accounts[account] = self._due(turn_at)

    def ended(self, report: Report, now: float) -> None:
        """Do nothing: how a request ends changes no turn."""

    def _due(self, turn_at: float) -> _Due:
        most = min(_JITTER, 0.5 / max(1, len(self._accounts)))
        return _Due(turn_at, turn_at + self._random.uniform(0, most) * self._interval_s)
