"""What a command says where it cannot go on, and its exit code then."""

from __future__ import annotations

from typing import cast

from poller.deliver.stderr import say
from poller.process import exit_codes
from poller.settings import UsageError


def ended_by(error: BaseException) -> int:
    """Say why a command ended; return its exit code. The last resort: never a traceback."""
    if isinstance(error, UsageError):
        say(f"poller: {error}")
        return exit_codes.USAGE
    say(f"poller: a bug in this program: {error_name(error)}; please report it")
    return exit_codes.INTERNAL


def error_name(error: BaseException) -> str:
    """Name an error by its classes: its text may hold anything."""
    if isinstance(error, BaseExceptionGroup):
        several = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return ", ".join(map(error_name, several))
    return type(error).__name__
