"""What a run was asked to do: flags over configuration files over defaults.

``options.OPTIONS`` is the one table of all options; the command line, the reader of
configuration files and the help derive from it. ``Settings`` is loaded on first use:
``poller --help`` passes through here and needs no dataclass.
"""

from __future__ import annotations

from poller.settings.value_types import UsageError

TYPE_CHECKING = False  # importing typing would slow the help down
if TYPE_CHECKING:
    from poller.settings.model import Settings

__all__ = ["Settings", "UsageError"]


def __getattr__(name: str) -> object:
    if name != "Settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poller.settings.model import Settings

    return Settings
