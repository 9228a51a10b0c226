"""One account: its attempts, its deadline, whose answer it was; it always ends as a report."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from poller.authfiles.reread import reread
from poller.process.threads import run_in_thread
from poller.upstream.transport_errors import TransportError, TransportErrorKind, transport_failure
from poller.usage.answer import Answer, belongs_in_thread, read_answer
from poller.usage.identity import IdentityMatch, account_key, match_identity
from poller.usage.json_values import TEXT_LENGTH
from poller.usage.masking import NOBODY, masked_failure, masked_identity
from poller.values import (
    Credential,
    Failure,
    FailureKind,
    Identity,
    Report,
    Response,
    Retry,
    Usage,
    unexpected_failure,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.authfiles.read import Account
    from poller.polling.in_flight import InFlight
    from poller.polling.parts import Outcome
    from poller.polling.policy import Pace
    from poller.renewal import Renewal
    from poller.settings import Settings
    from poller.text import KnownTokens


_LARGE_AT_ONCE = 2
"""Answers that are read in threads at the same time."""


class Fetches(Protocol):
    """What sends one request; see `poller.upstream.client.Client`."""

    clock_offset_s: float | None
    """How far this machine's clock is ahead of the upstream's; None where that is unknown."""

    async def fetch(
        self, credential: Credential, *, timeout_s: float, fresh: bool = False
    ) -> Response | TransportError:
        """Send one request; ``fresh`` means over a new connection."""
        ...

    def stop_keeping(self) -> None:
        """Use no connection a second time from now on."""
        ...


class Renews(Protocol):
    """What renews logins, if that was asked for; see `poller.renewal.Renewals`."""

    def is_due(self, credential: Credential) -> bool:
        """Say whether a token should be renewed before it is sent."""
        ...

    async def renew(self, account: Account, stale: Credential, *, within_s: float) -> Renewal:
        """Renew one login."""
        ...


class Attempts:
    """Makes the attempts of any account; one object serves all rounds of a process."""

    def __init__(  # noqa: PLR0913 - what attempts are made with, each named
        self,
        client: Fetches,
        settings: Settings,
        *,
        tokens: KnownTokens,
        pace: Pace | None = None,
        renewals: Renews | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``tokens`` are masked in every answer; ``clock`` tells Unix seconds."""
        self._client = client
        self._tokens = tokens
        self._pace = pace
        self._renewals = renewals
        self._clock = clock
        self._large = anyio.Semaphore(_LARGE_AT_ONCE)
        self._machine = settings.machine
        self._limit(settings)

    def _limit(self, settings: Settings) -> None:
        self._timeout_s = settings.timeout_s
        self._deadline_s = settings.account_deadline_s
        self._keeps_json, self._keeps_headers = settings.raw_json, settings.raw_headers

    def limited(self, settings: Settings) -> Attempts:
        """Return the same with other limits; all that was learnt stays in common."""
        same = copy(self)
        same._limit(settings)  # noqa: SLF001 - its own
        return same

    @property
    def clock_offset_s(self) -> float | None:
        """How far this machine's clock is ahead of the upstream's; None before an answer."""
        return self._client.clock_offset_s

    async def attempt(self, polled: InFlight) -> Outcome:
        """Make one attempt; never raises.

        A failure that may be retried is returned as it is. What would end the account is
        confirmed first, if the connection leaves a doubt whose answer it was.
        """
        polled.policy_attempts += 1
        try:
            if self._renewals is not None and polled.policy_attempts == 1:
                failure = await self._renew_early(self._renewals, polled)
                if failure is not None:
                    return failure
            # A retry goes over a new connection: how it ends needs no confirmation.
            outcome = await self._send(polled, fresh=polled.requests_sent > 0)
            if isinstance(outcome, Failure):
                outcome = await self._with_newer_token(polled, outcome)
                if isinstance(outcome, Failure) and self.may_retry(polled, outcome):
                    return outcome
            elif not polled.needs_confirmation:
                return outcome
            return await self._final(polled, outcome)
        except Exception as error:  # noqa: BLE001 - the one catch-all: always a report
            return unexpected_failure(error)

    async def confirm(self, polled: InFlight, outcome: Outcome) -> Outcome:
        """Return what an account ends with after its last attempt; never raises."""
        try:
            return await self._final(polled, outcome)
        except Exception as error:  # noqa: BLE001 - likewise
            return unexpected_failure(error)

    def may_retry(self, polled: InFlight, failure: Failure, *, wait_s: float = 0.0) -> bool:
        """Say whether the failure's kind and the account's deadline allow another attempt."""
        return polled.may_retry(failure, wait_s=wait_s, left_s=self.deadline_left_s(polled))

    def deadline_left_s(self, polled: InFlight) -> float:
        """Return the seconds until the account's deadline."""
        return polled.left_s(self._deadline_s)

    def may_renew(self, polled: InFlight, outcome: Outcome) -> bool:
        """Say whether a new token may help and there is something to get one with."""
        if self._renewals is None or polled.renewal_tried or not isinstance(outcome, Failure):
            return False
        return outcome.kind in _ABOUT_TOKENS and polled.renewable is not None

    def conclude(self, polled: InFlight, outcome: Outcome) -> Report:
        """Return the account's report, and keep it in ``polled``."""
        ended_at = time.monotonic()
        account, credential = polled.account, polled.credential
        held = credential or account.held
        usage = outcome if isinstance(outcome, Usage) else None
        key, identity = _key(usage, held), self._identity(usage, credential)
        if usage is not None and usage.identity is not identity:
            usage = replace(usage, identity=identity)
        polled.report = Report(
            position=account.position,
            account=account.label,
            source=account.source,
            observed_at=self._clock(),
            usage=usage,
            failure=outcome if isinstance(outcome, Failure) else None,
            http_status=polled.http_status,
            attempts=polled.requests_sent,
            elapsed_s=None if polled.started_at is None else ended_at - polled.started_at,
            refreshed=polled.refreshed,
            machine=self._machine,
            key=key,
            identity=identity,
            raw=polled.raw,
            headers=polled.headers,
            expires_at=None if held is None else held.expires_at,
        )
        return polled.report

    async def _renew_early(self, renewals: Renews, polled: InFlight) -> Failure | None:
        """Renew a token that has expired or soon will; return the failure that ends the account."""
        stale = polled.renewable
        if stale is None or not (polled.credential is None or renewals.is_due(stale)):
            return None
        renewal = await self._renew(renewals, polled, stale)
        if not isinstance(renewal.outcome, Failure):
            return None
        still_good = polled.credential is not None and not renewal.sent
        return None if still_good else renewal.outcome

    async def _renew(self, renewals: Renews, polled: InFlight, stale: Credential) -> Renewal:
        polled.renewal_tried = True
        within_s = self.deadline_left_s(polled)
        renewal = await renewals.renew(polled.account, stale, within_s=within_s)
        polled.refreshed = renewal.refreshed
        if isinstance(renewal.outcome, Failure):
            return replace(renewal, outcome=masked_failure(renewal.outcome, self._tokens.mask))
        polled.account = polled.account._replace(outcome=renewal.outcome)
        polled.credential = renewal.outcome
        return renewal

    async def _final(self, polled: InFlight, outcome: Outcome) -> Outcome:
        """Return what an account ends with: certainly its own, and not for an old token."""
        if polled.needs_confirmation:
            outcome = await self._confirmed(polled, outcome)
        stale = polled.renewable
        if self._renewals is None or stale is None or not self.may_renew(polled, outcome):
            return outcome
        renewal = await self._renew(self._renewals, polled, stale)
        if isinstance(renewal.outcome, Failure):
            return renewal.outcome
        return await self._send(polled, fresh=True)

    async def _confirmed(self, polled: InFlight, outcome: Outcome) -> Outcome:
        """Ask again over a new connection, and believe what comes there."""
        confirmed = await self._send(polled, fresh=True)
        if isinstance(confirmed, Failure):
            confirmed = await self._with_newer_token(polled, confirmed)
        final = not isinstance(outcome, Failure) or outcome.retry_now is Retry.NEVER
        if final and isinstance(confirmed, Usage) and not _same_identity(outcome, confirmed):
            self._client.stop_keeping()
        return confirmed

    async def _with_newer_token(self, polled: InFlight, outcome: Failure) -> Outcome:
        """Ask once more if the token was refused and the file holds a new one by now."""
        refused = outcome.kind is FailureKind.UNAUTHORIZED
        if not refused or polled.was_reread or polled.account.path is None:
            return outcome
        polled.was_reread = True
        account = await reread(polled.account, clock=self._clock)
        newer = account.outcome
        if not isinstance(newer, Credential) or newer == polled.credential:
            return outcome
        polled.account, polled.credential = account, newer
        return await self._send(polled, fresh=True)

    async def _send(self, polled: InFlight, *, fresh: bool) -> Outcome:
        credential = polled.credential
        if credential is None:
            raise AssertionError("only accounts with a credential are asked")
        if self._pace is not None:
            await self._keep_pace(self._pace, polled)
        if polled.started_at is None:
            polled.started_at = time.monotonic()
            left_s = self._deadline_s
        else:
            left_s = self.deadline_left_s(polled)
            if left_s <= 0:
                return _past_deadline(self._deadline_s)
        if polled.known is not credential:
            self._tokens.add(credential.secrets)
            polled.known = credential
        polled.requests_sent += 1
        timeout_s = min(self._timeout_s, left_s)
        answer = await self._client.fetch(credential, timeout_s=timeout_s, fresh=fresh)
        if isinstance(answer, TransportError):
            return await self._after_transport_error(polled, answer)
        keeps_json, keeps_headers = self._keeps_json, self._keeps_headers
        read = partial(
            read_answer,
            answer,
            self._tokens.mask,
            observed_at=self._clock(),
            keeps_json=keeps_json,
            keeps_headers=keeps_headers,
        )
        if not belongs_in_thread(answer, keeps_json=keeps_json, keeps_headers=keeps_headers):
            return self._concluded(polled, credential, answer, read())
        async with self._large:  # few at a time: it is larger than real ones
            reading = await run_in_thread(read)
        return self._concluded(polled, credential, answer, reading)

    async def _keep_pace(self, pace: Pace, polled: InFlight) -> None:
        """Wait until the next request may start, or until the account's deadline."""
        wait_s = pace.wait_s(now=time.monotonic())
        if polled.started_at is not None:
            wait_s = min(wait_s, max(0.0, self.deadline_left_s(polled)))
        if wait_s > 0:
            await anyio.sleep(wait_s)

    async def _after_transport_error(self, polled: InFlight, error: TransportError) -> Outcome:
        if error.answered:
            polled.http_status = error.status
        lost_unanswered = error.kind is TransportErrorKind.CONNECTION_LOST and not error.answered
        if error.reused and lost_unanswered:
            return await self._send(polled, fresh=True)
        malformed = error.kind is TransportErrorKind.MALFORMED
        polled.needs_confirmation = error.reused and (error.answered or malformed)
        if error.kind is TransportErrorKind.TIMEOUT and self.deadline_left_s(polled) <= 0:
            return _past_deadline(self._deadline_s)
        return masked_failure(transport_failure(error), self._tokens.mask)

    def _concluded(
        self, polled: InFlight, credential: Credential, response: Response, reading: Answer
    ) -> Outcome:
        """Return what an answer comes to, once it is clear whose it is."""
        outcome = reading.outcome
        polled.http_status = response.status
        polled.raw, polled.headers = reading.raw, reading.headers
        if isinstance(outcome, Failure):
            polled.needs_confirmation = response.reused
            return outcome
        match = match_identity(asked=credential, answered=outcome.identity)
        polled.needs_confirmation = response.reused and match is not IdentityMatch.CONFIRMED
        if not response.reused and outcome.identity == NOBODY:
            self._client.stop_keeping()
        if match is IdentityMatch.DIFFERENT and not response.reused:
            polled.raw = polled.headers = None
            return _mismatch(polled)
        return outcome

    def _identity(self, usage: Usage | None, credential: Credential | None) -> Identity:
        """Return who an account is, as a report shows it: the answer's word, then the file's."""
        if credential is None or usage is None:
            theirs = NOBODY if usage is None else usage.identity
            own = NOBODY if credential is None else credential.identity
        elif _is_whole(usage.identity, credential):
            return usage.identity
        else:
            theirs, own = usage.identity, credential.identity
        merged = Identity(
            theirs.user_id or own.user_id,
            theirs.account_id or own.account_id,
            theirs.email or own.email,
        )
        return masked_identity(merged, self._tokens.mask, own=own)


