from __future__ import annotations

import asyncio
import gzip
import json
import re
import ssl
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import pytest
import trustme

from poller.simulator.payloads import payload_of
from poller.simulator.server import PATH, serve
from poller.simulator.wire import Caller

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000


async def counted(dial: Any, url: str, path: str = "/stats") -> Any:
    line = await dial(url)
    line.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return (await line.receive()).json()


async def test_the_answer_is_what_payload_of_tells(line: Any) -> None:
    got = await line.ask("acct-7", user_id="user-7", plan="pro")
    assert got.json() == payload_of("user-7", "acct-7", plan="pro", email="a@b.c", now=NOW)


async def test_the_answer_looks_like_the_real_ones(line: Any) -> None:
    got = await line.ask()
    names = [name.lower() for name, _ in got.headers]
    assert names.count("set-cookie") == 2
    assert len(names) >= 12
    assert (got.header("server"), got.header("content-type")) == ("cloudflare", "application/json")
    assert got.header("content-length") == str(len(got.body))


async def test_an_opaque_token_is_answered_without_a_user(line: Any) -> None:
    got = (await line.ask("acct-7", token="opaque")).json()
    assert "user_id" not in got
    assert got["account_id"] == "acct-7"


@pytest.mark.parametrize("token", ["a.b.c", "a.bnVsbA.c", "a.!.c", "a.e30.c"])
async def test_a_token_without_claims_is_opaque(line: Any, token: str) -> None:
    assert "user_id" not in (await line.ask("acct-7", token=token)).json()


async def test_without_the_header_the_account_is_the_claims(line: Any, request_bytes: Any) -> None:
    raw: bytes = request_bytes("acct-7")
    line.send(raw.replace(b"ChatGPT-Account-Id: acct-7\r\n", b""))
    assert (await line.receive()).json()["account_id"] == "acct-7"


async def test_a_request_without_a_token_is_refused(line: Any) -> None:
    line.send(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await line.receive()).status == 401


async def test_figures_can_be_pinned_from_outside(dial: Any) -> None:
    figures: dict[str, Any] = {
        "by-shape": "fresh",
        "by-key": {"plan_type": "mine"},
        "by-bytes": b"[1, 2]",
        "user-pinned": {"plan_type": "user's"},
    }
    async with serve(figures=figures, now=NOW) as simulator:
        line = await dial(simulator.url)
        shaped = (await line.ask("by-shape")).json()
        assert shaped["rate_limit"]["primary_window"]["used_percent"] == 0
        assert (await line.ask("by-key")).json()["plan_type"] == "mine"
        assert (await line.ask("by-key")).json()["account_id"] == "by-key"
        assert (await line.ask("by-bytes")).body == b"[1, 2]"
        assert (await line.ask("x", user_id="user-pinned")).json()["plan_type"] == "user's"
        assert (await line.ask("other")).json()["plan_type"] == "plus"


async def test_an_answer_is_compressed_for_a_client_that_accepts_it(line: Any) -> None:
    got = await line.ask(extra="Accept-Encoding: deflate, gzip\r\n")
    assert got.header("content-encoding") == "gzip"
    plain = await line.ask(extra="Accept-Encoding: identity\r\n")
    assert plain.header("content-encoding") is None
    assert json.loads(gzip.decompress(got.body)) == plain.json()


async def test_a_test_can_compute_what_a_caller_receives(simulator: Any, line: Any) -> None:
    caller = Caller("user-1", "acct-1", "plus", "a@b.c")
    assert simulator.payload(caller) == (await line.ask("acct-1")).json()


async def test_resets_follow_the_clock_without_a_fixed_now(dial: Any) -> None:
    async with serve(figures={"a": "weekly_only"}) as simulator:
        got = (await (await dial(simulator.url)).ask("a")).json()
        assert 0 < got["rate_limit"]["primary_window"]["reset_at"] - time() <= 604_800


async def test_unknown_names_are_refused_before_anything_is_served() -> None:
    with pytest.raises(ValueError, match="unknown shape"):
        async with serve(figures={"a": "nonsense"}):
            pass
    with pytest.raises(ValueError, match="unknown fault"):
        async with serve(fault="nonsense"):
            pass


async def test_a_fault_for_all_can_come_and_go(simulator: Any, line: Any) -> None:
    simulator.fault = "503"
    assert simulator.fault == "503"
    assert (await line.ask("a~404")).status == 503
    simulator.fault = None
    assert (await line.ask("a~404")).status == 404


