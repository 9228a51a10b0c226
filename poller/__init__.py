"""See what is left in every Codex (ChatGPT) account you own.

As a library::

    async with poller.poll(["alice", "team-*"]) as reports:
        async for report in reports:
            print(report.account, report.usage or report.failure)

Several rounds that share connections, pauses and what is known of the upstream::

    async with poller.open_session(settings) as session:
        async with poller.poll(["alice"], session=session) as reports:
            ...

Rounds that never stop, as a plan or a fixed interval has it::

    async with poller.rounds(settings=settings) as rounds:
        async for snapshot in rounds:
            print(snapshot.ok, "of", snapshot.accounts)
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs 11 ms at start-up
if TYPE_CHECKING:
    from poller.library import Session, open_session, poll, rounds
    from poller.polling.rounds import Rounds
    from poller.polling.stream import Reports
    from poller.settings import Settings, UsageError
    from poller.values import (
        Credits,
        Failure,
        FailureKind,
        Identity,
        Limit,
        Report,
        Snapshot,
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
    "Reports",
    "Rounds",
    "Session",
    "Settings",
    "Snapshot",
    "SpendLimit",
    "Usage",
    "UsageError",
    "Window",
    "__version__",
    "open_session",
    "poll",
    "rounds",
]


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load what is asked for: ``poller --help`` passes here, and aiohttp costs 300 ms."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        homes = {
            "Session": "poller.library",
            "open_session": "poller.library",
            "poll": "poller.library",
            "rounds": "poller.library",
            "Reports": "poller.polling.stream",
            "Rounds": "poller.polling.rounds",
            "Settings": "poller.settings",
            "UsageError": "poller.settings",
        }
        return getattr(import_module(homes.get(name, "poller.values")), name)


def __dir__() -> list[str]:
    return __all__
