"""Runs of equal looks, and how one more look extends, joins or begins one. Pure.

The rule knows two neighbours: the last run that began by then, and the first that begins
later. Looks may come in any order, and runs of several looks come from exports.
"""

from __future__ import annotations

from typing import NamedTuple

from poller.insight.series import GAP_S, JITTER_S


class Run(NamedTuple):
    """Equal looks in a row. A named tuple, as half a million are read at once."""

    since: int
    until: int
    """Unix seconds."""
    polls: int
    """How many looks; at least 1."""
    value: tuple[object, ...]
    """What was seen."""
    reset_at: int | None = None
    """Unix seconds; may jitter within a run, which keeps the first."""


class Placed(NamedTuple):
    """What taking a run changes."""

    put: tuple[Run, ...] = ()
    """Runs to store, in order; each replaces the one that begins when it does."""
    dropped: int | None = None
    """Beginning of a run that became part of another."""
    rest: Run | None = None
    """What is left to take, after the following run."""


def place(
    before: Run | None, after: Run | None, new: Run, *, live: bool, joins: bool = True
) -> Placed:
    """Return what to store so that ``new`` is known, too.

    What is known stays: a look inside a known run adds nothing.

    Args:
        before: The last run with ``since <= new.since``.
        after: The first run with ``since > new.since``.
        new: A look, or an exported run of several.
        live: Whether ``new`` was seen now. Then ``after``, and a different ``before`` that
            ends later, were dated by a clock that was wrong: the former is left alone, the
            latter ends here.
        joins: Whether ``new`` may extend ``before``; False where something came between.
    """
    rest = None
    if live:
        after = None
    elif after is not None and new.until >= after.since:
        new, rest = _split(new, after.since)
    put: tuple[Run, ...]
    if before is not None and new.since <= before.until:
        same = _alike(before, new)
        if live and same:
            put = (before._replace(polls=before.polls + 1),)
        elif live and before.since < new.since:
            put = (before._replace(until=new.since - 1), new)
        elif new.until <= before.until:
            return Placed(rest=rest)
        elif same:
            put = (before._replace(until=new.until, polls=max(before.polls, new.polls)),)
        else:
            put = (_split(new, before.until + 1)[1],)
    else:
        put = (extended(before if joins else None, new),)
    last = put[-1]
    if after is not None and joins and _follows(last, after):
        joined = last._replace(until=after.until, polls=last.polls + after.polls)
        return Placed((*put[:-1], joined), after.since, rest)
    return Placed(put, None, rest)


def extended(before: Run | None, new: Run) -> Run:
    """Return ``before`` as it goes on in ``new``, which begins after its end, or ``new``."""
    if before is None or not _follows(before, new):
        return new
    return Run(before.since, new.until, before.polls + new.polls, before.value, before.reset_at)


def _split(run: Run, at: int) -> tuple[Run, Run]:
    """Cut a run so that its second part begins at ``at``, which lies inside it."""
    share = (at - run.since) / (run.until - run.since + 1)
    polls = min(max(1, int(run.polls * share)), max(1, run.polls - 1))
    head = run._replace(until=at - 1, polls=polls)
    return head, run._replace(since=at, polls=max(1, run.polls - polls))


def _follows(first: Run, second: Run) -> bool:
    return second.since - first.until <= GAP_S and _alike(first, second)


def _alike(first: Run, second: Run) -> bool:
    if first.value != second.value:
        return False
    if first.reset_at is None or second.reset_at is None:
        return first.reset_at is second.reset_at
    return abs(first.reset_at - second.reset_at) <= JITTER_S
