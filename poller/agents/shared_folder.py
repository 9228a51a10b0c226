"""A folder that lies on several machines: what may be read below it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from poller.settings import UsageError
from poller.text import printable
from poller.values import Failure, FailureKind

_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder with the name that the collector and all its agents know it by."""

    name: str
    path: str
    """On this machine; absolute."""

    @classmethod
    def of(cls, text: str) -> SharedFolder:
        """Return the folder that ``[NAME=]DIR`` means; without a name, its own.

        Raises:
            UsageError: the name does not fit, or there is no such folder.
        """
        name, equals, path = text.partition("=")
        if not equals:
            path = text
            name = _UNFIT.sub("-", os.path.basename(os.path.abspath(path))).strip("-")[:40]
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"--shared: {printable(text)}: expected a name of 1 to 40 letters, digits, - "
                "and _ before the =, as in team=/srv/accounts"
            )
        if not os.path.isdir(path):
            raise UsageError(f"--shared: {printable(path)}: no such folder")
        return cls(name, os.path.abspath(path))

    def relative(self, path: str | None) -> str | Failure:
        """Return a path as a job tells it; a failure for one that does not lie below."""
        inside = None if path is None else os.path.relpath(path, self.path)
        if inside is None or not _is_inside(inside) or not inside.isprintable():
            return _outside()
        return inside

    def resolved(self, inside: str) -> str | Failure:
        """Return the file that a job means, links resolved; a failure where it lies elsewhere.

        Takes time where the disk does: call it in a thread.
        """
        if not _is_inside(inside):
            return _outside()
        root = os.path.realpath(self.path)
        path = os.path.realpath(os.path.join(root, inside))
        if os.path.commonpath((root, path)) != root or path == root:
            return _outside()
        return path


def _is_inside(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return not os.path.isabs(path) and ".." not in parts and "\0" not in path


def _outside() -> Failure:
    return Failure(
        FailureKind.FILE_UNREADABLE,
        "the file is not inside the shared folder, or its name is not plain text",
        "put the file itself into the shared folder",
    )
