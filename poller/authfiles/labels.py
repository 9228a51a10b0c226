"""Paths of auth files -> labels that never collide.

A label is the file's name without its ending; for ``auth.json`` it is its folder's name.
Where two would be the same, as much of the path before it as tells them apart is added.
E-mail addresses in it are shortened unless identities are to be shown.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from poller.text import printable, short_addresses

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence

_LENGTH = 200
"""Characters of a label; a file's name alone may have 255, its path 4,000."""
_NAMELESS = frozenset({"auth.json", ".auth.json", ".json", ""})


def is_auth_name(name: str) -> bool:
    """Say whether a name alone makes an auth file of a file in a folder."""
    return name == "auth.json" or name.endswith(".auth.json")


def labels_of(paths: Collection[str], *, shows_addresses: bool = False) -> dict[str, str]:
    """Return the label of each path, printable; the paths are absolute and normal."""
    known = frozenset(paths)
    labels = {path: _stem(path, known) for path in paths}
    del known  # 8 MB of 100,000, as all that follows: it is done in place
    rivals = _rivals(labels)
    unique = UniqueLabels()
    for path, stem in labels.items():
        if stem not in rivals:
            labels[path] = unique.claim(shown(stem, shows_addresses=shows_addresses))
    for stem, same in rivals.items():
        for path, label in zip(same, _told_apart(stem, same), strict=True):
            labels[path] = unique.claim(shown(label, shows_addresses=shows_addresses))
    return labels


def shown(label: str, *, shows_addresses: bool) -> str:
    """Return a label as outputs show it: printable, 200 characters of it at most.

    Without the addresses in it unless they are to be shown.
    """
    text = printable(label)
    if not shows_addresses and "@" in text:
        text = short_addresses(text)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH // 2 - 1]}…{text[-_LENGTH // 2 :]}"


def _rivals(stems: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the paths of each stem that several have."""
    seen: set[str] = set()
    rivals: dict[str, list[str]] = {}
    for stem in stems.values():
        if stem in seen:
            rivals[stem] = []
        seen.add(stem)
    if rivals:
        for path, stem in stems.items():
            if stem in rivals:
                rivals[stem].append(path)
    return rivals


class UniqueLabels:
    """Labels that were given; a second one of the same gets a number behind it."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def claim(self, label: str) -> str:
        """Return ``label``, or ``label#2`` and so on where it was given before."""
        free = label
        while free in self._taken:
            self._numbers[label] = number = self._numbers.get(label, 1) + 1
            free = f"{label}#{number}"
        self._taken.add(free)
        return free


def _stem(path: str, known: Container[str]) -> str:
    """Return the shortest label that tells a file from those in the same folder."""
    folder, _, name = path.rpartition(os.sep)

    def is_beside(other: str) -> bool:
        return other != name and f"{folder}{os.sep}{other}" in known

    if name in _NAMELESS:
        own = _own_name(folder)
        return (name or own) if is_beside(f"{own}.auth.json") or is_beside(f"{own}.json") else own
    if name.endswith(".auth.json"):
        return name.removesuffix(".auth.json")
    stem = name.removesuffix(".json")
    return name if is_beside(f"{stem}.auth.json") else stem


def _own_name(folder: str) -> str:
    return os.path.basename(folder).removeprefix(".") or "auth"


def _told_apart(stem: str, paths: Sequence[str]) -> list[str]:
    """Return ``stem`` for one path; for several as much of each as tells them apart."""
    if len(paths) == 1:
        return [stem]
    before = [_parts_before(stem, path) for path in paths]
    for depth in range(1, max(map(len, before)) + 1):
        if len({parts[-depth:] for parts in before}) == len(paths):
            return ["/".join((*parts[-depth:], stem)) for parts in before]
    return ["/".join(_parts(path)) for path in paths]


def _parts_before(stem: str, path: str) -> tuple[str, ...]:
    folder, name = os.path.split(path)
    parts = _parts(folder)
    return parts[:-1] if name in _NAMELESS and stem == _own_name(folder) else parts


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(os.sep) if part)
