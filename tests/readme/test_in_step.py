"""What the pages quote is what the program says, and pages in two languages say the same."""

from __future__ import annotations

import json
import os
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from poller.cli import parse
from poller.commands import COMMANDS
from poller.present import csv
from poller.present.file_record import serialize
from poller.settings.options import every_option
from poller.values import FailureKind, FileEntry
from tests.readme.manpage import PAGE, manpage
from tests.readme.picture import svgs
from tests.readme.quoting import OPTIONS, help_of, quoted
from tests.readme.reading import (
    CHINESE,
    DOCS,
    ENGLISH,
    IN_BOTH,
    PAGES,
    ROOT,
    anchors_of,
    blocks_of,
    headings_of,
    links_of,
    sections_of,
    table_with,
    tables_of,
    text_of,
)
from tests.running import schema

if TYPE_CHECKING:
    from pathlib import Path

RENEW = "it is not what the program does now: make readme, and look at what changed"
LONGEST_README = 13_000
"""Bytes; people leave longer ones unread."""
CHINESE_PAGES = tuple(chinese for _, chinese in IN_BOTH)

_CODE = re.compile(r"`([^`]+)`")
"""What is the same in every language."""


TEXTS = ("schema", "completion", "help")
BUILT = {*COMMANDS}
EXPLAINED = ("poller", *(f"poller {name}" for name in BUILT - {"poll", *TEXTS}))
"""What has options of its own, as ``help_of`` takes it."""


def names_in(cell: str) -> list[str]:
    return _CODE.findall(cell)


def keys_in(table: list[list[str]]) -> list[str]:
    return [name for row in table[1:] for name in names_in(row[0])]


# With the program


def test_the_pictures_are_the_demo_of_today() -> None:
    drawn = svgs()
    there = {path.name for path in (ROOT / ".github").glob("*.svg")}
    assert there == {*drawn, "watch.svg"}, RENEW
    for name, svg in drawn.items():
        assert (ROOT / ".github" / name).read_text(encoding="utf-8") == svg, RENEW


def test_the_recording_is_small_and_shows_what_watch_has() -> None:
    recorded = (ROOT / ".github" / "watch.svg").read_bytes()
    assert len(recorded) < 300_000
    told = re.sub(r"<[^>]+>", " ", recorded.decode())
    assert all(text in told for text in ("12 accounts", "forecast", "asks next at", "q quit"))


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_a_readme_shows_its_picture_by_day_and_by_night(name: str) -> None:
    ending = "-zh" if name == CHINESE else ""
    pictures = [f".github/table{ending}-{theme}.svg" for theme in ("dark", "light")]
    shown = [link for link in links_of(name) if link.endswith(".svg")]
    assert shown == [*pictures, ".github/watch.svg"]
    assert re.search(r"prefers-color-scheme: dark.* srcset=\"[^\"]*-dark\.svg\"", text_of(name))


def test_the_help_is_the_help_of_today() -> None:
    assert text_of(OPTIONS) == quoted(text_of(OPTIONS)), RENEW
    for command in EXPLAINED:
        assert help_of(command) in text_of(OPTIONS)


def test_the_man_page_is_made_of_todays_options() -> None:
    page = text_of(PAGE)
    assert page == manpage(), RENEW
    built = [option for option in every_option() if not BUILT.isdisjoint(option.commands)]
    flags = [flag for option in built for flag in option.flags]
    assert all(flag.replace("-", r"\-") in page for flag in flags)
    assert not [line for line in page.splitlines() if line.startswith("'")]


def test_every_kind_of_failure_is_explained_in_order() -> None:
    for name, title in (("docs/failures.md", "kind"), ("docs/failures.zh-CN.md", "类型")):
        table = table_with(name, title)
        assert [names_in(row[0])[0] for row in table[1:]] == [kind.value for kind in FailureKind]
        assert all(all(row) for row in table)


def test_every_key_of_a_record_is_explained() -> None:
    told = keys_in(table_with("docs/record.md", "key", "unit"))
    required = {*schema()["required"], "round"}
    assert required == {key for key in told if "." not in key}
    (window,) = schema()["$defs"]["windows"]["patternProperties"].values()
    beneath = {f"windows.*.{key}" for key in window["required"]}
    beneath |= {f"forecast.*.{key}" for key in schema()["$defs"]["forecast"]["required"]}
    assert beneath == {key for key in told if "." in key}


def test_every_column_of_csv_is_explained() -> None:
    columns = csv.heading().decode().strip().split(",")
    assert keys_in(table_with("docs/record.md", "column")) == columns


def test_every_key_of_a_listing_is_explained() -> None:
    line = json.loads(serialize(FileEntry(0, "alice", "alice.auth.json"), now=0))
    assert {*keys_in(table_with("docs/accounts.md", "key"))} == line.keys()


