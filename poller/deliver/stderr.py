"""Words for a person, on standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def say(line: str) -> None:
    """Write a line to standard error; a stream that cannot be written to is ignored."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - what is said goes to stderr


class SayingHandler(logging.Handler):
    """Says what is logged."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record's message."""
        self._say(record.getMessage())


def say_named(line: str, *, to: Callable[[str], None] = say) -> None:
    """Say a line that names the program."""
    to(f"poller: {line}")


@contextlib.contextmanager
def saying_what_is_logged(verbose: int, say: Callable[[str], None]) -> Generator[None]:
    """Say what the program logs: warnings, attempts that fail from 1 on, all from 2 on.

    Inside another one, it alone says it.
    """
    logger = logging.getLogger("poller")
    before = logger.level, logger.propagate, logger.handlers
    logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    logger.propagate = False
    logger.handlers = [SayingHandler(say)]
    try:
        yield
    finally:
        level, logger.propagate, logger.handlers = before
        logger.setLevel(level)
