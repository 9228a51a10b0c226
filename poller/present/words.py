"""What one language has to say in tables; ``catalogue`` says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.values import Failure

_K = FailureKind

TOLD_BY_STATUS = frozenset({_K.SERVER_ERROR, _K.HTTP_ERROR, _K.REDIRECT})
"""Kinds that are told with the HTTP status."""
TOLD_BY_MESSAGE = frozenset(
    {
        *(_K.FILE_UNREADABLE, _K.FILE_INVALID, _K.NO_CREDENTIALS, _K.INVALID_TOKEN),
        *(_K.LOGIN_REQUIRED, _K.REFRESH_UNKNOWN, _K.REFRESH_UNSAVED, _K.REFRESH_REFUSED),
        *(_K.DNS, _K.CONNECT, _K.TLS, _K.PROXY, _K.TIMEOUT, _K.CONNECTION_LOST, _K.PROTOCOL),
        *(_K.DEADLINE, _K.LOCAL_RESOURCE, _K.INVALID_RESPONSE, _K.INTERNAL),
    }
)
"""Kinds whose message tells more than the kind: a path, a host, which of several reasons."""


TOO_OFTEN = "too_often"
"""A code of our own: turned away with 429 for the number of requests. Where no more is known
than that it was 429, the quota itself may be used up."""


def code_of(failure: Failure) -> str | None:
    """Return the code by which a failure has a sentence of its own, if it has one."""
    if failure.kind is FailureKind.RATE_LIMITED and failure.host_at_fault:
        return TOO_OFTEN
    return failure.code


class Sentence(NamedTuple):
    """What failed, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Words:
    """One language. ``{…}`` is filled in; ``one|many`` is chosen by a number."""

    language: str
    messages_fit: bool
    """Whether the failures' own messages and hints are in this language."""
    weekdays: tuple[str, ...]
    """From Monday."""
    months: tuple[str, ...]
    date: str
    """Of ``weekday``, ``day``, ``month`` (its name), ``number`` (of the month)."""
    short_date: str
    with_year: str
    """Of a ``date`` that is far off."""
    units: tuple[str, str, str]
    """Minutes, hours, days, in short."""
    long_units: tuple[str, str, str]
    under_a_minute: str
    local_time: str

    quota: str
    files: str
    accounts: str
    no_accounts: str
    zone: str
    now_and_zone: str

    account: str
    plan: str
    windows: Mapping[str, str]
    short_windows: Mapping[str, str]
    either: str
    other: str

    states: tuple[str, str, str, str]
    """Usable, unknown, blocked, failed: where there is no sign for it."""
    on_credits: str
    on_credits_left: str
    on_credits_short: str
    unlimited: str
    credits_unlimited: str
    spend_left: str
    spent: str
    blocked_by: str
    reasons: Mapping[str, str]
    """The upstream's own reasons; others are shown as it calls them."""
    extra_used_up: str

    colon: str
    comma: str
    """Between names."""
    clause: str
    """Between two things said of one."""
    bracketed: str
    more: str
    not_asked_of: str
    ago: str
    waits: str

    forecast: str
    lasts: str
    """A forecast of which nothing has to be feared."""
    empty_about: str
    """When nothing is left at this pace."""
    together: str
    """What all accounts have left, in whole windows."""
    together_exactly: str
    together_between: str
    usable: str
    paying: str
    unknown: str
    blocked: str
    back: str
    next_back: str
    today_at: str
    later_at: str
    failed: str
    not_asked: str

    file: str
    expires: str
    refresh: str
    same: str
    email: str
    expires_in: str
    refreshable: Mapping[str, str]
    """How a login can be renewed, or what stands against it."""
    same_login: str
    same_account: str
    exposed: str
    can_be_polled: str
    cannot: str
    next_expiry: str

    seconds: str
    """Follows their number."""
    minutes: str
    done: str
    left: str
    silent: tuple[str, str]
    """Where the upstream does not answer; in short, too."""
    pausing: tuple[str, str]

    same_logins: str
    """``one|many`` pairs of accounts."""
    same_logins_elsewhere: str
    """Likewise, of accounts on other machines."""
    files_exposed: str
    ahead: str
    """How far one clock is off another."""
    behind: str
    clock_off: str
    agents_lost: str
    agent_without_accounts: str
    agent_clock_off: str
    fewer_at_once: str
    renewed: str
    fail_under: str
    need: str

    failures: Mapping[FailureKind, Sentence]
    by_code: Mapping[tuple[FailureKind, str], Sentence]
    """Where the upstream's own code (or ours, see ``code_of``) says it more exactly."""
    details: Mapping[str, str]
    """What a message in English, or its part before or after the first colon, adds to its kind,
    where ``messages_fit`` is false and it is always the same; any other is shown as it is."""
    use_codex: str
    """The remedy of a login that has expired in the Codex CLI's own file, or a link to it."""
    log_in_again: str
    """The remedy of an expired login that ``--refresh`` cannot renew."""

    def counted(self, text: str, count: int, **more: object) -> str:
        """Return ``text`` with the number in it, in its singular or plural."""
        one, _, many = text.partition("|")
        return (one if count == 1 else many or one).format(count=count, **more)

    def window(self, name: str, *, short: bool = False) -> str:
        """Return what a window is called: ``week``, ``month 2``, ``15m``."""
        titles = self.short_windows if short else self.windows
        base, _, number = name.rpartition("_")
        if base in titles and number.isdecimal():
            return f"{titles[base]} {number}"
        return titles.get(name, name)

    def sentence(self, kind: FailureKind, code: str | None) -> Sentence:
        """Return what to say of a kind of failure, given its ``code_of`` where it is known."""
        return self.by_code.get((kind, code or "")) or self.failures[kind]
