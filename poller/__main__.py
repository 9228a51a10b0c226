"""Run the program: ``python -m poller``, and the console script ``poller``."""

from __future__ import annotations

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
    sys.exit(code)


def _main_uninterrupted() -> int:
    from poller.interrupts import Interrupts

    interrupts = Interrupts()  # before all that takes long: arguments, settings, libraries
    from poller.cli import main

    code = main(interrupts=interrupts)
    return code if interrupts.number is None else 128 + interrupts.number


if __name__ == "__main__":
    entry()
