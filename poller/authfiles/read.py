"""One auth file, read and parsed; read again while Codex may be writing it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import to_thread

from poller.authfiles.files import Content, read
from poller.authfiles.shapes import Login, parse
from poller.values import Credential, Failure, FailureKind, unexpected_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.authfiles.picks import Pick

    T = TypeVar("T")

WAITS_S = (0.02, 0.05, 0.1)
"""Before each further reading: Codex truncates the file and has written it 50 ms later."""
SHORT_WAITS_S = (0.1, 0.3, 0.6, 1.0, 2.0)
"""The same where this machine had no descriptor left: they come back as requests end."""

_LOST = Failure(
    FailureKind.NO_CREDENTIALS,
    "the account is no longer in its file",
    "look at the file: its tool has removed or renamed the account",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the run, with what its file said."""

    position: int
    """Place in the input, from 0; no number is left out or given twice."""
    label: str
    """Unique in the run; printable."""
    source: str
    """The file's path as it was given or found; printable."""
    outcome: Credential | Failure
    path: str | None
    """To read the file again by; None for one in memory."""
    login: str | None
    """The account's name in its file, where that can hold several."""
    shape: str | None = None
    """Of the file, as ``core.credentials.Login`` names them; None where it has none known."""
    held: Credential | None = None
    """What its file held when it was read first, whether that can be sent or not."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file held when it was read."""

    logins: tuple[Login, ...] | Failure
    readable_by_others: bool = False

    @property
    def waits_s(self) -> tuple[float, ...]:
        """How long to wait before each further reading; none where it would not help."""
        logins = self.logins
        if not isinstance(logins, Failure):
            return ()
        if logins.kind is FailureKind.LOCAL_RESOURCE:
            return SHORT_WAITS_S
        return WAITS_S if self._is_half_written(logins) else ()

    @staticmethod
    def _is_half_written(failure: Failure) -> bool:
        return failure.kind is FailureKind.FILE_INVALID and failure.may_work_later

    def settled(self) -> Reading:
        """Return the same, for good: a file that was half written is so to stay."""
        if isinstance(self.logins, Failure) and self._is_half_written(self.logins):
            return replace(self, logins=replace(self.logins, may_work_later=False))
        return self


def read_pick(pick: Pick, *, now: float) -> Reading:
    """Read a file once; never raises. ``now`` is in Unix seconds."""
    return _reading(pick.path, pick.content, now=now)


def _reading(path: str | None, content: bytes | None, *, now: float) -> Reading:
    try:
        if path is None:
            return Reading(parse(content or b"", now=now)).settled()
        found = read(path)
        if not isinstance(found, Content):
            return Reading(found)
        return Reading(parse(found.content, now=now), found.readable_by_others)
    except Exception as error:  # noqa: BLE001 - it shall cost this file, not those beside it
        return Reading(unexpected_failure(error))


async def read_until_settled(path: str, *, clock: Callable[[], float]) -> Reading:
    """Read a file, again while that may help: for 170 ms where it may be half written."""
    reading = await in_thread(lambda: _reading(path, None, now=clock()))
    times = 0
    while times < len(reading.waits_s):
        await anyio.sleep(reading.waits_s[times])
        times += 1
        reading = await in_thread(lambda: _reading(path, None, now=clock()))
    return reading.settled()


async def reread(account: Account, *, clock: Callable[[], float] = time.time) -> Account:
    """Return the account with what its file says now; one in memory as it is.

    Codex renews tokens by rewriting the file. ``clock`` tells Unix seconds.
    """
    if account.path is None:
        return account
    reading = await read_until_settled(account.path, clock=clock)
    logins = reading.logins
    if isinstance(logins, Failure):
        return replace(account, outcome=logins)
    named = (login.outcome for login in logins if login.name == account.login)
    return replace(account, outcome=next(named, _LOST))


async def in_thread(work: Callable[[], T]) -> T:
    """Do ``work`` off the event loop; on it where no thread is to be had."""
    try:
        return await to_thread.run_sync(work, abandon_on_cancel=True)
    except RuntimeError:  # can't start new thread
        return work()
