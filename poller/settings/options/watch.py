"""The options of ``[watch]``: polling again and again."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import ROUNDS, Option

WATCH = (
    Option(
        "every",
        kinds.INTERVAL,
        "time between two requests for one account, at least 60s; auto asks when it matters:"
        " often while an account's figures move, hourly while they rest",
        default="auto",
        commands=ROUNDS,
    ),
    Option(
        "budget",
        kinds.BUDGET,
        "with --every auto: most requests an hour for all accounts together (default: 12 per"
        " account)",
        commands=ROUNDS,
    ),
    Option(
        "rounds",
        kinds.whole(1, 1_000_000_000),
        "end once every account was asked N times, with poll's exit code for the last round",
        commands=("watch",),
    ),
    Option(
        "until_change",
        kinds.SWITCH,
        "exit 0 once an account becomes usable, stops being usable or fails differently",
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
        "keep poller status's line up to date in FILE",
        commands=ROUNDS,
    ),
)
