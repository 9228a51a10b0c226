"""The collector: what makes a round's attempts where agents ask.

Everything that decides is the scheduler's, as on one machine. An attempt is a job: it is
stored on the server, taken by an agent, and answered with a record. What is lost on the way
is asked again; what comes twice counts once.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from poller.agents.open_jobs import lost, unbelievable
from poller.agents.wire import Job, JobLimits, JobResult, login_digest, state_of
from poller.polling.policy import Pace
from poller.values import Failure, FailureKind, Identity, Report, Usage, internal_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.agents.contact import Contact
    from poller.agents.crew import Machine
    from poller.agents.link import Link
    from poller.agents.shared_folder import SharedFolder
    from poller.polling.in_flight import InFlight
    from poller.polling.parts import Outcome
    from poller.settings import Settings

_GRACE_S = 25.0
"""Beyond an account's deadline, before a job is taken for lost."""
_TICK_S = 0.25
_REQUESTS_OF_ONE = 10
"""Requests that one attempt can take at most; an agent that tells more is not believed."""


@dataclass(slots=True)
class _Answered:
    """What is known of an account from its last answer."""

    machine: str
    result: JobResult


class Collector:
    """Makes the attempts of a round on other machines; see `MakesAttempts`."""

    clock_offset_s: float | None = None
    """Which clock is off is said of each agent's."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        *,
        contact: Contact,
        folder: SharedFolder | None,
        clock: Callable[[], float],
    ) -> None:
        """``folder`` is the shared one whose accounts are asked for; None: agents' own."""
        self._settings = settings
        self._limits = JobLimits(
            settings.timeout_s,
            settings.retries,
            settings.account_deadline_s,
            settings.show_identity,
            settings.raw_json,
            settings.raw_headers,
        )
        self._link = link
        self._contact, self._crew = contact, contact.crew
        self._folder = folder
        self._clock = clock
        self._pace = None if settings.rate is None else Pace(settings.rate)
        self._answered: dict[str, _Answered] = {}

    # What the scheduler asks for

    async def attempt(self, polled: InFlight) -> Outcome:
        """Have one attempt made; never raises."""
        return await self._ask(polled, None)

    async def confirm(self, polled: InFlight, outcome: Outcome) -> Outcome:
        """Have an account's last outcome confirmed; never raises."""
        if not isinstance(outcome, Failure):
            return outcome
        return await self._ask(polled, outcome)

    def may_retry(self, polled: InFlight, failure: Failure, *, wait_s: float = 0.0) -> bool:
        """Say whether the failure's kind and the account's deadline allow another attempt."""
        return polled.may_retry(failure, wait_s=wait_s, left_s=self.deadline_left_s(polled))

    def deadline_left_s(self, polled: InFlight) -> float:
        """Return the seconds until the account's deadline."""
        return polled.left_s(self._settings.account_deadline_s)

    def may_renew(self, polled: InFlight, outcome: Outcome) -> bool:  # noqa: ARG002 - as it is asked
        """Return False: logins are renewed by the agent that has their file."""
        return False

    def conclude(self, polled: InFlight, outcome: Outcome) -> Report:
        """Return the account's report, and keep it in ``polled``."""
        ended_at = time.monotonic()
        account = polled.account
        answered = self._answered.pop(account.label, None)
        told = None if answered is None else answered.result
        listed = None if self._folder is not None else self._crew.held.get(account.label)
        own = None if account.held is None else account.held.identity
        identity = _merged(None if told is None else told.identity, own)
        known = account if listed is None else listed[1]
        polled.report = Report(
            position=account.position,
            account=account.label,
            source=account.source,
            observed_at=self._clock(),
            usage=replace(outcome, identity=identity) if isinstance(outcome, Usage) else None,
            failure=outcome if isinstance(outcome, Failure) else None,
            http_status=polled.http_status,
            attempts=polled.requests_sent,
            elapsed_s=None if polled.started_at is None else ended_at - polled.started_at,
            refreshed=polled.refreshed,
            machine=None if answered is None else answered.machine,
            # The agent has seen the answer, too.
            key=(None if told is None else told.key) or known.key,
            identity=identity,
            raw=polled.raw,
            headers=polled.headers,
            expires_at=(None if told is None else told.expires_at) or known.expires_at,
        )
        return polled.report

    # Jobs

    async def _ask(self, polled: InFlight, confirms: Failure | None) -> Outcome:
        try:
            answer = await self._answer(polled, confirms)
        except Exception as error:  # noqa: BLE001 - the one catch-all: always a report
            return internal_failure(type(error).__name__)
        if isinstance(answer, Failure):
            return answer
        machine, result = answer
        before = polled.requests_sent
        if not before <= result.state.requests_sent <= before + _REQUESTS_OF_ONE:
            return unbelievable(machine)
        result.state.put_into(polled)
        polled.http_status = result.http_status or polled.http_status
        polled.raw, polled.headers = (
            result.raw,
            None if result.headers is None else {**result.headers},
        )
        if polled.started_at is None and result.took_s is not None:
            polled.started_at = time.monotonic() - result.took_s
        if self._pace is not None:  # what confirmed an answer followed at once: others wait for it
            for _ in range(result.state.requests_sent - before - 1):
                self._pace.wait_s(now=time.monotonic())
        self._answered[polled.account.label] = _Answered(machine, result)
        if isinstance(result.outcome, Failure) and result.outcome.kind is FailureKind.CANCELLED:
            return unbelievable(machine)
        return result.outcome

    async def _answer(
        self, polled: InFlight, confirms: Failure | None
    ) -> tuple[str, JobResult] | Failure:
        machine, account, login = None, "", polled.account.login
        login = None if login is None else login_digest(login)
        if self._folder is not None:
            inside = self._folder.relative(polled.account.path)
            if isinstance(inside, Failure):
                return inside
            account = inside
        else:
            told = self._crew.held.get(polled.account.label)
            if told is None:
                return _GONE
            machine, account = self._crew.machines[told[0]], told[1].label
        if not await self._has_place(machine, polled):
            return lost(machine, "before this account was asked")
        if self._pace is not None:
            await anyio.sleep(self._pace.wait_s(now=time.monotonic()))
        left_s = max(0.001, self.deadline_left_s(polled))
        job = Job(
            id=os.urandom(16).hex(),
            run=self._contact.run,
            to=machine.name if machine is not None else self._crew.folder or "",
            is_shared=machine is None,
            account=account,
            login=login,
            not_after=self._clock() + left_s + _GRACE_S,
            left_s=None if polled.started_at is None else left_s,
            limits=replace(self._limits, retries=polled.retries),
            state=state_of(polled),
            confirms=confirms,
        )
        return await self._contact.jobs.answer_to(job, machine, within_s=left_s + _GRACE_S)

    async def _has_place(self, machine: Machine | None, polled: InFlight) -> bool:
        """Wait until a job would be taken at once; False where nobody is left to take it.

        A server that is away is waited for, but not longer than an account that was asked
        before has time.
        """
        while not self._link.is_closed.is_set() and self.deadline_left_s(polled) > -_GRACE_S:
            is_there = bool(self._crew.living) if machine is None else not machine.is_lost
            if is_there and self._link.is_up and self._crew.has_place(machine):
                return True
            if not is_there and (machine is not None or self._are_all_gone()):
                return False
            await self._crew.moved(_TICK_S)
        return False

    def _are_all_gone(self) -> bool:
        """Say whether no agent has been there for as long as a dead upstream is waited for."""
        since = self._contact.alone_since
        return since is not None and time.monotonic() - since > self._settings.patience_s


_GONE = Failure(
    FailureKind.FILE_MISSING,
    "no machine has this account any more",
    "check the folder of auth files on its machine",
)


def _merged(answered: Identity | None, own: Identity | None) -> Identity:
    theirs, held = answered or Identity(), own or Identity()
    return Identity(
        theirs.user_id or held.user_id,
        theirs.account_id or held.account_id,
        theirs.email or held.email,
    )
