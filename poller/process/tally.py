"""What the reports of a run ask for: counts, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poller.process.exit_codes import BELOW, INTERNAL
from poller.values import FailureKind

if TYPE_CHECKING:
    from poller.values import Report, Usage


@dataclass(slots=True)
class Tally:
    """Counts what the reports of a run ask for."""

    fail_under: float | None = None
    """Percent; None asks for nothing."""
    need: int = 0
    """So many accounts have to be usable."""
    reports: int = 0
    answered: int = 0
    requests: int = 0
    worst_class: int = 0
    """The highest exit class among the failures: 0 to 3."""
    internal: bool = False
    usable: int = 0
    below: list[str] = field(default_factory=list[str])
    """Labels of the accounts that have less than ``fail_under`` left, or are blocked."""
    renewed: list[str] = field(default_factory=list[str])
    """Labels of the accounts whose login was given new tokens."""

    def note(self, report: Report) -> None:
        """Count one report."""
        failure = report.failure
        self.reports += 1
        self.answered += failure is None
        self.requests += report.attempts
        self.usable += report.usage is not None and report.usage.usable is True
        if self.fail_under is not None and self._is_below(report.usage, self.fail_under):
            self.below.append(report.account)
        if report.refreshed:
            self.renewed.append(report.account)
        if failure is None or failure.kind is FailureKind.CANCELLED:
            return
        if failure.kind is FailureKind.INTERNAL:
            self.internal = True
        else:
            self.worst_class = max(self.worst_class, failure.kind.exit_class)

    def note_loss(self) -> None:
        """Count accounts that nobody knows: their machine was lost before it told them."""
        self.worst_class = max(self.worst_class, FailureKind.WORKER_LOST.exit_class)

    @property
    def code(self) -> int:
        """The exit code, where nothing from outside ended the run."""
        if self.internal:
            return INTERNAL
        if self.below or self.usable < self.need:
            return BELOW
        return self.worst_class

    @staticmethod
    def _is_below(usage: Usage | None, least: float) -> bool:
        """Whether less than ``least`` percent is left, or it is blocked; unknown does not count."""
        if usage is None:
            return False
        if usage.usable is False:
            return True
        return usage.remaining_percent is not None and usage.remaining_percent < least
