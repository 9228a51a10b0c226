"""Polls from elsewhere into the history: records, exports, the Codex CLI's session files.

What is known already adds nothing, so the same may be imported again, and in any order.
"""

from __future__ import annotations

import csv
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import orjson

from poller.history.database import open_to_change, transaction
from poller.history.exporting import COLUMNS
from poller.history.observed import observed_in_line
from poller.history.recording import Recorder
from poller.history.sessions import session_files, session_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.history.observed import Observed

_SORTED_AT_ONCE = 20_000
"""Observations that are brought into order: files mostly are, or nearly."""
_AT_ONCE = 1000
"""Observations of one transaction: a poller must not wait for long."""


class Imported(NamedTuple):
    """What came of an import."""

    taken: int
    """Observations that said something new."""
    known: int
    """Observations that did not."""
    skipped: int
    """Lines that are neither records nor exported spans."""


def import_lines(path: str, *files: Iterable[bytes]) -> Imported:
    """Take files' lines: of records (any poll's JSON Lines) or of exports (JSON Lines or CSV).

    An account without a key is known by its label.

    Raises:
        HistoryUnusable: the history cannot be read or written.
    """
    return _take(path, (seen for lines in files for seen in _observed_in(lines)))


def import_sessions(path: str, folder: str, *, label: str) -> Imported:
    """Take the rate limits from the Codex CLI's session files below ``folder``.

    They name no account, so the caller does. The files are only read; what in them is
    something else is passed over, and so is a file that cannot be read.

    Raises:
        HistoryUnusable: the history cannot be read or written.
    """
    found = session_files(folder)
    return _take(path, (seen for file in found for seen in session_lines(file, label=label)))


def _take(path: str, seen: Iterable[Observed | None]) -> Imported:
    taken = known = skipped = 0
    rest = iter(seen)
    for first in rest:
        if first is not None:
            rest = chain((first,), rest)
            break
        skipped += 1
    else:  # opening the history makes it
        return Imported(0, 0, skipped)
    with open_to_change(path) as connection:
        recorder = Recorder(connection)
        while some := list(islice(rest, _SORTED_AT_ONCE)):
            batch = sorted((one for one in some if one is not None), key=_since)
            skipped += len(some) - len(batch)
            for start in range(0, len(batch), _AT_ONCE):
                part = batch[start : start + _AT_ONCE]
                with transaction(connection):
                    new = recorder.record(part, live=False)
                taken += new
                known += len(part) - new
    return Imported(taken, known, skipped)


def _since(seen: Observed) -> tuple[int, int]:
    return seen.since, seen.until


def _observed_in(lines: Iterable[bytes]) -> Iterator[Observed | None]:
    rest = iter(lines)
    for line in rest:
        line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - what some editors begin with
        if line.startswith(b"account,key,window,since,"):
            yield from _observed_in_rows(rest)
        elif line.strip():
            try:
                yield observed_in_line(orjson.loads(line))
            except orjson.JSONDecodeError:
                yield None


def _observed_in_rows(lines: Iterator[bytes]) -> Iterator[Observed | None]:
    rows = csv.reader(line.decode("utf-8", "replace") for line in lines)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            yield None
            continue
        if row is None:
            return
        if tuple(row) == COLUMNS:  # of another export, after the first
            continue
        # A quote before what a spreadsheet would take for a formula is not the label's.
        cells = (cell[1:] if cell[:2] in _QUOTED else cell for cell in row)
        yield observed_in_line(dict(zip(COLUMNS, cells, strict=False)))


_QUOTED = tuple(f"'{sign}" for sign in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
