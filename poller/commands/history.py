"""``poller history``: what was recorded, shown, imported, exported, pruned, checked."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from poller.commands.language import language_for
from poller.deliver.printing import STDERR, print_out, write_all
from poller.history.database import default_path
from poller.history.reading import open_reader
from poller.process import exit_codes
from poller.process.clock import zone_of
from poller.settings import UsageError
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from poller.history.importing import Imported
    from poller.history.reading import Reader, StoredAccount
    from poller.insight.replay import Played
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_STDOUT = 1
_SHOWN_S = 7 * 86_400.0
_LINES_AT_ONCE = 1000


def history(settings: Settings, interrupts: Interrupts) -> int:
    """Do what the first word says, show without one; return the exit code."""
    actions = {
        "show": _show,
        "import": _import,
        "export": _export,
        "prune": _prune,
        "check": _check,
    }
    word, *rest = settings.accounts or ("show",)
    action = actions.get(word)
    if action is None:
        action, rest = _show, list(settings.accounts)
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


def _path(settings: Settings) -> str:
    return settings.history_file or default_path()


def _since(settings: Settings, now: float, usual_s: float | None) -> float:
    back_s = settings.since_s or usual_s
    return 0.0 if back_s is None else now - back_s


# show and export


def _show(settings: Settings, names: list[str], interrupts: Interrupts) -> int:
    asked = settings.format
    if asked == "table" or (asked == "auto" and os.isatty(_STDOUT)):
        return _show_table(settings, names)
    return _write_spans(settings, names, interrupts, usual_s=_SHOWN_S)


def _export(settings: Settings, names: list[str], interrupts: Interrupts) -> int:
    if settings.format == "table":
        raise UsageError("--format: history export has jsonl and csv; a table is for history show")
    return _write_spans(settings, names, interrupts, usual_s=None)


def _write_spans(
    settings: Settings, names: list[str], interrupts: Interrupts, *, usual_s: float | None
) -> int:
    from poller.history.exporting import csv_heading, csv_lines, json_line

    since = _since(settings, time.time(), usual_s)
    as_csv = settings.format == "csv"
    with open_reader(_path(settings)) as reader:
        accounts = _named(reader, names)
        code = print_out(csv_heading().decode()) if as_csv else 0
        for account in accounts:
            spans = iter(reader.spans(account, window=settings.window, since=since))
            while some := list(islice(spans, _LINES_AT_ONCE)):
                if code or interrupts.number is not None:
                    return code
                lines = csv_lines(some) if as_csv else b"".join(map(json_line, some))
                code = print_out(lines.decode())
    return code


def _show_table(settings: Settings, names: list[str]) -> int:
    from poller.insight.past import pasts
    from poller.present.history_table import Extent, HistoryTable
    from poller.present.terminal import traits

    now, path = time.time(), _path(settings)
    since = _since(settings, now, _SHOWN_S)
    with open_reader(path) as reader:
        accounts = _named(reader, names)
        first = min((account.first_seen for account in accounts), default=None)
        found = {
            account.label: {
                name: past
                for name, past in pasts(reader.recollect(account, since=since), since=since).items()
                if settings.window in (None, name)
            }
            for account in accounts
            if account.last_seen >= since
        }
    look = traits(sys.stdout, os.environ, color=settings.color)
    table = HistoryTable(
        found,
        over=(since, now),
        timezone=zone_of(settings.timezone, os.environ),
        language=language_for(settings, os.environ),
        unicode=look.unicode,
    )
    shown = printable(path) if settings.demo is None else "--demo"
    recorded = Extent(shown, os.path.getsize(path), first)
    return print_out("".join(table.render(recorded, width=look.width, color=look.color)))


def _named(reader: Reader, names: list[str]) -> list[StoredAccount]:
    """Return the accounts whose label or key a name or pattern matches; all without one."""
    accounts = reader.accounts()
    if not names:
        return accounts
    found = {name: [one for one in accounts if _matches(one, name)] for name in names}
    for name, matching in found.items():
        if not matching:
            raise UsageError(
                f"{printable(name)}: no account of that name was recorded: poller history shows all"
            )
    chosen = {one.id for matching in found.values() for one in matching}
    return [one for one in accounts if one.id in chosen]


def _matches(account: StoredAccount, name: str) -> bool:
    return name in (account.label, account.key) or fnmatchcase(account.label, name)


# import


def _import(settings: Settings, files: list[str], interrupts: Interrupts) -> int:
    from poller.history.importing import import_lines, import_sessions

    if settings.demo is not None:
        raise UsageError("--demo: what is imported would be gone at once: leave out --demo")
    path, folder, label = _path(settings), settings.codex_sessions, settings.sessions_of
    if files:
        with _opened(files) as lines:
            came = import_lines(path, _until_stopped(lines, interrupts))
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
    raise UsageError("history import: nothing in it is a record, an export or a rate limit")


def _what_came(came: Imported) -> str:
    told = f"imported {came.taken} new observations, {came.known} were known"
    return f"{told}, {came.skipped} lines are none" if came.skipped else told


@contextmanager
def _opened(files: Iterable[str]) -> Generator[Iterator[bytes]]:
    with ExitStack() as stack:
        opened: list[BinaryIO] = []
        for file in files:
            try:
                opened.append(
                    sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))
                )
            except OSError as error:
                raise UsageError(f"{printable(file)}: {os_error_text(error)}") from None
        yield (line for one in opened for line in one)


def _until_stopped(lines: Iterable[bytes], interrupts: Interrupts) -> Iterator[bytes]:
    for line in lines:
        if interrupts.number is not None:
            return
        yield line


# prune and check


def _prune(settings: Settings, _: list[str], __: Interrupts) -> int:
    from poller.history.pruning import prune
    from poller.present.history_table import size_text

    if settings.older_than_s is None:
        raise UsageError("history prune: say what goes with --older-than, such as 365d")
    came = prune(_path(settings), before=time.time() - settings.older_than_s)
    if not settings.quiet:
        freed = size_text(came.bytes_freed)
        write_all(STDERR, f"poller: removed {came.rows} rows; the file is {freed} smaller\n")
    return 0


def _check(settings: Settings, names: list[str], interrupts: Interrupts) -> int:
    from poller.insight.replay import WINDOWS, replay, score
    from poller.present import check_table
    from poller.present.record import line_of
    from poller.present.terminal import traits

    if settings.format == "csv":
        raise UsageError("--format: history check has table and jsonl")
    since = _since(settings, time.time(), None)
    played: list[dict[str, Played]] = []
    with open_reader(_path(settings)) as reader:
        for account in _named(reader, names):
            if interrupts.number is not None:
                return 0
            played.append(replay(reader.recollect(account), since=since))
    scores = {name: score(name, [one[name] for one in played]) for name in WINDOWS}
    look = traits(sys.stdout, os.environ, color=settings.color)
    if settings.format == "jsonl" or (settings.format == "auto" and not os.isatty(_STDOUT)):
        lines = (check_table.record(name, one) for name, one in scores.items() if one is not None)
        return print_out(b"".join(map(line_of, lines)).decode())
    language = language_for(settings, os.environ)
    return print_out(
        "".join(check_table.render(scores, width=look.width, color=look.color, language=language))
    )
