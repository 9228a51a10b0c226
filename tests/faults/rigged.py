"""Run the program on a machine that lacks something: ``python -m tests.faults.rigged LACK …``."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import NoReturn

from poller.__main__ import entry

_FILES = 64
_FILES_LEFT = 20


def _name_not_found(*_args: object, **_kwargs: object) -> NoReturn:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _resolver_down(*_args: object, **_kwargs: object) -> NoReturn:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def _resolver_hangs(*_args: object, **_kwargs: object) -> NoReturn:
    threading.Event().wait()
    raise AssertionError


def _hold_files() -> None:
    """Leave so few descriptors that more requests start than there are sockets for."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, hard))
    while os.open(os.devnull, os.O_RDONLY) < _FILES - _FILES_LEFT - 1:
        pass


_LOOK_UPS = {
    "name-not-found": _name_not_found,
    "resolver-down": _resolver_down,
    "resolver-hangs": _resolver_hangs,
}


def main() -> NoReturn:
    """Break what the first argument names, then run the program with the others."""
    lack = sys.argv.pop(1)
    if lack == "files":
        _hold_files()
    else:
        socket.getaddrinfo = _LOOK_UPS[lack]
    entry()


if __name__ == "__main__":
    main()
