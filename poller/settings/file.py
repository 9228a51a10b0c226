"""Find, read and check configuration files; the mistakes in one are told together."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from poller.process.own_folders import own_config_folder
from poller.settings.options import OPTIONS, Option, every_option
from poller.settings.quoting import is_table, nearest, quoted
from poller.settings.value_types import UsageError
from poller.text import masked, os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "config.toml"

_SIZE_CAP = 64 * 1024
_DOTS_CAP = 100
"""In one line. The parser's time grows with the square of a dotted key's length."""
_MISTAKES_TOLD = 20
"""At most: to look for what was meant takes a millisecond each."""
_LINE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file and how it came to be read."""

    path: str
    local: bool = False
    """Whether it was found in the current folder, and may have come with somebody else's files."""

    @property
    def shown(self) -> str:
        """The path as messages show it."""
        return printable(self.path)


def find(named: str | None) -> tuple[Source, ...]:
    """Return the files to read, each over the one before it.

    That is the named file alone, else the user's own file and ``config.toml`` in the
    current folder, as far as they exist. Where both are the same file, it is the user's.
    """
    if named is not None:
        return (Source(named),)
    path, local = own_path(), Source(HERE, local=True)
    if path is None or not _exists(path):
        return (local,) if _exists(HERE) else ()
    own = Source(path)
    if not _exists(HERE) or _is_same(path, HERE):
        return (own,)
    return (own, local)


def _exists(path: str) -> bool:
    return os.path.lexists(path)


def _is_same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def own_path() -> str | None:
    """Return where the user's own file is, or would be; None where no home folder is known."""
    folder = own_config_folder()
    return None if folder is None else os.path.join(folder, HERE)


def own_file_shown() -> str:
    """Return what messages call the user's own file."""
    return printable(own_path() or "a configuration file of your own")


def read(source: Source) -> dict[str, object]:
    """Return what the file sets, by the name of the field in ``Settings``.

    Raises:
        UsageError: with one line for each mistake, each beginning with the file's path.
    """
    values: dict[str, object] = {}
    told = list(islice(_mistakes(_document(source), source, into=values), _MISTAKES_TOLD + 1))
    if len(told) > _MISTAKES_TOLD:
        told[-1] = "there are more mistakes than these"
    if told:
        raise UsageError("\n".join(f"{source.shown}: {mistake}" for mistake in told))
    return values


def _document(source: Source) -> dict[str, object]:
    import tomllib  # only where there is a file: it takes 6 ms to load

    text = _text(source)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _DOTS_CAP:
            raise UsageError(
                f"{source.shown}: line {number}: more than {_DOTS_CAP} dots; "
                "give each entry of a list a line of its own"
            )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = _syntax_problem(str(error), text)
    except RecursionError:
        problem = "not TOML: nested too deeply"
    except ValueError:  # a number of thousands of digits
        problem = "not TOML: a number is too long"
    raise UsageError(f"{source.shown}: {problem}") from None


def _syntax_problem(message: str, text: str) -> str:
    found = _LINE.search(message)
    line = found[1] if found and found[1] else str(len(text.rstrip().splitlines()))
    told = printable(masked(_LINE.sub("", message), ()))
    return f"line {line}: not TOML: {told[:1].lower()}{told[1:]}"


def _text(source: Source) -> str:
    content = _content(source)
    if len(content) > _SIZE_CAP:
        raise UsageError(f"{source.shown}: larger than 64 KiB, hardly a configuration file")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{source.shown}: line {line}: not UTF-8; save it as UTF-8") from None


def _content(source: Source) -> bytes:
    # A FIFO that came with somebody else's files would be waited for.
    waiting = getattr(os, "O_NONBLOCK", 0) if source.local else 0
    try:
        if Path(source.path).is_dir():
            raise UsageError(f"{source.shown}: a folder, not a configuration file")
        with open(os.open(source.path, os.O_RDONLY | waiting), "rb") as file:
            if source.local and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{source.shown}: not a regular file; name one with --config FILE")
            return file.read(_SIZE_CAP + 1)
    except OSError as error:
        raise UsageError(f"{source.shown}: cannot be read: {os_error_text(error)}") from None


