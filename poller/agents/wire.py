"""What crosses the wire: jobs and records as JSON, and nothing else.

No token, no auth file and no path outside of a shared folder is ever put into a message;
an e-mail, a user id or an answer as it came only where both sides allow it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

import orjson

from poller.values import (
    Failure,
    Identity,
    Usage,
    internal_failure,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.polling.in_flight import InFlight

_NOBODY = Identity()
_FOLDERS = re.compile(r"(?:(?<=[\s'\"(])|^)(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\"]+)*[/\\](?=[^\s/\\])")


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What one attempt may take; the collector's settings."""

    timeout_s: float
    retries: int
    deadline_s: float
    """Of the account."""
    identity: bool = False
    """Whether the collector wants to know who an account is; the agent has a say, too."""
    raw_json: bool = False
    raw_headers: bool = False


@dataclass(frozen=True, slots=True)
class AttemptState:
    """What is known of an account between its attempts; see `InFlight`."""

    policy_attempts: int = 0
    requests_sent: int = 0
    needs_confirmation: bool = False
    was_reread: bool = False
    renewal_tried: bool = False
    refreshed: bool = False

    def put_into(self, polled: InFlight) -> None:
        """Make an account in flight what this says."""
        polled.policy_attempts, polled.requests_sent = self.policy_attempts, self.requests_sent
        polled.needs_confirmation, polled.was_reread = self.needs_confirmation, self.was_reread
        polled.renewal_tried, polled.refreshed = self.renewal_tried, self.refreshed


def state_of(polled: InFlight) -> AttemptState:
    """Return what a job or a result has to say of an account in flight."""
    return AttemptState(
        polled.policy_attempts,
        polled.requests_sent,
        polled.needs_confirmation,
        polled.was_reread,
        polled.renewal_tried,
        polled.refreshed,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt to make."""

    id: str
    """Random: an agent's answer to another job is no answer to this one."""
    run: str
    to: str
    """The name of the agent, or of the shared folder."""
    is_shared: bool
    account: str
    """The label that the agent told, or a path below the shared folder."""
    login: str | None
    """What names the account in a shared file that holds several; see :func:`login_digest`."""
    not_after: float
    """Unix seconds of the collector's clock; dropped where it is later."""
    left_s: float | None
    """Until the account's deadline; None before its first attempt."""
    limits: JobLimits
    state: AttemptState
    confirms: Failure | None = None
    """The failure that is to be confirmed; None for an attempt."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a job."""

    job: str
    run: str
    outcome: Usage | Failure
    state: AttemptState
    took_s: float | None = None
    """From the first request of this job to its end; None where none was sent."""
    http_status: int | None = None
    key: str | None = None
    expires_at: float | None = None
    identity: Identity = _NOBODY
    raw: object = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """One account that lies on an agent's machine."""

    label: str
    key: str | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of an agent's own accounts."""

    run: str
    agent: str
    """Random, of this process."""
    part: int
    is_last: bool
    accounts: tuple[ListedAccount, ...]
    trouble: str | None = None
    """Why there are none."""


@dataclass(frozen=True, slots=True)
class Presence:
    """That an agent is there."""

    agent: str
    """Random, of this process."""
    since: float
    """Unix seconds of its own clock."""
    at: float
    """The same, now."""
    concurrency: int
    shared: tuple[str, ...]
    """Names of the folders it has."""
    runs: tuple[str, ...] = ()
    """Those it was welcomed to; another's collector has to welcome it."""
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A collector's call to all agents."""

    run: str
    ends: bool = False
    """Whether the run is over: what was taken for it is let go."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a collector tells one agent."""

    run: str
    at: float
    """Unix seconds of the collector's clock."""
    stream: str
    consumer: str
    """There from now on."""
    made: str
    """Changes where the consumer was made anew: what was asked for before gets no answer."""
    lists: bool
    """Whether the agent is to tell its accounts."""


Message = Job | JobResult | Listing | Presence | Call | Welcome


def encoded(message: Message) -> bytes:
    """Return a message as it is sent."""
    if isinstance(message, JobResult):
        return _encoded_result(message)
    return orjson.dumps({"t": type(message).__name__, **_members(message)})


def _members(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__slots__}


def _encoded_result(result: JobResult) -> bytes:
    members = _members(result) | {"t": "JobResult"}
    outcome = members.pop("outcome")
    if isinstance(outcome, Usage):
        members["usage"] = replace(outcome, identity=_NOBODY)
    else:
        members["failure"] = outcome
    if result.identity == _NOBODY:
        del members["identity"]
    try:
        return orjson.dumps(members)
    except TypeError:  # lone surrogates in an answer that is kept as it came
        unfit = internal_failure("an answer that fits no message")
        return _encoded_result(replace(result, outcome=unfit, raw=None, headers=None))


def login_digest(login: str) -> str:
    """Return what a job calls an account in a file of several: the name may be an e-mail."""
    return blake2b(login.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def without_folders(failure: Failure) -> Failure:
    """Return a failure whose message names files without the folders they lie in."""
    message = without_folders_in(failure.message)
    return failure if message == failure.message else replace(failure, message=message)


def without_folders_in(text: str) -> str:
    """Return a sentence that names files without the folders they lie in."""
    return _FOLDERS.sub("", text)
