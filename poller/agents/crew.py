"""The agents that a collector knows: who is there, what they can take, who is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from poller.agents.wire import ListedAccount, Listing, Presence

LOST_AFTER_S = 10.0
"""An agent that is unheard for so long is lost."""
COMES_BACK_S = 10.0
"""After that it is not expected back: its accounts that were not asked yet are given up."""
TELLS_WITHIN_S = 30.0
"""An agent that is there and has not told its accounts by then is not waited for."""
CLOCK_LEEWAY_S = 30.0
"""A clock that is off by more is said."""


@dataclass(slots=True, eq=False)
class Machine:
    """One agent, as its collector knows it."""

    name: str
    agent: str
    """Random, of its process."""
    concurrency: int
    shared: frozenset[str]
    heard_at: float
    """Monotonic seconds."""
    came_at: float
    """Likewise: when it was first heard, or again after it was lost."""
    clock_offset_s: float = 0.0
    """How far its clock is ahead of the collector's."""
    is_lost: bool = False
    lost_at: float = 0.0
    """Monotonic seconds; long ago where it has taken its leave."""
    open_jobs: int = 0
    """That it was given of its own accounts."""
    made: str = ""
    """When its consumer was made; empty before."""
    accounts: tuple[ListedAccount, ...] | None = None
    """Its own; None until it has told them."""
    trouble: str | None = None
    """Why it has none."""
    listed_at: float = 0.0
    """Monotonic seconds."""
    parts: dict[int, tuple[ListedAccount, ...]] = field(
        default_factory=dict[int, "tuple[ListedAccount, ...]"]
    )
    """Of a list that has not come whole yet."""
    last_part: int | None = None
    """The number of its last part, once that has come."""


class Crew:
    """All agents of a collector."""

    def __init__(self, folder: str | None) -> None:
        """``folder`` is the shared one that is asked for; None asks for own accounts."""
        self.machines: dict[str, Machine] = {}
        self.folder = folder
        self.held: dict[str, tuple[str, ListedAccount]] = {}
        """The own accounts of all, by label, with the name of their machine."""
        self.told: list[str] = []
        """The labels of all that were ever told, in that order."""
        self.open_jobs = 0
        """Of all agents."""
        self._moved = anyio.Event()

    @property
    def fitting(self) -> list[Machine]:
        """Those that have what is asked for, lost ones, too."""
        wanted = self.folder
        return [each for each in self.machines.values() if wanted is None or wanted in each.shared]

    @property
    def living(self) -> list[Machine]:
        """Those of them that are there."""
        return [machine for machine in self.fitting if not machine.is_lost]

    async def moved(self, within_s: float) -> None:
        """Wait until something has changed, but not longer than that."""
        moved = self._moved
        with anyio.move_on_after(within_s):
            await moved.wait()

    def pulse(self) -> None:
        """Wake all that wait for a change."""
        self._moved.set()
        self._moved = anyio.Event()

    def hear(self, name: str, told: Presence, *, now: float, at: float) -> Machine | None:
        """Note that an agent is there; return it, or None where it leaves.

        ``now`` is monotonic seconds, ``at`` the collector's clock.
        """
        machine = self.machines.get(name)
        if told.leaves:
            if machine is not None and machine.agent == told.agent:
                machine.is_lost, machine.lost_at = True, -inf
                self.pulse()
            return None
        is_new = machine is None or machine.agent != told.agent or machine.is_lost
        if machine is None:
            machine = self.machines[name] = Machine(
                name, told.agent, told.concurrency, frozenset(told.shared), now, now, told.at - at
            )
        machine.agent, machine.concurrency = told.agent, told.concurrency
        machine.shared, machine.heard_at = frozenset(told.shared), now
        machine.is_lost = False
        if is_new:
            machine.came_at = now
            machine.parts, machine.last_part = {}, None
            self.pulse()
        return machine

    def take_list(self, name: str, told: Listing, *, now: float) -> None:
        """Note a part of an agent's own accounts."""
        machine = self.machines.get(name)
        if machine is None or machine.agent != told.agent:
            return
        machine.parts[told.part] = told.accounts
        for account in told.accounts:
            label = f"{name}/{account.label}"
            if label not in self.held:
                self.told.append(label)
            self.held[label] = name, account
        if told.is_last:
            machine.last_part, machine.trouble = told.part, told.trouble
        if machine.last_part is not None and len(machine.parts) > machine.last_part:
            self._complete(machine)
            machine.listed_at = now
        self.pulse()

    def _complete(self, machine: Machine) -> None:
        """Take the parts for all of an agent's accounts, and forget what is not among them."""
        parts = machine.parts
        accounts = tuple(each for part in sorted(parts) for each in parts[part])
        labels = {account.label for account in accounts}
        for gone in machine.accounts or ():
            if gone.label not in labels:
                self.held.pop(f"{machine.name}/{gone.label}", None)
        machine.accounts, machine.parts, machine.last_part = accounts, {}, None

    def lose(self, *, now: float) -> list[Machine]:
        """Return those that have just been lost."""
        lost = [
            machine
            for machine in self.machines.values()
            if not machine.is_lost and now - machine.heard_at > LOST_AFTER_S
        ]
        for machine in lost:
            machine.is_lost, machine.lost_at = True, now
        if lost:
            self.pulse()
        return lost

    def excuse(self, *, now: float) -> None:
        """Take nobody for lost who could not be heard: the fault was on this side."""
        for machine in self.machines.values():
            machine.heard_at = max(machine.heard_at, now)

    def has_place(self, machine: Machine | None) -> bool:
        """Say whether a job would be taken at once: by one agent, or by any that has the folder."""
        if machine is not None:
            return machine.open_jobs < machine.concurrency
        return self.open_jobs < sum(each.concurrency for each in self.living)

    def untold(self, *, now: float) -> list[Machine]:
        """Return those that were lost before they had told their accounts, or do not tell."""
        return [
            machine
            for machine in self.machines.values()
            if machine.accounts is None
            and (machine.is_lost or now - machine.came_at > TELLS_WITHIN_S)
        ]

    def troubles(self) -> dict[str, str]:
        """Return why agents have nothing to ask for: no accounts, and no shared folder."""
        return {
            machine.name: machine.trouble
            for machine in self.machines.values()
            if machine.trouble and not machine.accounts and not machine.shared
        }

    def are_listed(self, *, now: float) -> bool:
        """Say whether all that are there have told their accounts, or will not."""
        silent = self.untold(now=now)
        return all(each.accounts is not None or each in silent for each in self.living)
