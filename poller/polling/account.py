"""One account's life: its attempts, its deadline, whose answer it was; always a report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import anyio

from poller.authfiles import reread
from poller.polling.policy import worth_retrying
from poller.text import KnownTokens
from poller.upstream.transport_errors import TransportError, TransportErrorKind, transport_failure
from poller.usage.identity import IdentityMatch, account_key, match_identity
from poller.usage.masking import masked_failure, masked_identity, masked_outcome
from poller.usage.raw import raw_headers, raw_json
from poller.usage.response import usage_or_failure
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

    from poller.authfiles import Account
    from poller.polling.policy import Pace
    from poller.renewal import Renewal
    from poller.settings import Settings

    Outcome: TypeAlias = Usage | Failure


class Fetches(Protocol):
    """The far side, as this module needs it; see :class:`poller.upstream.client.Client`."""

    async def fetch(
        self, credential: Credential, *, timeout_s: float, fresh: bool = False
    ) -> Response | TransportError:
        """Send one request."""
        ...

    def stop_keeping(self) -> None:
        """Keep no connection for the rest of the run."""
        ...


class Renews(Protocol):
    """What renews logins, where that was asked for; see :class:`poller.renewal.Renewals`."""

    def is_due(self, credential: Credential) -> bool:
        """Say whether a token is to be renewed before it is sent."""
        ...

    async def renew(self, account: Account, stale: Credential, *, within_s: float) -> Renewal:
        """Renew one login."""
        ...


@dataclass(slots=True)
class Poll:
    """One account under way."""

    account: Account
    attempts: int = 0
    """Requests begun, as the server counts them."""
    tries: int = 0
    """The same as the retry policy counts them: without those that prove whose answer it is."""
    started_at: float | None = None
    """Monotonic seconds of the first attempt."""
    http_status: int | None = None
    raw: object = None
    headers: dict[str, str] | None = None
    unproven: bool = False
    """Whether the last outcome came over a reused connection without proof of whose it is."""
    reread: bool = False
    """Whether its file was read again for a newer token."""
    asked_to_renew: bool = False
    """Whether its login was to be renewed: that is done once at most."""
    refreshed: bool = False
    """Whether its file was given new tokens."""
    report: Report | None = None
    """Set once it has ended, so that nothing fetched is lost on the way out."""
    sent: Credential | None = None
    """The last one that was sent."""
    credential: Credential | None = field(init=False)

    def __post_init__(self) -> None:
        outcome = self.account.outcome
        self.credential = outcome if isinstance(outcome, Credential) else None


class Attempts:
    """Makes the attempts of any account of a run."""

    def __init__(  # noqa: PLR0913 - what attempts are made with, each named
        self,
        client: Fetches,
        settings: Settings,
        *,
        pace: Pace | None = None,
        renewals: Renews | None = None,
        tokens: KnownTokens | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` tells Unix seconds."""
        self._clock = clock
        self._client = client
        self._tokens = KnownTokens() if tokens is None else tokens
        self._renewals = renewals
        self._pace = pace
        self._timeout_s = settings.timeout_s
        self._retries = settings.retries
        self._deadline_s = settings.account_deadline_s
        self._keeps_json, self._keeps_headers = settings.raw_json, settings.raw_headers

    async def attempt(self, poll: Poll) -> Outcome:
        """Make one attempt, and what proving whose answer it is takes; never raises.

        A failure that is worth another attempt is returned as it is; before one that
        would end the account's attempts, or a success, is believed, :meth:`prove` asks
        again where the connection leaves a doubt.
        """
        poll.tries += 1
        try:
            if self._renewals is not None and poll.tries == 1:
                unrenewed = await self._renewed_early(self._renewals, poll)
                if unrenewed is not None:
                    return unrenewed
            # After a first attempt on a fresh one, so that its end needs no more proof.
            outcome = await self._send(poll, fresh=poll.attempts > 0)
            if isinstance(outcome, Failure):
                outcome = await self._with_newer_token(poll, outcome)
                if isinstance(outcome, Failure) and self.may_retry(poll, outcome):
                    return outcome
            return await self._proven(poll, outcome)
        except Exception as error:  # noqa: BLE001 - the one catch-all: always a report
            return unexpected_failure(error)

    async def prove(self, poll: Poll, outcome: Outcome) -> Outcome:
        """Ask once more on a fresh connection where ``outcome`` leaves a doubt; never raises."""
        try:
            return await self._proven(poll, outcome)
        except Exception as error:  # noqa: BLE001 - likewise
            return unexpected_failure(error)

    def may_retry(self, poll: Poll, failure: Failure, *, wait_s: float = 0.0) -> bool:
        """Say whether the failure's kind and the account's deadline allow another attempt."""
        if not worth_retrying(failure, attempts=poll.tries, retries=self._retries):
            return False
        return max(wait_s, failure.retry_after_s or 0.0) < self.deadline_left_s(poll)

    def deadline_left_s(self, poll: Poll) -> float:
        """Return the seconds an account has yet."""
        if poll.started_at is None:
            return self._deadline_s
        return poll.started_at + self._deadline_s - time.monotonic()

    def may_renew(self, poll: Poll, outcome: Outcome) -> bool:
        """Say whether a new token may help, and one may be had."""
        if self._renewals is None or poll.asked_to_renew or not isinstance(outcome, Failure):
            return False
        return outcome.kind in _ABOUT_TOKENS and _renewable(poll) is not None

    async def _renewed_early(self, renewals: Renews, poll: Poll) -> Failure | None:
        """Renew a token that has expired or soon will; return why not, where that is the end."""
        stale = _renewable(poll)
        if stale is None or not (poll.credential is None or renewals.is_due(stale)):
            return None
        renewal = await self._renew(renewals, poll, stale)
        if not isinstance(renewal.outcome, Failure):
            return None
        still_good = poll.credential is not None and not renewal.sent
        return None if still_good else renewal.outcome

    async def _renew(self, renewals: Renews, poll: Poll, stale: Credential) -> Renewal:
        poll.asked_to_renew = True
        renewal = await renewals.renew(poll.account, stale, within_s=self.deadline_left_s(poll))
        poll.refreshed = renewal.refreshed
        if isinstance(renewal.outcome, Failure):
            return replace(renewal, outcome=masked_failure(renewal.outcome, self._tokens.mask))
        poll.account = replace(poll.account, outcome=renewal.outcome)
        poll.credential = renewal.outcome
        return renewal

    async def _proven(self, poll: Poll, outcome: Outcome) -> Outcome:
        """Return what an account ends with: proven to be its own, and not for an old token."""
        if poll.unproven:
            outcome = await self._prove(poll, outcome)
        if self._renewals is None or not self.may_renew(poll, outcome):
            return outcome
        stale = _renewable(poll)
        if stale is None:
            return outcome
        renewal = await self._renew(self._renewals, poll, stale)
        if isinstance(renewal.outcome, Failure):
            return renewal.outcome
        return await self._send(poll, fresh=True)

    async def _prove(self, poll: Poll, outcome: Outcome) -> Outcome:
        proof = await self._send(poll, fresh=True)
        if isinstance(proof, Failure):
            proof = await self._with_newer_token(poll, proof)
        believed_wrong = not isinstance(outcome, Failure) or outcome.retry_now is Retry.NEVER
        if believed_wrong and isinstance(proof, Usage) and not self._same(outcome, proof):
            self._client.stop_keeping()
        return proof

    @staticmethod
    def _same(outcome: Outcome, proof: Usage) -> bool:
        return isinstance(outcome, Usage) and outcome.identity == proof.identity

    async def _with_newer_token(self, poll: Poll, outcome: Failure) -> Outcome:
        """Ask once more where the token was refused and the file has a new one by now."""
        refused = outcome.kind is FailureKind.UNAUTHORIZED
        if not refused or poll.reread or poll.account.path is None:
            return outcome
        poll.reread = True
        account = await reread(poll.account)
        newer = account.outcome
        if not isinstance(newer, Credential) or newer == poll.credential:
            return outcome
        poll.account, poll.credential = account, newer
        return await self._send(poll, fresh=True)

    async def _send(self, poll: Poll, *, fresh: bool) -> Outcome:
        credential = poll.credential
        if credential is None:
            raise AssertionError("only accounts with a credential are asked")
        if self._pace is not None:
            await self._keep_pace(self._pace, poll)
        if poll.started_at is None:
            poll.started_at = time.monotonic()
            left_s = self._deadline_s
        else:
            left_s = self.deadline_left_s(poll)
            if left_s <= 0:
                return _past_deadline(self._deadline_s)
        if poll.attempts == 0 or poll.sent is not credential:
            self._tokens.add(credential.secrets)
            poll.sent = credential
        poll.attempts += 1
        timeout_s = min(self._timeout_s, left_s)
        answer = await self._client.fetch(credential, timeout_s=timeout_s, fresh=fresh)
        if isinstance(answer, TransportError):
            return await self._after_transport_error(poll, answer)
        return self._after_response(poll, credential, answer)

    async def _keep_pace(self, pace: Pace, poll: Poll) -> None:
        """Wait until the next request may start, or the account's deadline is over."""
        wait_s = pace.wait_s(now=time.monotonic())
        if poll.started_at is not None:
            wait_s = min(wait_s, max(0.0, self.deadline_left_s(poll)))
        if wait_s > 0:
            await anyio.sleep(wait_s)

    async def _after_transport_error(self, poll: Poll, fault: TransportError) -> Outcome:
        if fault.answered:
            poll.http_status = fault.status
        lost_unanswered = fault.kind is TransportErrorKind.CONNECTION_LOST and not fault.answered
        if fault.reused and lost_unanswered:
            return await self._send(poll, fresh=True)
        poll.unproven = fault.reused and (
            fault.answered or fault.kind is TransportErrorKind.MALFORMED
        )
        if fault.kind is TransportErrorKind.TIMEOUT and self.deadline_left_s(poll) <= 0:
            return _past_deadline(self._deadline_s)
        return masked_failure(transport_failure(fault), self._tokens.mask)

    def _after_response(self, poll: Poll, credential: Credential, response: Response) -> Outcome:
        poll.http_status = response.status
        if self._keeps_json:
            poll.raw = raw_json(response.body, self._tokens.mask)
        if self._keeps_headers:
            poll.headers = raw_headers(response.headers, self._tokens.mask)
        outcome = usage_or_failure(response, observed_at=self._clock())
        outcome = masked_outcome(outcome, self._tokens.mask)
        if isinstance(outcome, Failure):
            poll.unproven = response.reused
            return outcome
        agrees = match_identity(asked=credential, answered=outcome.identity)
        poll.unproven = response.reused and agrees is not IdentityMatch.CONFIRMED
        if not response.reused and outcome.identity == Identity():
            self._client.stop_keeping()
        if agrees is IdentityMatch.DIFFERENT and not response.reused:
            return _mismatch(poll)
        return outcome

    def conclude(self, poll: Poll, outcome: Outcome) -> Report:
        """Return the account's report, and keep it in ``poll``."""
        ended_at = time.monotonic()
        credential = poll.credential
        usage = outcome if isinstance(outcome, Usage) else None
        identity = _identity(usage, credential)
        if usage is not None:
            identity = self._masked(identity, credential)
            usage = replace(usage, identity=identity)
        poll.report = Report(
            position=poll.account.position,
            account=poll.account.label,
            source=poll.account.source,
            observed_at=self._clock(),
            usage=usage,
            failure=outcome if isinstance(outcome, Failure) else None,
            http_status=poll.http_status,
            attempts=poll.attempts,
            refreshed=poll.refreshed,
            elapsed_s=None if poll.started_at is None else ended_at - poll.started_at,
            identity=identity,
            key=account_key(*_user_and_workspace(identity, credential)),
            raw=poll.raw,
            headers=poll.headers,
            expires_at=held.expires_at if (held := credential or poll.account.held) else None,
        )
        return poll.report

    def _masked(self, identity: Identity, credential: Credential | None) -> Identity:
        """Mask what the answer alone says; what the file says, too, is no echo."""
        if credential is not None and identity == credential.identity:
            return identity
        return masked_identity(identity, self._tokens.mask)


