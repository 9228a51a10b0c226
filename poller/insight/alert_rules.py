"""What an alert rule watches for, what it remembers, and what it tells. Values alone.

``alerts`` evaluates rules; everybody else hands these around.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from poller.insight.changes import Change
    from poller.insight.standing import Standing
    from poller.values import Forecast, Usage


class AlertKind(StrEnum):
    """The words of ``on``. Before and after are remaining percent unless said."""

    EXHAUSTED = "exhausted"
    BACK = "back"
    """The end of ``exhausted``, once nothing else blocks the account."""
    LOW = "low"
    LOGIN = "login"
    """Only a new login helps. After is the kind of failure."""
    FAILED = "failed"
    """Any other failure; likewise."""
    RESET = "reset"
    EARLY_RESET = "early_reset"
    RESTORED = "restored"
    """The end of ``login`` and ``failed``. Before is the kind of failure."""
    PLAN_CHANGED = "plan_changed"
    """Before and after are plans."""
    APPEARED = "appeared"
    GONE = "gone"
    CREDITS = "credits"
    """The plan is used up, and bought credits are spent."""
    RUNS_OUT = "runs_out"
    """It is more likely than not to be used up before its reset."""
    POOL_LOW = "pool_low"
    """Of what all accounts have together; no single account is named."""
    INCIDENT = "incident"
    """Most accounts share one failure; likewise. After is its kind."""
    FLEET_RESET = "fleet_reset"
    """Most accounts were reset early together; likewise."""


_K = AlertKind
DEFAULT_ON = frozenset({_K.LOW, _K.EXHAUSTED, _K.BACK, _K.LOGIN, _K.FAILED})
DEFAULT_BELOW = 10.0
CLEAR_MARGIN = 5.0
"""How far above ``below`` a level is low no more, unless the rule says otherwise."""

LOGIN_KINDS = frozenset(
    {
        FailureKind.NO_CREDENTIALS,
        FailureKind.INVALID_TOKEN,
        FailureKind.TOKEN_EXPIRED,
        FailureKind.LOGIN_REQUIRED,
        FailureKind.REFRESH_UNKNOWN,
        FailureKind.REFRESH_UNSAVED,
        FailureKind.REFRESH_REFUSED,
        FailureKind.UNAUTHORIZED,
    }
)
"""What the account's owner heals by logging in again."""


class QuietHours(NamedTuple):
    """A time of the day; where it ends before it begins, it goes over midnight."""

    begins: int
    ends: int
    """Minutes since midnight."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule: what it watches for, in which accounts, and how patiently."""

    name: str
    on: frozenset[AlertKind] = DEFAULT_ON
    below: float = DEFAULT_BELOW
    """Percent left."""
    clear: float = DEFAULT_BELOW + CLEAR_MARGIN
    accounts: tuple[str, ...] = ()
    """Labels or shell-style patterns; none means all."""
    window: str | None = None
    answers: int = 1
    """How many in a row have to agree, believed or not, before it fires."""
    remind_s: float = 0.0
    """How often it is told again while it lasts; 0: never."""
    critical: bool = False
    """Whether it is told in quiet hours as well."""
    quiet: QuietHours | None = None

    def covers(self, account: str) -> bool:
        """Whether the rule is about an account of this label."""
        return not self.accounts or any(fnmatchcase(account, each) for each in self.accounts)

    def tells(self, kind: AlertKind) -> bool:
        """Whether ``on`` has the word."""
        return kind in self.on

    def watches(self, window: str | None) -> bool:
        """Whether the rule is about this window; None is the account as a whole."""
        return self.window is None or self.window == window

    def holds_back(self, at: float, zone: tzinfo | None) -> bool:
        """Whether nothing is told at ``at`` (Unix seconds); ``zone`` None is local time."""
        if self.quiet is None or self.critical:
            return False
        local = datetime.fromtimestamp(at, UTC).astimezone(zone)
        minute = local.hour * 60 + local.minute
        begins, ends = self.quiet
        if begins <= ends:
            return begins <= minute < ends
        return minute >= begins or minute < ends


@dataclass(frozen=True, slots=True)
class Told:
    """One change that a rule tells."""

    account: str | None
    key: str | None
    change: AlertKind
    at: float
    """Unix seconds; when it was noticed."""
    over: bool = False
    """Whether it tells that the change is over."""
    window: str | None = None
    before: float | str | None = None
    after: float | str | None = None
    until: float | None = None
    """Unix seconds: when the account can be used again, or when it is likely to run out."""
    accounts: int = 1
    """How many accounts it stands for."""


class MarkKey(NamedTuple):
    """What a rule remembers something of; account 0 and window '' stand for all of them."""

    account: int
    change: str
    window: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a rule remembers: a row of the table ``alert_state``."""

    firing: bool = False
    agreeing: int = 0
    """Answers in a row that speak for a change; while it fires, against it."""
    since: float | None = None
    """Unix seconds: when it began to fire, or to be agreed on."""
    told_at: float | None = None
    """Unix seconds; None where it fires untold."""
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """One account as a rule sees it."""

    id: int
    """What the history calls it; not 0."""
    known: Standing
    fresh: bool = True
    """Whether it was asked since the last evaluation."""
    answer: Usage | None = None
    """The answer as it came, believed or not; None where it failed."""
    held: bool = False
    """Whether any of its figures is not believed."""
    before: Usage | None = None
    """What was believed at the last evaluation."""
    resets: tuple[Change, ...] = ()
    """Those since the last evaluation, told and early ones."""
    forecasts: Mapping[str, Forecast] | None = None
    """By window; None where nobody forecast."""
