"""Names of auth files -> labels that never collide.

A label is the file's name without its ending; for ``auth.json`` it is the folder's.
Where two would be the same, as much of the path before it as tells them apart is added.
Labels of a folder are worked out one at a time, from the sorted listing alone, so that
nothing has to be kept for each account.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FEW = 8
"""So many folders are searched one by one; for more an index is built."""
_ODD_ENDING = ".json"
_ODD = frozenset(":#\\")


def is_auth_name(name: str) -> bool:
    """Say whether a name alone makes an auth file of a file in a folder."""
    return name == "auth.json" or name.endswith(".auth.json")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and those of its files that matter."""

    path: str
    """As it was given."""
    parts: tuple[str, ...]
    """Of its absolute path, the root left out."""
    names: Sequence[str]
    """Sorted."""

    def __contains__(self, name: str) -> bool:
        place = bisect_left(self.names, name)
        return place < len(self.names) and self.names[place] == name

    def stem(self, name: str) -> str:
        """Return the shortest label of a file that tells it from the others in here."""
        if self._is_nameless(name):
            own = self._own_name()
            others = {f"{own}.auth.json", f"{own}.json"} - {name}
            return name if name and any(other in self for other in others) else own
        if name.endswith(".auth.json"):
            return name.removesuffix(".auth.json")
        stem = name.removesuffix(".json")
        return name if stem != name and f"{stem}.auth.json" in self else stem

    def with_stem(self, stem: str) -> str | None:
        """Return the name of the file that has this stem, if there is one."""
        for name in (f"{stem}.auth.json", f"{stem}.json", stem, "auth.json"):
            if name in self and self.stem(name) == stem:
                return name
        return None

    def before(self, name: str) -> tuple[str, ...]:
        """Return the parts of the path before the stem."""
        is_own = self._is_nameless(name) and self.stem(name) == self._own_name()
        return self.parts[:-1] if is_own else self.parts

    def _own_name(self) -> str:
        return (self.parts[-1].removeprefix(".") if self.parts else "") or "auth"

    @staticmethod
    def _is_nameless(name: str) -> bool:
        return name in ("auth.json", ".auth.json", ".json", "")


class Listing:
    """Folders whose files must not be mistaken for one another."""

    def __init__(self, folders: Sequence[Folder]) -> None:
        self.folders = folders
        self._index: dict[str, list[Folder]] | None = None
        self._depths: dict[str, int] = {}

    def label(self, folder: Folder, name: str) -> str:
        """Return a file's label, printable."""
        stem = folder.stem(name)
        if len(self.folders) == 1:
            return printable(stem)
        depth = self._depth(stem)
        if depth < 0:
            return printable("/".join((*folder.parts, name)))
        before = folder.before(name)
        return printable("/".join((*before[max(0, len(before) - depth) :], stem)))

    def _depth(self, stem: str) -> int:
        """Return how many parts of the path tell apart all who have this stem; -1: none do."""
        if stem in self._depths:
            return self._depths[stem]
        rivals = [
            folder.before(name)
            for folder in self._candidates(stem)
            if (name := folder.with_stem(stem)) is not None
        ]
        depth = _telling_apart(rivals)
        if len(rivals) > _FEW:
            self._depths[stem] = depth
        return depth

    def _candidates(self, stem: str) -> Iterable[Folder]:
        if len(self.folders) <= _FEW:
            return self.folders
        if self._index is None:
            self._index = {}
            for folder in self.folders:
                for name in folder.names:
                    self._index.setdefault(folder.stem(name), []).append(folder)
        return self._index[stem]


def _telling_apart(paths: Sequence[tuple[str, ...]]) -> int:
    if len(paths) < 2:
        return 0
    for depth in range(1, max(map(len, paths)) + 1):
        if len({path[-depth:] for path in paths}) == len(paths):
            return depth
    return -1


class Taken:
    """Labels already given in a run, as eight bytes each."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def claim(self, label: str) -> bool:
        """Take a label; say whether it was free."""
        number = hash(label)
        if number in self._hashes:
            return False
        self._hashes.add(number)
        return True

    def unique(self, label: str) -> str:
        """Take a label, with a number behind it where it was not free."""
        number, free = 1, label
        while not self.claim(free):
            number += 1
            free = f"{label}#{number}"
        return free


def is_odd(label: str) -> bool:
    """Say whether a label might be had in two ways, in spite of :class:`Listing`.

    An escaped character may also stand in a name as it is, a colon may come from
    ``<file>:<name>``, and ``alice.json`` may be the stem of ``alice.json.auth.json``.
    """
    return label.endswith(_ODD_ENDING) or not _ODD.isdisjoint(label)
