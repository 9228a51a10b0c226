"""What the simulator tells, and to whom: anybody on this machine may find its port."""

from __future__ import annotations

import asyncio
import base64
import json
from email.utils import formatdate
from typing import Any

import pytest

from poller.simulator.accounts import refresh_token_of
from poller.simulator.server import PATH, serve

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.nip.io",
     "192.168.1.7", "[2001:db8::1]:80", "2130706433", "0x7f.1", "localhost.", "a b", "[", "[]:1",
     "", ":8787", "\xe9"],
)  # fmt: skip
@pytest.mark.parametrize("path", [PATH, "/stats", "/stats/reset", "/oauth/token", "/"])
async def test_a_request_for_another_host_is_refused(
    simulator: Any, line: Any, host: str, path: str
) -> None:
    line.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: x\r\n\r\n".encode("latin-1"))
    assert (await line.receive()).status == 421
    assert simulator.stats().requests == 0


@pytest.mark.parametrize(
    "header",
    ["Host: localhost", "Host: LOCALHOST:1", "Host: 127.0.0.1:8787", "Host: 127.9.9.9",
     "Host: [::1]:80", "host:localhost ", "X-No: host"],
)  # fmt: skip
async def test_loopback_names_and_addresses_are_served(line: Any, header: str) -> None:
    line.send(f"GET /stats HTTP/1.1\r\n{header}\r\n\r\n".encode())
    assert (await line.receive()).status == 200


async def test_the_counts_show_no_credentials(line: Any, request_bytes: Any) -> None:
    secrets = ("Cookie: session=c00kie-secret", "Proxy-Authorization: Basic cHJveHk6c2VjcmV0",
               "authorization : Bearer odd-secret", "X-Token: sess-0123456789abcdef")  # fmt: skip
    request: bytes = request_bytes(extra="".join(f"{each}\r\n" for each in secrets))
    token = request.partition(b"Bearer ")[2].partition(b"\r")[0].decode()
    line.send(request)
    await line.receive()
    line.send(b"GET /stats?headers=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    body = (await line.receive()).body.decode()
    for secret in (token[:40], token[-40:], "c00kie", "cHJveHk", "odd-secret", "0123456789abcdef"):
        assert secret not in body
    shown = json.loads(body)["accounts"]["acct-1"]["headers"]
    assert ["Authorization", "(hidden)"] in shown
    assert ["Cookie", "(hidden)"] in shown
    assert ["ChatGPT-Account-Id", "acct-1"] in shown


async def test_the_counts_show_no_refresh_tokens(line: Any) -> None:
    token = refresh_token_of("user-1", "acct-1")
    body = json.dumps({"refresh_token": token})
    for _ in range(2):
        line.send(
            "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await line.receive()
    line.send(b"GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = await line.receive()
    assert token[:20].encode() not in got.body
    assert got.json()["refreshes"] == {"token 1": ["renewed", "reused"]}


@pytest.mark.parametrize(
    "told",
    ['["u"]', '[["u"], null, null, null, 0]', '["u", 1, null, null, 0]',
     '["u", null, null, null, "0"]', "{}", "7", '["u", null, null, null, 0, 0]'],
)  # fmt: skip
async def test_a_refresh_token_of_another_make_is_not_understood(line: Any, told: str) -> None:
    body = json.dumps({"refresh_token": f"rt_{base64.urlsafe_b64encode(told.encode()).decode()}"})
    line.send(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    assert (await line.receive()).status == 400


async def test_a_length_of_thousands_of_digits_is_too_much(line: Any) -> None:
    line.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5_000))
    assert (await line.read_all()).startswith(b"HTTP/1.1 413")


async def test_a_client_that_sends_far_ahead_is_dropped(
    simulator: Any, line: Any, request_bytes: Any
) -> None:
    line.send(request_bytes("a~hang"))
    await simulator.reached(1)
    line.send(b"x" * (4 << 20))
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(line.reader.readexactly(1), 10)
    assert simulator.stats().in_flight == 0


async def test_the_clock_of_a_live_upstream_dates_everything(dial: Any) -> None:
    class Hand:
        """A clock that is set by hand."""

        def __init__(self) -> None:
            self.at = float(NOW)

        def time(self) -> float:
            return self.at

    clock = Hand()
    async with serve(live=True, clock=clock, seed=3) as simulator:
        line = await dial(simulator.url)
        bodies, dates = set(), set()
        for _ in range(24):
            got = await line.ask("acct-1+two_windows")
            assert got.body == (await line.ask("acct-1+two_windows")).body
            bodies.add(got.body)
            dates.add(got.header("date"))
            clock.at += 7_200
    assert len(bodies) > 12
    assert len(dates) == 24
    assert formatdate(NOW, usegmt=True) in dates
