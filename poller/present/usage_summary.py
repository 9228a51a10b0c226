"""What stands last in the usage table: all windows together, and how many accounts can be used."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from poller.present.shares import amount
from poller.present.table import BOLD, PLAIN, within
from poller.present.terminal import cells, cut_middle
from poller.present.times import span
from poller.present.usage_rows import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poller.insight.pool import Pool
    from poller.present.sentences import Failures
    from poller.present.table import Line
    from poller.present.terminal import Marks
    from poller.present.times import Clock
    from poller.present.usage_rows import Row
    from poller.present.words import Words

POOL_OF = 3
"""From so many accounts on, what they have together is worth a line."""
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

    What is needed least is left out until it fits: how many are on credits, in how long
    the next is back, which it is, when.
    """
    counts = Counter(row.state for row in rows)
    paying = counts[State.ON_CREDITS]
    on_credits = words.bracketed.format(text=words.paying.format(count=paying)) if paying else ""
    line = ""
    for after in _back(rows, words, clock, now, marks):
        for more in (on_credits, ""):
            told = [words.usable.format(count=counts[State.ON_PLAN] + paying) + more]
            if counts[State.UNKNOWN]:
                told.append(words.unknown.format(count=counts[State.UNKNOWN]))
            if counts[State.BLOCKED]:
                told.append(words.blocked.format(count=counts[State.BLOCKED]) + after)
            if failures.failed:
                told.append(words.failed.format(count=failures.failed))
            if failures.not_asked:
                told.append(words.not_asked.format(count=failures.not_asked))
            line = f" {marks.dot} ".join(told)
            if cells(line) <= width:
                return [(line, BOLD)]
    return within([(line, BOLD)], width, marks.cut)


def together(pool: Pool, words: Words, *, marks: Marks, width: int) -> Line:
    """Return what is left of all accounts' windows, in whole windows, as far as there is room.

    Windows that more accounts have come first to it.
    """
    shares, line = pool.windows, ""
    told: dict[str, str] = {}
    for name, share in sorted(shares.items(), key=lambda item: -item[1].of):
        lower, upper, of = amount(share.lower), amount(share.upper), amount(share.of)
        form = words.together_exactly if lower == upper else words.together_between
        more = {
            **told,
            name: form.format(window=words.window(name), lower=lower, upper=upper, of=of),
        }
        joined = f" {marks.dot} ".join(more[each] for each in shares if each in more)
        longer = f"{words.together}{words.colon}{joined}"
        if cells(longer) <= width:
            told, line = more, longer
    return [(line, PLAIN)]


def _back(
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