async def test_surplus_answers_follow_every_answer(dial: Any) -> None:
    async with serve(surplus=True) as simulator:
        line = await dial(simulator.url)
        await line.ask("a", user_id="user-a")
        assert (await line.receive()).json()["user_id"] == "user-stranger"
        await line.ask("b", user_id="user-b")
        assert (await line.receive()).json()["user_id"] == "user-a"


async def test_the_date_can_be_off(dial: Any) -> None:
    async with serve(clock_offset_s=-3_600) as simulator:
        date = (await (await dial(simulator.url)).ask()).header("date")
        assert parsedate_to_datetime(date).timestamp() == pytest.approx(time() - 3_600, abs=2)


async def test_latency_holds_every_answer_back(dial: Any) -> None:
    async with serve(latency_s=0.05) as simulator:
        line, began = await dial(simulator.url), asyncio.get_running_loop().time()
        await line.ask("a")
        assert (await line.ask("a~503")).status == 503
        assert 0.1 <= asyncio.get_running_loop().time() - began < 1


@pytest.mark.parametrize("path", [PATH, "/wham/usage", "/x/api/codex/usage", f"{PATH}?a=1"])
async def test_both_paths_are_served(line: Any, path: str) -> None:
    assert (await line.ask(path=path)).status == 200


async def test_a_proxys_request_names_the_whole_address(line: Any) -> None:
    assert (await line.ask(path=f"http://127.0.0.1:1{PATH}")).status == 200


async def test_other_paths_and_methods_are_refused_and_counted(simulator: Any, line: Any) -> None:
    assert (await line.ask(path="/backend-api/codex/responses")).status == 404
    assert (await line.ask(method="HEAD")).status == 405
    assert (await line.ask()).status == 200
    stats = simulator.stats()
    assert (stats.requests, stats.other_paths, stats.other_methods) == (3, 1, 1)
    assert stats.accounts["acct-1"].attempts == 1


async def test_a_body_is_waited_for_and_passed_over(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes(method="POST", extra="Content-Length: 4\r\n"))
    line.send(b"{}")
    line.send(b"{}" + request_bytes())
    got = [(await line.receive()) for _ in range(2)]
    assert [one.status for one in got] == [405, 200]
    assert got[0].header("allow") == "GET"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
async def test_what_is_no_request_ends_the_connection(line: Any, raw: bytes, status: int) -> None:
    line.send(raw)
    assert (await line.read_all()).startswith(b"HTTP/1.1 %d" % status)


async def test_a_request_may_arrive_in_pieces(
    simulator: Any, line: Any, dial: Any, request_bytes: Any
) -> None:
    raw, other = request_bytes(), await dial(simulator.url)
    for start in range(0, len(raw), 700):
        line.send(raw[start : start + 700])
        await other.ask()  # its answer shows that the piece has been read
    assert (await line.receive()).status == 200


async def test_requests_sent_ahead_are_answered_in_order(line: Any, request_bytes: Any) -> None:
    for name in ("a~slow-20ms", "b", "c~drip-0.01ms", "d"):
        line.send(request_bytes(name))
    answered = [(await line.receive()).json()["account_id"][0] for _ in range(4)]
    assert answered == ["a", "b", "c", "d"]


async def test_connection_close_is_honoured(line: Any, request_bytes: Any) -> None:
    line.send(request_bytes(extra="Connection: close\r\n"))
    assert b"Connection: close\r\n" in await line.read_all()


async def test_attempts_headers_and_cookies_are_counted(simulator: Any, line: Any) -> None:
    await line.ask("acct-1~503")
    await line.ask("acct-1~503", extra="Cookie: a=b\r\nX-Odd: ä\r\n")
    await line.ask("acct-2")
    stats = simulator.stats()
    account = stats.accounts["acct-1~503"]
    assert (stats.requests, stats.with_cookie, account.attempts) == (3, 1, 2)
    assert account.started_at_s == tuple(sorted(account.started_at_s))
    assert account.headers[0] == ("Host", "localhost")
    assert [name for name, _ in account.headers][2:] == ["ChatGPT-Account-Id", "Cookie", "X-Odd"]
    assert stats.connections == (("acct-1~503", "acct-1~503", "acct-2"),)
    assert stats.last_request_at_s is not None


