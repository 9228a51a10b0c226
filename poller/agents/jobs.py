"""What a job asks for, done on this machine: its accounts, its settings, its network."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.agents.wire import (
    Job,
    JobLimits,
    JobResult,
    ListedAccount,
    login_digest,
    state_of,
    without_folders,
    without_folders_in,
)
from poller.authfiles.read import Account, AuthFile, Reading, accounts_of, read_once
from poller.authfiles.reread import LOGIN_GONE, no_answer, read_slowly
from poller.polling.feed import open_feed
from poller.polling.in_flight import InFlight
from poller.process.threads import run_in_thread
from poller.values import Failure, FailureKind, Identity

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poller.agents.shared_folder import SharedFolder
    from poller.polling.account import Attempts
    from poller.polling.parts import Outcome
    from poller.settings import Settings

_LIMITS_REMEMBERED = 64
_GONE = Failure(
    FailureKind.FILE_MISSING,
    "the agent's machine has no such account any more",
    "check the folder of auth files there",
)


class Jobs:
    """Makes the attempts that jobs ask for."""

    def __init__(
        self, settings: Settings, attempts: Attempts, shared: dict[str, SharedFolder]
    ) -> None:
        self._settings = settings
        self._attempts = attempts
        self._limited: dict[JobLimits, Attempts] = {}
        self._shared = shared
        self._own: dict[str, AuthFile] = {}
        """Of this machine's own accounts, by label."""

    async def result(self, job: Job) -> JobResult:
        """Make the attempt that a job asks for."""
        account = await self._account(job)
        attempts = self._with_limits(job.limits)
        polled = InFlight(account, job.limits.retries)
        job.state.put_into(polled)
        began_at = time.monotonic()
        if job.left_s is not None:
            polled.started_at = began_at + job.left_s - job.limits.deadline_s
        known = account.outcome
        outcome: Outcome
        if known is None or (isinstance(known, Failure) and not attempts.may_renew(polled, known)):
            outcome = known or _GONE
        elif job.confirms is not None:
            outcome = await attempts.confirm(polled, job.confirms)
        else:
            outcome = await attempts.attempt(polled)
        report = attempts.conclude(polled, outcome)
        tells = job.limits.identity and self._settings.show_identity
        has_asked = polled.requests_sent > job.state.requests_sent
        return JobResult(
            job.id,
            job.run,
            without_folders(outcome) if isinstance(outcome, Failure) else outcome,
            state_of(polled),
            took_s=time.monotonic() - began_at if has_asked else None,
            http_status=report.http_status,
            key=report.key,
            expires_at=report.expires_at,
            identity=report.identity if tells else Identity(),
            raw=report.raw if tells and job.limits.raw_json else None,
            headers=report.headers if tells and job.limits.raw_headers else None,
        )

    def _with_limits(self, limits: JobLimits) -> Attempts:
        found = self._limited.get(limits)
        if found is None:
            asked = replace(
                self._settings,
                timeout_s=limits.timeout_s,
                account_deadline_s=limits.deadline_s,
                raw_json=limits.raw_json and limits.identity and self._settings.show_identity,
                raw_headers=limits.raw_headers and limits.identity and self._settings.show_identity,
            )
            if len(self._limited) > _LIMITS_REMEMBERED:
                self._limited.clear()
            found = self._limited[limits] = self._attempts.limited(asked)
        return found

    async def _account(self, job: Job) -> Account:
        """Return the account that a job means, with what its file says now."""
        none = Account(0, job.account, job.account, _GONE, None, job.login)
        if not job.is_shared and job.account not in self._own:
            async for _ in self.listing():
                pass
        within_s = job.limits.deadline_s
        with anyio.move_on_after(within_s):
            found = await run_in_thread(partial(self._look, job), abandon_on_cancel=True)
            if isinstance(found, Failure):
                return none._replace(outcome=found)
            file, reading = found
            if reading.waits_s:
                reading = await read_slowly(file, within_s=within_s)
            for account in accounts_of(file, 0, reading):
                login = account.login
                if job.login is None or (login is not None and login_digest(login) == job.login):
                    return account
            return none._replace(outcome=LOGIN_GONE)
        return none._replace(outcome=no_answer(within_s))

    def _look(self, job: Job) -> tuple[AuthFile, Reading] | Failure:
        """Find and read the file that a job means, in one go: a thread costs more than that."""
        if job.is_shared:
            path = self._shared[job.to].resolved(job.account)
            if isinstance(path, Failure):
                return path
            file = AuthFile(job.account, job.account, path, include_disabled=True)
        else:
            known = self._own.get(job.account)
            if known is None:
                return _GONE
            file = known
        return file, read_once(file, now=time.time())

    def without_folders(self, text: str) -> str:
        """Return a sentence without the folders that this machine's accounts lie in."""
        for folder in self._settings.account_dirs or ():
            text = text.replace(folder, os.path.basename(os.path.normpath(folder)))
        return without_folders_in(text)

    async def listing(self) -> AsyncGenerator[ListedAccount]:
        """Find this machine's own accounts, and yield what is told of them.

        Raises:
            UsageError: there are none.
        """
        found: dict[str, AuthFile] = {}
        nameless = replace(self._settings, show_identity=False)  # or addresses would be labels
        async with open_feed((), nameless, clock=time.time) as feed:
            while (account := await feed.next()) is not None:
                logins = None if account.login is None else frozenset((account.login,))
                found[account.label] = self._own[account.label] = AuthFile(
                    account.label,
                    account.source,
                    account.path,
                    logins=logins,
                    include_disabled=True,
                )
                yield ListedAccount(account.label, account.key, account.expires_at)
        self._own = found
