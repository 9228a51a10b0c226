"""What was recorded, for ``poller history``: shown, exported, and the forecast checked on it."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING

from poller.commands.language import language_for, words_for
from poller.deliver.printing import print_out, shows_table
from poller.history.database import default_path
from poller.history.reading import open_reader
from poller.process.clock import zone_of
from poller.settings import UsageError
from poller.settings.quoting import nearest
from poller.text import printable, short_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.history.reading import Reader, StoredAccount
    from poller.insight.replay import Played
    from poller.insight.series import Observation
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_SHOWN_S = 7 * 86_400.0
_LINES_AT_ONCE = 1000
_OTHER_ACTIONS = ("import", "export", "prune", "check")


def path_of(settings: Settings) -> str:
    """Return the file that is meant."""
    return settings.history_file or default_path()


def _since(settings: Settings, now: float, usual_s: float | None) -> float:
    back_s = settings.since_s or usual_s
    return 0.0 if back_s is None else now - back_s


def show(settings: Settings, names: list[str], interrupts: Interrupts) -> int:
    """Show what the windows were like: a table for people, else the spans."""
    if shows_table(settings.format):
        return _show_table(settings, names)
    return _write_spans(settings, names, interrupts, usual_s=_SHOWN_S)


def export(settings: Settings, names: list[str], interrupts: Interrupts) -> int:
    """Write all spans."""
    if settings.format == "table":
        raise UsageError("--format: history export has jsonl and csv; a table is for history show")
    return _write_spans(settings, names, interrupts, usual_s=None)


def _write_spans(
    settings: Settings, names: list[str], interrupts: Interrupts, *, usual_s: float | None
) -> int:
    from poller.history.exporting import csv_heading, csv_lines, json_line

    since = _since(settings, time.time(), usual_s)
    as_csv = settings.format == "csv"
    with open_reader(path_of(settings)) as reader:
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

    now, path = time.time(), path_of(settings)
    since = _since(settings, now, _SHOWN_S)
    with open_reader(path) as reader:
        accounts = _named(reader, names)
        first = min((account.first_seen for account in accounts), default=None)
        names_shown = _told_apart(accounts)
        found = {
            names_shown[account.id]: {
                name: past
                for name, past in pasts(
                    _recollected(reader, account, since=since, now=now), since=since
                ).items()
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


def _told_apart(accounts: list[StoredAccount]) -> dict[int, str]:
    """Return what each account is called; with its key where several have the same label."""
    times = Counter(account.label for account in accounts)
    return {
        account.id: account.label
        if times[account.label] == 1 or account.key is None
        else f"{account.label} {account.key}"
        for account in accounts
    }


def _named(reader: Reader, names: list[str]) -> list[StoredAccount]:
    """Return the accounts whose label or key a name or pattern matches; all without one."""
    accounts = reader.accounts()
    if not names:
        return accounts
    found = {name: [one for one in accounts if _matches(one, name)] for name in names}
    for name, matching in found.items():
        if not matching:
            labels = (short_addresses(one.label) for one in islice(accounts, _LINES_AT_ONCE))
            near = nearest(name, [*_OTHER_ACTIONS, *labels])
            meant = "; poller history shows all" if near is None else f"; did you mean '{near}'?"
            raise UsageError(
                f"{printable(name)}: no account of that name was recorded{printable(meant)}"
            )
    chosen = {one.id for matching in found.values() for one in matching}
    return [one for one in accounts if one.id in chosen]


def _recollected(
    reader: Reader, account: StoredAccount, *, since: float, now: float
) -> Iterator[tuple[str, Observation, float, int]]:
    """Yield an account's spans; what is dated later than now was seen by a wrong clock."""
    for name, first, until, looks in reader.recollect(account, since=since):
        if first.at <= now:
            yield name, first, min(until, now), looks


def _matches(account: StoredAccount, name: str) -> bool:
    labels = account.label, short_addresses(account.label)
    if name in (*labels, account.key) or short_addresses(name) in labels:
        return True
    return any(fnmatchcase(label, name) for label in labels)


def check(settings: Settings, names: list[str], interrupts: Interrupts) -> int:
    """Say how good the forecast would have been."""
    from poller.insight.replay import WINDOWS, replay, score
    from poller.present import check_table
    from poller.present.record import line_of
    from poller.present.terminal import traits

    if settings.format == "csv":
        raise UsageError("--format: history check has table and jsonl")
    now = time.time()
    since = _since(settings, now, None)
    played: list[dict[str, Played]] = []
    with open_reader(path_of(settings)) as reader:
        for account in _named(reader, names):
            if interrupts.number is not None:
                return 0
            played.append(replay(_recollected(reader, account, since=0, now=now), since=since))
    scores = {name: score(name, [one[name] for one in played]) for name in WINDOWS}
    look = traits(sys.stdout, os.environ, color=settings.color)
    if not shows_table(settings.format):
        lines = (check_table.record(name, one) for name, one in scores.items() if one is not None)
        return print_out(b"".join(map(line_of, lines)).decode())
    words = words_for(settings, os.environ, stream=sys.stdout)
    return print_out("".join(check_table.render(scores, words, width=look.width, color=look.color)))
