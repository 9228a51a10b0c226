"""The exit codes that are no class of failures: those are `FailureKind.exit_class`.

Imports nothing: the help needs it.
"""

from __future__ import annotations

BELOW = 4
"""``--fail-under`` or ``--need`` was broken."""
USAGE = 64
"""Usage or configuration: nothing was polled (EX_USAGE of sysexits.h)."""
INTERNAL = 70
"""A bug of ours (EX_SOFTWARE)."""
RESULTS_LOST = 74
"""The results could not be written (EX_IOERR)."""
READER_GONE = 141
"""The reader of the pipe went away (128 + SIGPIPE)."""
