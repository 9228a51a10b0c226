"""What people name on the command line -> the files, and the accounts in them, that they mean."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from poller.authfiles.files import Content, read
from poller.authfiles.labels import Folder, Listing, Taken, is_auth_name
from poller.authfiles.path_list import parts_of
from poller.authfiles.picks import Pick
from poller.authfiles.shapes import parse
from poller.settings import UsageError
from poller.settings.options import OTHERS
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from poller.authfiles.shapes import Login

_WILDCARD = re.compile(r"[*?\[]")
_SEPARATORS = frozenset((os.sep, os.altsep or os.sep))
_COMPARED = 5_000
"""Labels that a mistyped name is compared with at most; each takes 20 µs."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was meant."""

    source: str
    """Its path as given or found."""
    path: str
    """The same, absolute and normal: what makes two of them one."""
    counts: bool = True
    named: bool = True
    logins: frozenset[str] | None = None

    def merged(self, other: _File) -> _File:
        """Return what both together mean."""
        logins = None
        if self.logins is not None and other.logins is not None:
            logins = self.logins | other.logins
        return replace(
            self,
            counts=self.counts or other.counts,
            named=self.named or other.named,
            logins=logins,
        )


def choose(
    given: Iterable[str | os.PathLike[str]],
    list_folders: Callable[[], Sequence[Folder]],
    *,
    cwd: str,
) -> list[Pick]:
    """Return the picks of what was named, in that order, each once.

    ``list_folders`` is called once at most, and only where something is not a path.

    Raises:
        UsageError: a name or pattern matches nothing.
    """
    naming = _Naming(list_folders, cwd)
    files: dict[str, _File] = {}
    for each in given:
        for file in naming.files(each):
            before = files.get(file.path)
            files[file.path] = file if before is None else before.merged(file)
    return naming.picks(files.values())


def logins_of(path: str) -> tuple[Login, ...]:
    """Return what a file holds; nothing where it is no auth file."""
    found = read(path)
    logins = parse(found.content, now=0.0) if isinstance(found, Content) else found
    return logins if isinstance(logins, tuple) else ()


