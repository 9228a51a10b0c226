"""A whole terminal screen: only lines that changed are written; keys come one by one.

The terminal is as before afterwards, whatever ends it: `leave` may be called at any time, also
from a signal handler, any number of times, raises nothing, and takes half a second at most.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import termios

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# DEC private modes (xterm's ctlseqs): 1049 the alternate screen, 25 the cursor, 7 wrapping at the
# right edge, 2026 synchronized output (contour-terminal's specification).
_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
_LEAVE = b"\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"

_KEYS = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOH": "home",
    "\x1bOF": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\r": "enter",
    "\n": "enter",
    "\x1b": "escape",
}
_LEAVES_WITHIN_S, _LOOKS_EVERY_S = 0.5, 0.01
"""How long a terminal that lags behind is waited for at the end."""
_ESCAPE_S = 0.05
"""A lone escape is the key; what follows within this time makes it a sequence."""
_LONGEST_SEQUENCE = 16
_CHUNK = 1024


class Screen:
    """The terminal that ``descriptor`` is; made by a program with a running event loop."""

    def __init__(
        self,
        descriptor: int,
        *,
        on_key: Callable[[str], None],
        on_redraw: Callable[[], None],
        on_hangup: Callable[[], None],
    ) -> None:
        """``on_redraw`` is called where all has to be drawn anew, as after a resize."""
        self._on_key, self._on_redraw, self._on_hangup = on_key, on_redraw, on_hangup
        self._tty = _opened(descriptor)
        self._loop = asyncio.get_running_loop()
        self._before: list[object] | None = None
        """The terminal's attributes before it was entered; None where it is not."""
        self._shown: list[str] = []
        self._rest = b""
        """What the terminal did not take yet."""
        self._typed = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._escape: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Take the screen over, and the signals that speak of the terminal."""
        self._enter()
        self._loop.add_reader(self._tty, self._read)
        self._loop.add_signal_handler(signal.SIGWINCH, self._redraw)
        self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._loop.add_signal_handler(signal.SIGCONT, self._resume)

    def close(self) -> None:
        """Give the screen back."""
        self.leave()
        self._loop.remove_reader(self._tty)
        self._loop.remove_writer(self._tty)
        for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT):
            self._loop.remove_signal_handler(number)
        os.close(self._tty)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            found = os.get_terminal_size(self._tty)
        except OSError:  # hung up
            return 80, 24
        return found.columns or 80, found.lines or 24

    def show(self, lines: Sequence[str]) -> None:
        """Have the screen show ``lines``; what is shown already costs nothing."""
        if self._rest or self._before is None:
            self._shown = []  # a terminal that lags behind gets the next screen whole
            return
        changed = [
            f"\x1b[{number};1H\x1b[2K{line}\x1b[0m"
            for number, line in enumerate(lines, 1)
            if number > len(self._shown) or self._shown[number - 1] != line
        ]
        if len(self._shown) > len(lines):
            changed.append(f"\x1b[{len(lines) + 1};1H\x1b[J")
        self._shown = list(lines)
        if changed:
            self._write(f"{_BEGIN}{''.join(changed)}{_END}".encode("utf-8", "replace"))

    def leave(self) -> None:
        """Give the screen back as it was; a second signal may begin this anew in its middle."""
        before = self._before
        if before is None:
            return
        # After a hang-up there is nobody to give it back to.
        with suppress(OSError):
            self._write_last(_END.encode() + _LEAVE if self._rest else _LEAVE)
        with suppress(OSError, termios.error):
            termios.tcsetattr(self._tty, termios.TCSANOW, before)  # type: ignore[arg-type]
        self._before = None

    def _write_last(self, content: bytes) -> None:
        """Write in place of what the terminal did not take yet; wait a little for it."""
        ends_at = time.monotonic() + _LEAVES_WITHIN_S
        while content:
            try:
                content = content[os.write(self._tty, content) :]
            except BlockingIOError:
                if time.monotonic() > ends_at:
                    return
                time.sleep(_LOOKS_EVERY_S)

    def _enter(self) -> None:
        if self._before is not None:
            return
        try:
            self._before = termios.tcgetattr(self._tty)
            mode = termios.tcgetattr(self._tty)
            # Keys come at once and are not echoed, and Ctrl-S is one; signals stay the terminal's.
            mode[0] &= ~termios.IXON
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self._tty, termios.TCSANOW, mode)
        except termios.error:
            self._hang_up()
            return
        self._rest, self._shown = b"", []
        self._write(_ENTER)

    def _redraw(self) -> None:
        self._shown = []
        if self._before is not None and not self._rest:
            self._write(b"\x1b[2J")
        self._on_redraw()

    def _suspend(self) -> None:
        self.leave()
        self._loop.remove_signal_handler(signal.SIGTSTP)  # the default action from here on
        os.kill(os.getpid(), signal.SIGTSTP)
        self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._resume()

    def _resume(self) -> None:
        """Take the screen over again; a shell may have changed its mode meanwhile."""
        if not self._is_ours():
            self.leave()
            self._enter()
        self._redraw()

    def _is_ours(self) -> bool:
        try:
            return self._before is not None and not termios.tcgetattr(self._tty)[3] & termios.ICANON
        except termios.error:
            return False

    def _write(self, content: bytes) -> None:
        self._rest += content
        self._push()

    def _push(self) -> None:
        while self._rest:
            try:
                taken = os.write(self._tty, self._rest)
            except BlockingIOError:
                self._loop.add_writer(self._tty, self._push)
                return
            except OSError:
                self._hang_up()
                return
            self._rest = self._rest[taken:]
        self._loop.remove_writer(self._tty)
        if not self._shown:
            self._on_redraw()

    def _hang_up(self) -> None:
        self._rest = b""
        self._loop.remove_reader(self._tty)
        self._loop.remove_writer(self._tty)
        self._on_hangup()

    # Keys

    def _read(self) -> None:
        try:
            content = os.read(self._tty, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:  # the end of a terminal comes again and again
            self._hang_up()
            return
        if self._escape is not None:
            self._escape.cancel()
        self._typed += self._decoder.decode(content)
        self._take_keys(at_end=False)
        if self._typed:
            self._escape = self._loop.call_later(_ESCAPE_S, self._take_keys)

    def _take_keys(self, *, at_end: bool = True) -> None:
        while self._typed:
            length = _sequence_length(self._typed)
            if not length:
                if not at_end:
                    return
                length = max(1, len(self._typed))
            key, self._typed = self._typed[:length], self._typed[length:]
            named = _KEYS.get(key)
            if named is not None or (len(key) == 1 and key.isprintable()):
                self._on_key(named or key)


def is_screen(descriptor: int) -> bool:
    """Whether ``descriptor`` is a terminal that lines can be redrawn on."""
    dumb = os.environ.get("TERM") == "dumb" or not hasattr(os, "ttyname")
    if dumb or not os.isatty(descriptor):
        return False
    try:
        os.close(_opened(descriptor))
    except OSError:
        return False
    return True


def _opened(descriptor: int) -> int:
    """Open the terminal once more: that this one does not block affects nobody else."""
    flags: int = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(os.ttyname(descriptor), flags)
    except OSError:  # another user's (after su), or of outside this container
        os.tcgetpgrp(descriptor)  # fails unless it is the one that is called so:
        return os.open("/dev/tty", flags)


def _sequence_length(typed: str) -> int:
    """Return how many characters the first key takes; 0 where more may have to come."""
    if typed[0] != "\x1b":
        return 1
    if len(typed) == 1:
        return 0
    if typed[1] not in "[O":
        return 1
    for place in range(2, min(len(typed), _LONGEST_SEQUENCE)):
        if "@" <= typed[place] <= "~":
            return place + 1
    return 0 if len(typed) < _LONGEST_SEQUENCE else len(typed)
