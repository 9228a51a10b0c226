"""Start a command from a process that is small and has no special rights, and tell its cost.

A process is told the memory of whoever started it as its own peak, until its own is
larger; and root reads every file, whatever its permissions say. So the tests do not start
the program themselves. Run as ``python -IS launch.py REPORT COMMAND …``: the file REPORT
gets seconds of CPU and the peak in bytes; the exit code is the command's.
"""

from __future__ import annotations

import os
import sys

_PR_CAPBSET_DROP = 24
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


def main(report: str, command: list[str]) -> int:
    """Run the command to its end."""
    _give_up_rights()
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(report, "w") as file:
        file.write(f"{used.ru_utime + used.ru_stime} {peak}")
    return os.waitstatus_to_exitcode(status)


def _give_up_rights() -> None:
    if sys.platform == "linux" and os.geteuid() == 0:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]) & 0xFF)
