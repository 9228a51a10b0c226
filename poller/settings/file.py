"""Find, read and check a configuration file; every mistake in it is told at once."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from poller.settings import UsageError
from poller.settings.addresses import is_known_target
from poller.settings.options import OPTIONS, Option, every_option
from poller.settings.value_types import is_table, nearest, quoted
from poller.text import masked, printable

HERE = "config.toml"

_SIZE_CAP = 1 << 20
_LINE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file and how it came to be read."""

    path: str
    named: bool
    """False where it lay in the current folder, and may be somebody else's."""

    @property
    def shown(self) -> str:
        """The path as messages show it."""
        return printable(self.path)


def find(named: str | None) -> Source | None:
    """Return the first of: the file that was named, ``config.toml`` here, the user's own."""
    if named is not None:
        return Source(named, named=True)
    if _is_there(HERE):
        return Source(HERE, named=False)
    own = own_path()
    return Source(own, named=True) if _is_there(own) else None


def _is_there(path: str) -> bool:
    try:
        Path(path).lstat()
    except OSError:
        return False
    return True


def own_path() -> str:
    """Return where the user's own file is, or would be."""
    from platformdirs import user_config_dir

    return str(Path(user_config_dir("poller", appauthor=False), HERE))


def read(source: Source) -> dict[str, object]:
    """Return what the file sets, by the name of the field in ``Settings``.

    Raises:
        UsageError: with one line for each mistake, each beginning with the file's path.
    """
    values: dict[str, object] = {}
    mistakes: list[str] = []
    document = _document(source)
    for name, content in document.items():
        section = _section_meant(name, content)
        if section != name:
            mistakes.append(_stranger(name, content, section))
        if section is None:
            continue
        if is_table(content):
            mistakes += _take(content, into=values, section=section, written=name, source=source)
        else:
            mistakes.append(f"{name}: expected a section, [{name}], got {quoted(content)}")
    if document and not source.named and OPTIONS.keys().isdisjoint(document):
        mistakes.append("if it is another program's, name yours with --config FILE")
    if mistakes:
        raise UsageError("\n".join(f"{source.shown}: {mistake}" for mistake in mistakes))
    return values


def _document(source: Source) -> dict[str, object]:
    import tomllib  # 6 ms that who has no file need not wait for

    try:
        return tomllib.loads(_text(source))
    except tomllib.TOMLDecodeError as error:
        problem = _syntax_problem(str(error), _text(source))
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
        raise UsageError(f"{source.shown}: larger than 1 MiB, hardly a configuration file")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{source.shown}: line {line}: not UTF-8; save it as UTF-8") from None


def _content(source: Source) -> bytes:
    try:
        path = Path(source.path)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{source.shown}: a folder, not a configuration file")
        if not source.named and not stat.S_ISREG(mode):  # a FIFO would be waited for
            raise UsageError(f"{source.shown}: not a regular file; name one with --config FILE")
        with path.open("rb") as file:
            return file.read(_SIZE_CAP + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"{source.shown}: cannot be read: {why}") from None


def _section_meant(name: str, content: object) -> str | None:
    if name in OPTIONS:
        return name
    return nearest(name, OPTIONS) if is_table(content) and not _homes(name) else None


def _homes(key: str) -> list[str]:
    return [name for name, options in OPTIONS.items() if any(o.key == key for o in options)]


def _stranger(name: str, content: object, section: str | None) -> str:
    written = _written(name)
    if section:
        return f"{written}: unknown section; did you mean {section!r}?"
    if not is_table(content):
        return f"{written}: {_where_it_belongs(name) or 'unknown key outside any section'}"
    return f"{written}: unknown section; there are {', '.join(OPTIONS)}"


def _written(name: str) -> str:
    return quoted(name)[1:-1]


def _where_it_belongs(key: str, section: str | None = None) -> str | None:
    if homes := _homes(key):
        return f"belongs in [{homes[0]}]"
    within = [option.key for option in OPTIONS[section]] if section else []
    if near := nearest(key, within):
        return f"unknown key; did you mean {near!r}?"
    if near := nearest(key, [option.key for option in every_option()]):
        return f"unknown key; did you mean {near!r} in [{_homes(near)[0]}]?"
    return None


def _all_keys(section: str) -> str:
    return f"unknown key; [{section}] has {', '.join(option.key for option in OPTIONS[section])}"


def _take(
    table: dict[str, object],
    *,
    into: dict[str, object],
    section: str,
    written: str,
    source: Source,
) -> list[str]:
    options = {option.key: option for option in OPTIONS[section]}
    mistakes: list[str] = []
    for key, value in table.items():
        place = f"{_written(written)}.{_written(key)}"
        option = options.get(key)
        if option is None:
            mistakes.append(f"{place}: {_where_it_belongs(key, section) or _all_keys(section)}")
            continue
        try:
            into[option.field] = _accepted(option, value, source)
        except UsageError as error:
            mistakes.append(f"{place}: {error}")
    return mistakes


def _accepted(option: Option, value: object, source: Source) -> object:
    accepted = option.kind.validate(value)
    if not option.guarded or source.named or _is_own(source.path):
        return accepted
    if option.key == "chatgpt_url" and is_known_target(str(accepted)):
        return accepted
    raise UsageError(
        f"not taken from a {HERE} that lies in the current folder, as {option.guarded}; "
        f"set it with {option.place} or in {printable(own_path())}, "
        f"or say --config {HERE} where the file is yours",
    )


def _is_own(path: str) -> bool:
    try:
        return Path(path).samefile(own_path())
    except OSError:
        return False
