"""The table of a listing: what the files say, one account a row."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from poller.present.catalogue import words_of
from poller.present.sentences import Failures
from poller.present.table import (
    BOLD,
    GREEN,
    PLAIN,
    RED,
    YELLOW,
    Column,
    Table,
    drawn,
    heading,
    name_column,
    within,
    wrapped,
)
from poller.present.terminal import ASCII, UNICODE, cells, cut, cut_middle, padded
from poller.present.times import Clock, rough_span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from poller.present.table import Line, Piece
    from poller.present.terminal import Marks
    from poller.present.words import Words
    from poller.values import FileEntry

    Draw = Callable[[FileEntry], Piece]

_SOON_S = 86_400
"""A token that expires within a day is pointed out."""
_NAME_OF_SAME = 24
"""Cells of an account's name in another account's row."""

# What gives way first where the terminal is narrow: the lowest. Names: table.py.
_MOMENT_GONE, _SHAPE_GONE, _PLAN_GONE, _EMAIL_GONE = 10, 20, 30, 40
_SAME_CUT, _REFRESH_GONE, _EXPIRES_GONE = 70, 80, 90
_SAME_LEAST = 18


class FilesTable:
    """Collect entries, then draw them; ``timezone`` None means local time."""

    def __init__(self, timezone: tzinfo | None = None, *, language: str = "en") -> None:
        """Begin a table; ``language`` is ``en`` or ``zh``."""
        self._timezone, self._language = timezone, language
        self._entries: list[FileEntry] = []

    def add(self, entry: FileEntry) -> None:
        """Keep an entry."""
        self._entries.append(entry)

    def render(self, *, width: int, color: bool, unicode: bool, now: float) -> Iterator[str]:
        """Yield the table in pieces, lines ended: rows in input order, what to do, a summary.

        Args:
            width: Cells that no line is wider than.
            color: Whether to paint it.
            unicode: Whether to draw signs beyond ASCII; names are shown as they are.
            now: Unix seconds.
        """
        entries = sorted(self._entries, key=lambda entry: entry.position)
        words, marks = words_of(self._language, unicode=unicode), UNICODE if unicode else ASCII
        clock = Clock(self._timezone, now=now, words=words)
        table = Table(_Columns(entries, words, marks, clock, now).all(), width=width)
        title = f"{words.files} {marks.dot} {words.counted(words.accounts, len(entries))}"
        top = heading(title, words, clock, width=width, right_of=table.width)
        rows = chain((table.titles(),), map(table.line, entries)) if entries else ()
        under = _failures(entries).lines(words, marks, now=now, width=width)
        exposed = _exposed(entries, words, marks, width)
        last = _summary(entries, words, marks, now=now, width=width)
        return drawn(chain(top, rows, under, exposed, (last,)), color=color)


class _Columns:
    """The columns that have something to say."""

    def __init__(
        self, entries: list[FileEntry], words: Words, marks: Marks, clock: Clock, now: float
    ) -> None:
        self._entries, self._words, self._marks = entries, words, marks
        self._clock, self._now = clock, now
        usable, *_, failed = words.states
        self._usable: Piece = (f"{marks.usable or usable} ", GREEN)
        self._failed: Piece = (f"{marks.failed or failed} ", RED)
        self._sign_width = max(cells(self._usable[0]), cells(self._failed[0]))

    def all(self) -> list[Column[FileEntry]]:
        words = self._words
        soon = next(iter(self._column(words.expires, self._expires_in, _EXPIRES_GONE)), None)
        return [
            self._account(),
            *self._column(words.email, lambda e: (e.identity.email or "", PLAIN), _EMAIL_GONE),
            *self._column(words.file, lambda e: (e.shape or "", PLAIN), _SHAPE_GONE),
            *self._column(words.plan, lambda e: (e.plan or "", PLAIN), _PLAN_GONE),
            *self._column(words.expires, self._expires_at, _MOMENT_GONE, then=soon),
            *self._column(words.refresh, self._refresh, _REFRESH_GONE),
            self._same(),
        ]

    def _account(self) -> Column[FileEntry]:
        widths = (cells(entry.account) for entry in self._entries)
        return name_column(self._words.account, widths, self._name, lead=self._sign_width)

    def _column(
        self, title: str, draw: Draw, priority: int, *, then: Column[FileEntry] | None = None
    ) -> list[Column[FileEntry]]:
        """Return a column of texts; none where no account has one."""
        widest = max((cells(draw(entry)[0]) for entry in self._entries), default=0)

        def cell(entry: FileEntry, width: int) -> Line:
            text, style = draw(entry)
            return [(padded(text or self._marks.none, width), style)]

        width = max(widest, cells(title))
        return [Column(title, width, cell, priority, then)] if widest else []

    def _same(self) -> Column[FileEntry]:
        widest = max((cells(self._same_as(entry)) for entry in self._entries), default=0)
        title = self._words.same if widest else ""
        widest = max(widest, cells(title))
        short = Column(title, min(widest, _SAME_LEAST), self._same_cell, grows_to=widest)
        return Column(title, widest, self._same_cell, _SAME_CUT, short)

    def _name(self, entry: FileEntry, width: int) -> Line:
        sign, style = self._usable if entry.failure is None else self._failed
        room = width - self._sign_width
        name = padded(cut_middle(entry.account, room, self._marks.cut), room)
        return [(padded(sign, self._sign_width), style), (name, PLAIN)]

    def _expires_in(self, entry: FileEntry) -> Piece:
        if entry.expires_at is None:
            return "", PLAIN
        left_s = entry.expires_at - self._now
        if left_s <= 0:
            return self._words.ago.format(span=rough_span(-left_s, self._words)), RED
        told = self._words.expires_in.format(span=rough_span(left_s, self._words))
        return told, YELLOW if left_s < _SOON_S else PLAIN

    def _expires_at(self, entry: FileEntry) -> Piece:
        told, style = self._expires_in(entry)
        if entry.expires_at is None:
            return told, style
        return f"{told}{self._words.clause}{self._clock.text(entry.expires_at)}", style

    def _refresh(self, entry: FileEntry) -> Piece:
        return self._words.refreshable.get(entry.refresh or "", entry.refresh or ""), PLAIN

    def _same_as(self, entry: FileEntry, width: int | None = None) -> str:
        """Return which account it is the same as; the name gives way before the words do."""
        told, name = self._words.same_login, entry.same_login_as
        if name is None:
            told, name = self._words.same_account, entry.same_account_as
        if name is None:
            return ""
        room = _NAME_OF_SAME
        if width is not None:
            room = min(room, max(1, width - cells(told.format(name=""))))
        return told.format(name=cut_middle(name, room, self._marks.cut))

    def _same_cell(self, entry: FileEntry, width: int) -> Line:
        return [(cut(self._same_as(entry, width), width, self._marks.cut), YELLOW)]


def _failures(entries: list[FileEntry]) -> Failures:
    failures = Failures()
    for entry in entries:
        if entry.failure is not None:
            failures.add(
                entry.account,
                entry.failure,
                expires_at=entry.expires_at,
                refresh=entry.refresh,
            )
    return failures


def _exposed(entries: list[FileEntry], words: Words, marks: Marks, width: int) -> Iterator[Line]:
    """Yield what to do about files that others may read: all of them, each once."""
    files = dict.fromkeys(entry.source for entry in entries if entry.readable_by_others)
    if not files:
        return
    told = words.exposed.format(files=words.comma.join(files)).replace("→", marks.leads_to)
    for number, line in enumerate(wrapped(f"! {told}", width, indent=2)):
        head = 0 if number else 1
        yield [(line[:head], YELLOW), (line[head:], PLAIN)]


def _summary(
    entries: list[FileEntry], words: Words, marks: Marks, *, now: float, width: int
) -> Line:
    """Return how many can be polled, and whose token expires next, in ``width`` cells."""
    failed = sum(entry.failure is not None for entry in entries)
    told = [words.can_be_polled.format(count=len(entries) - failed)]
    if failed:
        told.append(words.cannot.format(count=failed))
    line = f" {marks.dot} ".join(told)
    expiring = [
        (entry.expires_at, entry.account)
        for entry in entries
        if entry.failure is None and entry.expires_at is not None
    ]
    if expiring:
        at, account = min(expiring, key=itemgetter(0))
        after = words.next_expiry.format(span=rough_span(max(0.0, at - now), words))
        name = cut_middle(account, _NAME_OF_SAME, marks.cut)
        for more in (f"{after}{words.colon}{name}", after):
            longer = f"{line} {marks.dot} {more}"
            if cells(longer) <= width:
                line = longer
                break
    return within([(line, BOLD)], width, marks.cut)
