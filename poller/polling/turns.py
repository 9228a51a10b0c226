"""Whose turn it is, as rounds that never stop ask it: of a plan, or at a fixed interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from poller.polling.plan import MOST_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poller.polling.plan import Plan
    from poller.values import Report

_BUDGET_PER_ACCOUNT = 12.0
"""Requests an hour that a plan may make for each account, unless a budget is set."""


class Turns(Protocol):
    """Says whose turn it is, and when; see `every.Every` and :class:`PlannedTurns`."""

    @property
    def at_once(self) -> int:
        """How many accounts may be asked at the same time."""
        ...

    @property
    def plans_retries(self) -> bool:
        """Whether failures change the turns: no retries within one, none where no use."""
        ...

    @property
    def longest_wait_s(self) -> float:
        """Between two turns of an account that can be asked."""
        ...

    def begin(self, accounts: Sequence[str], now: float) -> None:
        """Take note of a first look at all of ``accounts`` that began at ``now``."""
        ...

    def add(self, account: str, now: float) -> None:
        """Have an account asked as soon as may be; one that is known stays as it is."""
        ...

    def remove(self, account: str) -> None:
        """Forget an account."""
        ...

    def changed(self, account: str, now: float) -> None:
        """Have an account asked as soon as may be."""
        ...

    def next(self, now: float) -> tuple[str, float] | None:
        """Return who is due next, and when; None where nobody is."""
        ...

    def begun(self, account: str, now: float) -> None:
        """Take note that an account's turn begins."""
        ...

    def ended(self, report: Report, now: float) -> None:
        """Take note of how it ended."""
        ...


class PlannedTurns:
    """The turns of a :class:`Plan`: one request after the other, in Unix seconds."""

    at_once = 1
    plans_retries = True
    longest_wait_s = MOST_S

    def __init__(self, plan: Plan, *, fixed_budget: bool) -> None:
        """Have the plan's budget follow the number of accounts, unless it is fixed."""
        self._plan = plan
        self._accounts: set[str] | None = None if fixed_budget else set()
        self.changed, self.next = plan.changed, plan.next

    def add(self, account: str, now: float) -> None:
        """Have an account asked as soon as may be."""
        self._plan.add(account, now)
        if self._accounts is not None and account not in self._accounts:
            self._accounts.add(account)
            self._plan.allow(_BUDGET_PER_ACCOUNT * len(self._accounts))

    def remove(self, account: str) -> None:
        """Forget an account."""
        self._plan.remove(account)
        if self._accounts is not None and account in self._accounts:
            self._accounts.discard(account)
            self._plan.allow(_BUDGET_PER_ACCOUNT * len(self._accounts))

    def begin(self, accounts: Sequence[str], now: float) -> None:
        """Do nothing: the plan was told of each account as its report came."""

    def begun(self, account: str, now: float) -> None:
        """Do nothing: the plan waits for the outcome."""

    def ended(self, report: Report, now: float) -> None:
        """Have the plan learn from a report."""
        if report.failure is not None:
            self._plan.failed(report.account, report.failure, now, requests=report.attempts)
        elif report.usage is not None:
            self._plan.answered(report.account, report.usage, now, requests=report.attempts)
