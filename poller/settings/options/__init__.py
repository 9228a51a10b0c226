"""The one table of options, a file a section.

The command line, its help, the reader of configuration files and the check that
``config.example.toml`` is complete all derive from it: a new option is one entry in the file
of its section and one field of ``Settings``.
"""

from __future__ import annotations

from poller.settings.options.accounts import ACCOUNTS, DEMO_ACCOUNTS
from poller.settings.options.agent import AGENT
from poller.settings.options.history import HISTORY
from poller.settings.options.option import EVERY, Option
from poller.settings.options.other import OTHERS
from poller.settings.options.output import OUTPUT
from poller.settings.options.pool import POOL
from poller.settings.options.requests import REQUESTS
from poller.settings.options.serve import SERVE
from poller.settings.options.watch import WATCH

__all__ = [
    "DEMO_ACCOUNTS",
    "EVERY",
    "OPTIONS",
    "OTHERS",
    "Option",
    "every_option",
    "key_path",
]

OPTIONS = {
    "accounts": ACCOUNTS,
    "requests": REQUESTS,
    "output": OUTPUT,
    "watch": WATCH,
    "history": HISTORY,
    "pool": POOL,
    "serve": SERVE,
    "agent": AGENT,
}
"""By section of the configuration file, which is also a group of the help; in its order."""


def every_option() -> tuple[Option, ...]:
    """Return all options that ``Settings`` knows."""
    return tuple(option for section in OPTIONS.values() for option in section)


def key_path(option: Option) -> str:
    """Return the option's key with its section, as messages name it."""
    return next(f"{name}.{option.key}" for name, options in OPTIONS.items() if option in options)
