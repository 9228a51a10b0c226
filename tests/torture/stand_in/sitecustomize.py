"""Make one call of the program fail; Python imports this before the program, from PYTHONPATH.

``POLLER_TORTURE`` holds ``target nth error log``: the ``nth`` call (from 1; 0 for none, -1
for all) of ``target`` ends in ``error``. Every call of it leaves a byte in the file ``log``: ``.``,
or ``!`` for the one that failed. ``only:`` before a target counts the calls that come
from the program's own modules alone.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class _Calls:
    """Counts the calls of one function, and fails one of them."""

    def __init__(self, original: Callable[..., Any], told: list[str]) -> None:
        self._original = original
        self._own_only = told[0].startswith("only:")
        self._nth = int(told[1])
        self._error = told[2]
        self._log = os.open(told[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._write = os.write
        self._count = 0
        self._lock = threading.RLock()  # a finalizer may call it in the middle

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._own_only and not _is_own(sys._getframe(1).f_globals):
            return self._original(*args, **kwargs)
        with self._lock:
            self._count += 1
            failing = self._nth in (-1, self._count)
        self._write(self._log, b"!" if failing else b".")
        if failing:
            _fail(self._error)
        return self._original(*args, **kwargs)


def _is_own(names: dict[str, Any]) -> bool:
    return str(names.get("__name__")).partition(".")[0] == "poller"


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _fail(error: str) -> None:
    match error:
        case "memory":
            raise MemoryError
        case "bug":
            raise ZeroDivisionError("a bug")
        case "thread":
            raise RuntimeError("can't start new thread")
        case "hang":
            threading.Event().wait()
        case "cancel":
            import asyncio

            if asyncio._get_running_loop() is None or not _is_main_thread():
                return  # before the loop, or beside it: nobody to cancel
            task = asyncio.current_task()
            if task is not None:
                task.cancel()
        case _:
            number = getattr(errno, error)
            raise OSError(number, os.strerror(number))


def _put_in_place(told: list[str]) -> None:
    path = told[0].removeprefix("only:").split(".")
    owner: Any = import_module(path[0])
    for name in path[1:-1]:
        owner = getattr(owner, name)
    calls = _Calls(getattr(owner, path[-1]), told)
    if not isinstance(owner, type):
        setattr(owner, path[-1], calls)
        return

    def method(*args: Any, **kwargs: Any) -> Any:  # binds to the object, as a _Calls would not
        return calls(*args, **kwargs)

    setattr(owner, path[-1], method)


if "POLLER_TORTURE" in os.environ:
    _put_in_place(os.environ["POLLER_TORTURE"].split(" "))
