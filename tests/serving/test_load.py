from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest

from poller.simulator.server import serve as upstream
from tests.commands.test_serve import site
from tests.running import numbered, write
from tests.serving.load import measure
from tests.web.asking import asked

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

MEDIAN_MS = {"/api/v1/accounts": 30, "/metrics": 50, "/": 300}
BUSY = 3.0
"""How much slower a machine may be that runs other tests beside."""
PAGE_BYTES = 150_000


async def test_eight_readers_at_full_speed_are_answered_in_time() -> None:
    for took in await measure(accounts=300, readers=8, seconds=2):
        assert took.median_ms < BUSY * MEDIAN_MS.get(took.path, 50), took
        assert took.path != "/" or took.size < PAGE_BYTES, took


async def test_a_reader_that_takes_nothing_is_let_go() -> None:
    async with asked(known=1) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            server.happenings.add("record", b'"%s"' % (b"x" * 100_000))
            await asyncio.sleep(0)
        begun_at = time.monotonic()
        async with asyncio.timeout(30):
            while (await server.ask("/healthz")).status == 200:
                if _gone(writer):
                    break
        assert time.monotonic() - begun_at < 25
        writer.close()


def _gone(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"x")
    return writer.transport.is_closing()


async def test_a_head_that_never_ends_is_let_go() -> None:
    async with asked() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: loc")
        begun_at = time.monotonic()
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        assert 9 < time.monotonic() - begun_at < 15
        writer.close()


async def test_readers_beyond_the_limit_are_dropped_and_the_others_answered() -> None:
    async with asked() as server, AsyncExitStack() as stack:
        idle = []
        for _ in range(1000):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            stack.callback(writer.close)
            idle.append(reader)
        beyond, writer = await asyncio.open_connection(server.host, server.port)
        stack.callback(writer.close)
        async with asyncio.timeout(10):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await beyond.readexactly(1)
        async with asyncio.timeout(20):  # idle ones are closed after ten seconds
            await idle[0].read()
        assert (await server.ask()).status == 200


async def test_a_hundred_streams_leave_room_for_who_asks(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(20))
    async with (
        upstream() as simulator,
        site(
            *("--chatgpt-url", simulator.url),
            cwd=tmp_path,
            connector=aiohttp.TCPConnector(limit=0),
        ) as served,
        AsyncExitStack() as stack,
    ):
        await served.until_polled()
        for _ in range(100):
            await stack.enter_async_context(served.client.get(served.base + "events"))
        async with served.client.get(served.base + "events") as refused:
            assert refused.status == 503
        assert len(await served.json("api/v1/accounts")) == 20
