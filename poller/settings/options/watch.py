"""The options of ``[watch]``: polling again and again."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import ROUNDS, Option

WATCH = (
    Option(
        "every",
        kinds.INTERVAL,
        "time between two requests for one account, 60s at least; auto asks when it matters:"
        " often while an account's figures move, hourly while they rest",
        default="auto",
        commands=ROUNDS,
    ),
    Option(
        "budget",
        kinds.BUDGET,
        "requests an hour over all accounts at most, where --every is auto (default: 12 for"
        " each account)",
        commands=ROUNDS,
    ),
    Option(
        "rounds",
        kinds.whole(1, 1_000_000_000),
        "end when every account was asked N times, with poll's exit code over the last round",
        commands=("watch",),
    ),
    Option(
        "until_change",
        kinds.SWITCH,
        "end with 0 when an account can be used, or no longer, or fails otherwise than before",
        default=False,
        commands=("watch",),
    ),
    Option(
        "no_history",
        kinds.SWITCH,
        "record nothing in the history",
        default=False,
        commands=ROUNDS,
    ),
    Option(
        "status_file",
        kinds.PATH,
        "keep the line of poller status in FILE",
        commands=ROUNDS,
    ),
)
