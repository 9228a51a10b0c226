"""The three standard streams: any may be closed, and nothing but what we say belongs there."""

from __future__ import annotations

import logging
import os
import sys
import threading

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def hold_standard_streams() -> None:
    """Put something harmless where a standard stream was closed; call before opening anything.

    The next file or connection opened would get its number otherwise: results would go
    to the upstream, its answers would come as the list of paths. What fails now is to
    write to standard output and to read from standard input, as on a closed one; what is
    said on standard error is lost.
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
    """Keep for ourselves what callbacks, threads and finalizers complain of.

    Nobody waits for these: by default they print a traceback, which may hold anything.
    What they cost an account is told by its record.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    sys.unraisablehook = threading.excepthook = _ignore


def _ignore(_: object) -> None:
    """Do nothing."""
