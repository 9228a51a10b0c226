"""Text that is written at once, to where its readers are."""

from __future__ import annotations

import os

from poller.process.exit_codes import READER_GONE, RESULTS_LOST

STDOUT, STDERR = 1, 2


def shows_table(format_: str) -> bool:
    """Whether ``--format`` makes a table of what goes to standard output."""
    return format_ == "table" or (format_ == "auto" and os.isatty(STDOUT))


def print_out(text: str) -> int:
    """Write to standard output; return the exit code. What goes wrong is said."""
    problem = write_all(STDOUT, text)
    if problem is None:
        return 0
    if isinstance(problem, BrokenPipeError):
        return READER_GONE
    write_all(STDERR, f"poller: standard output: {(problem.strerror or 'closed').lower()}\n")
    return RESULTS_LOST


def write_all(descriptor: int, text: str) -> OSError | None:
    """Write to a descriptor; return why not all was written, None where it was."""
    # Not through sys.stdout: it would try again, loudly, at exit.
    left = text.encode("utf-8", "backslashreplace")
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            from select import select

            select([], [descriptor], [])
        except OSError as error:
            return error
    return None
