"""The values that walk through the program.

All are frozen, derive at most one figure from another, and know no clock, file or socket.
``None`` means unknown, never 0. Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from poller.failures import (
    Failure,
    FailureKind,
    Retry,
    internal_failure,
    out_of_resources,
    unexpected_failure,
)
from poller.slots import stores_in_slots

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAY_RUN_OUT",
    "SCHEMA_VERSION",
    "WILL_RUN_OUT",
    "Credential",
    "Credits",
    "Failure",
    "FailureKind",
    "FileEntry",
    "Forecast",
    "Identity",
    "Limit",
    "Report",
    "Response",
    "Retry",
    "Secret",
    "Snapshot",
    "SpendLimit",
    "Usage",
    "Window",
    "internal_failure",
    "out_of_resources",
    "unexpected_failure",
]

SCHEMA_VERSION = 1
"""Version of the record; raised when a key is removed or renamed."""
_OTHERS_READ = 0o044


class Secret:
    """A string that neither prints nor serializes; ``reveal()`` hands it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not serialized")


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Identity:
    """Who an answer, or a credential, says it belongs to."""

    user_id: str | None = None
    account_id: str | None = None
    """The workspace. Members of a team share it, so it alone identifies nobody."""
    email: str | None = None


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Credential:
    """What one login needs to ask for its usage.

    Claims are hints: they are read, never verified, and no security decision rests on them.
    """

    access_token: Secret
    account_id: str
    """The workspace that is asked for; sent with every request."""
    user_id: str | None = None
    email: str | None = None
    plan: str | None = None
    expires_at: float | None = None
    """Unix seconds of the access token's ``exp``; None where it tells none."""
    fedramp: bool = False
    refresh_token: Secret | None = None
    id_token: Secret | None = None

    @property
    def identity(self) -> Identity:
        """Who this credential says it belongs to, to compare with an answer."""
        return Identity(self.user_id, self.account_id, self.email)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret it holds, for masking."""
        access, refresh, identity = self.access_token, self.refresh_token, self.id_token
        if refresh is not None and identity is not None:  # as nearly every file has it
            return access, refresh, identity
        return tuple(secret for secret in (access, refresh, identity) if secret is not None)


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Window:
    """One quota window of a limit."""

    name: str
    """``five_hour``, ``weekly``, ``monthly``, or its length: ``1h``, ``1d``, ``15m``."""
    remaining_percent: float | None
    """0-100; None when the upstream gave no usable figure."""
    window_seconds: int | None
    """Its length."""
    reset_at: int | None
    """Unix seconds."""
    started: bool | None = None
    """False while nothing is used and the reset moves with every answer; None if unclear."""

    @property
    def used_percent(self) -> float | None:
        """0-100; None when unknown."""
        if self.remaining_percent is None:
            return None
        used = 100 - self.remaining_percent
        return used if used % 1 == 0 else round(used, 6)  # rounding takes longer


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Limit:
    """A limit beside the account's own: a model's, a feature's, code review's."""

    name: str | None
    feature: str | None
    usable: bool | None
    windows: tuple[Window, ...]


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Credits:
    """Bought credits."""

    has_credits: bool | None
    unlimited: bool | None
    balance: str | None
    """Decimal string without currency sign or separators."""


@stores_in_slots
@dataclass(frozen=True, slots=True)
class SpendLimit:
    """A workspace's cap on one member's spending; amounts are decimal strings."""

    limit: str | None
    used: str | None
    remaining: str | None
    remaining_percent: float | None
    """0-100."""
    reset_at: int | None
    """Unix seconds."""


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer of the usage endpoint says, whatever its shape was."""

    plan: str | None = None
    usable: bool | None = None
    """Whether the account can be used now, on its plan or on credits."""
    limited_by: str | None = None
    """What blocks it; None where not blocked."""
    usable_at: int | None = None
    """Unix seconds, ahead of the observation; None where not blocked or not known."""
    windows: tuple[Window, ...] = ()
    extra_limits: tuple[Limit, ...] = ()
    credits: Credits | None = None
    spend_limit: SpendLimit | None = None
    reset_credits: int | None = None
    identity: Identity = Identity()
    on_credits: bool | None = None
    """Whether the plan is used up and bought credits carry on."""

    @property
    def remaining_percent(self) -> float | None:
        """The least of the account's own windows; None where none is known."""
        known = [w.remaining_percent for w in self.windows if w.remaining_percent is not None]
        return min(known) if known else None


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, whole, as it came."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """In the order they came; names in lower case. Not shown: they may echo the token."""
    body: bytes = field(repr=False)
    """Decompressed; at most the client's cap. Likewise."""
    reused: bool = False
    """Whether it came over a connection that had carried another request before."""

    def header(self, name: str) -> str | None:
        """Return the first header of that lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


MAY_RUN_OUT, WILL_RUN_OUT = 0.25, 0.5
"""From these chances on a window "may run out", and "will run out"."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Pace and forecast of one window; both hold unless it is reset before."""

    percent_per_hour: float
    """The pace."""
    empty_at_pace: float | None
    """Unix seconds; also where the reset comes before. None where nothing is burnt."""
    runs_out_chance: float | None
    """0-1: of running out before the reset. None for a window of an uncommon length."""
    runs_out_from: float | None
    runs_out_at: float | None
    runs_out_to: float | None
    """Unix seconds, in this order and not after the reset: the 80 percent interval, and the
    likeliest time in it, given that the window runs out. None where it hardly can."""
    hours: float
    rises: int
    """What it rests on: hours of polls, and how often the level rose."""
    rough: bool
    """Whether less than a week is known."""


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Report:
    """How polling one account ended: exactly one per account, whatever happens.

    Safe to hand to anybody: it holds no token, and every text in it that came from outside
    was made printable and masked where it was read. It can be pickled.
    """

    position: int
    """Index of its file in the input, from 0."""
    account: str
    """The label; unique in a run, printable."""
    source: str
    """The auth file's path as it was given or found; printable."""
    observed_at: float
    """Unix seconds."""
    usage: Usage | None = None
    failure: Failure | None = None
    http_status: int | None = None
    """Of the last answer; None where there was none."""
    attempts: int = 0
    """Requests sent."""
    elapsed_s: float | None = None
    """From the first attempt to the report; None where none was made."""
    refreshed: bool = False
    """Whether its file was given new tokens."""
    key: str | None = None
    """The same for this user in this workspace over runs, labels and machines: 16 hex digits."""
    machine: str | None = None
    """Where it was asked from, as its owner named it."""
    identity: Identity = Identity()
    """The answer's, completed by the credential's."""
    raw: object = None
    """The last answer's JSON, or its text, where a run was asked to keep it."""
    headers: Mapping[str, str] | None = None
    """The last answer's, likewise; by lower-case name."""
    expires_at: float | None = None
    """Unix seconds of its access token's ``exp``, as the file has it; None where unknown."""
    round: int | None = None
    """How often the account had been asked in a run of many rounds; None in a run of one."""
    forecast: Mapping[str, Forecast] | None = None
    """By window, of those about which enough is known; None without a history."""

    @property
    def ok(self) -> bool:
        """Whether the account answered."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One round: what was asked, and how it went."""

    started_at: float
    ended_at: float
    accounts: int
    """Reports of the round."""
    ok: int
    """Accounts that answered."""
    requests: int
    """Attempts of all accounts."""
    reports: tuple[Report, ...] = ()
    """In the order they came; empty where nobody keeps them."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What an auth file says of one account, before anybody is asked; it holds no token."""

    position: int
    """Index of the file in the input, from 0."""
    account: str
    """The label; unique in a run, printable."""
    source: str
    """The file's path as it was given or found; printable."""
    shape: str | None = None
    """Whose file it is: ``codex``, ``opencode``, …"""
    plan: str | None = None
    expires_at: float | None = None
    """Unix seconds of the access token's ``exp``."""
    has_refresh_token: bool | None = None
    refresh: str | None = None
    """``in_place`` where ``--refresh`` would work, or what stands against it."""
    mode: int | None = None
    """The file's permission bits; None where there is no file or no such thing."""
    same_login_as: str | None = None
    """The first account before it with the same token."""
    same_account_as: str | None = None
    """The first account before it with the same user and workspace."""
    failure: Failure | None = None
    """Why it cannot be polled; None where it can."""
    identity: Identity = Identity()

    @property
    def readable_by_others(self) -> bool | None:
        """Whether its group or everybody may read the file."""
        return None if self.mode is None else bool(self.mode & _OTHERS_READ)
