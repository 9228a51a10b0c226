"""``poller history``: what was recorded, shown, imported, exported, pruned, checked."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from poller.commands.looking_back import check, export, path_of, show
from poller.deliver.printing import STDERR, write_all
from poller.present.record_reading import LONGEST_LINE
from poller.process import exit_codes
from poller.settings import UsageError
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from poller.history.importing import Imported
    from poller.process.signals import Interrupts
    from poller.settings import Settings


def history(settings: Settings, interrupts: Interrupts) -> int:
    """Do what the first word says, show without one; return the exit code."""
    actions = {
        "show": show,
        "import": _import,
        "export": export,
        "prune": _prune,
        "check": check,
    }
    word, *rest = settings.accounts or ("show",)
    action = actions.get(word)
    if action is None:
        action, rest = show, list(settings.accounts)
    try:
        with _demo_if_asked_for(settings) as used:
            code = action(used, rest, interrupts)
    except UsageError as error:
        write_all(STDERR, f"poller: {error}\n")
        return exit_codes.USAGE
    return code if interrupts.number is None else 128 + interrupts.number


@contextmanager
def _demo_if_asked_for(settings: Settings) -> Generator[Settings]:
    if settings.demo is None:
        yield settings
        return
    from poller.commands.answering import history_of

    with history_of(settings) as path:
        yield replace(settings, history_file=path)


def _import(settings: Settings, files: list[str], interrupts: Interrupts) -> int:
    from poller.history.importing import import_lines, import_sessions

    if settings.demo is not None:
        raise UsageError("--demo: what is imported would be gone at once: leave out --demo")
    path, folder, label = path_of(settings), settings.codex_sessions, settings.sessions_of
    if files:
        with _opened(files) as opened:
            came = import_lines(path, *(_lines(*one, interrupts) for one in opened))
    elif folder is None:
        raise UsageError("history import: name a FILE, - for standard input, or --codex-sessions")
    elif label is None:
        raise UsageError(
            "--codex-sessions: say whose they are with --as NAME: they name no account"
        )
    elif not os.path.isdir(folder):
        raise UsageError(f"--codex-sessions: no such folder: {printable(folder)}")
    else:
        came = import_sessions(path, folder, label=label)
    if not settings.quiet:
        write_all(STDERR, f"poller: {_what_came(came)}\n")
    if came.taken or came.known or not (came.skipped or (folder and not files)):
        return 0
    raise UsageError("history import: found no record, export or rate limit in it")


def _what_came(came: Imported) -> str:
    told = f"imported {came.taken} new observations, {came.known} were already known"
    return f"{told}, passed over {came.skipped} other lines" if came.skipped else told


@contextmanager
def _opened(files: Iterable[str]) -> Generator[list[tuple[str, BinaryIO]]]:
    with ExitStack() as stack:
        opened: list[tuple[str, BinaryIO]] = []
        for file in files:
            try:
                is_input = file == "-"
                stream = stack.enter_context(
                    open(0 if is_input else file, "rb", closefd=not is_input)
                )
            except OSError as error:
                raise UsageError(f"{printable(file)}: {os_error_text(error)}") from None
            opened.append((file, stream))
        yield opened


def _lines(file: str, stream: BinaryIO, interrupts: Interrupts) -> Iterator[bytes]:
    try:
        while interrupts.number is None and (line := stream.readline(LONGEST_LINE)):
            yield line
    except OSError as error:
        raise UsageError(f"{printable(file)}: {os_error_text(error)}") from None


def _prune(settings: Settings, names: list[str], _: Interrupts) -> int:
    from poller.history.pruning import prune
    from poller.present.history_table import size_text

    if names:
        raise UsageError(
            f"history prune {printable(names[0])}: it takes out what is old of all accounts: "
            "leave out the name"
        )
    if settings.older_than_s is None:
        raise UsageError("history prune: say how old with --older-than, such as 365d")
    came = prune(path_of(settings), before=time.time() - settings.older_than_s)
    if not settings.quiet:
        freed = size_text(came.bytes_freed)
        write_all(STDERR, f"poller: removed {came.rows} rows; the file is {freed} smaller\n")
    return 0
