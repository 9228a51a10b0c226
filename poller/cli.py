"""The command line: the first word picks the command, ``poll`` without one.

Everything costly is imported once it is known what to do.
"""

from __future__ import annotations

import sys

from poller.commands import COMMANDS
from poller.commands.help import text as help_text
from poller.deliver.printing import STDERR, print_out, write_all
from poller.process import exit_codes
from poller.process.importing import import_without_certificates
from poller.settings.value_types import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from poller.commands import Command
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.settings.resolve import Resolved


def main(argv: Sequence[str] | None = None, *, interrupts: Interrupts | None = None) -> int:
    """Do what the command line asks for and return the exit code.

    ``argv`` are the words after the program's name, those of ``sys.argv`` if None.
    ``interrupts`` are those of a caller that catches signals already.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        return _dispatch(words, interrupts)
    except UsageError as error:
        write_all(STDERR, "".join(f"poller: {line}\n" for line in str(error).split("\n")))
        return exit_codes.USAGE


def parse(argv: Sequence[str]) -> Settings:
    """Return what the words of a command line and the configuration files ask for.

    Raises:
        UsageError: with one line for each mistake.
    """
    from poller.settings.flags import parse_flags

    command, words = _split(argv)
    return _resolved(parse_flags(words, command.name), command.name).settings


def asks_for_help(words: Sequence[str]) -> bool:
    """Tell whether help is wanted, whatever else is said."""
    options = words[: words.index("--")] if "--" in words else words
    return "--help" in options or "-h" in options


def _split(words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Return the command that the first word picks, and the words that are left."""
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]], words[1:]
    return COMMANDS["poll"], words


def _dispatch(words: Sequence[str], interrupts: Interrupts | None) -> int:
    command, left = _split(words)
    if command.function == "main":
        return _call(command, left)
    named = command.name if left is not words else None
    if asks_for_help(left):
        return _explain(named)
    from poller.settings.flags import parse_flags

    given = parse_flags(left, command.name)
    if "help" in given:  # as -vh
        return _explain(named)
    if "version" in given:
        from poller import __version__

        return print_out(f"poller {__version__}\n")
    command, given = _meant_by_flag(command, given)
    if command.name == "help":
        return _explain(_words(given).get("command"))
    if command.function == "text":
        return print_out(str(_function_of(command)(**_words(given))))
    return _run(command, given, interrupts)


def _explain(name: str | None) -> int:
    command = COMMANDS.get(name or "")
    if command is not None and command.function == "main":
        return _call(command, ["--help"])
    return print_out(help_text(name))


def _meant_by_flag(command: Command, given: dict[str, object]) -> tuple[Command, dict[str, object]]:
    """Return the command that one of the older flags stands for, with its words."""
    if "schema" in given:
        return COMMANDS["schema"], {}
    if "print_completion" in given:
        return COMMANDS["completion"], {"shell": given["print_completion"]}
    if "list" in given:
        _check_listing(given)
        return COMMANDS["list"], given
    return command, given


def _check_listing(given: Mapping[str, object]) -> None:
    """Refuse what ``--list`` has no answers for; how to send requests it may ignore."""
    from poller.settings.options import OPTIONS

    for option in OPTIONS["output"]:
        if option.field in given and "list" not in option.commands:
            raise UsageError(
                f"{option.place}: --list sends no requests, so there are no answers: "
                f"leave out --list, or {option.place}"
            )


def _words(given: Mapping[str, object]) -> dict[str, str]:
    from poller.settings.options import OTHERS

    return {
        option.field: str(given[option.field])
        for option in OTHERS
        if option.is_word and option.field in given
    }


def _run(command: Command, given: Mapping[str, object], interrupts: Interrupts | None) -> int:
    resolved = _resolved(given, command.name)
    if resolved.settings.verbose and not resolved.settings.quiet:
        write_all(STDERR, "".join(f"poller: {note}\n" for note in resolved.notes))
    from poller.process.signals import Interrupts
    from poller.process.streams import hold_standard_streams, silence_stray_tracebacks

    interrupts = interrupts or Interrupts(sys.exit)  # before what takes long to load
    hold_standard_streams()
    silence_stray_tracebacks()
    return _call(command, resolved.settings, interrupts, **_words(given))


def _resolved(given: Mapping[str, object], command: str) -> Resolved:
    from poller.settings.options import every_option
    from poller.settings.resolve import resolve

    config = given.get("config")
    known = {option.field for option in every_option()}
    flags = {field: value for field, value in given.items() if field in known}
    return resolve(flags, config=None if config is None else str(config), command=command)


def _call(command: Command, *arguments: object, **words: str) -> int:
    code: int = _function_of(command)(*arguments, **words)
    return code


def _function_of(command: Command) -> Callable[..., Any]:
    module = import_without_certificates(f"poller.commands.{command.name}")
    function: Callable[..., Any] = getattr(module, command.function)
    return function
