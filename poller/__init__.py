"""See what is left in every Codex (ChatGPT) account you own.

As a library::

    async with poller.poll(["alice", "team-*"]) as reports:
        async for report in reports:
            print(report.account, report.usage or report.failure)
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs 11 ms at start-up
if TYPE_CHECKING:
    from poller.library import poll
    from poller.settings import Settings, UsageError
    from poller.values import (
        Credits,
        Failure,
        FailureKind,
        Identity,
        Limit,
        Report,
        Response,
        SpendLimit,
        Usage,
        Window,
    )

__version__ = "0.1.0"

__all__ = [
    "Credits",
    "Failure",
    "FailureKind",
    "Identity",
    "Limit",
    "Report",
    "Response",
    "Settings",
    "SpendLimit",
    "Usage",
    "UsageError",
    "Window",
    "__version__",
    "poll",
]


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load what is asked for: ``poller --help`` passes here, and aiohttp costs 300 ms."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        homes = {
            "poll": "poller.library",
            "Settings": "poller.settings",
            "UsageError": "poller.settings",
        }
        return getattr(import_module(homes.get(name, "poller.values")), name)


def __dir__() -> list[str]:
    return __all__