_ABOUT_TOKENS = frozenset({FailureKind.TOKEN_EXPIRED, FailureKind.UNAUTHORIZED})


def _same_identity(outcome: Outcome, confirmed: Usage) -> bool:
    return isinstance(outcome, Usage) and outcome.identity == confirmed.identity


def _is_whole(answered: Identity, credential: Credential) -> bool:
    """Say whether an answer says of an account just what its file says, in few words."""
    user_id, account_id, email = answered.user_id, answered.account_id, answered.email
    return (user_id, account_id, email) == (
        credential.user_id,
        credential.account_id,
        credential.email,
    ) and len(user_id or "") + len(account_id or "") + len(email or "") <= TEXT_LENGTH


def _key(usage: Usage | None, held: Credential | None) -> str | None:
    """Return the account's key: by what its file says, else by the answer."""
    theirs = NOBODY if usage is None else usage.identity
    if held is None:
        return account_key(theirs.user_id, theirs.account_id)
    return account_key(held.user_id or theirs.user_id, held.account_id)


def _past_deadline(deadline_s: float) -> Failure:
    return Failure(
        FailureKind.DEADLINE,
        f"the account's deadline of {deadline_s:g} s passed during its request",
        "try again later, or allow more with --account-deadline",
        host_at_fault=True,
        may_work_later=True,
    )


def _mismatch(polled: InFlight) -> Failure:
    return Failure(
        FailureKind.IDENTITY_MISMATCH,
        "the upstream answered for another account; its figures are not shown",
        "try again; if it persists, the file mixes two logins: log in again with codex",
        retry_now=Retry.ONCE if polled.requests_sent == 1 else Retry.NEVER,
        may_work_later=True,
    )
