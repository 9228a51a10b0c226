"""Paths of auth files -> labels that never collide.

A label is the file's name without its ending; for ``auth.json`` it is its folder's name.
Where two would be the same, as much of the path before it as tells them apart is added.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAMELESS = frozenset({"auth.json", ".auth.json", ".json", ""})


def is_auth_name(name: str) -> bool:
    """Say whether a name alone makes an auth file of a file in a folder."""
    return name == "auth.json" or name.endswith(".auth.json")


def labels_of(paths: Iterable[str]) -> dict[str, str]:
    """Return the label of each path, printable; the paths are absolute and normal."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        folders.setdefault(folder, set()).add(name)
    rivals: dict[str, list[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        rivals.setdefault(_stem(folder, name, beside=folders[folder]), []).append(path)
    unique = UniqueLabels()
    return {
        path: unique.claim(printable(label))
        for stem, same in rivals.items()
        for path, label in zip(same, _told_apart(stem, same), strict=True)
    }


class UniqueLabels:
    """Labels that were given; a second one of the same gets a number behind it."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, label: str) -> str:
        """Return ``label``, or ``label#2`` and so on where it was given before."""
        number, free = 1, label
        while free in self._taken:
            number += 1
            free = f"{label}#{number}"
        self._taken.add(free)
        return free


def _stem(folder: str, name: str, *, beside: set[str]) -> str:
    """Return the shortest label that tells a file from those in the same folder."""
    if name in _NAMELESS:
        own = _own_name(folder)
        others = {f"{own}.auth.json", f"{own}.json"} - {name}
        return own if beside.isdisjoint(others) else name or own
    if name.endswith(".auth.json"):
        return name.removesuffix(".auth.json")
    stem = name.removesuffix(".json")
    return name if f"{stem}.auth.json" in beside else stem


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
