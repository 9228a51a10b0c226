"""What is known of one account: how asking it last ended, and what its last answer said.

Everything that judges accounts side by side (the pool, the timeline, changes, the choice)
starts from these, so that all of them believe the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.insight.series import Observation
from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poller.insight.series import Look
    from poller.values import Report, Usage, Window

STALE_S = 3600.0
"""An answer that is older says nothing of the present any more."""

_NOISE_PERCENT = 4.0
_REFUSALS = frozenset(
    {FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED, FailureKind.FORBIDDEN}
)
"""Failures of the upstream's class that speak of the login alone."""
USUAL_LENGTHS_S = MappingProxyType({"five_hour": 18_000, "weekly": 604_800, "monthly": 2_592_000})
"""What a window's name means where its length is not told, as in an export."""
_NO_LOOKS: Mapping[str, Look] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standing:
    """One account at one time. Make it with :func:`standing`."""

    report: Report
    """The latest."""
    key: str | None = None
    """The account's, also where the latest report failed before it was known."""
    usage: Usage | None = None
    """What is believed of the last answer; None where the account never answered."""
    answered_at: float | None = None
    """When that was; Unix seconds."""

    @property
    def account(self) -> str:
        """The label."""
        return self.report.account

    @property
    def identity(self) -> str:
        """What tells accounts apart: the key, where there is none the label."""
        return self.key or self.report.account

    @property
    def dead(self) -> bool:
        """Whether the login itself has ended: only its owner can bring it back."""
        failure = self.report.failure
        if failure is None or failure.may_work_later:
            return False
        return failure.kind.exit_class == 1 or failure.kind in _REFUSALS

    @property
    def unconfirmed(self) -> dict[str, float]:
        """What the last answer said is left, in percent, by window: figures not believed yet.

        Those that hardly differ from what is believed are left out.
        """
        answer = self.report.usage
        if answer is None or self.usage is None:
            return {}
        said = {window.name: window.remaining_percent for window in answer.windows}
        return {
            window.name: percent
            for window in self.usage.windows
            if (percent := said.get(window.name)) is not None
            and window.remaining_percent is not None
            and abs(percent - window.remaining_percent) > _NOISE_PERCENT
        }

    def fresh(self, now: float, *, within_s: float = STALE_S) -> bool:
        """Whether the last answer still counts at ``now`` (Unix seconds)."""
        return self.answered_at is not None and now - self.answered_at <= within_s


def standing(
    report: Report, before: Standing | None = None, *, looks: Mapping[str, Look] = _NO_LOOKS
) -> Standing:
    """Return what is known of an account after ``report``.

    ``before`` is what was known: a failure keeps its figures. ``looks`` are what the
    account's series made of this answer, by window; without them the answer is believed.
    """
    # A file may have been replaced by another login's: its figures are not this account's.
    if before is not None and None not in (before.key, report.key) and before.key != report.key:
        before = None
    key = report.key or (before.key if before else None)
    if report.failure is None and report.usage is not None:
        usage = believed(report.usage, looks)
        if before is not None and before.usage is not None and _any_held(looks):
            usage = replace(usage, plan=before.usage.plan)  # another plan may be what is doubted
        return Standing(report, key, usage, report.observed_at)
    if before is None:
        return Standing(report, key)
    return Standing(report, key, before.usage, before.answered_at)


def standings(reports: Iterable[Report]) -> list[Standing]:
    """Return what is known of each account after all reports; the last of an account counts.

    Accounts are told apart by key. A report without one belongs to the account that the
    other reports give its label to.
    """
    reports = list(reports)
    keys = {report.account: report.key for report in reports if report.key}
    found: dict[str, Standing] = {}
    for report in reports:
        identity = report.key or keys.get(report.account) or report.account
        found[identity] = standing(report, found.get(identity))
    return list(found.values())


def distinct(given: Iterable[Standing]) -> list[Standing]:
    """Return one standing an account: one that answered rather than one that failed.

    Two files may hold the same login. What is left of it is there once.
    """
    found: dict[str, Standing] = {}
    for one in given:
        other = found.get(one.identity)
        if other is None or _rank(one) > _rank(other):
            found[one.identity] = one
    return list(found.values())


def _rank(one: Standing) -> tuple[bool, bool, float]:
    return one.report.ok, not one.dead, one.report.observed_at


def believed(usage: Usage, looks: Mapping[str, Look]) -> Usage:
    """Return what is believed of an answer: held figures are replaced by believed ones.

    An answer of which a figure is held is not believed either when it says that the account
    can, or cannot, be used: then the believed windows tell.
    """
    windows = tuple(_believed(window, looks.get(window.name)) for window in usage.windows)
    usage = replace(usage, windows=windows)
    names = {window.name for window in windows}
    by_window = usage.limited_by is None or usage.limited_by in names
    if not _any_held(looks) or usage.usable is None or usage.on_credits or not by_window:
        return usage
    spent = [window for window in windows if window.remaining_percent == 0]
    if not spent:
        return replace(usage, usable=True, limited_by=None, usable_at=None)
    last = max(spent, key=lambda window: (window.reset_at or 0, length_s(window)))
    usable_at = None if any(window.reset_at is None for window in spent) else last.reset_at
    return replace(usage, usable=False, limited_by=last.name, usable_at=usable_at)


def observations(usage: Usage, *, at: float) -> dict[str, Observation]:
    """Return what an answer of ``at`` (Unix seconds) says of each window, by its name."""
    blocked = usage.usable is False
    return {
        window.name: Observation(
            at, window.used_percent, window.reset_at, window.window_seconds, usage.plan, blocked
        )
        for window in usage.windows
    }


def _any_held(looks: Mapping[str, Look]) -> bool:
    return any(look.held and look.used_percent is not None for look in looks.values())


def _believed(window: Window, look: Look | None) -> Window:
    if look is None or not look.held or look.used_percent is None:
        return window
    reset_at = None if look.reset_at is None else round(look.reset_at)
    started = look.used_percent > 0 or reset_at is not None
    return replace(
        window,
        remaining_percent=round(100 - look.used_percent, 6),
        reset_at=reset_at,
        started=started,
    )


def begun(window: Window, at: float) -> bool:
    """Whether the window's cycle runs: something is used, or its reset stays where it is."""
    if window.remaining_percent is not None and window.remaining_percent < 100:
        return True
    return window.started is True and window.reset_at is not None and window.reset_at > at


def length_s(window: Window) -> float:
    """Return a window's length in seconds; 0 where nothing tells it."""
    name, _, number = window.name.rpartition("_")
    usual = USUAL_LENGTHS_S.get(name if number.isdecimal() else window.name, 0)
    return window.window_seconds or usual
