"""The words of a command line into values, by the table of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poller.settings.options import DEMO_ACCOUNTS, OPTIONS, OTHERS, every_option
from poller.settings.quoting import nearest, quoted
from poller.settings.value_types import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentError, ArgumentParser
    from collections.abc import Iterator, Sequence

    from poller.settings.options import Option

_MOST_VERBOSE = 3

SAID_ELSEWHERE = {
    **dict.fromkeys(("--json", "--jsonl", "--ndjson"), "type --format jsonl"),
    **dict.fromkeys(("--table", "--text"), "type --format table"),
    **dict.fromkeys(("--csv", "--tsv"), "type --format csv"),
    **dict.fromkeys(("-o", "--out", "--file"), "did you mean --output?"),
    **dict.fromkeys(("--colour", "--colors"), "did you mean --color?"),
    **dict.fromkeys(("--no-color", "--no-colour"), "type --color never"),
    **dict.fromkeys(("--watch", "--loop"), "type poller watch"),
    "--interval": "type poller watch --every",
    **dict.fromkeys(("--serve", "--web"), "type poller serve"),
    "--next": "type poller next",
    "--status": "type poller status",
    "--timeline": "type poller timeline",
    "--report": "type poller report",
    **dict.fromkeys(
        ("--insecure", "-k"), "certificates are always verified; trust yours with --ca-file FILE"
    ),
    **dict.fromkeys(("--token", "--api-key"), "tokens come from auth files; name the file itself"),
    **dict.fromkeys(("--dir", "-d"), "did you mean --account-dir?"),
    **dict.fromkeys(("--url", "-u"), "did you mean --chatgpt-url?"),
    **dict.fromkeys(
        ("--workers", "--jobs", "--parallel", "--threads", "-j", "-c"),
        "did you mean --concurrency?",
    ),
    **dict.fromkeys(("--min", "--threshold", "--below"), "did you mean --fail-under?"),
    **dict.fromkeys(("--host", "--hostname"), "did you mean --machine?"),
    "--tz": "did you mean --timezone?",
    "--raw": "did you mean --raw-json?",
    "-l": "did you mean --list?",
    "-f": "did you mean --format?",
    "-t": "did you mean --timeout?",
    "-V": "did you mean --version?",
}
"""What other programs call their options, and what to type here."""


def taken_by(command: str) -> tuple[Option, ...]:
    """Return the options of a command as it takes them, in the table's order."""
    every = (*every_option(), *OTHERS)
    return tuple(each.of(command) for each in every if command in each.commands)


def parser(command: str = "poll") -> ArgumentParser:
    """Return the parser of a command's flags.

    It knows no bare arguments: argparse takes them only where they stand together, so they
    are what it leaves over. Values stay text; the table's types check them.
    """
    from argparse import SUPPRESS, ArgumentParser

    made = ArgumentParser(
        "poller",
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
        argument_default=SUPPRESS,
    )
    for option in taken_by(command):
        if option.flags:
            made.add_argument(*option.flags, **_argparse_arguments(option))
    return made


def _argparse_arguments(option: Option) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "dest": option.field,
        "action": option.kind.action,
        "help": option.help,
    }
    if option.kind.metavar:
        arguments["metavar"] = option.kind.metavar
    if option.kind.action == "extend":
        arguments["nargs"] = "+"
    if option.kind.is_optional:
        arguments |= {"nargs": "?", "const": str(DEMO_ACCOUNTS)}
    return arguments


def parse_flags(words: Sequence[str], command: str) -> dict[str, object]:
    """Return the accepted values of the words after a command's name, by field.

    Raises:
        UsageError: with one line for each mistake.
    """
    from argparse import ArgumentError

    try:
        space, left = parser(command).parse_known_args(list(words))
    except ArgumentError as error:
        raise UsageError(_argument_mistake(error, command)) from None
    raw: dict[str, object] = vars(space)
    bare, unknown = _left_over(left)
    mistakes = [_unknown_flag(word, command) for word in unknown]
    wrong_words = list(_take_words(bare, command, into=raw))
    mistakes += wrong_words if not unknown else []  # a word may be an unknown option's value
    values: dict[str, object] = {}
    mistakes += _accept(raw, command, into=values)
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return values