def test_the_record_that_is_shown_is_one() -> None:
    shown = [
        json.loads(block.text) for block in blocks_of("docs/record.md") if block.language == "json"
    ]
    assert len(shown) == 1
    Draft202012Validator(schema()).validate(shown[0])


def test_every_exit_code_is_told_with_its_kinds() -> None:
    for name, title in (("docs/failures.md", "code"), ("docs/failures.zh-CN.md", "退出码")):
        rows = {row[0]: row[1] for row in table_with(name, title)[1:]}
        codes = [0, 1, 2, 3, 4, 64, 70, 74, 129, 130, 143, 141]
        assert [int(code) for cell in rows for code in re.split(r", |、", cell)] == codes
        for code in (1, 2, 3):
            of_class = [kind.value for kind in FailureKind if kind.exit_class == code]
            assert names_in(rows[str(code)]) == [of_class[0], of_class[-1]]


@pytest.mark.parametrize(("name", "title"), [(ENGLISH, "command"), (CHINESE, "命令")])
def test_every_command_is_in_the_readmes_table(name: str, title: str) -> None:
    rows = table_with(name, title)[1:]
    told = {words.split()[1] for row in rows for words in names_in(row[0]) if " " in words}
    assert told == {*COMMANDS}


def test_what_a_file_that_was_found_may_set_is_told() -> None:
    told = set(keys_in(table_with("docs/configuration.md", "it may set")))
    assert told == {option.key for option in every_option() if option.local is not None}


def test_the_configuration_that_is_shown_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [block.text for block in blocks_of("docs/configuration.md") if block.language == "toml"]
    assert len(shown) == 1
    assert tomllib.loads(shown[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shown.toml").write_text(shown[0])
    assert parse(["--config", "shown.toml"]).concurrency == 16


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for link in links_of(name):
        path, _, anchor = link.partition("#")
        if path.startswith("https:"):
            continue
        target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        assert (ROOT / target).exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_a_readme_is_short_and_leads_to_every_page(name: str) -> None:
    assert len(text_of(name).encode()) <= LONGEST_README
    own = {page for page in DOCS if page.endswith(".zh-CN.md") == (name == CHINESE)}
    english_of = {page: page.replace(".zh-CN.md", ".md") for page in own}
    wanted = {page for page in DOCS if not page.endswith(".zh-CN.md")}
    if name == CHINESE:
        wanted = wanted - {*english_of.values()} | own
    assert wanted <= {*links_of(name)}


@pytest.mark.parametrize("name", PAGES)
def test_flags_that_are_named_exist(name: str) -> None:
    lines = text_of(name).splitlines()
    prose = "\n".join(line for line in lines if "python -m tests." not in line)
    known = {flag for command in EXPLAINED for flag in re.findall(r"--[a-z-]+", help_of(command))}
    others = {"--user", "--slurpfile", "--now"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose)) - others <= known


# With each other


@pytest.mark.parametrize(("english", "chinese"), IN_BOTH)
def test_both_have_the_same_sections(english: str, chinese: str) -> None:
    levels = [[level for level, _ in headings_of(name)] for name in (english, chinese)]
    assert levels[0] == levels[1]
    assert sections_of(english)


@pytest.mark.parametrize(("english", "chinese"), IN_BOTH)
def test_both_have_the_same_commands_in_the_same_sections(english: str, chinese: str) -> None:
    for one, other in zip(blocks_of(english), blocks_of(chinese), strict=True):
        assert (one.section, one.place, one.language) == (
            other.section,
            other.place,
            other.language,
        )
        assert one.without_comments == other.without_comments


@pytest.mark.parametrize(("english", "chinese"), IN_BOTH)
def test_both_have_the_same_tables(english: str, chinese: str) -> None:
    for one, other in zip(tables_of(english), tables_of(chinese), strict=True):
        assert len(one) == len(other)
        for row, same in zip(one[1:], other[1:], strict=True):
            assert names_in(row[0]) == names_in(same[0])


@pytest.mark.parametrize("name", CHINESE_PAGES)
def test_chinese_is_set_as_chinese_is(name: str) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text_of(name), flags=re.DOTALL)
    han = r"[\u4e00-\u9fff]"
    assert not re.findall(rf"{han}[,;:!?()]|[,;:!?()]{han}", prose)  # full-width punctuation
    assert not re.findall(rf"{han}[A-Za-z0-9]|[A-Za-z0-9]{han}", prose)  # a space between
    assert not re.findall(rf"^[^#\n].*{han}\n{han}", prose, re.MULTILINE)  # shown as a blank
