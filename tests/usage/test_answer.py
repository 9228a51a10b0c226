from __future__ import annotations

import gc
import json
import threading
import time
import tracemalloc
from itertools import chain

import pytest

from poller.text import KnownTokens
from poller.usage.answer import Answer, belongs_in_thread, read_answer
from poller.values import Failure, FailureKind, Response, Secret, Usage

NOW = 1_795_361_246.0
TOKEN = "Zm9yIHRlc3RzIG9ubHksIG5vIHRva2Vu"
LARGEST = 1 << 20


def known() -> KnownTokens:
    tokens = KnownTokens()
    tokens.add([Secret(TOKEN)])
    return tokens


def test_an_answer_is_read_and_nothing_is_kept_unless_asked_for() -> None:
    response = Response(200, (("via", TOKEN),), json.dumps({"plan_type": TOKEN}).encode())
    assert read_answer(response, known().mask, observed_at=NOW) == Answer(
        Usage(plan="***"), None, None
    )


def test_what_is_kept_of_an_answer_is_masked() -> None:
    response = Response(403, (("via", TOKEN),), json.dumps({"error": TOKEN}).encode())
    read = read_answer(response, known().mask, observed_at=NOW, keeps_json=True, keeps_headers=True)
    assert isinstance(read.outcome, Failure)
    assert (read.outcome.kind, read.outcome.code) == (FailureKind.FORBIDDEN, "***")
    assert (read.raw, read.headers) == ({"error": "***"}, {"via": "***"})
    assert TOKEN not in repr(read)


@pytest.mark.parametrize(
    ("size", "keeps_json", "in_thread"),
    [(65_536, False, False), (65_537, False, True), (8_192, True, False), (8_193, True, True)],
)
def test_a_large_answer_belongs_in_a_thread(size: int, keeps_json: bool, in_thread: bool) -> None:
    response = Response(200, (), b" " * size)
    assert belongs_in_thread(response, keeps_json=keeps_json) is in_thread


@pytest.mark.parametrize(("count", "in_thread"), [(819, False), (820, True)])
def test_an_answer_with_large_headers_belongs_in_a_thread_where_they_are_kept(
    count: int, in_thread: bool
) -> None:
    response = Response(200, (("via", "1234567"),) * count, b"")
    assert not belongs_in_thread(response)
    assert belongs_in_thread(response, keeps_headers=True) is in_thread


def filled(unit: str, *, before: str = "", after: str = "", between: str = ",") -> bytes:
    """Return a usage of 1 MiB that is ``unit`` again and again."""
    head = f'{{"plan_type": "plus", "additional_rate_limits": [{before}'
    times = (LARGEST - len(head) - len(before) - len(after) - 4) // len(unit + between)
    return f"{head}{between.join([unit] * times)}{after}]}}".encode()


LIMIT = json.dumps({"limit_name": "x" * 99, "rate_limit": {"primary": {"used_percent": 1}}})
HOSTILE = {
    "objects": filled("{}"),
    "lists": filled("[]"),
    "nested lists": filled("[" * 200 + "]" * 200),
    "limits": filled(LIMIT),
    "numbers": filled("1"),
    "numbers beyond floats": filled("1e999"),
    "texts": filled('"abcdefghijkl"'),
    "texts of a token": filled(f'"{TOKEN[3:15]}"'),
    "a token": filled(TOKEN, before='"', after='"', between=""),
    "letters": filled("x", before='"', after='"', between=""),
    "escapes": filled("\\\\u0041", before='"', after='"', between=""),
    "entities": filled("&period;", before='"', after='"', between=""),
    "half entities": filled("&aaaaaaa", before='"', after='"', between=""),
    "percent": filled("%41", before='"', after='"', between=""),
    "hexadecimal": filled("4a", before='"', after='"', between=""),
    "Base64": filled("aGVsbG8gdGhlcmUgYW5kIG1vcmUg", before='"', after='"', between=""),
    "half tokens": filled("eyJabcdefg ", before='"', after='"', between=""),
    "names": filled("access_token=", before='"', after='"', between=""),
    "surrogates": filled("\\ud800", before='"', after='"', between=""),
    "a page": b"<html>" + b"authorization: " * 69_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("keeps", [False, True], ids=["", "kept"])
def test_no_answer_takes_long_or_much(body: bytes, keeps: bool) -> None:
    assert len(body) <= LARGEST
    tokens = known()
    for number in range(50):
        tokens.add([Secret(f"{number:04d}" * 500)])
    response = Response(200, (), body)

    def read() -> Answer:
        return read_answer(response, tokens.mask, observed_at=NOW, keeps_json=keeps)

    read()  # what is built once
    begun_s = time.thread_time()
    read()
    assert time.thread_time() - begun_s < 0.4
    tracemalloc.start()
    read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def test_headers_of_any_number_take_no_time() -> None:
    many = tuple(chain(((f"x-{number}", TOKEN) for number in range(50_000)), [("a", "b")] * 50_000))
    begun_s = time.thread_time()
    read = read_answer(
        Response(200, many, b"{}"), known().mask, observed_at=NOW, keeps_headers=True
    )
    assert time.thread_time() - begun_s < 0.4
    assert read.headers is not None
    assert sum(map(len, chain(*read.headers.items()))) < 65_536


def test_large_answers_are_read_in_threads_beside_one_another() -> None:
    tokens, found = known(), list[Answer]()

    def read(name: str) -> None:
        response = Response(200, (), HOSTILE[name])
        found.append(read_answer(response, tokens.mask, observed_at=NOW, keeps_json=True))

    threads = [threading.Thread(target=read, args=[name]) for name in ["objects", "lists"] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [isinstance(each.outcome, Usage) for each in found] == [True] * 6
    assert gc.isenabled()
