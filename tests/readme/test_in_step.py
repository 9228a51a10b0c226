"""What the READMEs quote is what the program says, and both say the same."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from poller.cli import parse
from poller.commands.help import text as help_text
from poller.values import FailureKind
from tests.readme.picture import svg
from tests.readme.quoting import READMES, quoted
from tests.readme.reading import (
    CHINESE,
    ENGLISH,
    ROOT,
    anchors_of,
    blocks_of,
    headings_of,
    links_of,
    sections_of,
    tables_of,
    text_of,
)
from tests.running import schema

if TYPE_CHECKING:
    from pathlib import Path

RENEW = "it is not what the program does now: make readme, and look at what changed"

_CODE = re.compile(r"`([^`]+)`")
"""What is the same in every language."""


def names_in(cell: str) -> list[str]:
    return _CODE.findall(cell)


# With the program


def test_the_picture_is_the_demo_of_today() -> None:
    assert (ROOT / ".github" / "table.svg").read_text(encoding="utf-8") == svg(), RENEW


@pytest.mark.parametrize("name", READMES)
def test_the_help_is_the_help_of_today(name: str) -> None:
    assert text_of(name) == quoted(text_of(name)), RENEW
    assert help_text() in text_of(name)


@pytest.mark.parametrize("name", READMES)
def test_every_kind_of_failure_is_explained_in_order(name: str) -> None:
    kinds = [names_in(row[0])[0] for row in tables_of(name)[2][1:]]
    assert kinds == [kind.value for kind in FailureKind]
    assert all(all(row) for row in tables_of(name)[2])


@pytest.mark.parametrize("name", READMES)
def test_every_key_of_a_record_is_explained(name: str) -> None:
    told = {key for row in tables_of(name)[1][1:] for key in names_in(row[0])}
    required = set(schema()["required"])
    assert required - told == {"schema_version"}
    assert {key for key in told if "." not in key} <= required


@pytest.mark.parametrize("name", READMES)
def test_the_record_that_is_shown_is_one(name: str) -> None:
    shown = [json.loads(block.text) for block in blocks_of(name) if block.language == "json"]
    assert len(shown) == 1
    Draft202012Validator(schema()).validate(shown[0])


@pytest.mark.parametrize("name", READMES)
def test_every_exit_code_is_told_with_its_kinds(name: str) -> None:
    rows = {row[0]: row[1] for row in tables_of(name)[3][1:]}
    codes = [0, 1, 2, 3, 4, 64, 70, 74, 130, 143, 141]
    assert [int(code) for cell in rows for code in re.split(r", |、", cell)] == codes
    for code in (1, 2, 3):
        of_class = [kind.value for kind in FailureKind if kind.exit_class == code]
        assert names_in(rows[str(code)]) == [of_class[0], of_class[-1]]


@pytest.mark.parametrize("name", READMES)
def test_the_configuration_that_is_shown_is_taken(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [block.text for block in blocks_of(name) if block.language == "toml"]
    assert len(shown) == 1
    assert tomllib.loads(shown[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shown.toml").write_text(shown[0])
    assert parse(["--config", "shown.toml"]).concurrency == 16


@pytest.mark.parametrize("name", READMES)
def test_every_link_leads_somewhere(name: str) -> None:
    for link in links_of(name):
        path, _, anchor = link.partition("#")
        if path.startswith("https:"):
            continue
        assert not path or (ROOT / path).exists(), link
        assert not anchor or anchor in anchors_of(path or name), link


@pytest.mark.parametrize("name", READMES)
def test_flags_that_are_named_exist(name: str) -> None:
    lines = text_of(name).replace(help_text(), "").splitlines()
    prose = "\n".join(line for line in lines if "python -m tests." not in line)
    known = set(re.findall(r"--[a-z-]+", help_text()))
    others = {"--user", "--slurpfile", "--now"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose)) - others <= known


# With each other


def test_both_have_the_same_sections() -> None:
    levels = [[level for level, _ in headings_of(name)] for name in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]
    assert len(sections_of(ENGLISH)) >= 16


def test_both_have_the_same_commands_in_the_same_sections() -> None:
    english, chinese = blocks_of(ENGLISH), blocks_of(CHINESE)
    for one, other in zip(english, chinese, strict=True):
        assert (one.section, one.place, one.language) == (
            other.section,
            other.place,
            other.language,
        )
        assert one.without_comments == other.without_comments


def test_both_have_the_same_tables() -> None:
    english, chinese = tables_of(ENGLISH), tables_of(CHINESE)
    for one, other in zip(english, chinese, strict=True):
        assert len(one) == len(other)
        for row, same in zip(one[1:], other[1:], strict=True):
            assert names_in(row[0]) == names_in(same[0])


def test_chinese_is_set_as_chinese_is() -> None:
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text_of(CHINESE), flags=re.DOTALL)
    han = r"[\u4e00-\u9fff]"
    assert not re.findall(rf"{han}[,;:!?()]|[,;:!?()]{han}", prose)  # full-width punctuation
    assert not re.findall(rf"{han}[A-Za-z0-9]|[A-Za-z0-9]{han}", prose)  # a space between
    assert not re.findall(rf"^[^#\n].*{han}\n{han}", prose, re.MULTILINE)  # shown as a blank