class _Naming:
    """The folders that names are looked up in; listed once, when the first name comes."""

    def __init__(self, list_folders: Callable[[], Sequence[Folder]], cwd: str) -> None:
        self._list_folders = list_folders
        self._cwd = cwd
        self._folders: Sequence[Folder] = ()

    @cached_property
    def _by_label(self) -> dict[str, _File]:
        self._folders = self._list_folders()
        listing = Listing(self._folders)
        return {
            listing.label(folder, name): self._file(os.path.join(folder.path, name))
            for folder in self._folders
            for name in folder.names
        }

    def files(self, given: str | os.PathLike[str]) -> Iterator[_File]:
        """Yield what one argument means: a path, a pattern, or a name, in that order."""
        text = os.fspath(given)
        is_separated = not _SEPARATORS.isdisjoint(text)
        exists = (is_separated or text.endswith(".json")) and self._exists(text)
        if exists or not isinstance(given, str):
            yield self._file(text)
        elif _WILDCARD.search(text):
            yield from self._matching(text)
        elif is_separated and text not in self._labels_or_none():
            yield self._file(text)
        else:
            yield self._named_or_told(text)

    def picks(self, files: Iterable[_File]) -> list[Pick]:
        """Give everything that was meant its label."""
        files = list(files)
        listing, places = self._listing(files)
        taken = Taken()
        return [
            Pick(
                taken.unique(listing.label(*places[file.path])),
                file.source,
                os.path.join(self._cwd, file.source),
                counts=file.counts,
                named=file.named,
                logins=file.logins,
            )
            for file in files
        ]

    def _listing(self, files: list[_File]) -> tuple[Listing, dict[str, tuple[Folder, str]]]:
        """Return the folders listed and those of the paths given, and each file's place."""
        listed = {folder.parts: folder for folder in self._folders}
        others: dict[tuple[str, ...], set[str]] = {}
        places: dict[str, tuple[tuple[str, ...], str]] = {}
        for file in files:
            directory, name = os.path.split(file.path)
            parts = parts_of(directory)
            places[file.path] = parts, name
            if parts not in listed or name not in listed[parts]:
                others.setdefault(parts, set()).add(name)
        added = {
            parts: Folder(os.sep.join(parts), parts, sorted(names))
            for parts, names in others.items()
        }
        found = {
            path: (folder, name)
            for path, (parts, name) in places.items()
            for folder in (added.get(parts), listed.get(parts))
            if folder is not None and name in folder
        }
        return Listing([*listed.values(), *added.values()]), found

    def _file(self, source: str) -> _File:
        return _File(source, os.path.normpath(os.path.join(self._cwd, source)))

    def _logins(self, file: _File) -> tuple[Login, ...]:
        return logins_of(os.path.join(self._cwd, file.source))

    def _exists(self, path: str) -> bool:
        return os.path.lexists(os.path.join(self._cwd, path))

    def _labels_or_none(self) -> Iterable[str]:
        """Return the labels in the folders; none where there are no folders to look in."""
        try:
            return self._by_label
        except UsageError:
            return ()

    def _named_or_told(self, name: str) -> _File:
        try:
            return self._named(name)
        except UsageError:
            if f"--{name}" in (flag for option in OTHERS for flag in option.flags):
                raise UsageError(f"no account '{name}'; for the option, type --{name}") from None
            raise

    def _named(self, name: str) -> _File:
        file = self._by_label.get(name)
        if file is not None:
            return file
        for folder in self._folders:
            if name in folder:
                return self._file(os.path.join(folder.path, name))
        for label, candidate in self._by_label.items():
            login = name.removeprefix(f"{label}:")
            if login != name and any(each.name == login for each in self._logins(candidate)):
                return replace(candidate, logins=frozenset((login,)))
        raise UsageError(self._unknown(name))

    def _matching(self, pattern: str) -> Iterator[_File]:
        """Yield the files, and the accounts in files of several, whose labels match."""
        found = [
            file
            for label in sorted(self._by_label)
            if (file := self._matched(label, pattern)) is not None
        ]
        if not any(file.counts or self._logins(file) for file in found):
            raise UsageError(
                f"no account matches '{printable(pattern)}' {self._where()}{self._near(pattern)}"
            )
        yield from found

    def _matched(self, label: str, pattern: str) -> _File | None:
        file = self._by_label[label]
        counts = is_auth_name(os.path.basename(file.path))
        if fnmatchcase(label, pattern):
            return replace(file, counts=counts, named=False)
        fixed, inside = _WILDCARD.split(pattern, maxsplit=1)[0], f"{label}:"
        if not (fixed.startswith(inside) or inside.startswith(fixed)):
            return None  # no account in this file can match: it is not read
        names = [each.name for each in self._logins(file) if each.name is not None]
        logins = frozenset(name for name in names if fnmatchcase(f"{inside}{name}", pattern))
        if len(names) < 2 or not logins:
            return None
        return replace(file, counts=counts, named=False, logins=logins)

    def _unknown(self, name: str) -> str:
        return f"no account '{printable(name)}' {self._where()}{self._near(name)}"

    def _where(self) -> str:
        return "in " + ", ".join(
            printable(os.path.join(folder.path, "")) for folder in self._folders
        )

    def _near(self, name: str) -> str:
        """Return what might have been meant, or some of what there is."""
        labels = islice(self._by_label, _COMPARED)
        near = next(filter(self._is_account, get_close_matches(name, labels)), None)
        if near is not None:
            return f"; did you mean '{near}'?"
        some = list(islice(filter(self._is_account, self._by_label), 4))
        if not some:
            return "; there is no auth file in there"
        return f"; there is {', '.join(some[:3])}{', …' if some[3:] else ''}"

    def _is_account(self, label: str) -> bool:
        file = self._by_label[label]
        return is_auth_name(os.path.basename(file.path)) or bool(self._logins(file))
