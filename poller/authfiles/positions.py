"""Places in the input: one for each account, in order, none left out."""

from __future__ import annotations

from array import array


class Positions:
    """Gives positions in input order; remembers those of files counted ahead."""

    def __init__(self) -> None:
        self.next = 0
        self._base = 0
        self._starts = array("Q")
        self._sizes = array("L")

    @property
    def counted_to(self) -> int:
        """The index after the last file counted."""
        return self._base + len(self._sizes)

    def reserve(self, count: int) -> range:
        """Return the next ``count`` positions."""
        first, self.next = self.next, self.next + count
        return range(first, self.next)

    def count(self, index: int, size: int) -> None:
        """Reserve the positions of the file at ``index``, which follows the one before."""
        if index != self.counted_to:
            self._base, self._starts, self._sizes = index, array("Q"), array("L")
        self._starts.append(self.reserve(size).start)
        self._sizes.append(size)

    def room(self, index: int) -> range | None:
        """Return the positions of a file that was counted."""
        place = index - self._base
        if not 0 <= place < len(self._sizes):
            return None
        return range(self._starts[place], self._starts[place] + self._sizes[place])
