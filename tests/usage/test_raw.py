from __future__ import annotations

from typing import Any

import orjson
import pytest

from poller.text import KnownTokens
from poller.usage.raw import raw_headers, raw_json
from poller.values import Secret

TOKEN = "Zm9yIHRlc3RzIG9ubHksIG5vIHRva2Vu"


def known() -> KnownTokens:
    tokens = KnownTokens()
    tokens.add([Secret(TOKEN)])
    return tokens


def raw(body: bytes) -> Any:
    return raw_json(body, known().mask)


def test_an_answer_is_kept_as_it_came() -> None:
    answer = {"a": [1, 2.5, None, True, {"b": "c"}], "email": "one@example.com"}
    assert raw(orjson.dumps(answer)) == answer


def test_an_answer_that_is_no_json_is_kept_as_text_of_64_kib_at_most() -> None:
    assert raw(b"<html>\xff</html>") == "<html>\ufffd</html>"
    assert raw(b"") == ""
    assert raw(b"[NaN]") == "[NaN]"
    assert len(raw(b"x" * 100_000)) == 65_536


@pytest.mark.parametrize("depth", [253, 254, 255, 1000, 5000])
def test_an_answer_too_deep_to_be_written_is_kept_as_text(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    assert raw(body) == (orjson.loads(body) if depth <= 253 else body.decode())


def test_tokens_in_an_answer_are_masked_wherever_they_stand() -> None:
    answer = {
        "echo": f"you sent {TOKEN}",
        TOKEN: 1,
        "part": [TOKEN[3:20]],
        "shouted": TOKEN.upper(),
        "whosever": "eyJhbGciOiJI.eyJzdWIi.c2ln",
        "access_token": "opaque",
        "refreshToken": {"value": "opaque"},
        "id-token": None,
        "Authorization": ["Bearer opaque"],
        "tokens_left": 5,
    }
    assert raw(orjson.dumps(answer)) == {
        "echo": "you sent ***",
        "***": 1,
        "part": ["***"],
        "shouted": "***",
        "whosever": "***",
        "access_token": "***",
        "refreshToken": "***",
        "id-token": None,
        "Authorization": "***",
        "tokens_left": 5,
    }


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (f"<p>{TOKEN}</p>", "<p>***</p>"),
        ('{"access_token": "opaque", broken', '{"access_token": "***", broken'),
        ("Authorization: Bearer opaque\nnext", "Authorization: Bearer ***\nnext"),
        ("refresh_token=opaque&a=b", "refresh_token=***&a=b"),
    ],
)
def test_tokens_in_text_are_masked(body: str, shown: str) -> None:
    assert raw(body.encode()) == shown


def test_headers_stand_by_name_with_tokens_masked() -> None:
    headers = (
        ("content-type", "application/json"),
        ("set-cookie", "session=1"),
        ("set-cookie", "session=2"),
        ("via", "one"),
        ("via", "two"),
        ("x-echo", f"Bearer {TOKEN}"),
        ("authorization", "opaque"),
        (f"x-{TOKEN}", "1"),
    )
    assert raw_headers(headers, known().mask) == {
        "content-type": "application/json",
        "set-cookie": "***, ***",
        "via": "one, two",
        "x-echo": "Bearer ***",
        "authorization": "***",
        "x-***": "1",
    }
