"""Flags and words that are no part of ``Settings`` and have no key in a file."""

from __future__ import annotations

from poller.settings import value_types as kinds
from poller.settings.options.option import EVERY, TELLING, Option

OTHERS = (
    Option(
        "config",
        kinds.PATH,
        "configuration file (default: config.toml here, over poller/config.toml in your"
        " configuration folder); flags beat it",
        commands=(*TELLING, "agent"),
    ),
    Option("list", kinds.SWITCH, "the same as poller list", default=False, commands=("poll",)),
    Option(
        "print_completion",
        kinds.choice("bash", "zsh", "fish", metavar="SHELL"),
        "the same as poller completion",
        commands=("poll",),
    ),
    Option("schema", kinds.SWITCH, "the same as poller schema", default=False, commands=("poll",)),
    Option(
        "shell",
        kinds.choice("bash", "zsh", "fish", metavar="SHELL"),
        "bash, zsh or fish",
        flags=(),
        commands=("completion",),
    ),
    Option(
        "command",
        kinds.ValueType("the name of a command", kinds.path_at, metavar="[COMMAND]"),
        "the command to explain (default: all)",
        flags=(),
        commands=("help",),
    ),
    Option(
        "before",
        kinds.ValueType("a file of records", kinds.path_at, metavar="[A]"),
        "a file of records (poller > A), or - for standard input; default: compare the history",
        flags=(),
        commands=("diff",),
    ),
    Option(
        "after",
        kinds.ValueType("a file of records", kinds.path_at, metavar="[B]"),
        "a later one, likewise",
        flags=(),
        commands=("diff",),
    ),
    Option(
        "action",
        kinds.choice("list", "test", metavar="[list|test]"),
        "list the rules and what fires now (default), or send a test alert",
        flags=(),
        commands=("alerts",),
    ),
    Option(
        "rule",
        kinds.ValueType("the name of a rule", kinds.NAME.fit, metavar="[NAME]"),
        "the rule to test",
        flags=(),
        commands=("alerts",),
    ),
    Option("version", kinds.SWITCH, "print the version", default=False, commands=EVERY),
    Option(
        "help",
        kinds.SWITCH,
        "print this",
        default=False,
        flags=("-h", "--help"),
        commands=EVERY,
    ),
)