def _mistakes(
    document: dict[str, object], source: Source, *, into: dict[str, object]
) -> Iterator[str]:
    """Put the document's values into ``into``; yield what is wrong with it."""
    for name, content in document.items():
        if name == "alert":
            yield from _alert_mistakes(content, source, into=into)
            continue
        section = _section_meant(name, content)
        if section != name:
            yield _unknown_section(name, content, section)
        if section is None:
            continue
        if is_table(content):
            yield from _section_mistakes(content, source, section, written=name, into=into)
        else:
            yield f"{name}: expected a section, [{name}], got {quoted(content)}"
    if document and source.local and {*OPTIONS, "alert"}.isdisjoint(document):
        yield "if it is another program's, name yours with --config FILE"


def _alert_mistakes(content: object, source: Source, *, into: dict[str, object]) -> Iterator[str]:
    if source.local:
        yield f"alert: {_not_from_here('may not set this')}"
        return
    from poller.settings.alert_tables import read_alerts  # what few files have

    alerts, mistakes = read_alerts(content)
    into["alerts"] = tuple(alerts)
    yield from mistakes


def _section_meant(name: str, content: object) -> str | None:
    if name in OPTIONS:
        return name
    if name == "alerts":
        return None
    return nearest(name, OPTIONS) if is_table(content) and not _sections_with(name) else None


def _sections_with(key: str) -> list[str]:
    return [name for name, options in OPTIONS.items() if any(o.key == key for o in options)]


def _unknown_section(name: str, content: object, section: str | None) -> str:
    written = _written(name)
    if name == "alerts":
        return f"{written}: did you mean [[alert]]?"
    if section:
        return f"{written}: unknown section; did you mean {section!r}?"
    if not is_table(content):
        return f"{written}: {_where_it_belongs(name) or 'unknown key outside any section'}"
    return f"{written}: unknown section; there are {', '.join(OPTIONS)}"


def _written(name: str) -> str:
    return quoted(name)[1:-1]


def _where_it_belongs(key: str, section: str | None = None) -> str | None:
    if sections := _sections_with(key):
        return f"belongs in [{sections[0]}]"
    within = [option.key for option in OPTIONS[section]] if section else []
    if near := nearest(key, within):
        return f"unknown key; did you mean {near!r}?"
    if near := nearest(key, [option.key for option in every_option()]):
        return f"unknown key; did you mean {near!r} in [{_sections_with(near)[0]}]?"
    return None


def _section_mistakes(
    table: dict[str, object],
    source: Source,
    section: str,
    *,
    written: str,
    into: dict[str, object],
) -> Iterator[str]:
    options = {option.key: option for option in OPTIONS[section]}
    for key, value in table.items():
        place = f"{_written(written)}.{_written(key)}"
        option = options.get(key)
        if option is None:
            all_keys = f"unknown key; [{section}] has {', '.join(options)}"
            yield f"{place}: {_where_it_belongs(key, section) or all_keys}"
            continue
        try:
            accepted = option.kind.validate(value)
        except UsageError as error:
            yield f"{place}: {error}"
            continue
        if not source.local or _is_harmless(option, value):
            into[option.field] = accepted
        elif accepted != option.default:  # the example file has all defaults; they decide nothing
            yield f"{place}: {_not_from_here(_limit(option))}"


def _is_harmless(option: Option, value: object) -> bool:
    return option.local is not None and option.local.fit(value) is not None


def _limit(option: Option) -> str:
    return "may not set this" if option.local is None else f"may set only {option.local.expects}"


def _not_from_here(limit: str) -> str:
    return (
        f"a {HERE} found in the current folder {limit}, as it may have come with somebody "
        f"else's files; put it into {own_file_shown()}, or name the file with "
        f"--config {HERE} if it is yours"
    )
