"""The three standard streams: any may be closed, and nothing but our words belongs there."""

from __future__ import annotations

import logging
import os
import sys
import threading

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def hold_standard_streams() -> None:
    """Open the null device where a standard stream is closed; call before opening anything.

    Otherwise the next file or connection would get its number: results would be sent to
    the upstream, and its answers read as a list of paths. Writing to standard output and
    reading from standard input still fail, as on a closed stream; what is said on standard
    error is lost.
    """
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            wrong_way = os.O_RDONLY if descriptor == _STDOUT else os.O_WRONLY
            os.open(os.devnull, wrong_way)  # takes the lowest number that is free: this one
    # The interpreter leaves None where there was none; print() then turns to standard output.
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - stays
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - stays


def silence_stray_tracebacks() -> None:
    """Print no traceback of callbacks, threads and finalizers: it may hold anything.

    What such an error costs an account is told by its record.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    sys.unraisablehook = threading.excepthook = _ignore


def _ignore(_: object) -> None:
    """Do nothing."""
