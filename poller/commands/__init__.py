"""What the program does: one file a command, and the table of all command names.

A command is its entry here and ``commands/NAME.py`` with its function in it; the options that
take it name it in ``settings.options``.
"""

from __future__ import annotations


class Command:
    """One command: the word that picks it, and the function in its file that does it.

    The function's name says how it is called:

    - ``text(**words) -> str`` returns what to print; no configuration file is read.
    - ``main(words) -> int`` takes the words after the command's name as they are.
    - any other takes ``(settings, interrupts, **words) -> int``, and returns the exit code.

    ``words`` are the command's bare arguments that ``Settings`` has no field for. A plain
    class: the help needs it, and dataclasses take as long to load as all of the help.
    """

    __slots__ = ("function", "help", "name")

    def __init__(self, name: str, what: str, function: str) -> None:
        self.name = name
        self.help = what
        self.function = function


COMMANDS = {
    command.name: command
    for command in (
        Command("poll", "show each account's quota; what poller does without a command", "run"),
        Command("list", "show what the auth files say, without a request", "list_accounts"),
        Command("watch", "poll again and again: a live table, or records into a pipe", "watch"),
        Command("serve", "poll again and again, and show it: a page, an API, metrics", "serve"),
        Command("next", "name the account to use now, and say why", "next_account"),
        Command("guard", "exit 0 if enough accounts can be used, 4 if not", "guard"),
        Command(
            "status", "print one line from the history, for tmux, Waybar and prompts", "status"
        ),
        Command(
            "timeline", "show what comes back when, and when everything is used up", "timeline"
        ),
        Command("diff", "show what changed between two polls, or in the last week", "diff"),
        Command("history", "show, import, export, prune or check what was recorded", "history"),
        Command("report", "write an HTML page: what is left, curves, forecast", "report"),
        Command("alerts", "list the alert rules, or send a test alert", "alerts"),
        Command("agent", "poll on this machine for a collector elsewhere", "serve"),
        Command("simulate", "serve a made-up upstream to try poller and your scripts on", "main"),
        Command("schema", "print the JSON Schema of a record", "text"),
        Command("completion", "print a completion script for bash, zsh or fish", "text"),
        Command("help", "explain a command", "text"),
    )
}
"""By name, in the order of the help."""


def command_like(word: str) -> str | None:
    """Return the command that ``word`` was most likely meant to be; None for none."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, COMMANDS, n=1, cutoff=0.7)), None)
