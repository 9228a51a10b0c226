"""Run the program: ``python -m poller``, and the console script ``poller``."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def entry() -> NoReturn:
    """Run the command line and leave with its exit code; quiet where it is interrupted."""
    try:
        from poller.cli import asks_for_help, main

        # Help is to come as fast as can be.
        code = main() if asks_for_help(sys.argv[1:]) else _main_uninterrupted()
    except KeyboardInterrupt:  # while these modules load: nothing is polled yet
        code = 130
    except Exception as error:  # noqa: BLE001 - a sentence, never a traceback
        code = _failed(error)
    # Nothing is buffered, and to take the interpreter apart costs as much as the help itself.
    os._exit(code)


def _failed(error: Exception) -> int:
    """Say what no command expected, loading what it needs included; return the exit code."""
    if isinstance(error, OSError | MemoryError):
        why = str(getattr(error, "strerror", None) or "out of memory").lower()
        said, code = f"could not start: {why}; nothing was polled", 64
    else:  # its text may hold anything
        said, code = f"a bug in this program: {type(error).__name__}; please report it", 70
    try:  # noqa: SIM105 - contextlib would take a quarter of the time the help does
        os.write(2, f"poller: {said}\n".encode())
    except OSError:
        pass
    return code


def _main_uninterrupted() -> int:
    from poller.process.signals import Interrupts

    interrupts = Interrupts(os._exit)  # before all that takes long: arguments, settings, libraries
    from poller.cli import main

    code = main(interrupts=interrupts)
    return code if interrupts.number is None else 128 + interrupts.number


if __name__ == "__main__":
    entry()
