"""The last line of the usage table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.present.table import BOLD, within
from poller.present.terminal import cells, cut_middle
from poller.present.times import span
from poller.present.usage_rows import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poller.present.sentences import Failures
    from poller.present.table import Line
    from poller.present.terminal import Marks
    from poller.present.times import Clock
    from poller.present.usage_rows import Row
    from poller.present.words import Words

_NAME = 24


def summary(  # noqa: PLR0913 - what it sums up, each named
    rows: Sequence[Row],
    failures: Failures,
    words: Words,
    clock: Clock,
    *,
    marks: Marks,
    now: float,
    width: int,
) -> Line:
    """Return how many are usable, blocked and until when, failed, in ``width`` cells.

    What is not needed is left out until it fits: whose reset is next, in how long, when.
    """
    line = ""
    for blocked in _blocked(rows, words, clock, now, marks):
        line = f" {marks.dot} ".join(_parts(rows, failures, words, blocked))
        if cells(line) <= width:
            break
    return within([(line, BOLD)], width, marks.cut)


def _parts(rows: Sequence[Row], failures: Failures, words: Words, blocked: str) -> Iterator[str]:
    counts = dict.fromkeys(State, 0)
    for row in rows:
        counts[row.state] += 1
    if not rows and not failures.failed and not failures.not_asked:
        yield words.no_accounts
        return
    paying = counts[State.ON_CREDITS]
    usable = words.usable.format(count=counts[State.ON_PLAN] + paying)
    yield usable + (
        words.bracketed.format(text=words.paying.format(count=paying)) if paying else ""
    )
    if counts[State.UNKNOWN]:
        yield words.unknown.format(count=counts[State.UNKNOWN])
    if counts[State.BLOCKED]:
        yield words.blocked.format(count=counts[State.BLOCKED]) + blocked
    if failures.failed:
        yield words.failed.format(count=failures.failed)
    if failures.not_asked:
        yield words.not_asked.format(count=failures.not_asked)


def _blocked(
    rows: Sequence[Row], words: Words, clock: Clock, now: float, marks: Marks
) -> Iterator[str]:
    """Yield what to say of the blocked after their number, the longest first."""
    waiting = [row for row in rows if row.state is State.BLOCKED]
    ahead = [row for row in waiting if row.usable_at is not None and row.usable_at > now]
    following = min(ahead, key=lambda row: row.usable_at or 0, default=None)
    if following is not None and following.usable_at is not None:
        at = following.usable_at
        form = words.today_at if clock.is_today(at) else words.later_at
        back = (words.back if len(waiting) == 1 else words.next_back).format(
            at=form.format(time=clock.text(at))
        )
        soon = words.bracketed.format(text=span(at - now, words))
        name = cut_middle(following.account, _NAME, marks.cut)
        yield f"{words.clause}{back}{soon}{words.colon}{name}"
        yield f"{words.clause}{back}{words.colon}{name}"
        yield f"{words.clause}{back}"
    yield ""
