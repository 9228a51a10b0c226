"""Words for a person, on standard error."""

from __future__ import annotations

import contextlib
import logging
import sys


def say(line: str) -> None:
    """Write a line to standard error; a stream that takes nothing is no trouble."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - what is said goes to stderr


class SayingHandler(logging.Handler):
    """Says what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record's message."""
        say(record.getMessage())


def say_what_is_logged(verbose: int) -> None:
    """Show what the program logs: attempts that fail with 1, everything from 2 on."""
    logger = logging.getLogger("poller")
    logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
    logger.propagate = False
    if not any(isinstance(handler, SayingHandler) for handler in logger.handlers):
        logger.addHandler(SayingHandler())
