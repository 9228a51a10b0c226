"""``poller simulate``: the made-up upstream, the same as ``python -m poller.simulator``."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from poller.process.streams import hold_standard_streams
from poller.simulator.__main__ import main as simulate

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Serve until told to stop; return the exit code."""
    hold_standard_streams()
    code = simulate(words, prog="poller simulate")
    # The process ends without the interpreter's own clean-up, which would flush.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return code