async def test_requests_in_flight_are_counted_over_all_and_by_account(
    simulator: Any, dial: Any, request_bytes: Any
) -> None:
    lines = [await dial(simulator.url) for _ in range(3)]
    for line, name in zip(lines, ("a~hang", "a~hang", "b~hang"), strict=True):
        line.send(request_bytes(name))
    await simulator.reached(3)
    stats = simulator.stats()
    assert (stats.in_flight, stats.most_in_flight, stats.connections_open) == (3, 3, 3)
    assert stats.accounts["a~hang"].most_in_flight == 2


async def test_a_client_that_leaves_is_counted_out(
    simulator: Any, dial: Any, request_bytes: Any
) -> None:
    gone, stays = await dial(simulator.url), await dial(simulator.url)
    gone.send(request_bytes("a~slow-1m"))
    await simulator.reached(1)
    gone.abort()
    while simulator.stats().connections_open > 1:
        await stays.ask("b")
    assert simulator.stats().in_flight == 0


async def test_a_test_can_wait_for_a_number_of_requests(simulator: Any, line: Any) -> None:
    await simulator.reached(0)
    waiting = [asyncio.create_task(simulator.reached(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    await line.ask()
    await waiting[0]
    assert not waiting[1].done()
    await line.ask()
    await waiting[1]


async def test_the_counts_are_told_and_not_counted(simulator: Any, line: Any, dial: Any) -> None:
    await line.ask("acct-1")
    told = await counted(dial, simulator.url)
    assert (told["requests"], told["connections_opened"], told["connections_open"]) == (1, 1, 1)
    assert told["accounts"]["acct-1"]["attempts"] == 1
    assert told["accounts"]["acct-1"]["headers"] == []
    told = await counted(dial, simulator.url, "/stats?headers=1")
    assert told["accounts"]["acct-1"]["headers"][0] == ["Host", "localhost"]


async def test_a_connection_that_asks_for_both_is_counted_once(simulator: Any, line: Any) -> None:
    line.send(b"GET /stats HTTP/1.1\r\n\r\n")
    assert (await line.receive()).json()["connections_opened"] == 0
    for _ in range(2):
        await line.ask()
    line.send(b"GET /stats HTTP/1.1\r\n\r\n")
    told = (await line.receive()).json()
    assert (told["connections_opened"], told["connections_open"]) == (1, 1)


async def test_the_counts_can_start_again_from_zero(simulator: Any, line: Any, dial: Any) -> None:
    await line.ask("acct-1")
    told = await counted(dial, simulator.url, "/stats/reset")
    assert (told["requests"], told["accounts"], told["connections_open"]) == (0, {}, 1)


async def test_lean_counting_keeps_numbers_alone(dial: Any) -> None:
    async with serve(detail=False) as simulator:
        await (await dial(simulator.url)).ask("acct-1")
        stats = simulator.stats()
        account = stats.accounts["acct-1"]
        assert (account.attempts, account.headers, account.started_at_s) == (1, (), ())
        assert stats.connections == ()


async def test_leaving_is_quick_even_with_hung_connections(dial: Any, request_bytes: Any) -> None:
    async with serve() as simulator:
        line = await dial(simulator.url)
        line.send(request_bytes("a~hang"))
        await simulator.reached(1)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 0.5
    assert simulator.stats().in_flight == 0
    with pytest.raises(ConnectionError):
        await dial(simulator.url)


async def test_it_speaks_tls(dial: Any) -> None:
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    async with serve(host="localhost", ssl_context=server_side) as simulator:
        assert re.fullmatch(rf"https://localhost:\d+{PATH}", simulator.url)
        line = await dial(simulator.url, ssl=client_side)
        assert (await line.ask()).status == 200
        line.send(b"GET /stats HTTP/1.1\r\n\r\n")
        assert (await line.receive()).status == 200
        line.abort()


async def test_a_wildcard_is_reached_over_loopback(dial: Any) -> None:
    async with serve(host="0.0.0.0") as simulator:
        assert simulator.origin.startswith("http://127.0.0.1:")
        assert (await (await dial(simulator.url)).ask()).status == 200


async def test_ipv6_addresses_stand_in_brackets(dial: Any) -> None:
    async with serve(host="::1") as simulator:
        assert simulator.url.startswith("http://[::1]:")
        assert json.loads((await (await dial(simulator.url)).ask()).body)["plan_type"] == "plus"
