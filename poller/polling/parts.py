"""What a round is put together from: where its accounts come from, and what asks for one.

The scheduler decides which account is asked when, how often and how long; it knows no more
of the two than stands here. On this machine they are `AccountFeed` and `Attempts`; with
agents, `poller.agents` has others, which ask on another machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from poller.authfiles.read import Account
    from poller.polling.in_flight import InFlight
    from poller.polling.stream import Notices
    from poller.values import Failure, Report, Usage

    Outcome: TypeAlias = Usage | Failure
    Found: TypeAlias = Callable[[int, list[Account]], Awaitable[None]]


class Chance(Protocol):
    """A source of randomness: the ``random`` module, or a ``random.Random``."""

    def randrange(self, stop: int, /) -> int:
        """Return one of 0 … stop - 1."""
        ...


class HandsOutAccounts(Protocol):
    """Where a round's accounts come from: each is handed out once."""

    notices: Notices
    found: Found | None
    """Awaited with the accounts of each position, before any of them is handed out."""

    @property
    def known_left(self) -> bool:
        """Whether there are accounts that are known and not handed out."""
        ...

    @property
    def total(self) -> int | None:
        """About how many accounts there are in all; None while more may come."""
        ...

    async def next(self) -> Account | None:
        """Return the next account; None when there are no more."""
        ...

    async def draw(self, chance: Chance) -> Account | None:
        """Return any account that is known and not handed out; None where there is none."""
        ...

    def rest(self, unread: Failure) -> AsyncGenerator[Account]:
        """Yield all accounts that were not handed out, soon; ``unread`` for the unknown ones."""
        ...


class MakesAttempts(Protocol):
    """What asks for one account, and says what comes of it."""

    @property
    def clock_offset_s(self) -> float | None:
        """How far this machine's clock is ahead of the upstream's; None where that is unknown."""
        ...

    async def attempt(self, polled: InFlight) -> Outcome:
        """Make one attempt, with whatever requests belong to it; never raises."""
        ...

    async def confirm(self, polled: InFlight, outcome: Outcome) -> Outcome:
        """Return what an account ends with after its last attempt; never raises."""
        ...

    def may_retry(self, polled: InFlight, failure: Failure, *, wait_s: float = 0.0) -> bool:
        """Say whether the failure's kind and the account's deadline allow another attempt."""
        ...

    def deadline_left_s(self, polled: InFlight) -> float:
        """Return the seconds until the account's deadline."""
        ...

    def may_renew(self, polled: InFlight, outcome: Outcome) -> bool:
        """Say whether a new token may help and there is something to get one with."""
        ...

    def conclude(self, polled: InFlight, outcome: Outcome) -> Report:
        """Return the account's report, and keep it in ``polled``."""
        ...
