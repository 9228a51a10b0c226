"""Whether a file that holds a secret is for this program's user alone."""

from __future__ import annotations

import os
import stat

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def is_exposed(path: str, mode: int) -> bool:
    """Whether other users of this machine can read or write a file of that ``mode``."""
    others = _OTHERS & ~stat.S_IRGRP if _is_from_systemd(path) else _OTHERS
    return os.name != "nt" and bool(mode & others)


def _is_from_systemd(path: str) -> bool:
    """Whether a file is one that LoadCredential= hands to this service alone.

    Its mode is 0440 since systemd 254: it is the service's by an access list, which shows as
    the group's right.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and os.path.dirname(os.path.abspath(path)) == folder
