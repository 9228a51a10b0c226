"""What a command asks for, recorded in the history."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from poller.deliver.stderr import say

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poller.history.store import History
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_AFTER_A_SIGNAL_S = 0.5
"""How long a locked file is waited for then: a process that was told to end has 1.8 s."""


@asynccontextmanager
async def recording_if_asked_for(
    settings: Settings, interrupts: Interrupts
) -> AsyncGenerator[History | None]:
    """Yield the history that a command which asks once records into; None without one.

    Trouble with it is said once, and costs nothing else.
    """
    if settings.history_file is None and not settings.record:
        yield None
        return
    from poller.history.database import default_path
    from poller.history.store import open_history

    path = settings.history_file or default_path()
    async with open_history(path, on_trouble=lambda trouble: say(f"poller: {trouble}")) as history:
        try:
            yield history
        finally:
            if interrupts.number is not None:
                await history.close(within_s=_AFTER_A_SIGNAL_S)
