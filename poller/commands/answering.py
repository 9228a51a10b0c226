"""What is known of the accounts now, for commands that answer from it.

Which accounts there are, the files say now. What the history saw of an account lately is
not asked again, a failure included. While nothing has to be asked, nothing is loaded that
sends requests.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TextIO

from poller.authfiles.listing import accounts_in, found_in_time
from poller.commands.ending import ended_by
from poller.commands.language import words_for
from poller.deliver.stderr import say
from poller.history.database import default_path
from poller.history.reading import answers, no_answer_text
from poller.history.recollection import Recollection
from poller.present.page_texts import Teller
from poller.process.clock import zone_of
from poller.process.importing import import_without_certificates
from poller.process.own_folders import current_folder
from poller.settings import UsageError
from poller.values import Failure, FailureKind, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from poller.authfiles.read import Account, AuthFile
    from poller.insight.standing import Standing
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Forecast

MAX_AGE_S = 300.0
"""How old an answer may be unless that is said."""

_READ_WITHIN_S = 1.0
_CLOCKS_DIFFER_S = 1.0
"""The history's seconds are whole ones, a file's are not."""


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """What is known of the accounts."""

    accounts: list[Standing]
    """In the order of the files."""
    forecasts: Mapping[str, Mapping[str, Forecast]]
    """By label and window; empty without a history."""
    rates: Mapping[str, Mapping[str, float]]
    """Percent an hour that is burnt now; likewise."""
    now: float
    """Unix seconds."""
    history: str
    """The file that was read; there may be none at it. Of a demo it is soon gone."""


def answered(
    settings: Settings,
    interrupts: Interrupts,
    tell: Callable[[KnownAccounts], int],
    *,
    max_age_s: float,
    forecasts: bool = True,
) -> int:
    """Call ``tell`` with what is known; return its exit code, or what went wrong before.

    Accounts that were not seen within ``max_age_s`` are asked. Without ``forecasts`` there
    are none, and the history is read faster.
    """
    try:
        with history_of(settings) as path:
            known = known_now(settings, interrupts, path, max_age_s=max_age_s, forecasts=forecasts)
            return tell(known) if interrupts.number is None else 128 + interrupts.number
    except Exception as error:  # noqa: BLE001 - the last resort
        return ended_by(error)


def teller_for(settings: Settings, stream: TextIO, *, now: float) -> Teller:
    """Return what tells people the answer on ``stream``; ``now`` in Unix seconds."""
    zone = zone_of(settings.timezone, os.environ)
    return Teller(words_for(settings, os.environ, stream=stream).language, zone, now=now)


@contextmanager
def history_of(settings: Settings) -> Generator[str]:
    """Yield the path of the history to answer from; of a demo one with an invented week.

    The demo never touches the user's own.
    """
    path = settings.history_file
    if settings.demo is None:
        yield path or default_path()
        return
    from poller.commands.invented import record_week

    with TemporaryDirectory() as folder:
        path = path or os.path.join(folder, "history.db")
        if not os.path.exists(path):
            record_week(path, settings.demo, now=time.time())
        yield path


def known_now(
    settings: Settings,
    interrupts: Interrupts,
    path: str,
    *,
    max_age_s: float,
    forecasts: bool = True,
) -> KnownAccounts:
    """Return what is known of the accounts; those not seen within ``max_age_s`` are asked.

    ``path`` is the history's. What is asked is recorded where it exists already, or where
    that was asked for.

    Raises:
        UsageError: there are none, or not what was asked for.
    """
    now = time.time()
    hangs = not answers(path)
    if hangs:
        say(f"poller: {no_answer_text(path)}")
    recollection = Recollection(None if hangs else path, now=now, forecasts=forecasts)
    looked = _Looked()
    by_name = settings.demo is None and settings.files_from is None
    if by_name:
        looked = _look(settings, recollection, max_age_s, now=now)
    if looked.to_ask or not by_name:
        # Only now, as it takes long to load.
        ask = import_without_certificates("poller.commands.asking").ask
        recorded = settings if hangs else _recording(settings, path)
        for report in ask(recorded, interrupts, looked.to_ask):
            recollection.note(report)
            looked.accounts[report.account] = report
        now = time.time()
    elif recollection.trouble is not None:
        say(f"poller: {recollection.trouble}")
    if not looked.accounts and interrupts.number is None:
        raise UsageError("nothing to ask: no account is named, or all are disabled")
    accounts = _standings(looked, recollection)
    asked = accounts if forecasts else ()
    said = {one.account: recollection.forecast(one.account, one.key, now=now) for one in asked}
    rates = {one.account: recollection.rates(one.account, one.key, now=now) for one in asked}
    return KnownAccounts(accounts, said, rates, now, path)


def _recording(settings: Settings, path: str) -> Settings:
    """Return the settings with what is asked recorded, where it is to be."""
    if settings.demo is not None:
        return settings
    return replace(settings, record=settings.record or os.path.exists(path))


@dataclass(slots=True)
class _Looked:
    """What the files and the history say, without asking."""

    accounts: dict[str, Report] = field(default_factory=dict[str, Report])
    """By label. Of those that are seen in the history only who and where they are counts."""
    to_ask: list[AuthFile] = field(default_factory=list["AuthFile"])


def _look(
    settings: Settings, recollection: Recollection, max_age_s: float, *, now: float
) -> _Looked:
    files = found_in_time(settings, environ=os.environ, cwd=current_folder())
    looked = _Looked()
    found = accounts_in(files, now=now, within_s=_READ_WITHIN_S)
    for file, accounts in zip(files, found, strict=True):
        if accounts is None:
            looked.to_ask.append(file)
            continue
        to_ask: list[Account] = []
        for account in accounts:
            report = _report_of(account, now=now)
            looked.accounts[account.label] = report
            if report.failure is not None and not _may_renew(report, settings):
                recollection.note(report)
                continue
            known = recollection.standing(account.label, report.key)
            if known is None or not _is_young(known, now, max_age_s, account.path):
                to_ask.append(account)
        if to_ask:
            some = None if len(to_ask) == len(accounts) else _names(to_ask)
            looked.to_ask.append(file if some is None else replace(file, logins=some))
    return looked


def _names(accounts: list[Account]) -> frozenset[str]:
    return frozenset(account.login for account in accounts if account.login is not None)


def _report_of(account: Account, *, now: float) -> Report:
    """Return what the file alone says of an account."""
    outcome = account.outcome
    return Report(
        account.position,
        account.label,
        account.source,
        now,
        failure=outcome if isinstance(outcome, Failure) else None,
        key=account.key,
        expires_at=account.expires_at,
    )


def _may_renew(report: Report, settings: Settings) -> bool:
    failure = report.failure
    return settings.refresh and failure is not None and failure.kind is FailureKind.TOKEN_EXPIRED


def _is_young(known: Standing, now: float, max_age_s: float, path: str | None) -> bool:
    """Whether what is known is young enough to be the answer."""
    at, usage = known.report.observed_at, known.usage
    if not 0 <= now - at <= max_age_s:
        return False
    if known.report.failure is not None:
        return not _changed_since(path, at)  # a new login may be in it
    if usage is None:
        return False
    # What has been reset since is not what it was.
    resets = [usage.usable_at, *(window.reset_at for window in usage.windows if window.started)]
    return not any(reset_at is not None and at <= reset_at <= now for reset_at in resets)


def _changed_since(path: str | None, at: float) -> bool:
    try:
        return path is not None and os.stat(path).st_mtime > at + _CLOCKS_DIFFER_S
    except OSError:
        return True


def _standings(looked: _Looked, recollection: Recollection) -> list[Standing]:
    accounts: list[Standing] = []
    for label, who in sorted(looked.accounts.items(), key=lambda item: item[1].position):
        known = recollection.standing(label, who.key)
        if known is not None:
            # The history knows an account by the label it had.
            report = replace(
                known.report,
                position=who.position,
                account=label,
                source=who.source,
                expires_at=who.expires_at,
            )
            accounts.append(replace(known, report=report))
    return accounts
