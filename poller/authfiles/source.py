"""Hand accounts to the workers, each once, reading files a batch ahead.

Nothing is kept for an account once it was handed out, so that a folder of 100,000 costs
its sorted names and no more. There is no task in the background: the worker that finds
little left reads the next batch in a thread, while the others go on with what is there.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import anyio

from poller.authfiles.duplicates import SameLogins
from poller.authfiles.labels import Taken, is_odd
from poller.authfiles.positions import Positions
from poller.authfiles.read import (
    Account,
    Reading,
    in_thread,
    read_pick,
    read_until_settled,
)
from poller.text import printable
from poller.values import Credential, Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poller.authfiles.find import Selection
    from poller.authfiles.picks import Pick
    from poller.authfiles.shapes import Login

    _Found = tuple[str, Login | None, Credential | Failure]
    """Label, login and outcome of an account in a file."""

BATCH = 64
"""Files read in one go: a thread for each costs ten times as much as a batch of 64."""
_LOW = BATCH // 2
"""So few accounts left make the next batch be read."""
_NO_THREAD_FOR = 4
"""So few files are read at once: handing them to a thread costs more."""

_RECORD_S = 30e-6
"""What an account costs that gets no more than its record: twice the 14 µs measured."""

_NOT_READ = Failure(
    FailureKind.CANCELLED,
    "the run ended before the file was read",
    "run it again",
    may_work_later=True,
)
_CHANGED = Failure(
    FailureKind.FILE_INVALID,
    "the file was changed while it was read",
    "run it again",
    may_work_later=True,
)
# Of a plain *.json in a folder, nobody knows that it is an auth file; these hide whether it is.
_HIDING = frozenset({FailureKind.FILE_UNREADABLE, FailureKind.LOCAL_RESOURCE, FailureKind.INTERNAL})


class Chance(Protocol):
    """A source of randomness: the ``random`` module, or a ``random.Random``."""

    def randrange(self, stop: int, /) -> int:
        """Return one of 0 … stop - 1."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Unsettled:
    """A file that may have been half written, or could not be read, the last time."""

    index: int
    pick: Pick
    room: range
    reading: Reading
    times: int
    """How often it was read again."""
    due_at: float
    """Monotonic seconds."""


