"""What a person is told beside the results of a round: warnings, and what is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poller.polling.stream import Notices, Reports
    from poller.present.words import Words
    from poller.process.tally import Tally

_CLOCK_LEEWAY_S = 60.0
"""A clock that is off by less hurts nobody: tokens are judged with the same leeway."""
_NAMED = 20
"""Files or accounts that a line names; of more, the number of the others."""


def warnings(
    notices: Notices,
    renewed: Sequence[str],
    words: Callable[[], Words],
    *,
    clock_offset_s: float | None,
) -> Iterator[str]:
    """Yield what a person should know after a round, a line each.

    ``renewed`` are the accounts whose login was given new tokens. ``words`` is called where
    there is something to say: loading them takes a moment.
    """
    if notices.list_trouble is not None:
        yield notices.list_trouble
    if renewed:
        names = _listed(renewed, words())
        yield words().counted(words().renewed, len(renewed), names=names)
    if notices.lost_agents:
        yield words().agents_lost.format(names=_listed(notices.lost_agents, words()))
    for name, trouble in notices.agents_without_accounts.items():
        yield words().agent_without_accounts.format(name=name, trouble=trouble)
    for name, offset_s in notices.clock_offsets.items():
        yield words().agent_clock_off.format(name=name, offset=_offset(offset_s, words()))
    if notices.readable_by_others:
        files = _listed(notices.readable_by_others, words())
        yield words().files_exposed.format(files=files)
    if notices.same_logins:
        (first, second), *others = notices.same_logins
        told = words().same_logins_elsewhere if notices.are_elsewhere else words().same_logins
        yield words().counted(told, 1 + len(others), first=first, second=second, more=len(others))
    if clock_offset_s is not None and abs(clock_offset_s) > _CLOCK_LEEWAY_S:
        yield words().clock_off.format(offset=_offset(clock_offset_s, words()))


def broken_demands(tally: Tally, words: Callable[[], Words]) -> Iterator[str]:
    """Yield who broke ``--fail-under``, and by how much ``--need`` was missed."""
    if tally.below:
        names = _listed(sorted(tally.below), words())
        yield words().fail_under.format(percent=f"{tally.fail_under:g}", names=names)
    if tally.usable < tally.need:
        yield words().need.format(usable=tally.usable, count=tally.reports, need=tally.need)


def waiting(reports: Reports, words: Words) -> Sequence[str]:
    """Say what keeps a round waiting, at length and in short; nothing where nothing does."""
    told = reports.waiting()
    if told is None:
        return ()
    pause = told.pause_left_s > 0
    left = f"{told.pause_left_s if pause else told.patience_left_s:.0f}{words.seconds}"
    silent = f"{told.silent_s:.0f}{words.seconds}"
    wordings = words.pausing if pause else words.silent
    return [wording.format(silent=silent, left=left) for wording in wordings]


def _offset(offset_s: float, words: Words) -> str:
    from poller.present.times import span  # here, as it takes a moment that few runs need

    wording = words.ahead if offset_s > 0 else words.behind
    return wording.format(span=span(abs(offset_s), words))


def _listed(names: Sequence[str], words: Words) -> str:
    told, count = words.comma.join(names[:_NAMED]), len(names)
    return told + words.more.format(count=count - _NAMED, total=count) if count > _NAMED else told
