"""SIGINT and SIGTERM, from the program's first instant to its last.

Imports nothing heavy: it is in place before the libraries are loaded.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_LEAVE_WITHIN_S = 1.8
"""After the first signal; what the reader of the results has not taken by then is lost."""


class Interrupts:
    """Takes note of the first signal, and leaves at once on the second.

    After the first, the process has 1.8 s to leave well; then it is ended, also where a
    system call blocks it.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal, or None."""
        self._listener: Callable[[int], None] | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call ``listener`` with the first signal, at once where it has come already.

        It is called between two instructions of the main thread: it may only hand over.
        """
        self._listener = listener
        if self.number is not None:
            listener(self.number)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            os._exit(128 + number)
        self.number = number
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._on_alarm)
            signal.setitimer(signal.ITIMER_REAL, _LEAVE_WITHIN_S)
        if self._listener is not None:
            self._listener(number)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        os._exit(128 + (self.number or 0))
