"""The fault table, seen as bytes from the other end of the connection."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from poller.simulator.faults import FAULTS, fault_of
from poller.simulator.scripted import duration_s

pytestmark = pytest.mark.anyio

# Name of the fault, status, and a test of the body: answers whose length can be believed.
WHOLE: dict[str, tuple[int, Any]] = {
    "retry-after": (429, lambda body: b"rate_limit_exceeded" in body),
    "edge": (403, lambda body: body.startswith(b"<!DOCTYPE")),
    "edge-503": (503, lambda body: body.startswith(b"<!DOCTYPE")),
    "slow-10ms": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "goodbye": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "drip-0.01ms": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "drip-body-0.01ms": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "empty": (200, lambda body: body == b""),
    "html": (200, lambda body: b"log in" in body),
    "text": (200, lambda body: body == b"not json"),
    "not-json": (200, lambda body: body.startswith(b"{") and not body.endswith(b"}")),
    "nan": (200, lambda body: b"NaN" in body),
    "null": (200, lambda body: json.loads(body) is None),
    "list": (200, lambda body: json.loads(body) == []),
    "number": (200, lambda body: json.loads(body) == 42),
    "string": (200, lambda body: json.loads(body) == "rate_limit"),
    "deep": (200, lambda body: body.startswith(b'{"a":{"a":') and len(body) > 500_000),
    "not-utf8": (200, lambda body: b"\xff" in body),
    "wrong-types": (200, lambda body: json.loads(body)["credits"] == []),
    "odd-json": (200, lambda body: b"ud83d" in body and b"1e999" in body and body[0] == 0xEF),
    "marks": (200, lambda body: "\u202e" in json.loads(body)["plan_type"]),
    "big": (200, lambda body: len(body) == (1 << 20) + 1 and json.loads(body)["user_id"]),
    "big-4000": (200, lambda body: len(body) == 4_000),
    "too-short": (200, lambda body: not body.endswith(b"}")),
    "gzip": (200, lambda body: json.loads(gzip.decompress(body))["user_id"] == "user-1"),
    "gzip-broken": (200, lambda body: body.startswith(b"\x1f\x8b")),
    "gzip-bomb-3": (200, lambda body: len(body) < 10_000 and inflated(body) == (3 << 20) - 1),
    "encoding-unknown": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "stranger": (200, lambda body: json.loads(body)["user_id"] == "user-stranger"),
    "anonymous": (200, lambda body: "user_id" not in json.loads(body)),
    "surplus": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "twice": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "cookie": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "echo": (200, lambda body: b"Bearer eyJ" in body),
    "echo-401": (401, lambda body: json.loads(body)["error"]["code"].startswith("eyJ")),
    "bad-header": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "bad-length": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
    "headers-many": (200, lambda body: json.loads(body)["user_id"] == "user-1"),
}

# Those that end with the connection, and a test of everything that came.
ENDED: dict[str, Any] = {
    "close": lambda raw: raw == b"",
    "cut": lambda raw: raw.startswith(b"HTTP/1.1 200") and not raw.endswith(b"}"),
    "too-long": lambda raw: length(raw) == len(body(raw)) + 100,
    "no-length": lambda raw: b"Content-Length" not in raw and raw.endswith(b"}"),
    "chunked-cut": lambda raw: b"chunked" in raw and not raw.endswith(b"0\r\n\r\n"),
    "chunked-bad": lambda raw: raw.endswith(b"zz\r\nbad\r\n"),
    "bad-status-line": lambda raw: raw.startswith(b"HTTP/1.1 fine"),
    "garbage": lambda raw: len(raw) == 504 and not raw.startswith(b"HTTP"),
}

# Those that never end, and what must have come after 300,000 bytes or at a pause.
ENDLESS: dict[str, Any] = {
    "endless": lambda raw: b"chunked" in raw and b"\r\n\r\n" in raw,
    "headers-endless": lambda raw: b"\r\n\r\n" not in raw,
}


def body(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


def length(raw: bytes) -> int:
    return int(raw.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


def inflated(compressed: bytes) -> int:
    return len(zlib.decompressobj(31).decompress(compressed, (3 << 20) - 1))


def test_every_fault_stands_in_one_of_the_tables() -> None:
    elsewhere = {"hang", "hang-half", "reset", "reset-half", "chunked", "header-big"}
    covered = {*WHOLE, *ENDED, *ENDLESS, *elsewhere}
    assert {name for name in FAULTS if not any(c.startswith(name) for c in covered)} == set()


@pytest.mark.parametrize("fault", WHOLE)
async def test_an_answer_that_comes_whole(line: Any, fault: str) -> None:
    got = await line.ask(f"acct-1~{fault}")
    status, fits = WHOLE[fault]
    assert got.status == status
    assert fits(got.body)


@pytest.mark.parametrize("fault", ENDED)
async def test_an_answer_that_ends_with_its_connection(
    line: Any, request_bytes: Any, fault: str
) -> None:
    line.send(request_bytes(f"acct-1~{fault}"))
    assert ENDED[fault](await line.read_all())


@pytest.mark.parametrize("fault", ENDLESS)
async def test_an_answer_without_end(line: Any, request_bytes: Any, fault: str) -> None:
    line.send(request_bytes(f"acct-1~{fault}"))
    assert ENDLESS[fault](await line.reader.readexactly(300_000))


@pytest.mark.parametrize(("fault", "came"), [("hang", False), ("hang-half", True)])
async def test_an_answer_that_hangs(
    simulator: Any, line: Any, request_bytes: Any, fault: str, came: bool
) -> None:
    line.send(request_bytes(f"acct-1~{fault}"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.reader.readexactly(1_000_000), 0.2)
    assert bool(line.reader._buffer) is came
    assert simulator.stats().in_flight == 1


async def test_a_reset_comes_before_any_byte(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes("acct-1~reset"))
    with pytest.raises(ConnectionResetError):
        await line.read_all()


async def test_a_reset_comes_in_the_middle_of_a_body(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes("acct-1~reset-half"))
    assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionResetError):
        await line.read_all()


async def test_a_chunked_answer_is_whole_and_keeps_its_connection(
    line: Any, request_bytes: Any
) -> None:
    line.send(request_bytes("acct-1~chunked"))
    raw = await line.reader.readuntil(b"\r\n0\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in raw
    assert (await line.ask("acct-1")).status == 200


async def test_a_header_can_be_larger_than_any_parser_takes(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes("acct-1~header-big"))
    assert b"X-Big: " + b"b" * 65_000 in await line.reader.readexactly(80_000)


async def test_a_slow_reader_stops_an_endless_answer(
    simulator: Any, line: Any, dial: Any, request_bytes: Any
) -> None:
    line.send(request_bytes("acct-1~endless"))
    await simulator.reached(1)
    (transport,) = simulator.transports
    other = await dial(simulator.url)
    while not transport.get_write_buffer_size():
        await other.ask()
    for _ in range(100):
        await other.ask()
    assert transport.get_write_buffer_size() < 200_000
    await line.reader.readexactly(10_000_000)


async def test_a_drip_is_a_byte_at_a_time(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes("acct-1~drip"))
    began = asyncio.get_running_loop().time()
    assert await line.reader.readexactly(3) == b"HTT"
    assert asyncio.get_running_loop().time() - began >= 0.19


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_points_where_it_is_told(line: Any, status: int) -> None:
    assert (await line.ask(f"a~{status}")).header("location") == "/redirected"
    got = await line.ask(f"a~{status}-http://127.0.0.1:9/x")
    assert (got.status, got.header("location")) == (status, "http://127.0.0.1:9/x")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 418, 425, 500, 503, 520, 999])
async def test_any_status_is_a_fault(line: Any, status: int) -> None:
    got = await line.ask(f"a~{status}")
    assert got.status == status
    assert "error" in got.json()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("401", {"error": {}}),
        ("401-token_expired", {"error": {"message": "made up: 401", "code": "token_expired"}}),
        ("401-error=x", {"error": "x"}),
        ("401-detail=x", {"detail": "x"}),
        ("401-detail.code=x", {"detail": {"message": "made up: 401", "code": "x"}}),
        ("401-code=x", {"message": "made up: 401", "code": "x"}),
        ("401-message=Encountered invalidated oauth token",
         {"error": {"message": "Encountered invalidated oauth token"}}),
        ("402", {"error": {"message": "made up: 402", "code": "deactivated_workspace"}}),
    ],
)  # fmt: skip
async def test_a_code_stands_in_any_of_the_known_places(
    line: Any, fault: str, expected: object
) -> None:
    assert (await line.ask(f"a~{fault}")).json() == expected


@pytest.mark.parametrize(
    ("fault", "content_type", "expected"),
    [
        ("401-empty", "application/json", b""),
        ("403-html", "text/html; charset=UTF-8", None),
        ("500-text", "text/plain", b"no"),
        ("204", "application/json", b""),
    ],
)
async def test_a_refusal_need_not_be_json(
    line: Any, fault: str, content_type: str, expected: bytes | None
) -> None:
    got = await line.ask(f"a~{fault}")
    assert got.header("content-type") == content_type
    assert expected is None or got.body == expected


async def test_a_block_at_the_edge_says_so(line: Any) -> None:
    assert (await line.ask("a~edge")).header("cf-mitigated") == "challenge"
    assert (await line.ask("a~403-html")).header("cf-mitigated") is None


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        ("retry-after", 429, "1"),
        ("retry-after-2", 429, "2"),
        ("429-after-0.5", 429, "0.5"),
        ("503-after-31", 503, "31"),
        ("429-after-negative", 429, "-5"),
        ("429-after-nonsense", 429, "soon, please"),
        ("503-after-digits", 503, "9" * 5_000),
    ],
)
async def test_retry_after_takes_every_form(
    line: Any, fault: str, status: int, expected: str
) -> None:
    got = await line.ask(f"a~{fault}")
    assert (got.status, got.header("retry-after")) == (status, expected)


async def test_a_retry_after_date_is_relative_to_the_answers_own_date(line: Any) -> None:
    got = await line.ask("a~retry-after-date-2")
    dates = [parsedate_to_datetime(got.header(name) or "") for name in ("retry-after", "date")]
    assert (dates[0] - dates[1]).total_seconds() == 2


async def test_a_fault_of_the_first_attempts_heals(line: Any) -> None:
    statuses = [(await line.ask("a~503x2")).status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]


async def test_attempts_are_counted_by_user(line: Any) -> None:
    statuses = [
        (await line.ask("team~503x1", user_id=user)).status for user in ("u1", "u2", "u1", "u2")
    ]
    assert statuses == [503, 503, 200, 200]


async def test_a_fault_can_wait_for_a_reused_connection(
    simulator: Any, line: Any, dial: Any
) -> None:
    assert (await line.ask("a~403@reused")).status == 200
    assert (await line.ask("a~403@reused")).status == 403
    assert (await (await dial(simulator.url)).ask("a~403@reused")).status == 200


async def test_a_kept_connection_can_die_when_it_is_used_again(
    line: Any, request_bytes: Any
) -> None:
    assert (await line.ask("a")).status == 200
    line.send(request_bytes("b~close@reusedx1"))
    assert await line.read_all() == b""


async def test_a_stranger_is_the_caller_before(line: Any) -> None:
    await line.ask("acct-before", user_id="user-before")
    got = (await line.ask("a~stranger")).json()
    assert (got["user_id"], got["account_id"]) == ("user-before", "acct-before")


async def test_two_answers_come_at_once(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes("a~twice"))
    users = [(await line.receive()).json()["user_id"] for _ in range(2)]
    assert users == ["user-1", "user-stranger"]


async def test_a_surplus_answer_follows_on_the_kept_connection(
    line: Any, request_bytes: Any
) -> None:
    line.send(request_bytes("a~surplus"))
    users = [(await line.receive()).json()["user_id"] for _ in range(2)]
    assert users == ["user-1", "user-stranger"]


async def test_a_surplus_answer_for_nobody_is_dropped(
    simulator: Any, dial: Any, request_bytes: Any
) -> None:
    line = await dial(simulator.url)
    line.send(request_bytes("a~surplus", extra="Connection: close\r\n"))
    assert (await line.read_all()).count(b"HTTP/1.1 200") == 1


async def test_a_misspelt_fault_is_said_not_passed_over(line: Any) -> None:
    got = await line.ask("a~resett")
    assert got.status == 501
    assert "did you mean 'reset'?" in got.json()["error"]["message"]
    assert (await line.ask("a~slow-soon")).status == 501


@pytest.mark.parametrize("text", ["", "qqqqqq", "-", "x2"])
def test_an_unknown_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        fault_of(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("edge-0", "edge: '0' is no whole number from 1 to 999"),
        ("edge-1000", "edge: '1000' is no whole number from 1 to 999"),
        ("gzip-bomb-4097", "gzip-bomb: '4097' is no whole number from 1 to 4096"),
        ("big-²", "big: '²' is no whole number from 1 to 67108864"),
        ("big-" + "9" * 5_000, "is no whole number from 1 to 67108864"),
        ("hang-1s", "hang: takes no argument, but got '1s'"),
        ("drip-body-soon", "'soon' is no duration"),
        ("slow-25m@reusedx0", None),
        ("slow-1441m", "'1441m' is longer than a day"),
        ("retry-after-date-x", "retry-after: write date-SECONDS, not 'date-x'"),
        ("retry-after-date--5", None),
        ("retry-after-nonsense", None),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(text: str, says: str | None) -> None:
    if says is None:
        assert fault_of(text).argument
        return
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        fault_of(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("0.2", 0.2), ("1s", 1.0), ("2m", 120.0), ("0", 0.0)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "fast", "-1", "1h", "1 s"])
def test_anything_but_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration_s(text)
