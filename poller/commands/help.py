"""``poller help`` and ``--help``, put together from the tables of commands and options.

Argparse could do it, but takes 8 ms where a bare interpreter takes 10, and its layout
changes with the version of Python.
"""

from __future__ import annotations

from poller.commands import COMMANDS
from poller.settings.options import OPTIONS, OTHERS, Option, every_option
from poller.settings.value_types import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


_WIDTH = 79
_INDENT = 24

_WHAT_POLLER_IS = """\
See what is left in every Codex (ChatGPT) account you own: one table, or JSON
lines for jq.
"""

_EXAMPLES = """
examples:
  poller --demo                            a look without any account
  poller list                              what your auth files say
  poller                                   every account in ./account
  poller alice 'team-*' --account-dir D    some of those in D
  poller | jq -r 'select(.usable) | .account'
  poller watch                             a table that stays up to date
  poller next                              the account to use now
  poller guard --need 2 || echo 'too few left'
"""


def text(command: str | None = None) -> str:
    """Return the help of one command; without one, all commands and poll's options.

    Raises:
        UsageError: there is no such command.
    """
    if command is None:
        head = f"usage: poller [COMMAND] [ACCOUNT ...] [options]\n\n{_WHAT_POLLER_IS}"
        return "\n".join([head, *_command_lines(), *_option_lines("poll")]) + _EXAMPLES
    found = COMMANDS.get(command)
    if found is None:
        raise UsageError(_no_such_command(command))
    head = f"{_usage(command)}\n\n{found.help[0].upper()}{found.help[1:]}.\n"
    end = _EXAMPLES if command == "poll" else ""
    return "\n".join([head, *_option_lines(command)]).rstrip("\n") + "\n" + end


def _no_such_command(word: str) -> str:
    from poller.settings.quoting import nearest, quoted

    near = nearest(word, COMMANDS)
    meant = f"did you mean {near!r}?" if near else f"there are {', '.join(COMMANDS)}"
    return f"{quoted(word)}: no such command; {meant}"


def _usage(command: str) -> str:
    words = [
        f"[{option.kind.metavar} ...]" if option.kind.action == "append" else option.kind.metavar
        for option in (each.of(command) for each in (*every_option(), *OTHERS))
        if option.is_word and command in option.commands
    ]
    return " ".join(["usage: poller", command, *words, "[options]"])


def _command_lines() -> list[str]:
    lines = ["commands:"]
    for command in COMMANDS.values():
        lines += _two_columns(command.name, command.help)
    return [*lines, "", "poller COMMAND --help shows a command's options. Those of poll:", ""]


def _option_lines(command: str) -> list[str]:
    lines: list[str] = []
    for section, options in (*OPTIONS.items(), ("other", OTHERS)):
        shown = [each.of(command) for each in options if command in each.commands and each.place]
        if shown:
            lines.append(f"{section}:")
            for option in shown:
                lines += _option_help(option)
            lines.append("")
    return lines


def _option_help(option: Option) -> Iterable[str]:
    if option.flags:
        names = f"{', '.join(option.flags)} {option.kind.metavar}".rstrip()
    else:
        names = option.kind.metavar + " ..." * (option.kind.action == "append")
    default = f" (default: {_plain(option)})" if option.default else ""
    return _two_columns(names, option.help + default)


def _plain(option: Option) -> str:
    if isinstance(option.default, str):
        return option.default
    return f"{option.default:g}{'s' if option.kind.metavar == 'D' else ''}"


def _two_columns(left: str, right: str) -> list[str]:
    first, *rest = _wrapped(right)
    below = [" " * _INDENT + line for line in rest]
    left = f"  {left}"
    if len(left) >= _INDENT:
        return [left, " " * _INDENT + first, *below]
    return [left.ljust(_INDENT) + first, *below]


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) + 1 > _WIDTH - _INDENT:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
