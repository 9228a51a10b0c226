"""Run a command on given cores and tell what it alone cost, as one line of JSON.

Usage: launch.py CORES COMMAND …, CORES as "0,1" or "" for any. To be run by a bare
interpreter (``-I -S``): a child's peak of memory starts at its parent's, so the parent
has to be small. Standard output of the command goes to nowhere.
"""

import contextlib
import json
import os
import subprocess
import sys
import time


def main() -> None:
    cores, command = sys.argv[1], sys.argv[2:]
    if cores:
        with contextlib.suppress(AttributeError, OSError):
            os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    before = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    spent = {
        "code": child.returncode,
        "wall_s": time.monotonic() - before,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    sys.stdout.write(json.dumps(spent))


if __name__ == "__main__":
    main()
