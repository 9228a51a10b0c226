"""What is to be read: one pick for each file, made when its turn comes."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, overload

from poller.authfiles.labels import Listing, is_auth_name

if TYPE_CHECKING:
    from poller.authfiles.shapes import Login


@dataclass(frozen=True, slots=True)
class Pick:
    """One auth file to read, and what of it is wanted."""

    label: str
    """The file's; printable."""
    source: str
    """Its path as it was given or found."""
    path: str | None
    """To open it by; None for one in memory."""
    content: bytes | None = field(default=None, repr=False)
    """Of one in memory."""
    counts: bool = True
    """Whether it gets a record even where it is no auth file of a known shape."""
    named: bool = False
    """Whether it was asked for by itself, so that disabled accounts are wanted, too."""
    logins: frozenset[str] | None = None
    """Names of those wanted of a file that holds several; None means all."""

    def wants(self, login: Login) -> bool:
        """Say whether an account of the file is to be polled."""
        if self.logins is not None and login.name not in self.logins:
            return False
        return self.named or not login.disabled


class FolderPicks(Sequence[Pick]):
    """Every file of some folders, in order; holds nothing but their sorted names."""

    def __init__(self, listing: Listing, *, cwd: str) -> None:
        self._listing = listing
        self._sources = [os.path.join(folder.path, "") for folder in listing.folders]
        self._paths = [os.path.join(cwd, source) for source in self._sources]
        self._ends = list(accumulate(len(folder.names) for folder in listing.folders))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Pick: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pick]: ...
    def __getitem__(self, index: int | slice) -> Pick | list[Pick]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        place = bisect_right(self._ends, index)
        folder = self._listing.folders[place]
        name = folder.names[index - self._ends[place]]  # counted from the folder's end
        return Pick(
            self._listing.label(folder, name),
            self._sources[place] + name,
            self._paths[place] + name,
            counts=is_auth_name(name),
        )
