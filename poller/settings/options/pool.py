"""The options of ``[pool]``: choosing among accounts."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import Option

POOL = (
    Option(
        "min_remaining",
        kinds.PERCENT,
        "percent an account must have left in every window (default: 10, guard: 0)",
        commands=("next", "guard"),
    ),
    Option(
        "for",
        kinds.DURATION,
        "only accounts that are not forecast to run out within D",
        field="for_s",
        commands=("next", "guard"),
    ),
    Option(
        "strategy",
        kinds.choice("reset-first", "headroom", metavar="S"),
        "reset-first (use first what would be lost soonest) or headroom (most left)",
        default="reset-first",
        commands=("next",),
    ),
    Option(
        "unknown",
        kinds.choice("ok", "fail", metavar="HOW"),
        "exit 0 (ok) or 4 (fail) if too much is unknown (default: 1, 2 or 3, by what failed)",
        commands=("guard",),
    ),
    Option(
        "hours",
        kinds.whole(1, 24 * 31),
        "how far to look ahead",
        default=24,
        commands=("timeline",),
    ),
    Option(
        "below",
        kinds.PERCENT,
        "percent left below which a window is low",
        default=10.0,
        commands=("diff",),
    ),
    Option(
        "weights",
        kinds.WEIGHTS,
        "how much an account of each plan counts in the pool",
        flags=(),
    ),
)
