"""Accounts that lie on the agents' machines: handed out to a round as agents tell them."""

from __future__ import annotations

import math
import time
from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from poller.agents.crew import COMES_BACK_S
from poller.authfiles.labels import UniqueLabels
from poller.authfiles.read import Account
from poller.polling.stream import Notices
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from poller.agents.crew import Crew, Machine
    from poller.agents.wire import ListedAccount
    from poller.polling.parts import Chance, Found
    from poller.values import Failure

_LOOK_S = 0.25


class OwnAccounts:
    """The accounts of all agents, from those that have room first."""

    def __init__(self, crew: Crew, given: tuple[str, ...], *, may_come: Callable[[], bool]) -> None:
        """``given`` are names or patterns, none means all; ``may_come`` says whether to wait."""
        self.notices = Notices()
        self.found: Found | None = None
        self.held: dict[str, tuple[str, ListedAccount]] = {}
        """The machine of each account, and how it told of it, by label."""
        self._crew = crew
        self._given = given
        self._may_come = may_come
        self._ready: dict[str, deque[Account]] = {}
        self._taken: dict[str, object] = {}
        """The last list of each machine that was taken in."""
        self._labels = UniqueLabels()
        self._told: set[tuple[str, str]] = set()
        self._first: dict[str, str] = {}
        self._matched: set[str] = set()

    @property
    def known_left(self) -> bool:
        """Whether there are accounts that are known and not handed out."""
        self._take_in()
        return any(self._ready.values())

    @property
    def total(self) -> int | None:
        """How many accounts there are in all; None while more may come."""
        return None if self._may_come() else len(self.held)

    @property
    def unmatched(self) -> list[str]:
        """Names and patterns that no account has matched."""
        self._take_in()
        return [name for name in self._given if name not in self._matched]

    async def next(self) -> Account | None:
        """Return an account of the machine that has most room; None when there are no more."""
        while (account := self._pop(now=time.monotonic())) is None:
            is_over = not self._may_come() and not self._crew.open_jobs
            if is_over and not any(self._ready.values()):
                return None
            await self._crew.moved(_LOOK_S)
        if self.found is not None:
            await self.found(account.position, [account])
        return account

    async def draw(self, chance: Chance) -> Account | None:
        """Return any account that is not handed out; None where there is none."""
        self._take_in()
        ready = [queue for queue in self._ready.values() if queue]
        if not ready:
            return None
        queue = ready[chance.randrange(len(ready))]
        place = chance.randrange(len(queue))
        account = queue[place]
        del queue[place]
        return account

    async def rest(self, unread: Failure) -> AsyncGenerator[Account]:
        """Yield all accounts that were not handed out."""
        del unread  # all that are known have been told whole
        while (account := self._pop(now=math.inf)) is not None:
            yield account

    def _pop(self, *, now: float) -> Account | None:
        """Return an account of a machine that has room, or that is not expected back."""
        self._take_in()
        ready = [self._crew.machines[name] for name, queue in self._ready.items() if queue]
        machines = [each for each in ready if self._is_ready(each, now=now)]
        if not machines:
            return None
        return self._ready[min(machines, key=_load).name].popleft()

    def _is_ready(self, machine: Machine, *, now: float) -> bool:
        if machine.is_lost:
            return now - machine.lost_at > COMES_BACK_S
        return now == math.inf or self._crew.has_place(machine)

    def _take_in(self) -> None:
        """Take in what agents have told since."""
        for machine in self._crew.machines.values():
            accounts = machine.accounts
            if accounts is not None and self._taken.get(machine.name) is not accounts:
                self._taken[machine.name] = accounts
                for account in accounts:
                    self._add(machine, account)

    def _add(self, machine: Machine, told: ListedAccount) -> None:
        if (machine.name, told.label) in self._told or not self._wants(machine, told.label):
            return
        self._told.add((machine.name, told.label))
        label = self._labels.claim(printable(f"{machine.name}/{told.label}"))
        self.held[label] = machine.name, told
        if told.key is not None:
            first = self._first.setdefault(told.key, label)
            if first != label:
                self.notices.same_logins.append((first, label))
        account = Account(len(self.held) - 1, label, label, None, None, None)
        self._ready.setdefault(machine.name, deque()).append(account)

    def _wants(self, machine: Machine, label: str) -> bool:
        names = (label, f"{machine.name}/{label}")
        matching = [
            given for given in self._given if any(fnmatchcase(name, given) for name in names)
        ]
        self._matched.update(matching)
        return bool(matching) or not self._given


def _load(machine: Machine) -> tuple[bool, float]:
    """Order machines: those that are there first, then those with most room."""
    return machine.is_lost, machine.open_jobs / machine.concurrency
