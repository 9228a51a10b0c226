"""Signals that stop the program, from its first instant to its last.

Imports nothing heavy: it is in place before the libraries are loaded.
"""

from __future__ import annotations

import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_LEAVE_WITHIN_S = 1.8
"""After the first signal; results that their reader has not taken by then are lost."""
_HOLDS_WITHIN_S = 25.0
"""The same while something is under way that must not be split."""
_STOP = ("SIGINT", "SIGTERM")
_ALSO_STOP = (
    *("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU"),
    *("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT"),
)
"""These would kill the process at once, in the middle of a refresh; where one is ignored
(nohup does so), it stays ignored. Real-time signals nobody sends."""


class Interrupts:
    """Takes note of the first signal, and ends the process on the second.

    After the first, the process has 1.8 s to leave well; then it is ended, even where a
    system call blocks it.
    """

    def __init__(self, end: Callable[[int], object]) -> None:
        """``end`` ends the process at once with an exit code."""
        self.number: int | None = None
        """The first signal, or None."""
        self.before_end: Callable[[], object] | None = None
        """What is done before the process is ended; it may raise nothing, and take half a
        second at most."""
        self._end = end
        self._listener: Callable[[int], None] | None = None
        self._holds = 0
        self._put_off = False
        self._ends_at = 0.0
        for name in (*_STOP, *_ALSO_STOP):
            number = getattr(signal, name, None)
            if number is None:
                continue
            if name in _STOP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call ``listener`` with the first signal, at once if it has come already.

        It is called between two instructions of the main thread: it may only hand over.
        """
        self._listener = listener
        if self.number is not None:
            listener(self.number)

    def hold(self) -> bool:
        """Keep the process from ending until :meth:`release`; False where it is leaving.

        For what must not be split; lasts 25 s at most from the first signal.
        """
        if self.number is not None:
            return False
        self._holds += 1
        return True

    def release(self) -> None:
        """End a hold; what was put off meanwhile comes due."""
        self._holds -= 1
        if self._holds or self.number is None:
            return
        if self._put_off:
            self._end_process(128 + self.number)
        self._arm(_LEAVE_WITHIN_S)

    def _end_process(self, code: int) -> None:
        if self.before_end is not None:
            self.before_end()
        self._end(code)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            self._put_off = self._holds > 0
            if not self._put_off:
                self._end_process(128 + self.number)
            return
        self.number = number
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._on_alarm)
            self._arm(_HOLDS_WITHIN_S if self._holds else _LEAVE_WITHIN_S)
        if self._listener is not None:
            self._listener(number)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() < self._ends_at - 0.05:  # somebody else's, not the timer's
            self._on_signal(number, frame)
        else:
            self._end_process(128 + (self.number or 0))

    def _arm(self, within_s: float) -> None:
        if hasattr(signal, "setitimer"):
            self._ends_at = time.monotonic() + within_s
            signal.setitimer(signal.ITIMER_REAL, within_s)
