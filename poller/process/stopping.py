"""A signal, handed over to the event loop: what it stops runs there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.process.signals import Interrupts


def stop_on_signal(interrupts: Interrupts, stop: Callable[[int], object]) -> None:
    """Have the running loop call ``stop`` with the first signal, soon if it has come already."""
    loop = asyncio.get_running_loop()

    def hand_over(number: int) -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing is left to stop
            loop.call_soon_threadsafe(stop, number)

    interrupts.listen(hand_over)
