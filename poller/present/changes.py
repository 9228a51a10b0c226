"""What changed, as lines of JSON or as a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.present.record import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.insight.changes import Change


def change_lines(changes: Iterable[Change]) -> bytes:
    """Return one line of JSON for each change."""
    return b"".join(
        line_of(
            {
                "account": one.account,
                "key": one.key,
                "change": one.change.value,
                "window": one.window,
                "before": one.before,
                "after": one.after,
            }
        )
        for one in changes
    )
