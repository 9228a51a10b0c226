"""What a person is told beside the results of a round: warnings, and what is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.polling.stream import Notices, Reports

_CLOCK_LEEWAY_S = 60.0
"""A clock that is off by less hurts nobody: tokens are judged with the same leeway."""
_FILES_NAMED = 20


def warnings(notices: Notices, *, clock_offset_s: float | None) -> Iterator[str]:
    """Yield what a person should know after a round, a line each."""
    if notices.list_trouble is not None:
        yield notices.list_trouble
    if notices.readable_by_others:
        several = len(notices.readable_by_others)
        files = ", ".join(notices.readable_by_others[:_FILES_NAMED])
        more = f" and {several - _FILES_NAMED} more" if several > _FILES_NAMED else ""
        yield f"others on this machine can read {files}{more}: chmod 600"
    if notices.same_logins:
        first, second = notices.same_logins[0]
        yield f"{first} and {second} are the same login (the first such pair; said once)"
    if clock_offset_s is not None and abs(clock_offset_s) > _CLOCK_LEEWAY_S:
        yield (
            f"this machine's clock is off by {clock_offset_s:+.0f} s against the upstream's: "
            "expiry and reset times may be judged wrongly"
        )


def waiting(reports: Reports) -> str | None:
    """Say what keeps a round waiting; None where nothing does."""
    told = reports.waiting()
    if told is None:
        return None
    if told.pause_left_s > 0:
        return f"the upstream asks for a pause of {told.pause_left_s:.0f} s"
    return (
        f"the upstream has not answered for {told.silent_s:.0f} s; "
        f"giving up in {told.patience_left_s:.0f} s"
    )