def _left_over(words: list[str]) -> tuple[list[str], list[str]]:
    end = words.index("--") if "--" in words else len(words)
    unknown = [word for word in words[:end] if word.startswith("-") and word != "-"]
    bare = [word for word in words[:end] if word not in unknown]
    return bare + words[end + 1 :], unknown


def _take_words(words: list[str], command: str, *, into: dict[str, object]) -> Iterator[str]:
    """Hand the bare arguments to the options that take them; yield what is wrong with that."""
    for option in taken_by(command):
        if not option.is_word:
            continue
        if option.kind.action == "append":
            if words:
                into[option.field] = words
            words = []
        elif words:
            into[option.field], *words = words
        elif not option.kind.is_optional and "help" not in into:
            yield f"{option.place}: expected {option.kind.expects}, got nothing"
    if words:
        yield f"{quoted(words[0])}: one word too many; poller {command} --help shows what it takes"


def _accept(raw: dict[str, object], command: str, *, into: dict[str, object]) -> Iterator[str]:
    for option in taken_by(command):
        if option.field not in raw:
            continue
        value = raw[option.field]
        try:
            into[option.field] = option.kind.validate(_as_in_file(option, value))
        except UsageError as error:
            yield f"{option.place}: {error}"


def _as_in_file(option: Option, value: object) -> object:
    if isinstance(value, str):
        return option.kind.read(value)
    return min(value, _MOST_VERBOSE) if type(value) is int else value


def _argument_mistake(error: ArgumentError, command: str) -> str:
    flag = (error.argument_name or "").rpartition("/")[2]
    option = next(option for option in taken_by(command) if flag in option.flags)
    if option.kind.metavar:
        return f"{flag}: expected {option.kind.expects}, got nothing"
    return f"{flag}: takes no value"


def _said_elsewhere(flag: str, command: str) -> str | None:
    """Return what to type instead of another program's option, if the command takes that."""
    own = {name: option for option in taken_by(command) for name in option.flags}
    formats = own["--format"].kind.names if "--format" in own else ()
    if flag.removeprefix("--") in formats:
        return f"type --format {flag.removeprefix('--')}"
    told = SAID_ELSEWHERE.get(flag, "")
    words = told.rstrip("?").split()
    if "--format" in words:
        return told if words[-1] in formats else None
    leads = command in ("poll", "list") or any(word in own for word in words)
    return told if told and leads else None


def _unknown_flag(word: str, command: str) -> str:
    flag = word.partition("=")[0]
    written = quoted(flag)[1:-1]
    if command == "report" and flag in ("--output", "--out"):
        return f"{written}: not an option of poller report; did you mean -o?"
    takers = [
        name
        for option in (*every_option(), *OTHERS)
        if flag in option.flags
        for name in option.commands
    ]
    if takers:
        first, *others = dict.fromkeys(takers)
        more = f" and {len(others)} more" if others else ""
        return f"{written}: not an option of poller {command}, but of poller {first}{more}"
    told = _said_elsewhere(flag, command)
    if told is not None:
        return f"{written}: unknown option; {told}"
    file_only = {
        f"--{option.key}": (option.key, section)
        for section, options in OPTIONS.items()
        for option in options
        if not option.flags and not option.is_word
    }
    own = [name for option in taken_by(command) for name in option.flags]
    near = nearest(flag, [*own, *file_only])
    if near in file_only:
        key, section = file_only[near]
        return f"{written}: set {key!r} in [{section}] of the configuration file instead"
    if near:
        return f"{written}: unknown option; did you mean {near}?"
    shown = "poller --help" if command == "poll" else f"poller {command} --help"
    return f"{written}: unknown option; {shown} shows them all"
