"""What a run was asked to do: flags over a configuration file over defaults.

``options.OPTIONS`` is the one table of them all; the command line, the configuration
file's reader and the help derive from it. ``Settings`` is loaded when it is first asked
for: ``poller --help`` passes through here, and dataclasses cost 18 ms of its 100.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs 11 ms at start-up
if TYPE_CHECKING:
    from poller.settings.model import Settings

__all__ = ["DEFAULT_URL", "DEFAULT_USER_AGENT", "DEMO_ACCOUNTS", "Settings", "UsageError"]

DEFAULT_URL = "https://chatgpt.com/backend-api/wham/usage"
DEFAULT_USER_AGENT = "Mozilla/5.0"
DEMO_ACCOUNTS = 12
"""Made up where ``--demo`` says no number."""


class UsageError(Exception):
    """What was asked for cannot be done: nothing is polled, exit code 64.

    The message is for a person: what, where, what to do instead. It may have several
    lines, one for each mistake, and holds nothing secret and no control characters.
    """


def __getattr__(name: str) -> object:
    if name != "Settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poller.settings.model import Settings

    return Settings
