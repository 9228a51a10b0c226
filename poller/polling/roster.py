"""The accounts of a run that goes on: found, gone, and how often each was asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from poller.authfiles.read import Account, AuthFile
    from poller.values import Report


class Place(NamedTuple):
    """Where a login lies: what an account is known by, whatever its label."""

    file: str
    """Its path; of a file in memory its name."""
    login: str | None
    """Its name in a file that holds several."""


@dataclass(slots=True, eq=False)
class Tracked:
    """One account."""

    label: str
    position: int
    file: AuthFile
    """Narrowed to this account, where the file holds several."""
    place: Place
    asked: int
    """How often; an account that joins begins with the number that others have reached."""
    report: Report | None = None
    """The latest."""


class Roster:
    """Who is asked. A round has ended when everybody has been asked once more."""

    def __init__(self) -> None:
        self._known: dict[Place, Tracked] = {}
        self._by_label: dict[str, Tracked] = {}
        self._by_file: dict[str, list[Tracked]] = {}
        self._parked: set[Tracked] = set()
        self._positions = 0
        self._rounds = self._highest = 0
        """How often everybody was asked at least, and somebody at most."""
        self._behind = 0
        """Accounts that were asked no more than ``_rounds`` times."""

    def __iter__(self) -> Iterator[Tracked]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def named(self, label: str) -> Tracked | None:
        """Return the account of that label."""
        return self._by_label.get(label)

    @property
    def paths(self) -> list[str]:
        """The files that the accounts lie in."""
        return list(self._by_file)

    def park(self, known: Tracked, *, parked: bool) -> None:
        """Note whether asking an account again is of no use before its file changes."""
        if parked:
            self._parked.add(known)
        else:
            self._parked.discard(known)

    def is_parked(self, known: Tracked) -> bool:
        """Say whether asking an account again is of no use before its file changes."""
        return known in self._parked

    @property
    def all_parked(self) -> bool:
        """Whether there are accounts, and none that can be asked."""
        return 0 < len(self._known) == len(self._parked)

    # Files

    def found(
        self, file: AuthFile, accounts: Sequence[Account]
    ) -> tuple[list[Tracked], list[Tracked]]:
        """Take the accounts that a file turned out to hold; return them, and those gone from it."""
        several = len(accounts) > 1
        here = [
            self._know(
                replace(file, logins=frozenset({account.login}))
                if several and account.login is not None
                else file,
                account.label,
                account.login,
            )
            for account in accounts
        ]
        places = {known.place for known in here}
        gone = [
            known
            for known in self._in(file)
            if known.place not in places
            and (file.logins is None or known.place.login in (None, *file.logins))
        ]
        self._drop(gone)
        return here, gone

    def whom_to_ask(self, path: str, file: AuthFile | None) -> Tracked | None:
        """Return whom to ask because the file at ``path`` is new or has changed.

        Of a file that holds several, somebody who stands for all until it has been read.
        ``file`` is what was found there; None where nothing was.
        """
        inside = self._by_file.get(path, [])
        if file is None:
            return inside[0] if inside else None
        if len(inside) != 1:
            return self._know(file, file.label, None)
        inside[0].file = file
        return inside[0]

    def without(self, files: Iterable[AuthFile]) -> list[Tracked]:
        """Drop the accounts whose file is not there any more, and return them.

        Those that were named stay: that their file is missing is worth a report.
        """
        there = {_place(file) for file in files}
        gone = [
            known
            for known in self
            if known.place.file not in there and not known.file.include_disabled
        ]
        self._drop(gone)
        return gone

    def leave(self, known: Tracked) -> list[Tracked]:
        """Drop an account; return it, unless it was dropped before."""
        gone = [known] if self._known.get(known.place) is known else []
        self._drop(gone)
        return gone

    def _in(self, file: AuthFile) -> list[Tracked]:
        return self._by_file.get(_place(file), [])

    def _know(self, file: AuthFile, label: str, login: str | None) -> Tracked:
        place = Place(_place(file), login)
        known = self._known.get(place)
        if known is None:
            asked = max(self._highest - 1, 0)
            known = Tracked(self._unique(label), self._positions, file, place, asked)
            self._positions += 1
            self._behind += asked <= self._rounds
            self._known[place] = self._by_label[known.label] = known
            self._by_file.setdefault(place.file, []).append(known)
        known.file = file
        return known

    def _unique(self, label: str) -> str:
        number, free = 1, label
        while free in self._by_label:
            number += 1
            free = f"{label}#{number}"
        return free

    def _drop(self, gone: Iterable[Tracked]) -> None:
        for known in gone:
            del self._known[known.place], self._by_label[known.label]
            self._parked.discard(known)
            beside = self._by_file[known.place.file]
            beside.remove(known)
            if not beside:
                del self._by_file[known.place.file]
            self._behind -= known.asked <= self._rounds

    # Rounds

    def asked(self, known: Tracked) -> None:
        """Count that an account was asked once more."""
        if self._known.get(known.place) is known:
            self._behind -= known.asked == self._rounds
        known.asked += 1
        self._highest = max(self._highest, known.asked)

    def end_round(self) -> bool:
        """Say whether everybody has been asked once more, and begin to count anew if so."""
        if self._behind or not self._known:
            return False
        self._rounds = min(known.asked for known in self)
        self._behind = sum(known.asked == self._rounds for known in self)
        return True

    def parked_behind(self) -> list[Tracked]:
        """Return the parked accounts that alone keep a round from ending; none if others do."""
        if not 0 < self._behind <= len(self._parked):
            return []
        behind = [known for known in self if known.asked <= self._rounds]
        return behind if self._parked.issuperset(behind) else []


def _place(file: AuthFile) -> str:
    return file.source if file.path is None else file.path
