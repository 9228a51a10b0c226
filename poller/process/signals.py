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
_HOLDS_WITHIN_S = 25.0
"""Likewise, where something is under way that must not be split."""


class Interrupts:
    """Takes note of the first signal, and leaves at once on the second.

    After the first, the process has 1.8 s to leave well; then it is ended, also where a
    system call blocks it.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal, or None."""
        self._listener: Callable[[int], None] | None = None
        self._holds = 0
        self._shut = False
        self._put_off = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call ``listener`` with the first signal, at once where it has come already.

        It is called between two instructions of the main thread: it may only hand over.
        """
        self._listener = listener
        if self.number is not None:
            listener(self.number)

    def hold(self) -> bool:
        """Keep the process from being ended until :meth:`release`; False where it is leaving.

        For what must not be cut in two; 25 s at most count from the first signal.
        """
        if self.number is not None or self._shut:
            return False
        self._holds += 1
        return True

    def release(self) -> None:
        """End a hold; what was put off meanwhile comes due."""
        self._holds -= 1
        if self._holds or self.number is None:
            return
        if self._put_off:
            os._exit(128 + self.number)
        self._arm(_LEAVE_WITHIN_S)

    def shut(self) -> bool:
        """Let no hold begin; return whether all that began have ended."""
        self._shut = True
        return not self._holds

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            self._end()
            return
        self.number = number
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._on_alarm)
            self._arm(_HOLDS_WITHIN_S if self._holds else _LEAVE_WITHIN_S)
        if self._listener is not None:
            self._listener(number)

    def _end(self) -> None:
        """End the process now, or as soon as nothing holds it."""
        if not self._holds:
            os._exit(128 + (self.number or 0))
        self._put_off = True

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        os._exit(128 + (self.number or 0))

    @staticmethod
    def _arm(within_s: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, within_s)
