"""The command line: words into settings, and what is answered without polling.

Everything costly is imported after parsing, and the help is put together here rather
than by argparse: that takes 8 ms where a bare interpreter takes 10, and its layout
changes with the version of Python.
"""

from __future__ import annotations

import os
import sys

from poller.settings import DEMO_ACCOUNTS, UsageError
from poller.settings.options import OPTIONS, OTHERS, every_option
from poller.settings.value_types import nearest, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentError, ArgumentParser
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.settings.options import Option

USAGE = 64
UNWRITTEN = 74
READER_GONE = 141

_STDOUT, _STDERR = 1, 2
_WIDTH = 79
_INDENT = 24
_MOST_VERBOSE = 3

_CA_BUNDLE = "SSL_CERT_FILE"
"""What OpenSSL takes for the system's certificates."""
_ABOUT_ANSWERS = frozenset({"raw_json", "raw_headers", "fail_under"})

_SAID_ELSEWHERE = {
    **dict.fromkeys(("--json", "--jsonl", "--ndjson"), "type --format jsonl"),
    **dict.fromkeys(("--table", "--text"), "type --format table"),
    **dict.fromkeys(
        ("--csv", "--tsv"), "make it with jq: poller --format jsonl | jq -r '… | @csv'"
    ),
    **dict.fromkeys(("--output", "-o"), "results go to standard output: poller … > FILE"),
    **dict.fromkeys(("--color", "--no-color"), "set NO_COLOR=1 in the environment for none"),
    **dict.fromkeys(("--watch", "--interval", "--loop"), "type watch -n 60 poller --format table"),
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
    "--tz": "did you mean --timezone?",
    "--raw": "did you mean --raw-json?",
    "-l": "did you mean --list?",
    "-f": "did you mean --format?",
    "-t": "did you mean --timeout?",
    "-V": "did you mean --version?",
}
"""What people type who come from other programs, and what it is called here."""

_HEAD = """\
usage: poller [ACCOUNT ...] [options]

See what is left in every Codex (ChatGPT) account you own: one table, or JSON
lines for jq.
"""

_EXAMPLES = """
examples:
  poller --demo                            a look without any account
  poller --list                            your files, without asking anybody
  poller                                   every account in ./account
  poller alice 'team-*' --account-dir D    some of those in D
  poller | jq -r 'select(.usable) | .account'
  poller --quiet --fail-under 10 >/dev/null || echo 'the pool runs low'
"""


