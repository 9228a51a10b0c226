"""Auth files -> their accounts, read once."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from poller.authfiles.files import Content, read
from poller.authfiles.labels import UniqueLabels, shown
from poller.authfiles.shapes import Login, has_proof, parse
from poller.slots import stores_in_slots
from poller.text import printable
from poller.usage.identity import account_key
from poller.values import Credential, Failure, FailureKind, unexpected_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WAITS_S = (0.02, 0.05, 0.1)
"""Before each further reading: Codex truncates the file and has written it 50 ms later."""
SHORT_WAITS_S = (0.1, 0.3, 0.6, 1.0, 2.0)
"""The same where this machine had no descriptor left: they come back as requests end."""

# Of a plain *.json in a folder, nobody knows that it is an auth file; these hide whether it is.
_HIDING = frozenset({FailureKind.FILE_UNREADABLE, FailureKind.LOCAL_RESOURCE, FailureKind.INTERNAL})


@stores_in_slots
@dataclass(frozen=True, slots=True)
class AuthFile:
    """A file to read, and what of it is wanted."""

    label: str
    """Unique in the run; printable."""
    source: str
    """Its path as it was given or found."""
    path: str | None
    """To open it by, absolute; None for one in memory."""
    content: bytes | None = field(default=None, repr=False)
    """Of one in memory."""
    always_reported: bool = True
    """Whether it gets a report even where nothing in it proves that it is an auth file."""
    include_disabled: bool = False
    """Whether accounts that their owner has switched off are polled, too."""
    logins: frozenset[str] | None = None
    """Names of those wanted of a file that holds several; None means all."""
    shows_addresses: bool = False
    """Whether accounts named by e-mail addresses are labelled with the whole of them."""

    def wants(self, login: Login) -> bool:
        """Say whether an account of the file is to be polled."""
        if self.logins is not None and login.name not in self.logins:
            return False
        return self.include_disabled or not login.disabled

    def labels(self, logins: Sequence[Login]) -> list[str]:
        """Return the label of each of its accounts, in their order."""
        if len(logins) == 1:
            return [self.label]
        unique = UniqueLabels()
        names = [f"{self.label}:{login.name}" for login in logins]
        return [unique.claim(shown(name, shows_addresses=self.shows_addresses)) for name in names]


class Account(NamedTuple):
    """One account to poll, with what its file said."""

    position: int
    """Index of its file in the input, from 0."""
    label: str
    """Unique in the run; printable."""
    source: str
    """The file's path as it was given or found; printable."""
    outcome: Credential | Failure | None
    """What it is asked with, or why it cannot be; None where another machine holds that."""
    path: str | None
    """To read the file again by; None for one in memory."""
    login: str | None
    """The account's name in its file, where that can hold several."""
    shape: str | None = None
    """Of the file, as `Login.shape` names them; None where it has none known."""
    held: Credential | None = None
    """What its file held when it was read first, whether that can be sent or not."""
    readable_by_others: bool = False
    """Whether its file's group or everybody may read it."""

    @property
    def key(self) -> str | None:
        """What names it over runs and machines, as far as its file tells."""
        held = self.held
        return None if held is None else account_key(held.user_id, held.account_id)

    @property
    def expires_at(self) -> float | None:
        """Unix seconds of its access token's ``exp``; None where its file tells none."""
        return None if self.held is None else self.held.expires_at


class Reading(NamedTuple):
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
        return WAITS_S if _is_half_written(logins) else ()

    def settled(self) -> Reading:
        """Return the same as final: a half-written file is judged as it is."""
        if isinstance(self.logins, Failure) and _is_half_written(self.logins):
            return self._replace(logins=replace(self.logins, may_work_later=False))
        return self


def _is_half_written(failure: Failure) -> bool:
    return failure.kind is FailureKind.FILE_INVALID and failure.may_work_later


def read_into(
    readings: list[Reading],
    files: Iterable[AuthFile],
    *,
    clock: Callable[[], float],
    until: float = math.inf,
) -> None:
    """Read files once each, one after the other, until ``until`` (monotonic seconds).

    Each reading is there as soon as it is made: what a file that never answers holds up
    can be told from outside.
    """
    for file in files:
        if time.monotonic() >= until:
            break
        readings.append(read_once(file, now=clock()))


def accounts_of(file: AuthFile, position: int, reading: Reading) -> list[Account]:
    """Return each account that is wanted of a file that was read."""
    source = printable(file.source)
    logins = reading.logins
    if isinstance(logins, Failure):
        if not file.always_reported and logins.kind not in _HIDING:
            return []
        return [Account(position, file.label, source, logins, file.path, None)]
    if not file.always_reported and not has_proof(logins):
        return []
    return [
        Account(
            position,
            label,
            source,
            login.outcome,
            file.path,
            login.name,
            login.shape,
            login.held,
            reading.readable_by_others,
        )
        for label, login in zip(file.labels(logins), logins, strict=True)
        if file.wants(login)
    ]


def logins_in(path: str) -> tuple[Login, ...]:
    """Return what a file holds; nothing where it is not an auth file."""
    logins = read_once(AuthFile("", path, path), now=0.0).logins
    return () if isinstance(logins, Failure) else logins


def proves_itself(path: str) -> bool:
    """Say whether what a file holds shows that it is an auth file, whatever it is called."""
    return has_proof(read_once(AuthFile("", path, path), now=0.0).logins)


def read_once(file: AuthFile, *, now: float) -> Reading:
    """Return what a file holds at ``now`` (Unix seconds); never raises."""
    try:
        if file.path is None:
            return Reading(parse(file.content or b"", now=now)).settled()
        found = read(file.path)
        if not isinstance(found, Content):
            return Reading(found)
        return Reading(parse(found.content, now=now), found.readable_by_others)
    except Exception as error:  # noqa: BLE001 - it shall cost this file, not those beside it
        return Reading(unexpected_failure(error))
