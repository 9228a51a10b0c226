"""The options of ``[output]``: what is written, and how."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import POLLING, READING, TELLING, Option

_ANY_FORMAT = kinds.choice(
    *("auto", "table", "jsonl", "csv", "prometheus"), *("plain", "tmux", "waybar", "json")
)
"""What a file may say, for all commands; those that have no such format do as without it."""
_RECORDS = kinds.choice("auto", "table", "jsonl")
_AS_RECORDS = (
    "table, jsonl or auto: a table on a terminal, JSON Lines into a pipe or file; watch, less"
    " and cron need --format table"
)
_FORMATS = {
    **dict.fromkeys(TELLING, (_RECORDS, _AS_RECORDS)),
    "poll": (
        kinds.choice("auto", "table", "jsonl", "csv", "prometheus"),
        _AS_RECORDS.replace("table, jsonl", "table, jsonl, csv, prometheus"),
    ),
    "history": (
        kinds.choice("auto", "table", "jsonl", "csv"),
        "table, jsonl, csv or auto: a table on a terminal, JSON Lines into a pipe or file",
    ),
    "next": (
        kinds.choice("auto", "jsonl"),
        "auto (the account's name alone) or jsonl (with the reason)",
    ),
    "status": (
        kinds.choice("auto", "plain", "tmux", "waybar", "json"),
        "plain (auto is the same), tmux, waybar or json",
    ),
}

OUTPUT = (
    Option(
        "format",
        _ANY_FORMAT,
        "of the output",
        default="auto",
        commands=tuple(command for command in TELLING if command != "guard"),
        local=_ANY_FORMAT,
        variants=_FORMATS,
    ),
    Option(
        "output",
        kinds.NEW_FILE,
        "write the results to FILE, which is replaced once they are complete",
        commands=("poll",),
    ),
    Option(
        "report_file",
        kinds.NEW_FILE,
        "write the report to FILE, an HTML page, which is replaced once it is complete",
        flags=("-o", "--report-file"),
        commands=("report",),
    ),
    Option(
        "color",
        kinds.choice("auto", "always", "never", metavar="WHEN"),
        "auto, always or never; auto: on a terminal, unless NO_COLOR is set",
        default="auto",
        commands=(*READING, "diff", "history"),
        local=kinds.choice("auto", "always", "never"),
    ),
    Option(
        "language",
        kinds.choice("auto", "en", "zh", metavar=""),
        "of tables and messages",
        default="auto",
        flags=(),
        commands=TELLING,
        local=kinds.choice("auto", "en", "zh"),
    ),
    Option(
        "ordered",
        kinds.SWITCH,
        "records in the order of the accounts, not as they come",
        default=False,
        commands=("poll", "list"),
        local=kinds.SWITCH,
    ),
    Option(
        "extra",
        kinds.SWITCH,
        "give extra limits (Spark, code review) rows of their own in the table",
        default=False,
        local=kinds.SWITCH,
        commands=POLLING,
    ),
    Option(
        "raw_json",
        kinds.SWITCH,
        "put the response's JSON into each record, tokens masked; JSON Lines only",
        default=False,
        commands=("poll", "watch"),
    ),
    Option(
        "raw_headers",
        kinds.SWITCH,
        "put the response's headers into each record, likewise",
        default=False,
        commands=("poll", "watch"),
    ),
    Option(
        "show_identity",
        kinds.SWITCH,
        "add email, user_id and account_id to each record",
        default=False,
        commands=(*POLLING, "next", "list", "agent"),
        variants={"next": (kinds.SWITCH, "show e-mail addresses in names whole")},
    ),
    Option(
        "timezone",
        kinds.ZONE,
        "time zone of tables, such as Europe/Berlin (default: local)",
        commands=TELLING,
        local=kinds.ZONE,
    ),
    Option(
        "machine",
        kinds.NAME,
        "put this machine's NAME into each record",
    ),
    Option(
        "fail_under",
        kinds.PERCENT,
        "exit 4 if an account has less than P percent left or is blocked",
        local=kinds.PERCENT,
        commands=("poll", "watch"),
    ),
    Option(
        "need",
        kinds.whole(1, 100_000),
        "exit 4 if fewer than N accounts can be used",
        local=kinds.whole(1, 100_000),
        commands=("poll", "watch", "guard"),
        variants={
            "guard": (kinds.whole(1, 100_000), "how many accounts must be good (default: 1)")
        },
    ),
    Option(
        "quiet",
        kinds.SWITCH,
        "print only what went wrong",
        default=False,
        flags=("-q", "--quiet"),
        commands=(*TELLING, "agent"),
        local=kinds.SWITCH,
    ),
    Option(
        "verbose",
        kinds.LEVEL,
        "print more, may be repeated",
        default=0,
        flags=("-v", "--verbose"),
        commands=(*TELLING, "agent"),
        local=kinds.LEVEL,
    ),
)
