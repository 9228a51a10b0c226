"""What people name -> the files, and the accounts in them, that they mean."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

from poller.authfiles.labels import is_auth_name, labels_of, shown
from poller.authfiles.read import AuthFile, logins_in, proves_itself
from poller.settings import UsageError
from poller.settings.options import OTHERS
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from poller.authfiles.folders import Folder

_WILDCARD = re.compile(r"[*?\[]")
_SEPARATORS = frozenset((os.sep, os.altsep or os.sep))
_COMPARED = 5_000
"""Labels that a mistyped name is compared with at most; each takes 20 µs."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A file that was meant, and how; see `AuthFile`."""

    source: str
    path: str
    always_reported: bool = True
    include_disabled: bool = True
    logins: frozenset[str] | None = None

    def merged(self, other: _Choice) -> _Choice:
        """Return what both together mean."""
        logins = None
        if self.logins is not None and other.logins is not None:
            logins = self.logins | other.logins
        return replace(
            self,
            always_reported=self.always_reported or other.always_reported,
            include_disabled=self.include_disabled or other.include_disabled,
            logins=logins,
        )


def choose(
    given: Iterable[str | os.PathLike[str]],
    list_folders: Callable[[], Sequence[Folder]],
    *,
    cwd: str,
    shows_addresses: bool = False,
) -> list[AuthFile]:
    """Return the files that were named, in that order, each once.

    ``list_folders`` is called once at most, and only where something is not a path. An
    account that an e-mail address names may be called by its label as well.

    Raises:
        UsageError: a name or pattern matches nothing.
    """
    names = _Names(list_folders, cwd, shows_addresses=shows_addresses)
    chosen: dict[str, _Choice] = {}
    for each in given:
        for choice in names.choices(each):
            before = chosen.get(choice.path)
            chosen[choice.path] = choice if before is None else before.merged(choice)
    # Labels are what they would be if everything in the folders were polled.
    paths = dict.fromkeys([*names.paths, *chosen])
    labels = labels_of(paths, shows_addresses=shows_addresses)
    return [
        AuthFile(
            labels[choice.path],
            choice.source,
            choice.path,
            always_reported=choice.always_reported,
            include_disabled=choice.include_disabled,
            logins=choice.logins,
            shows_addresses=shows_addresses,
        )
        for choice in chosen.values()
    ]


def _told(folder: Folder) -> str:
    told = printable(os.path.join(folder.source, ""))
    return told if folder.missing is None else f"{told} (there is no {folder.missing}/ here)"


