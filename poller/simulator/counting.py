"""What the server counts: it is the witness of how often it was asked, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poller.simulator.wire import Caller, Request, header_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AccountStats:
    """What one account id asked."""

    attempts: int
    most_in_flight: int
    users: dict[str, int]
    """Attempts by user id: members of a team share the account id."""
    started_at_s: tuple[float, ...]
    """When each attempt arrived whole; monotonic seconds, the same clock in every process."""
    headers: tuple[tuple[str, str], ...]
    """Of the last request, in order and in the case they came in."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What the server has seen since it started or was reset."""

    requests: int
    """All but those for ``/stats``."""
    in_flight: int
    most_in_flight: int
    connections_opened: int
    connections_open: int
    other_methods: int
    """Requests for usage that were no GET."""
    other_paths: int
    with_cookie: int
    last_request_at_s: float | None
    """Monotonic seconds."""
    accounts: dict[str, AccountStats]
    connections: tuple[tuple[str, ...], ...]
    """The account ids that each connection asked for, in order."""
    refreshes: dict[str, tuple[str, ...]]
    """What became of each refresh token every time it was sent; not among ``requests``."""


@dataclass(slots=True)
class AccountCount:
    """The running count of one account id."""

    attempts: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    users: dict[str, int] = field(default_factory=dict[str, int])
    started_at_s: list[float] = field(default_factory=list[float])
    head: bytes = b""

    def stats(self, *, headers: bool) -> AccountStats:
        """Return the figures so far."""
        return AccountStats(
            self.attempts,
            self.most_in_flight,
            dict(self.users),
            tuple(self.started_at_s),
            header_pairs(self.head) if headers and self.head else (),
        )


@dataclass(slots=True)
class Counts:
    """The running counts of a server."""

    detail: bool = True
    """Whether times, headers and connections are kept, which takes 3 kB an account."""
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    connections_opened: int = 0
    connections_open: int = 0
    other_methods: int = 0
    other_paths: int = 0
    with_cookie: int = 0
    last_request_at_s: float | None = None
    accounts: dict[str, AccountCount] = field(default_factory=dict[str, AccountCount])
    connections: list[list[str]] = field(default_factory=list[list[str]])

    def start(self, caller: Caller, request: Request, *, at_s: float) -> tuple[AccountCount, int]:
        """Count one usage request in; return its account and its user's attempts so far."""
        account = self.accounts.get(caller.account_id or "")
        if account is None:
            account = self.accounts[caller.account_id or ""] = AccountCount()
        attempt = account.users.get(caller.user_id or "", 0) + 1
        account.users[caller.user_id or ""] = attempt
        account.attempts += 1
        account.in_flight += 1
        account.most_in_flight = max(account.most_in_flight, account.in_flight)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if b"cookie" in request.headers:
            self.with_cookie += 1
        if self.detail:
            account.started_at_s.append(at_s)
            account.head = request.head
        return account, attempt

    def finish(self, account: AccountCount) -> None:
        """Count a request out: answered, or its connection gone."""
        account.in_flight -= 1
        self.in_flight -= 1

    def stats(
        self, *, headers: bool = True, refreshes: Mapping[str, list[str]] | None = None
    ) -> Stats:
        """Return the figures so far; without ``headers`` those of the accounts are empty."""
        return Stats(
            self.requests,
            self.in_flight,
            self.most_in_flight,
            self.connections_opened,
            self.connections_open,
            self.other_methods,
            self.other_paths,
            self.with_cookie,
            self.last_request_at_s,
            {name: count.stats(headers=headers) for name, count in self.accounts.items()},
            tuple(tuple(asked) for asked in self.connections),
            {token: tuple(became) for token, became in (refreshes or {}).items()},
        )

    def successor(self) -> Counts:
        """Return the counts after a reset: what is open or under way stays so."""
        return Counts(
            self.detail,
            in_flight=self.in_flight,
            most_in_flight=self.in_flight,
            connections_open=self.connections_open,
        )
