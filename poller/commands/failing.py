"""What failed, with what can be done about it on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from poller.present.sentences import CODEX_HOME, IN_PLACE, Failures
from poller.process.own_folders import is_named_as_codex_own

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.insight.standing import Standing
    from poller.settings import Settings
    from poller.values import Report


def failures_of(accounts: Iterable[Standing], settings: Settings) -> Failures:
    """Return how accounts failed."""
    failures = Failures()
    for one in accounts:
        failures.add_report(one.report, refresh=refresh_of(one.report, settings))
    return failures


def refresh_of(report: Report, settings: Settings) -> str:
    """Return whether ``--refresh`` could renew a login that failed, as far as names tell."""
    is_codex_own = (
        report.failure is not None
        and settings.nats is None  # else its file is on another machine
        and is_named_as_codex_own(report.source, os.environ)
    )
    return CODEX_HOME if is_codex_own else IN_PLACE