_ABOUT_TOKENS = frozenset({FailureKind.TOKEN_EXPIRED, FailureKind.UNAUTHORIZED})


def _renewable(poll: Poll) -> Credential | None:
    """Return what would be renewed; None where there is nothing to renew it with."""
    held = poll.credential or poll.account.held
    if poll.account.path is None or held is None or held.refresh_token is None:
        return None
    return held


def _identity(usage: Usage | None, credential: Credential | None) -> Identity:
    theirs = Identity() if usage is None else usage.identity
    if credential is None or (theirs.user_id and theirs.account_id and theirs.email):
        return theirs
    ours = credential.identity
    return Identity(
        theirs.user_id or ours.user_id,
        theirs.account_id or ours.account_id,
        theirs.email or ours.email,
    )


def _user_and_workspace(
    identity: Identity, credential: Credential | None
) -> tuple[str | None, str | None]:
    """Return what an account is known by: as its file says, else as the answer does."""
    if credential is None:
        return identity.user_id, identity.account_id
    return credential.user_id or identity.user_id, credential.account_id


def _past_deadline(deadline_s: float) -> Failure:
    return Failure(
        FailureKind.DEADLINE,
        f"the account's deadline of {deadline_s:g} s cut its request",
        "try again later, or allow more with --account-deadline",
        host_at_fault=True,
        may_work_later=True,
    )


def _mismatch(poll: Poll) -> Failure:
    return Failure(
        FailureKind.IDENTITY_MISMATCH,
        "the upstream answered for another account; its figures are not shown",
        "try again; if it stays, the file mixes two logins: log in again with codex",
        retry_now=Retry.ONCE if poll.attempts == 1 else Retry.NEVER,
        may_work_later=True,
    )
