"""Both languages say everything, and one says what the other does."""

from __future__ import annotations

import ast
import errno
import os
import re
from dataclasses import fields
from string import Formatter
from typing import TYPE_CHECKING

import orjson
import pytest

from poller.present.catalogue import CHINESE, ENGLISH, language_of, words_of
from poller.renewal.eligibility import obstacle
from poller.usage.response import usage_or_failure
from poller.values import Failure, FailureKind, Response
from tests.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from poller.present.words import Words

BOTH = [ENGLISH, CHINESE]
HAN = re.compile(r"[\u4e00-\u9fff]")


def texts(words: Words) -> dict[str, str]:
    """Return every text of a language by where it stands."""
    found: dict[str, str] = {}
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, str):
            found[field.name] = value
        elif isinstance(value, tuple):
            found |= {f"{field.name} {place}": text for place, text in enumerate(value)}
        elif not isinstance(value, bool):
            for key, text in value.items():
                several = (text,) if isinstance(text, str) else text
                found |= {f"{field.name} {key} {part}": one for part, one in enumerate(several)}
    return found


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("words", BOTH, ids=lambda words: words.language)
def test_every_kind_of_failure_has_its_sentence(words: Words) -> None:
    assert set(words.failures) == set(FailureKind)
    assert all(text for sentence in words.failures.values() for text in sentence)


def said_by_the_program() -> Iterator[str]:
    """Yield the texts in the rooms that make failures, the ends of two as one."""
    for room in ("authfiles", "renewal", "upstream", "usage"):
        for path in (ROOT / "poller" / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_detail_that_is_translated_is_said() -> None:
    said = {text.removesuffix(": ") for text in said_by_the_program()}
    said.add(os.strerror(errno.ECONNREFUSED).lower())
    for message in CHINESE.details:
        beginnings = ("", "not refreshed: ", "the file ")
        assert any(
            message.startswith(beginning) and message.removeprefix(beginning) in said
            for beginning in beginnings
        ), message


def test_both_languages_say_the_same_things() -> None:
    english = texts(ENGLISH)
    chinese = {name: text for name, text in texts(CHINESE).items() if name[:7] != "details"}
    names = {"short_windows monthly 0"} | set(english)
    assert set(chinese) == names & set(english)
    assert all(english.values())
    assert all(chinese.values())


def test_what_is_filled_in_is_the_same_but_for_dates_and_what_is_left_over() -> None:
    english, chinese = texts(ENGLISH), texts(CHINESE)
    free = {"date", "short_date", "more", "language"}
    for name in set(english) - free:
        assert names_in(english[name]) == names_in(chinese[name]), name


def test_english_is_ascii_but_for_the_arrow() -> None:
    assert all(text.replace("→", "").isascii() for text in texts(ENGLISH).values())


def test_chinese_says_it_in_chinese() -> None:
    for name, english in texts(ENGLISH).items():
        words = re.search("[A-Za-z]{2}", re.sub(r"\{[^}]*\}", "", english))
        if words and name not in ("language", "today_at", "refresh", "together_exactly"):
            assert HAN.search(texts(CHINESE).get(name, "")), name


def test_chinese_is_set_as_chinese_is() -> None:
    for name, text in texts(CHINESE).items():
        if name.startswith("months"):
            continue
        plain = re.sub(r"\{[^}]*\}", "{}", text)
        assert not re.search(rf"{HAN.pattern}[,;:!?()]|[,;:!?()]{HAN.pattern}", plain), name
        assert not re.search(rf"{HAN.pattern}[A-Za-z0-9]|[A-Za-z0-9]{HAN.pattern}", plain), name


@pytest.mark.parametrize("words", BOTH, ids=lambda words: words.language)
def test_whatever_stands_against_a_refresh_has_a_name(words: Words) -> None:
    told = set(re.findall(r"``(\w+)``", obstacle.__doc__ or ""))
    assert told
    assert set(words.refreshable) == told | {"in_place", "no_refresh_token"}


@pytest.mark.parametrize("words", BOTH, ids=lambda words: words.language)
def test_the_upstreams_own_code_makes_a_sentence_exact(words: Words) -> None:
    general = words.sentence(FailureKind.UNAUTHORIZED, "something new")
    assert general == words.sentence(FailureKind.UNAUTHORIZED, None)
    assert words.sentence(FailureKind.UNAUTHORIZED, "account_deactivated") != general


@pytest.mark.parametrize("words", BOTH, ids=lambda words: words.language)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"detail": {"code": "app_session_terminated"}}),
        (401, {"detail": {"code": "app_session_expired"}}),
        (401, {"detail": {"code": "account_session_expired"}}),
        (403, {"error": {"code": "unsupported_country_region_territory"}}),
        (429, {"error": {"type": "usage_limit_reached"}}),
    ],
)
def test_a_refusal_that_calls_for_something_else_is_told_so(
    words: Words, status: int, body: object
) -> None:
    response = Response(status, (), orjson.dumps(body))
    failure = usage_or_failure(response, observed_at=0.0)
    assert isinstance(failure, Failure)
    assert words.sentence(failure.kind, failure.code) != words.sentence(failure.kind, None)


def test_windows_go_by_short_names() -> None:
    names = ("five_hour", "weekly_2", "monthly", "15m", "other_2x", "spend_limit")
    assert [ENGLISH.window(name) for name in names] == (
        ["5h", "week 2", "month", "15m", "other_2x", "spend limit"]
    )
    assert ENGLISH.window("spend_limit", short=True) == "spend"


def test_a_number_chooses_its_form() -> None:
    assert ENGLISH.counted(ENGLISH.accounts, 1) == "1 account"
    assert ENGLISH.counted(ENGLISH.accounts, 2) == "2 accounts"
    assert CHINESE.counted(CHINESE.accounts, 2) == "2 个账号"


def test_where_only_ascii_can_be_shown_it_is_english() -> None:
    assert words_of("zh") is CHINESE
    assert words_of("zh", unicode=False) is ENGLISH
    assert words_of("en") is ENGLISH


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "POSIX"}, "en"),
    ],
)
def test_the_environment_asks_for_a_language_as_elsewhere(
    environ: Mapping[str, str], language: str
) -> None:
    assert language_of(environ) == language
