"""What the server counts: how often it was asked, by whom, and how many at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from poller.simulator.wire import Caller, Request, header_pairs
from poller.text import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "(hidden)"
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class AccountStats:
    """The requests of one account id."""

    attempts: int
    most_in_flight: int
    users: dict[str, int]
    """Attempts by user id: members of a team share the account id."""
    started_at_s: tuple[float, ...]
    """When each attempt had arrived; monotonic seconds, which all processes share."""
    headers: tuple[tuple[str, str], ...]
    """Of the last request, in order and in their own case."""


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
    """Requests to the usage endpoint with a method other than GET."""
    other_paths: int
    with_cookie: int
    last_request_at_s: float | None
    """Monotonic seconds."""
    accounts: dict[str, AccountStats]
    connections: tuple[tuple[str, ...], ...]
    """The account ids requested on each connection, in order."""
    refreshes: dict[str, tuple[str, ...]]
    """The outcomes of requests by refresh token; these are not among ``requests``."""


def without_secrets(stats: Stats) -> Stats:
    """Return ``stats`` for others to read: no credentials, cookies or refresh tokens."""
    return replace(
        stats,
        accounts={
            name: replace(
                account,
                headers=tuple(map(_without_secret, account.headers)),
            )
            for name, account in stats.accounts.items()
        },
        refreshes={
            f"token {number}": outcomes
            for number, outcomes in enumerate(stats.refreshes.values(), start=1)
        },
    )


def _without_secret(header: tuple[str, str]) -> tuple[str, str]:
    name, value = header
    is_secret = name.strip().lower() in _SECRET_HEADERS
    # A malformed or unknown header may hold a token, too.
    return masked(name), HIDDEN if is_secret else masked(value)


class Waiters:
    """Those who wait until so many requests have come."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def until(self, requests: int, *, so_far: int) -> None:
        """Return as soon as so many have come; ``so_far`` is how many have."""
        if so_far < requests:
            come = asyncio.get_running_loop().create_future()
            self._waiting.append((requests, come))
            await come

    def note(self, so_far: int) -> None:
        """Let go of those who have waited for no more than these."""
        if not self._waiting:
            return
        for requests, come in self._waiting:
            if requests <= so_far and not come.done():
                come.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]


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
    """Whether times, headers and connections are kept: about 3 kB an account."""
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
        """Count a request out: it was answered, or its connection is gone."""
        account.in_flight -= 1
        self.in_flight -= 1

    def stats(
        self, *, headers: bool = True, refreshes: Mapping[str, list[str]] | None = None
    ) -> Stats:
        """Return the figures so far; without ``headers`` the accounts' headers are empty."""
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
            tuple(map(tuple, self.connections)),
            {token: tuple(outcomes) for token, outcomes in (refreshes or {}).items()},
        )

    def successor(self) -> Counts:
        """Return the counts after a reset; open connections and requests stay counted."""
        return Counts(
            self.detail,
            in_flight=self.in_flight,
            most_in_flight=self.in_flight,
            connections_open=self.connections_open,
        )
