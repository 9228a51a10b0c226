"""Run the program: ``python -m poller``, and the console script ``poller``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def entry() -> NoReturn:
    """Run the command line and leave with its exit code; quiet where it is interrupted."""
    try:
        from poller.cli import main

        code = main()
    except KeyboardInterrupt:  # while modules load: nothing is polled yet
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    entry()
