"""Blocking work that may hang, where there is no event loop: a dead drive lets nobody go."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def has_ended(work: Callable[[], object], *, within_s: float) -> bool:
    """Do ``work`` in a thread that is given up after so many seconds; say whether it ended.

    Raises what ``work`` raises. Where this machine is out of threads, it is done here.
    """
    raised: list[Exception] = []

    def do() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised below
            raised.append(error)

    thread = Thread(target=do, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()
        return True
    thread.join(within_s)
    if raised:
        raise raised[0]
    return not thread.is_alive()
