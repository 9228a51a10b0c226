"""Run the program and count what it does; the counts go to a file as JSON.

Usage: counted.py COUNTS_FILE ARGUMENTS …. Hooks are set before anything of the program
is imported, so whichever way it refers to what is counted, it is counted. With --help
nothing is hooked, as nothing but the modules matters, and the hooks need some.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

loaded_before = set(sys.modules)
exit_at_once = os._exit
counts: dict[str, int] = {}
opened: dict[str, int] = {}


def counting(owner: Any, name: str, counted_as: str, *, of: type = object) -> None:
    """Have every call of ``owner.name`` counted."""
    original = getattr(owner, name)
    counts[counted_as] = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        counts[counted_as] += isinstance(args[0], of)
        return original(*args, **kwargs)

    setattr(owner, name, call)


def note_event(event: str, args: tuple[Any, ...]) -> None:
    """Count what the interpreter's audit events tell of."""
    if event in ("open", "os.scandir", "os.listdir") and isinstance(args[0], str | bytes):
        path = os.fsdecode(args[0])
        opened[path] = opened.get(path, 0) + 1


def hook() -> None:
    from asyncio import base_events
    from threading import Thread

    import orjson

    counting(base_events.BaseEventLoop, "create_task", "tasks")
    counting(base_events.BaseEventLoop, "call_at", "timers")
    counting(Thread, "start", "threads")
    counting(os, "read", "reads")
    counting(os, "write", "writes")
    counting(orjson, "loads", "json_loads")
    counting(orjson, "dumps", "json_dumps", of=dict)  # a token is but looked at
    sys.addaudithook(note_event)
    os._exit = leave  # type: ignore[assignment]  # it does end the process


def leave(code: int) -> None:
    """Write the counts down, then leave as the program wanted."""
    modules = sorted(set(sys.modules) - loaded_before)
    import json

    with open(sys.argv[1], "w", encoding="ascii") as file:
        json.dump({"counts": counts, "opened": opened, "modules": modules}, file)
    sys.stdout.flush()
    exit_at_once(code)


def main() -> None:
    if sys.argv[2:] != ["--help"]:
        hook()
    from poller.cli import main as poll

    leave(poll(sys.argv[2:]))


if __name__ == "__main__":
    main()
