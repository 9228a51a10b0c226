"""The options of ``[history]``: what is recorded, and what is read from it."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import ANSWERING, REMEMBERING, Option

HISTORY = (
    Option(
        "history",
        kinds.PATH,
        "the history's file (default: your own); with it, poll, next, guard and timeline record,"
        " too",
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
        "record the answers, in your own history unless --history names a file",
        default=False,
        commands=("poll", "next", "guard", "timeline"),
    ),
    Option(
        "max_age",
        kinds.DURATION,
        "how old a recorded answer may be before the account is asked again (default: 5m,"
        " report: 1h)",
        field="max_age_s",
        commands=(*ANSWERING, "status"),
        variants={
            "status": (
                kinds.DURATION,
                "how old figures may be to be shown (default: 15m)",
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
        "only this window: five_hour, weekly, monthly or a length such as 1h (default: all)",
        commands=("history", "guard"),
    ),
    Option(
        "older_than",
        kinds.DURATION,
        "with prune: remove what ended longer than D ago",
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
        "with --codex-sessions: the account they belong to, by its file's name",
        field="sessions_of",
        commands=("history",),
    ),
    Option(
        "alerts",
        kinds.SWITCH,
        "with --record or --history: evaluate the [[alert]] rules, and send what they find",
        default=False,
        field="evaluate_alerts",
        commands=("poll",),
    ),
)
