"""``poller diff``: what changed between two polls, or since some time ago."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import orjson

from poller.commands.answering import history_of, teller_for
from poller.commands.ending import ended_by
from poller.deliver.printing import print_out, shows_table
from poller.deliver.stderr import say
from poller.history.reading import open_reader
from poller.history.recollection import standings_at
from poller.insight.changes import changes, gathered
from poller.insight.standing import standings
from poller.present.answer_words import answer_words_of
from poller.present.answers import plain
from poller.present.changes import change_lines
from poller.present.record_reading import LONGEST_LINE, report_in
from poller.settings import UsageError
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from poller.insight.changes import Change
    from poller.insight.standing import Standing
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Report

_SINCE_S = 7 * 86_400.0
_CHANGED = 1
_STDIN = "-"


def diff(
    settings: Settings,
    interrupts: Interrupts,  # noqa: ARG001 - as all commands
    before: str | None = None,
    after: str | None = None,
) -> int:
    """Print what changed between two files of records, or in the history; 1 where anything did."""
    try:
        found, count = _changes(settings, before, after)
        return _print(settings, found, count) or (_CHANGED if found else 0)
    except Exception as error:  # noqa: BLE001 - the last resort
        return ended_by(error)


def _changes(settings: Settings, before: str | None, after: str | None) -> tuple[list[Change], int]:
    """Return what changed, and how many accounts there are now."""
    if before is None:
        old, new = _in_history(settings)
    elif after is None:
        raise UsageError(
            "FILE: diff compares two files of records: name the second one, or ask the history "
            "with --since"
        )
    elif before == after == _STDIN:
        raise UsageError("FILE: only one of the two files of records can be standard input")
    else:
        old, new = standings(_reports_in(before)), standings(_reports_in(after))
    return changes(old, new, below=settings.below), len(new)


def _in_history(settings: Settings) -> tuple[list[Standing], list[Standing]]:
    now = time.time()
    with history_of(settings) as path, open_reader(path) as reader:
        since = now - (settings.since_s or _SINCE_S)
        return standings_at(reader, since, else_first_by=now), standings_at(reader, now)


def _reports_in(path: str) -> list[Report]:
    shown, skipped = printable(path), 0
    found: list[Report] = []
    try:
        with open(0 if path == _STDIN else path, "rb", closefd=path != _STDIN) as file:
            while line := file.readline(LONGEST_LINE):
                report = _report_in(line)
                if report is not None:
                    found.append(report)
                elif line.strip():
                    skipped += 1
    except OSError as error:
        raise UsageError(f"{shown}: {os_error_text(error)}: name two files of records") from None
    if not found:
        raise UsageError(f"{shown}: no record in it: name a file that poller wrote as JSON Lines")
    if skipped:
        say(f"poller: {shown}: passed over lines that are not records: {skipped}")
    return found


def _report_in(line: bytes) -> Report | None:
    try:
        return report_in(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None


def _print(settings: Settings, found: list[Change], count: int) -> int:
    if not shows_table(settings.format):
        return print_out(change_lines(found).decode())
    teller = teller_for(settings, sys.stdout, now=time.time())
    told = [teller.change(one) for one in gathered(found, of=count)]
    told = told or [answer_words_of(teller.words.language).unchanged]
    return print_out("".join(f"{plain(line)}\n" for line in told))