class _Names:
    """The labels that names and patterns are looked up in."""

    def __init__(
        self, list_folders: Callable[[], Sequence[Folder]], cwd: str, *, shows_addresses: bool
    ) -> None:
        self.paths: list[str] = []
        """Of all files in the folders; empty until a name was looked up."""
        self._list_folders = list_folders
        self._cwd = cwd
        self._shows_addresses = shows_addresses
        self._folders: Sequence[Folder] = ()

    @cached_property
    def _by_label(self) -> dict[str, _Choice]:
        self._folders = self._list_folders()
        files = [file for folder in self._folders for file in folder.files()]
        self.paths = [path for _, path in files]
        labels = labels_of(self.paths, shows_addresses=True)
        return {labels[path]: _Choice(source, path) for source, path in files}

    @cached_property
    def _by_short_label(self) -> dict[str, _Choice]:
        """The same by the labels that outputs show, where those are shortened."""
        labels = labels_of(self.paths)
        return {
            labels[choice.path]: choice
            for label, choice in self._by_label.items()
            if labels[choice.path] != label
        }

    def choices(self, given: str | os.PathLike[str]) -> Iterator[_Choice]:
        """Yield what one argument means: a path, a pattern, or a name, in that order."""
        text = os.fspath(given)
        is_separated = not _SEPARATORS.isdisjoint(text)
        is_file, is_pattern = text.endswith(".json"), _WILDCARD.search(text) is not None
        # Whether a path is there is not asked where it can be nothing else: its disk may hang.
        is_path = not isinstance(given, str) or (is_separated and is_file and not is_pattern)
        if is_path or ((is_separated or is_file) and os.path.lexists(self._path(text))):
            yield _Choice(text, self._path(text))
        elif is_pattern and text not in self._labels_or_none():
            yield from self._matching(text)
        elif is_separated and text not in self._labels_or_none():
            yield _Choice(text, self._path(text))
        else:
            yield self._named(text)

    def _path(self, source: str) -> str:
        return os.path.normpath(os.path.join(self._cwd, source))

    def _labels_or_none(self) -> Iterable[str]:
        """Return the labels in the folders; none where there are no folders to look in."""
        try:
            return self._by_label
        except UsageError:
            return ()

    def _named(self, name: str) -> _Choice:
        is_option = any(f"--{name}" in option.flags for option in OTHERS)
        try:
            choice = (
                self._by_label.get(name)
                or self._by_short_label.get(name)
                or self._file_named(name)
                or self._login_named(name)
            )
        except UsageError:
            if not is_option:
                raise
            choice = None
        if choice is not None:
            return choice
        if is_option:
            raise UsageError(f"no account '{name}'; for the option, type --{name}")
        told = printable(name)
        is_folder = bool(name) and os.path.isdir(self._path(name))
        else_meant = f"; for the folder, type --account-dir {told}" if is_folder else ""
        raise UsageError(f"no account '{told}' {self._where()}{else_meant or self._near(name)}")

    def _file_named(self, name: str) -> _Choice | None:
        for folder in self._folders:
            if name in folder.names:
                return _Choice(os.path.join(folder.source, name), os.path.join(folder.path, name))
        return None

    def _login_named(self, name: str) -> _Choice | None:
        """Find ``<label>:<login>``, one account in a file of several."""
        for label, choice in chain(self._by_label.items(), self._by_short_label.items()):
            if not name.startswith(f"{label}:"):
                continue
            logins = logins_in(choice.path)
            labels = AuthFile(label, choice.source, choice.path).labels(logins)
            for login, short in zip(logins, labels, strict=True):
                if login.name is not None and name in (f"{label}:{login.name}", short):
                    return replace(choice, logins=frozenset((login.name,)))
        return None

    def _matching(self, pattern: str) -> Iterator[_Choice]:
        """Yield the files, and the accounts in files of several, whose labels match."""
        found = [
            choice
            for label in sorted(self._by_label)
            if (choice := self._matched(label, pattern)) is not None
        ]
        if not any(choice.always_reported or proves_itself(choice.path) for choice in found):
            raise UsageError(
                f"no account matches '{printable(pattern)}' {self._where()}{self._near(pattern)}"
            )
        yield from found

    def _matched(self, label: str, pattern: str) -> _Choice | None:
        choice = self._by_label[label]
        always_reported = is_auth_name(os.path.basename(choice.path))
        choice = replace(choice, always_reported=always_reported, include_disabled=False)
        if fnmatchcase(label, pattern):
            return choice
        fixed, inside = _WILDCARD.split(pattern, maxsplit=1)[0], f"{label}:"
        if not (fixed.startswith(inside) or inside.startswith(fixed)):
            return None  # no account in this file can match: it is not read
        names = [each.name for each in logins_in(choice.path) if each.name is not None]
        logins = frozenset(name for name in names if fnmatchcase(f"{inside}{name}", pattern))
        if len(names) < 2 or not logins:
            return None
        return replace(choice, logins=logins)

    def _where(self) -> str:
        return f"in {', '.join(map(_told, self._folders))}"

    def _near(self, name: str) -> str:
        """Return what might have been meant, or some of what there is."""
        labels = islice(self._by_label, _COMPARED)
        near = next(filter(self._is_account, get_close_matches(name, labels)), None)
        if near is not None:
            return f"; did you mean '{self._shown(near)}'?"
        some = list(islice(filter(self._is_account, self._by_label), 4))
        if not some:
            return "; there is no auth file in there"
        told = ", ".join(map(self._shown, some[:3]))
        return f"; there is {told}{', …' if some[3:] else ''}"

    def _shown(self, label: str) -> str:
        return shown(label, shows_addresses=self._shows_addresses)

    def _is_account(self, label: str) -> bool:
        path = self._by_label[label].path
        return is_auth_name(os.path.basename(path)) or proves_itself(path)
