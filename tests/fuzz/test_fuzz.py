from __future__ import annotations

import copy
import json
import random
import time
from functools import partial
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from poller.authfiles.shapes import parse
from poller.present.record import serialize
from poller.usage.answer import Answer
from poller.usage.response import usage_or_failure
from poller.values import Response
from tests.auth_files import NOW
from tests.fuzz import fuzzing
from tests.fuzz.checking import compiled
from tests.fuzz.mutating import answers, files, mutated
from tests.running import schema

ANSWERS = FILES = 5_000
"""In CI; ``make fuzz`` takes a million of each."""


def test_no_answer_breaks_the_way_to_its_record() -> None:
    seed = str(random.SystemRandom().randrange(1 << 32))
    figures = fuzzing.fuzz_answers(ANSWERS, seed)
    assert not figures.surprises, (seed, figures.surprises[:2])
    assert figures.kinds.total() == ANSWERS
    assert {"ok", "invalid_response", "unauthorized", "edge_blocked"} <= {*figures.kinds}


def test_no_auth_file_breaks_the_way_to_its_credential() -> None:
    seed = str(random.SystemRandom().randrange(1 << 32))
    figures = fuzzing.fuzz_files(FILES, seed)
    assert not figures.surprises, (seed, figures.surprises[:2])
    assert figures.kinds.total() >= FILES
    assert {"ok", "file_invalid", "no_credentials", "invalid_token"} <= {*figures.kinds}


@pytest.mark.parametrize("corpus", [answers(), files()], ids=["answers", "files"])
def test_the_same_seed_makes_the_same_inputs(corpus: Any) -> None:
    first, second = random.Random(7), random.Random(7)
    made = [mutated(corpus, first) for _ in range(200)]
    assert made == [mutated(corpus, second) for _ in range(200)]
    assert len({*made}) > 180


# The fuzzer itself: what it lets pass must be right


def a_record() -> dict[str, Any]:
    outcome = usage_or_failure(Response(200, (), answers().documents[-1]), observed_at=NOW)
    record: dict[str, Any] = json.loads(serialize(fuzzing._report(Answer(outcome), None)))
    return record


def test_the_fast_check_of_a_record_says_what_jsonschema_says() -> None:
    fits, validator = compiled(schema()), Draft202012Validator(schema())
    chance = random.Random(3)
    odd: list[Any] = [
        None,
        True,
        -1,
        0,
        101,
        1.5,
        "",
        "x",
        "1.5",
        "2026-11-22T15:04:05Z",
        [],
        {},
        [{}],
    ]
    said = {True: 0, False: 0}
    for _ in range(2_000):
        record = copy.deepcopy(a_record())
        place: Any = record
        key = chance.choice(sorted(place))
        while isinstance(place[key], dict) and place[key] and chance.random() < 0.7:
            place = place[key]
            key = chance.choice(sorted(place))
        if chance.random() < 0.2:
            del place[key]
        else:
            place[key if chance.random() < 0.9 else "another"] = chance.choice(odd)
        expected = validator.is_valid(record)
        assert fits(record) == expected, record
        said[expected] += 1
    assert min(said.values()) > 100


@pytest.mark.parametrize(
    ("keyword", "fitting", "beyond"),
    [
        ("maxLength", ["ab", 5, ["a", "b", "c"]], "abc"),
        ("maxItems", [["a", "b"], "abc"], ["a", "b", "c"]),
        ("maxProperties", [{"a": 1, "b": 2}, "abc"], {"a": 1, "b": 2, "c": 3}),
    ],
)
def test_bounds_are_checked_as_jsonschema_does(
    keyword: str, fitting: list[Any], beyond: Any
) -> None:
    told = {keyword: 2}
    for value in (*fitting, beyond):
        assert compiled(told)(value) == Draft202012Validator(told).is_valid(value)
    assert not compiled(told)(beyond)


def test_a_keyword_that_the_fast_check_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="multipleOf"):
        compiled({"type": "object", "properties": {"a": {"multipleOf": 2}}})


def test_a_value_outside_the_schema_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object, **__: object) -> bytes:
        return b'{"schema_version": 2}\n'

    monkeypatch.setattr(fuzzing, "serialize", wrong)
    figures = fuzzing.fuzz_answers(20, "1")
    assert len(figures.surprises) == 20
    assert "outside the schema" in figures.surprises[0]


def test_a_token_in_a_record_is_found() -> None:
    assert fuzzing._shows_token(f"x{fuzzing._MINE.reveal()[20:32]}x")
    assert fuzzing._shows_token(fuzzing._MINE.reveal()[3:15])
    assert not fuzzing._shows_token(f"x{fuzzing._MINE.reveal()[20:31]}*")


def test_an_exception_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(fuzzing, "parse", breaks)
    assert len(fuzzing.fuzz_files(5, "1").surprises) == 5


def test_an_input_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "TIME_LIMIT_S", -1.0)
    figures = fuzzing.fuzz_files(5, "1")
    assert len(figures.surprises) == 5
    assert "an input that takes" in figures.surprises[0]


def test_an_input_that_takes_too_much_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "MEMORY_LIMIT", 1)
    figures = fuzzing.fuzz_answers(2, "1")
    assert "MiB" in figures.surprises[0]


def test_an_input_that_holds_the_loop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "HOLD_LIMIT_S", -1.0)
    assert "holds the loop for" in fuzzing.fuzz_answers(2, "1").surprises[0]
    assert "holds the loop for" in fuzzing.fuzz_files(2, "1").surprises[0]


def test_a_hold_is_what_lets_nobody_else_run() -> None:
    long = [0] * 2_000_000
    alone_s = -time.thread_time()
    long.sort()  # one step for everybody else
    alone_s += time.thread_time()

    def in_steps() -> None:
        for _ in range(20):
            long.sort()

    assert fuzzing.hold_of(long.sort) >= alone_s / 2
    assert min(fuzzing.hold_of(in_steps) for _ in range(5)) < 10 * alone_s


@pytest.mark.parametrize("unit", ["[]", "{}", "0", '{"accessToken":""}', '"x"'])
def test_no_file_holds_the_loop_while_it_is_read(unit: str) -> None:
    heap: list[object] = [[] for _ in range(300_000)]  # what the collector would walk through
    parts = ",".join([unit] * ((1 << 20) // (len(unit) + 1) - 10))
    content = f'{{"accounts":[{parts}]}}'.encode()
    holds_s = [fuzzing.hold_of(partial(parse, content, now=0.0)) for _ in range(20)]
    assert min(holds_s) <= fuzzing.HOLD_LIMIT_S
    assert len(heap) == 300_000


def test_some_inputs_are_as_large_as_one_may_be() -> None:
    chance = random.Random(5)
    sizes = [len(mutated(corpus, chance)) for corpus in (answers(), files()) for _ in range(2_000)]
    assert 500_000 < max(sizes) <= (1 << 20) + 100