class Source:
    """The accounts of a selection; each comes out once, whichever way it is asked for."""

    def __init__(self, selection: Selection, *, clock: Callable[[], float] = time.time) -> None:
        """Start at the first account; ``clock`` tells Unix seconds."""
        self.readable_by_others: str | None = None
        """The first file that its group or everybody may read."""
        self._picks = selection.picks
        self._arrivals = selection.arrivals
        self._clock = clock
        self._cursor = 0  # of the first file not yet read
        self._ready: deque[Account] = deque()
        self._unsettled: list[_Unsettled] = []
        self._positions = Positions()
        self._drawn: dict[int, frozenset[int]] = {}  # file -> positions handed out ahead
        self._turn = anyio.Lock()
        self._taken = Taken()
        self._logins = SameLogins()

    @property
    def expected(self) -> int | None:
        """About how many accounts there are in all; None where the list is still coming."""
        return len(self._picks) if self._arrivals is None else None

    @property
    def known_left(self) -> bool:
        """Whether there are accounts that are known of and not handed out (about)."""
        return bool(self._ready or self._unsettled or self._unread)

    @property
    def list_trouble(self) -> str | None:
        """Why a list of paths broke off; None where it did not."""
        return None if self._arrivals is None else self._arrivals.trouble

    @property
    def same_login(self) -> tuple[str, str] | None:
        """The labels of the first two accounts found to be the same login."""
        return self._logins.first

    @property
    def same_logins(self) -> int:
        """How many accounts are the same login as one before, among the first 10,000."""
        return self._logins.count

    async def next(self) -> Account | None:
        """Return the next account in input order; None when there are no more.

        One whose file was half written comes as soon as it can be read, out of turn.
        """
        while True:
            ready = len(self._ready)
            if ready > _LOW or (ready and (self._turn.locked() or not self._is_more_at_hand)):
                return self._noted(self._ready.popleft())
            if self._is_over:
                return None
            async with self._turn:
                if len(self._ready) <= _LOW:
                    await self._advance()

    async def draw(self, chance: Chance) -> Account | None:
        """Return any account that is known and not handed out; None where there is none."""
        if self._arrivals is not None:
            return self._drawn_from(chance, len(self._ready))
        async with self._turn:
            while (index := self._undrawn(chance)) is not None:
                account = await self._drawn_ahead(index, chance)
                if account is not None:
                    return account
            return self._drawn_from(chance, len(self._ready))

    async def remaining(
        self, *, within_s: float = 1.4, unread: Failure = _NOT_READ
    ) -> Iterator[Account]:
        """Return all that were not handed out, without ever waiting.

        Files are read only as long as the records of all that are left can still be written
        ``within_s``; the accounts of the others have ``unread`` for an outcome. Of a list of
        paths, those that have come. Only for after the last :meth:`next`.
        """
        return self._remaining(time.monotonic() + within_s, unread)

    def close(self) -> None:
        """Take in no more of a list of paths."""
        if self._arrivals is not None:
            self._arrivals.close()

    @property
    def _unread(self) -> int:
        """How many files are known of and not read."""
        arrivals = self._arrivals
        return len(self._picks) - self._cursor if arrivals is None else len(arrivals.waiting)

    @property
    def _is_over(self) -> bool:
        coming = self._arrivals is not None and not self._arrivals.ended
        return not coming and not self.known_left

    @property
    def _is_more_at_hand(self) -> bool:
        """Whether there is something to read without waiting."""
        if self._unsettled and min(each.due_at for each in self._unsettled) <= time.monotonic():
            return True
        return self._unread > 0

    async def _advance(self) -> None:
        """Read what is due, else the next batch; wait where there is nothing else to do."""
        now = time.monotonic()
        due = [each for each in self._unsettled if each.due_at <= now]
        if due:
            await self._read_again(due)
        elif batch := self._upcoming():
            await self._read_batch(batch)
        elif not self._ready:
            await self._wait(now)

    async def _wait(self, now: float) -> None:
        """Wait for a path to come, or until a file is to be read again."""
        wait_s = min((each.due_at - now for each in self._unsettled), default=None)
        arrivals = self._arrivals
        if arrivals is None or arrivals.ended or (wait_s is not None and not arrivals.pollable):
            await anyio.sleep(wait_s or 0.0)
            return
        with anyio.move_on_after(wait_s):
            await arrivals.more()

    def _upcoming(self) -> list[tuple[int, Pick]]:
        if self._arrivals is None:
            picks = self._picks[self._cursor : self._cursor + BATCH]
        else:
            picks = list(islice(self._arrivals.waiting, BATCH))
        return list(enumerate(picks, self._cursor))

    def _consume(self, count: int) -> None:
        self._cursor += count
        if self._arrivals is not None:
            for _ in range(count):
                self._arrivals.waiting.popleft()

    async def _read(self, picks: list[Pick]) -> list[Reading]:
        def work() -> list[Reading]:
            now = self._clock()
            return [read_pick(pick, now=now) for pick in picks]

        is_short_run = self._arrivals is None and len(self._picks) <= BATCH
        if is_short_run or len(picks) <= _NO_THREAD_FOR:
            return work()
        return await in_thread(work)

    async def _read_batch(self, batch: list[tuple[int, Pick]]) -> None:
        readings = await self._read([pick for _, pick in batch])
        now = time.monotonic()
        self._consume(len(batch))
        for (index, pick), reading in zip(batch, readings, strict=True):
            room = self._positions.room(index)
            if not reading.waits_s:
                self._settle(index, pick, reading, room)
                continue
            if room is None:  # its neighbours are not held up: one place is kept for it
                room = self._positions.reserve(1 if pick.counts else 0)
            due_at = now + reading.waits_s[0]
            self._unsettled.append(_Unsettled(index, pick, room, reading, 0, due_at))

    async def _read_again(self, due: list[_Unsettled]) -> None:
        readings = await self._read([each.pick for each in due])
        now = time.monotonic()  # nothing is taken off the list before all that can fail is done
        for each, reading in zip(due, readings, strict=True):
            self._unsettled.remove(each)
            times = each.times + 1
            if times < len(reading.waits_s):
                due_at = now + reading.waits_s[times]
                again = replace(each, reading=reading, times=times, due_at=due_at)
                self._unsettled.append(again)
            else:
                self._settle(each.index, each.pick, reading.settled(), each.room)

    def _settle(self, index: int, pick: Pick, reading: Reading, room: range | None) -> None:
        """Make a file's accounts ready to be handed out."""
        drawn = self._drawn.pop(index, frozenset())
        accounts = self._accounts(pick, reading, room)
        self._ready += (account for account in accounts if account.position not in drawn)

    def _accounts(self, pick: Pick, reading: Reading, room: range | None) -> list[Account]:
        """Return a file's accounts; as many as there is room, where that was settled before."""
        found = _found(pick, reading)
        if room is None:
            room = self._positions.reserve(len(found))
        lost = reading.logins if isinstance(reading.logins, Failure) else _CHANGED
        for number in range(len(found) + 1, len(room) + 1):
            label = pick.label if len(room) == 1 else f"{pick.label}:{number}"
            found.append((label, None, lost))
        late = self._positions.reserve(len(found) - len(room))
        source = printable(pick.source)
        if found and reading.readable_by_others and self.readable_by_others is None:
            self.readable_by_others = source
        return [
            _account(position, each, source=source, path=pick.path)
            for position, each in zip((*room, *late), found, strict=True)
        ]

    def _noted(self, account: Account) -> Account:
        """Return an account that leaves, its label unique for certain."""
        if is_odd(account.label):
            account = replace(account, label=self._taken.unique(account.label))
        if isinstance(account.outcome, Credential):
            self._logins.note(account.label, account.outcome)
        return account

    def _drawn_from(self, chance: Chance, ready: int) -> Account | None:
        if not ready:
            return None
        place = chance.randrange(ready)
        account = self._ready[place]
        del self._ready[place]
        return self._noted(account)

    def _undrawn(self, chance: Chance) -> int | None:
        """Return a file ahead that nothing was drawn from; None to take what is ready."""
        unread = self._unread
        place = chance.randrange(max(1, unread + len(self._ready)))
        if place >= unread:
            return None
        for offset in range(unread):
            index = self._cursor + (place + offset) % unread
            if index not in self._drawn:
                return index
        return None

    async def _drawn_ahead(self, index: int, chance: Chance) -> Account | None:
        """Read a file far ahead of its turn; None where it holds nothing to poll."""
        await self._count_to(index)
        pick = self._picks[index]
        if pick.path is None:
            reading = read_pick(pick, now=self._clock())
        else:
            reading = await read_until_settled(pick.path, clock=self._clock)
        accounts = self._accounts(pick, reading, self._positions.room(index))
        if not accounts:
            self._drawn[index] = frozenset()
            return None
        account = accounts[chance.randrange(len(accounts))]
        self._drawn[index] = frozenset((account.position,))
        return self._noted(account)

    async def _count_to(self, index: int) -> None:
        """Settle the positions of all files up to ``index``, without keeping what they hold."""
        start = max(self._cursor, self._positions.counted_to)
        while start <= index:
            picks = self._picks[start : start + BATCH]
            for size in await in_thread(partial(self._sizes, picks)):
                self._positions.count(start, size)
                start += 1

    def _sizes(self, picks: Sequence[Pick]) -> list[int]:
        now = self._clock()
        return [_size(pick, read_pick(pick, now=now)) for pick in picks]

    def _remaining(self, until: float, unread: Failure) -> Iterator[Account]:
        unsettled, self._unsettled = self._unsettled, []
        for each in unsettled:
            self._settle(each.index, each.pick, each.reading.settled(), each.room)
        yield from self._emptied()
        while batch := self._upcoming():
            in_time = time.monotonic() + self._unread * _RECORD_S < until
            for index, pick in batch:
                self._consume(1)
                reading = read_pick(pick, now=self._clock()) if in_time else Reading(unread)
                self._settle(index, pick, reading.settled(), self._positions.room(index))
                yield from self._emptied()
        self.close()

    def _emptied(self) -> Iterator[Account]:
        while self._ready:
            yield self._noted(self._ready.popleft())


def _size(pick: Pick, reading: Reading) -> int:
    return int(pick.counts) if reading.waits_s else len(_found(pick, reading))


def _account(position: int, found: _Found, *, source: str, path: str | None) -> Account:
    label, login, outcome = found
    if login is None:
        return Account(position, label, source, outcome, path, None)
    return Account(position, label, source, outcome, path, login.name, login.shape, login.held)


def _found(pick: Pick, reading: Reading) -> list[_Found]:
    """Return each account that is wanted of a file."""
    logins = reading.logins
    if isinstance(logins, Failure):
        return [(pick.label, None, logins)] if pick.counts or logins.kind in _HIDING else []
    if len(logins) == 1:
        login = logins[0]
        return [(pick.label, login, login.outcome)] if pick.wants(login) else []
    return [
        (f"{pick.label}:{login.name}", login, login.outcome)
        for login in logins
        if pick.wants(login)
    ]
