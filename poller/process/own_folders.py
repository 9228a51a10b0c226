"""Where the user's own files lie, and the folder they are in."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def own_config_folder() -> str | None:
    """Return the user's configuration folder; None where no home folder is known."""
    from platformdirs import user_config_dir

    try:
        return _absolute(user_config_dir("poller", appauthor=False))
    except RuntimeError:
        return None


def own_state_folder() -> str | None:
    """Return the user's folder for what is kept between runs; likewise."""
    from platformdirs import user_state_dir

    try:
        return _absolute(user_state_dir("poller", appauthor=False))
    except RuntimeError:
        return None


def default_codex_home(environ: Mapping[str, str]) -> str | None:
    """Return the Codex CLI's folder unless ``CODEX_HOME`` names one; likewise."""
    home = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(home, ".codex") if os.path.isabs(home) else None


def codex_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths of the Codex CLI's own file: the one it uses, and the default.

    The default is left out where no home folder is known.
    """
    folders = (environ.get("CODEX_HOME"), default_codex_home(environ))
    return tuple(os.path.abspath(os.path.join(each, "auth.json")) for each in folders if each)


def is_named_as_codex_own(path: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a path is, or links to, what the Codex CLI calls its own file.

    Only names are compared: the disk that ``CODEX_HOME`` is on may not answer.
    """
    names = {os.path.abspath(path)}
    with suppress(OSError, ValueError):
        names.add(os.path.abspath(os.path.join(os.path.dirname(path), os.readlink(path))))
    return not names.isdisjoint(codex_files(environ))


def current_folder() -> str:
    """Return the current folder; empty where it was removed: absolute paths are still good."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def make_private_folder(folder: str) -> None:
    """Create a folder, and those it stands in, for their owner alone whatever the umask.

    Those that are there already stay as they are.

    Raises:
        OSError: one of them cannot be created.
    """
    if os.path.isdir(folder):
        return
    try:
        os.mkdir(folder, 0o700)
    except FileNotFoundError:
        make_private_folder(os.path.dirname(folder))
        make_private_folder(folder)
    except FileExistsError:
        if not os.path.isdir(folder):  # another process was faster, else
            raise
    else:
        os.chmod(folder, 0o700)


def _absolute(folder: str) -> str | None:
    # Older versions leave a "~" that they cannot expand, which would be a folder in this one.
    return folder if os.path.isabs(folder) else None