def main(argv: Sequence[str] | None = None, *, interrupts: Interrupts | None = None) -> int:
    """Do what the command line asks for and return the exit code.

    ``argv`` are the words after the program's name, ``sys.argv``'s where it is None.
    ``interrupts`` are caught already, where somebody came earlier.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        return _answer(words, interrupts)
    except UsageError as error:
        _write(_STDERR, "".join(f"poller: {line}\n" for line in str(error).split("\n")))
        return USAGE


def parse(argv: Sequence[str]) -> Settings:
    """Return what the words of a command line and the configuration file ask for.

    Raises:
        UsageError: with one line for each mistake.
    """
    return _settings(_given(argv))


def parser() -> ArgumentParser:
    """Return the parser of the flags, one for each entry of the table.

    It knows no bare arguments: argparse takes them only where they stand together, so
    accounts are what it leaves over. Values stay text, the table's kinds check them.
    """
    from argparse import SUPPRESS, ArgumentParser

    made = ArgumentParser(
        "poller",
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
        argument_default=SUPPRESS,
    )
    for section, options in (*OPTIONS.items(), ("other", OTHERS)):
        group = made.add_argument_group(section)
        for option in options:
            if option.flags:
                group.add_argument(*option.flags, **_taking(option))
    return made


def _taking(option: Option) -> dict[str, Any]:
    taking: dict[str, Any] = {
        "dest": option.field,
        "action": option.kind.action,
        "help": option.help,
    }
    if option.kind.metavar:
        taking["metavar"] = option.kind.metavar
    if option.kind.metavar.startswith("["):  # may be left out
        taking |= {"nargs": "?", "const": str(DEMO_ACCOUNTS)}
    return taking


def _answer(words: Sequence[str], interrupts: Interrupts | None) -> int:
    if asks_for_help(words):
        return _print(help_text())
    given = _given(words)
    if "help" in given:  # as -vh
        return _print(help_text())
    if "version" in given:
        from poller import __version__

        return _print(f"poller {__version__}\n")
    if "schema" in given:
        return _print(_schema())
    if "print_completion" in given:
        from poller.commands.completion import script

        return _print(script(parser(), shell=str(given["print_completion"])))
    if "list" in given:
        _check_listing(given)
    return _run(_settings(given), interrupts, is_listing="list" in given)


def _run(settings: Settings, interrupts: Interrupts | None, *, is_listing: bool) -> int:
    from poller.process.signals import Interrupts
    from poller.process.streams import hold_standard_streams, silence_stray_tracebacks

    interrupts = interrupts or Interrupts(sys.exit)  # before what takes long to load
    hold_standard_streams()
    silence_stray_tracebacks()
    if is_listing:
        from poller.commands.list import list_accounts

        return list_accounts(settings, interrupts)
    return _polling()(settings, interrupts)


def _polling() -> Callable[[Settings, Interrupts], int]:
    """Load what polls, and keep the HTTP library from reading the system's certificates.

    It does so on import, 65 ms, for connections of its own that are never made here: ours
    are verified with what upstream.exchange reads. Only where the process is ours alone.
    """
    before = os.environ.get(_CA_BUNDLE)
    os.environ[_CA_BUNDLE] = os.devnull
    try:
        from poller.commands.poll import run
    finally:
        if before is None:
            del os.environ[_CA_BUNDLE]
        else:
            os.environ[_CA_BUNDLE] = before
    return run


def _check_listing(given: dict[str, object]) -> None:
    for option in every_option():
        if option.field in _ABOUT_ANSWERS and option.field in given:
            raise UsageError(
                f"{option.place}: --list asks nobody, so there are no answers: "
                f"leave out --list, or {option.place}"
            )


def asks_for_help(words: Sequence[str]) -> bool:
    """Tell whether help is wanted, whatever else is said."""
    options = words[: words.index("--")] if "--" in words else words
    return "--help" in options or "-h" in options


def _schema() -> str:
    from importlib.resources import files

    return files("poller.present").joinpath("record.schema.json").read_text(encoding="utf-8")


def _settings(given: dict[str, object]) -> Settings:
    from poller.settings.resolve import resolve

    config = given.get("config")
    others = {option.field for option in OTHERS}
    flags = {field: value for field, value in given.items() if field not in others}
    return resolve(flags, config=None if config is None else str(config))


def _given(words: Sequence[str]) -> dict[str, object]:
    """Return the accepted values of the flags that are there, and of the accounts."""
    from argparse import ArgumentError

    try:
        space, left = parser().parse_known_args(list(words))
    except ArgumentError as error:
        raise UsageError(_argument_mistake(error)) from None
    raw: dict[str, object] = vars(space)
    accounts, unknown = _left_over(left)
    if accounts:
        raw["accounts"] = accounts
    values: dict[str, object] = {}
    mistakes = [*map(_unknown_flag, unknown), *_accept(raw, into=values)]
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return values


def _left_over(words: list[str]) -> tuple[list[str], list[str]]:
    end = words.index("--") if "--" in words else len(words)
    unknown = [word for word in words[:end] if word.startswith("-") and word != "-"]
    accounts = [word for word in words[:end] if word not in unknown]
    return accounts + words[end + 1 :], unknown


def _accept(raw: dict[str, object], *, into: dict[str, object]) -> Iterator[str]:
    for option in (*every_option(), *OTHERS):
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


def _argument_mistake(error: ArgumentError) -> str:
    flag = (error.argument_name or "").rpartition("/")[2]
    option = next(option for option in (*every_option(), *OTHERS) if flag in option.flags)
    if option.kind.metavar:
        return f"{flag}: expected {option.kind.expects}, got nothing"
    return f"{flag}: takes no value"


def _unknown_flag(word: str) -> str:
    flag = word.partition("=")[0]
    written = quoted(flag)[1:-1]
    known = [name for option in (*every_option(), *OTHERS) for name in option.flags]
    keys = {f"--{option.key}": option.key for option in OPTIONS["requests"] if not option.flags}
    if flag in _SAID_ELSEWHERE:
        return f"{written}: unknown option; {_SAID_ELSEWHERE[flag]}"
    near = nearest(flag, [*known, *keys])
    if near in keys:
        return f"{written}: set {keys[near]!r} in [requests] of the configuration file instead"
    if near:
        return f"{written}: unknown option; did you mean {near}?"
    return f"{written}: unknown option; poller --help shows them all"


def help_text() -> str:
    """Return what ``--help`` prints: the table's options in groups, 80 columns at most."""
    lines = [_HEAD]
    for section, options in (*OPTIONS.items(), ("other", OTHERS)):
        lines.append(f"{section}:")
        for option in options:
            lines += _help_lines(option)
        lines.append("")
    return "\n".join(lines) + _EXAMPLES


def _help_lines(option: Option) -> Iterable[str]:
    if not option.place:
        return []
    names = f"{', '.join(option.flags)} {option.kind.metavar}" if option.flags else "ACCOUNT ..."
    default = f" (default: {_plain(option)})" if option.default else ""
    first, *rest = _wrapped(option.help + default)
    left = f"  {names.rstrip()}"
    if len(left) >= _INDENT:
        return [left, *(" " * _INDENT + line for line in (first, *rest))]
    return [left.ljust(_INDENT) + first, *(" " * _INDENT + line for line in rest)]


def _plain(option: Option) -> str:
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) + 1 > _WIDTH - _INDENT:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _print(text: str) -> int:
    problem = _write(_STDOUT, text)
    if problem is None:
        return 0
    if isinstance(problem, BrokenPipeError):
        return READER_GONE
    _write(_STDERR, f"poller: standard output: {(problem.strerror or 'closed').lower()}\n")
    return UNWRITTEN


def _write(descriptor: int, text: str) -> OSError | None:
    # Past sys.stdout: what it could not write it would try again, loudly, at exit.
    left = text.encode("utf-8", "backslashreplace")
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            from select import select

            select([], [descriptor], [])
        except OSError as error:
            return error
    return None
