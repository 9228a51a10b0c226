"""Accounts that lie on the agents' machines: handed out to a round as agents tell them."""

from __future__ import annotations

import math
import time
from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from poller.agents.crew import COMES_BACK_S
from poller.authfiles.read import Account, AuthFile
from poller.polling.stream import Notices
from poller.text import short_addresses

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from poller.agents.crew import Crew, Machine
    from poller.polling.parts import Chance, Found
    from poller.values import Failure

_LOOK_S = 0.25


class OwnAccounts:
    """The accounts of all agents, or some of them, from those that have room first."""

    def __init__(
        self,
        crew: Crew,
        given: Sequence[str] = (),
        *,
        files: Sequence[AuthFile] | None = None,
        may_come: Callable[[], bool] = lambda: False,
    ) -> None:
        """``given`` are names or patterns, none means all; ``may_come`` says whether to wait.

        ``files`` are those of :func:`own_files`: only their accounts are handed out.
        """
        self.notices = Notices(are_elsewhere=True)
        self.found: Found | None = None
        self._crew = crew
        self._given = given
        self._may_come = may_come
        self._positions: dict[str, int] = {}
        self._ready: dict[str, deque[Account]] = {}
        self._first: dict[str, str] = {}
        self._matched: set[str] = set()
        self._seen = 0
        """Accounts of the crew that were looked at."""
        self._is_given = files is not None
        for file in files or ():
            self._add(file.label)

    @property
    def known_left(self) -> bool:
        """Whether there are accounts that are known and not handed out."""
        self._take_in()
        return any(self._ready.values())

    @property
    def total(self) -> int | None:
        """How many accounts there are in all; None while more may come."""
        return len(self._positions) if self._crew.are_listed(now=time.monotonic()) else None

    @property
    def unmatched(self) -> list[str]:
        """Names and patterns that no account has matched."""
        self._take_in()
        return [name for name in self._given if name not in self._matched]

    async def next(self) -> Account | None:
        """Return an account of the machine that has most room; None when there are no more."""
        while (account := self._pop(now=time.monotonic())) is None:
            if not any(self._ready.values()) and not self._may_come():
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
        if self.found is not None:
            await self.found(account.position, [account])
        return account

    async def rest(self, unread: Failure) -> AsyncGenerator[Account]:
        """Yield all accounts that were not handed out."""
        del unread  # all that are known have been told whole
        while (account := self._pop(now=math.inf)) is not None:
            if self.found is not None:
                await self.found(account.position, [account])
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
        told = self._crew.told
        if self._is_given or len(told) == self._seen:
            return
        for label in told[self._seen :]:
            if label in self._crew.held and label not in self._positions and self._wants(label):
                self._add(label)
        self._seen = len(told)

    def _add(self, label: str) -> None:
        position = self._positions[label] = len(self._positions)
        machine, told = self._crew.held.get(label, (label.partition("/")[0], None))
        if told is not None and told.key is not None:
            first = self._first.setdefault(told.key, label)
            if first != label:
                self.notices.same_logins.append((first, label))
        account = Account(position, label, label, None, None, None)
        self._ready.setdefault(machine, deque()).append(account)

    def _wants(self, label: str) -> bool:
        matching = _matching(self._given, label)
        self._matched.update(matching)
        return bool(matching) or not self._given


def own_files(crew: Crew, given: Sequence[str]) -> list[AuthFile]:
    """Return a file for each account that agents have told, as rounds know accounts by files.

    Its path lies nowhere. It changes with the account's token, so that a login that was of no
    use is asked again then.
    """
    return [
        AuthFile(label, label, f"/dev/null/{label}/{told.expires_at}", include_disabled=bool(given))
        for label, (_, told) in tuple(crew.held.items())
        if not given or _matching(given, label)
    ]


def _matching(given: Sequence[str], label: str) -> list[str]:
    """Return the names and patterns that mean an account, with its machine or without."""
    names = (label, label.partition("/")[2])
    return [each for each in given if any(_means(each, name) for name in names)]


def _means(given: str, name: str) -> bool:
    """Say whether a name or pattern means an account.

    An agent tells an e-mail address in its short form only: an address means all of that form.
    """
    if given == name or fnmatchcase(name, given):
        return True
    short = short_addresses(given)
    return short != given and name.partition("#")[0] == short


def _load(machine: Machine) -> tuple[bool, float]:
    """Order machines: those that are there first, then those with most room."""
    return machine.is_lost, machine.open_jobs / machine.concurrency
