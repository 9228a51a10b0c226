"""Where a command asks: on this machine, or over agents."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from poller.library import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from poller.library import Session
    from poller.process.signals import Interrupts
    from poller.settings import Settings


def open_asking(
    settings: Settings, interrupts: Interrupts, *, clock: Callable[[], float] = time.time
) -> AbstractAsyncContextManager[Session]:
    """Open what rounds share, here or, with ``settings.nats``, where agents are."""
    if settings.nats is None:
        return open_session(settings, clock=clock, exit_guard=interrupts)
    from poller.agents.collection import open_collection  # what few runs need

    return open_collection(settings)
