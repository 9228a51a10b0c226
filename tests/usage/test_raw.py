from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_an_answer_that_is_not_json_is_kept_as_text_of_64_kib_at_most() -> None:
    assert raw(b"<html>\xff</html>") == "<html>\ufffd</html>"
    assert raw(b"") == ""
    assert raw(b"[NaN]") == "[NaN]"
    assert len(raw(b"x" * 100_000)) == 65_536


@pytest.mark.parametrize("depth", [253, 254, 255, 1000, 5000])
def test_an_answer_too_deep_to_be_written_is_kept_as_text(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    assert raw(body) == (orjson.loads(body) if depth <= 253 else body.decode())


def test_json_of_more_than_64_kib_is_kept_as_the_start_of_its_text() -> None:
    def body(length: int) -> bytes:
        return b'{"a": "' + b"x " * (length // 2) + b'"}'

    assert raw(body(65_526)) == {"a": "x " * 32_763}
    assert raw(body(65_528)) == body(65_528)[:65_536].decode()


ENCODED = {
    "percent": "".join(f"%{ord(letter):02x}" for letter in TOKEN),
    "percent, in part": "".join(f"%{ord(x):02X}" if x in "YyHhoo" else x for x in TOKEN),
    "entities": "".join(f"&#{ord(letter)};" for letter in TOKEN),
    "entities, hexadecimal": "".join(f"&#x{ord(letter):X};" for letter in TOKEN),
    "escapes": "".join(f"\\u{ord(letter):04x}" for letter in TOKEN),
    "escapes, doubled": "".join(f"\\\\u{ord(letter):04X}" for letter in TOKEN),
    "escapes, short": "".join(f"\\x{ord(letter):02x}" for letter in TOKEN),
    "a mix": f"%{ord(TOKEN[0]):02x}&#{ord(TOKEN[1])};\\u{ord(TOKEN[2]):04x}{TOKEN[3:14]}",
    "upper case": TOKEN.upper(),
    "hexadecimal": TOKEN.encode().hex(),
    "hexadecimal, amid others": f"0{TOKEN.encode().hex().upper()}1",
    "Base64, percent-encoded": b64encode(TOKEN.encode() + b"??").decode().replace("=", "%3D"),
    **{
        f"Base64 after {before}": b64encode(b"0" * before + TOKEN.encode() + b"!").decode()
        for before in range(4)
    },
    "Base64 for URLs": urlsafe_b64encode(b"\xfb\xff" + TOKEN.encode()).decode().rstrip("="),
    "Base64 amid letters": f"id-{b64encode(TOKEN.encode()).decode()}",
    "Base64 of a part": b64encode(TOKEN[3:15].encode()).decode(),
}


@pytest.mark.parametrize("encoded", ENCODED.values(), ids=ENCODED.keys())
def test_a_token_is_found_in_every_form_that_is_promised(encoded: str) -> None:
    assert raw(orjson.dumps({"echo": f"got {encoded} here"})) == {"echo": "got *** here"}
    assert raw(orjson.dumps([{encoded: 1}])) == [{"***": 1}]
    assert raw(f"<p>{encoded}</p".encode()) == "<p>***</p"
    assert raw_headers([("via", encoded)], known().mask) == {"via": "***"}


def test_a_token_in_json_within_json_is_found() -> None:
    inner = orjson.dumps({"a": TOKEN}).decode().replace("Zm9y", "\\u005am9y")
    assert TOKEN not in inner
    assert raw(orjson.dumps({"body": inner})) == {"body": '{"a":"***"}'}


def test_a_token_with_an_odd_character_is_found_as_an_entity() -> None:
    tokens = KnownTokens()
    tokens.add([Secret("made.up_token.with_dots")])
    echo = "made&period;up&lowbar;token&period;with&lowbar;dots"
    assert raw_json(orjson.dumps([echo]), tokens.mask) == ["***"]


@pytest.mark.parametrize(
    "text",
    [
        "11111111-2222-4333-8444-555555555555",
        "one@example.com",
        "user-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "a%20b%2Fc%20d%20e%20f%20g%20h",
        "https://example.com/path?query=1&amp;other=2",
        "GPT-5.3-Codex-Spark-Preview",
        b64encode(b"nothing of a token in here at all").decode(),
        "&#1114112;&#x110000;&unknown;%zz\\ud800\\x4",
    ],
)
def test_text_that_is_not_a_token_is_unchanged(text: str) -> None:
    assert raw(orjson.dumps({"text": text})) == {"text": text}


@settings(deadline=None)
@given(st.text(), st.text(max_size=40))
def test_whatever_is_encoded_nothing_raises(text: str, other: str) -> None:
    mask = known().mask
    for body in (text.encode(errors="replace"), json.dumps([text, {other: text}]).encode()):
        raw_json(body, mask)
    raw_headers([(other, text), (text, other)], mask)


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
        "csrf_token": "opaque",
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
        "csrf_token": "***",
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
        ("x-auth-token", "opaque"),
        ("x-goog-api-key", "opaque"),
        (f"x-echo-{TOKEN}", "1"),
    )
    assert raw_headers(headers, known().mask) == {
        "content-type": "application/json",
        "set-cookie": "***, ***",
        "via": "one, two",
        "x-echo": "Bearer ***",
        "authorization": "***",
        "x-auth-token": "***",
        "x-goog-api-key": "***",
        "x-ec***": "1",
    }


def test_of_headers_the_first_64_kib_are_kept() -> None:
    many = [("via", "1")] * 200_000
    shown = raw_headers(many, known().mask)
    assert len(shown["via"]) < 65_536
    assert shown["via"].startswith("1, 1")
    one = raw_headers([("a", "x " * 30_000), ("b", "y " * 30_000), ("c", "1")], known().mask)
    assert list(one) == ["a"]
