"""Make the man page ``poller.1`` from the tables of commands and options.

It is committed, since building the wheel runs nothing of ours: ``make readme`` renews it,
and a test keeps it in step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poller import __version__
from poller.commands import COMMANDS
from poller.commands.help import text as help_text
from poller.settings.options import OPTIONS, OTHERS
from poller.settings.value_types import NAMES
from tests.readme.reading import table_with

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.settings.options import Option

PAGE = "docs/poller.1"

_HEAD = f"""\
.\\" Made by make readme.
.TH POLLER 1 "" "poller {__version__}" "User Commands"
.SH NAME
poller \\- see what is left in every Codex (ChatGPT) account you own
.SH SYNOPSIS
.B poller
.RI [ COMMAND ]
.RI [ ACCOUNT " ...] [" options ]
.SH DESCRIPTION
Asks the usage endpoint once for each account, all accounts at the same time, and prints one
table, or JSON Lines for jq: what is left in the five\\-hour window, in the weekly one, and when
each resets. It spends no quota, and writes to no auth file without
.BR \\-\\-refresh .
.PP
Without accounts, the folder
.I account
in the current folder is polled; without that folder, the login of the Codex CLI.
"""
_ENVIRONMENT = """\
.SH ENVIRONMENT
.TP
.B CODEX_HOME
Where the Codex CLI keeps its login (default:
.IR ~/.codex ).
.TP
.BR HTTPS_PROXY ", " ALL_PROXY ", " NO_PROXY
The proxy, in upper or lower case;
.B \\-\\-proxy
beats them.
.TP
.BR NO_COLOR ", " FORCE_COLOR ", " COLUMNS ", " TERM=dumb
How tables are drawn.
.TP
.BR LC_ALL ", " LC_MESSAGES ", " LANG
The language of tables: Chinese or English.
"""
_FILES = """\
.SH FILES
.TP
.I account/NAME.auth.json
An account.
.TP
.I ~/.config/poller/config.toml
Your own configuration (macOS:
.IR "~/Library/Application Support/poller/config.toml" ).
.TP
.I config.toml
Read over it in the current folder. As it may have come with somebody else's files, it may set
little.
.TP
.I ~/.local/state/poller/history.db
The history (macOS:
.IR "~/Library/Application Support/poller/history.db" ).
.TP
.I ~/.local/state/poller/logins
Which refresh tokens were sent, by digest (macOS:
.IR "~/Library/Application Support/poller/logins" ).
"""
_SEE_ALSO = """\
.SH SEE ALSO
.BR jq (1),
.BR watch (1)
"""


def manpage() -> str:
    """Return the page in the man macros of groff."""
    parts = (
        _HEAD,
        *_commands(),
        *_options(),
        *_exit_codes(),
        _ENVIRONMENT,
        _FILES,
        *_examples(),
        _SEE_ALSO,
    )
    return "".join(parts)


def _commands() -> Iterator[str]:
    yield ".SH COMMANDS\n"
    for command in COMMANDS.values():
        yield f".TP\n.B {_escaped(command.name)}\n{_escaped(command.help)}\n"
    yield ".PP\nThe first word picks the command.\n"
    yield ".B poller COMMAND \\-\\-help\nshows the options of one.\n"


def _options() -> Iterator[str]:
    yield ".SH OPTIONS\nFirst those of\n.BR poll .\n"
    for section, options in (*OPTIONS.items(), ("other", OTHERS)):
        told = [each.of("poll") for each in options if "poll" in each.commands and each.place]
        if told:
            yield f".SS {section.capitalize()}\n"
        for option in told:
            yield f".TP\n{_term(option)}{_escaped(option.help + _default(option))}\n"
    shown = {option.of("poll") for option in _every_option() if "poll" in option.commands}
    for command in COMMANDS.values():
        every = (each for each in _every_option() if command.name in each.commands)
        taken = [option.of(command.name) for option in every]
        own = [option for option in taken if option not in shown and option.place]
        shared = [option.flags[-1] for option in taken if option in shown and option.flags]
        shared = [flag for flag in shared if flag not in ("--version", "--help")]
        if not (own or shared) or command.name == "poll":
            continue
        yield f".SS {_escaped(command.name)}\n"
        for option in own:
            yield f".TP\n{_term(option)}{_escaped(option.help + _default(option))}\n"
        if shared:
            yield f".PP\nTakes {_listed(shared)}.\n"
        shown.update(taken)


def _every_option() -> Iterator[Option]:
    yield from (option for options in OPTIONS.values() for option in options)
    yield from OTHERS


def _term(option: Option) -> str:
    """Return the line that names an option, in bold and italics by turns."""
    metavar = _escaped(option.kind.metavar)
    if not option.flags:
        return f'.IR {metavar} " ..."\n' if option.kind is NAMES else f".I {metavar}\n"
    names = ' ", " '.join(_escaped(flag) for flag in option.flags)
    separated = f".BR {names}" if len(option.flags) > 1 else f".B {names}"
    return f"{separated}\n" if not metavar else f'.BI {names} " {metavar}"\n'


def _default(option: Option) -> str:
    if not option.default:
        return ""
    is_time = option.kind.metavar == "D" and isinstance(option.default, float)
    shown = f"{option.default:g}s" if is_time else str(option.default)
    return f" (default: {shown})"


def _exit_codes() -> Iterator[str]:
    yield ".SH EXIT STATUS\n"
    for code, meaning in table_with("docs/failures.md", "code")[1:]:
        yield f".TP\n.B {code}\n{_escaped(meaning.replace('`', ''))}\n"


def _examples() -> Iterator[str]:
    yield ".SH EXAMPLES\n.nf\n"
    for line in help_text().partition("examples:\n")[2].splitlines():
        yield f"{_escaped(line.strip())}\n"
    yield ".fi\n"


def _listed(flags: Iterable[str]) -> str:
    return ", ".join(f"\\fB{_escaped(flag)}\\fR" for flag in flags)


def _escaped(text: str) -> str:
    """Return text that groff takes for no request and no escape, its hyphens as typed."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"^([.'])", r"\\&\1", safe)
