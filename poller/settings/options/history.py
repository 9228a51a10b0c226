"""The options of ``[history]``: what is recorded, and what is read from it."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import ANSWERING, REMEMBERING, Option

HISTORY = (
    Option(
        "history",
        kinds.PATH,
        "the history's file (default: your own); where it is named, poll, next, guard and"
        " timeline record into it",
        field="history_file",
        commands=REMEMBERING,
        variants=dict.fromkeys(
            ("status", "history", "diff", "report", "alerts"),
            (kinds.PATH, "the history's file (default: your own)"),
        ),
    ),
    Option(
        "record",
        kinds.SWITCH,
        "record what was answered, in your own history unless --history names a file",
        default=False,
        commands=("poll", "next", "guard", "timeline"),
    ),
    Option(
        "max_age",
        kinds.DURATION,
        "how old an answer may be to be believed without asking again (default: 5m, in report 1h)",
        field="max_age_s",
        commands=(*ANSWERING, "status"),
        variants={
            "status": (
                kinds.DURATION,
                "how old figures are that are still shown (default: 15m)",
            )
        },
    ),
    Option(
        "since",
        kinds.DURATION,
        "how far to look back (default: 7d)",
        field="since_s",
        commands=("history", "diff", "report"),
        variants={
            "history": (
                kinds.DURATION,
                "how far to look back (default: 7d; with export and check: no limit)",
            )
        },
    ),
    Option(
        "window",
        kinds.WINDOW,
        "only the window of that name: five_hour, weekly, monthly or another (default: all)",
        commands=("history", "guard"),
    ),
    Option(
        "older_than",
        kinds.DURATION,
        "with prune: remove what ended longer ago",
        field="older_than_s",
        commands=("history",),
    ),
    Option(
        "codex_sessions",
        kinds.ValueType("a folder", kinds.path_at, metavar="DIR"),
        "with import: take the limits from the Codex CLI's session files below DIR, such as"
        " ~/.codex/sessions; they are only read",
        commands=("history",),
    ),
    Option(
        "as",
        kinds.NAME,
        "with --codex-sessions: the account whose they are, as its file is named",
        field="sessions_of",
        commands=("history",),
    ),
    Option(
        "alerts",
        kinds.SWITCH,
        "evaluate the [[alert]] rules after a poll that is recorded, and tell what changed",
        default=False,
        field="evaluate_alerts",
        commands=("poll",),
    ),
)
