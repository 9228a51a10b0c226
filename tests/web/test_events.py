from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.web.asking import Asked, asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

_EVENT = re.compile(rb"id: (\S+)\nevent: (\w+)\ndata: (.*)\n\n")


class Stream:
    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def next(self) -> tuple[str, str, bytes]:
        async with asyncio.timeout(10):
            while True:
                block = await self._reader.readuntil(b"\n\n")
                found = _EVENT.search(block)
                if found is not None:
                    return found[1].decode(), found[2].decode(), found[3]


@asynccontextmanager
async def stream(server: Asked, query: str = "", last_id: str = "") -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    last = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    writer.write(f"GET /events{query} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Content-Type: text/event-stream" in head
    try:
        yield Stream(reader)
    finally:
        writer.close()


async def test_a_stream_begins_with_everything_and_goes_on_with_what_happens() -> None:
    async with asked(known=2) as server, stream(server) as events:
        first = [await events.next() for _ in range(2)]
        server.happenings.add("round", b'{"ok":2}')
        server.happenings.add("change", b'{"change":"back"}')
        later = [await events.next() for _ in range(2)]
    assert [kind for _, kind, _ in first] == ["record", "record"]
    assert [(kind, content) for _, kind, content in later] == [
        ("round", b'{"ok":2}'),
        ("change", b'{"change":"back"}'),
    ]
    assert len({number for number, _, _ in later}) == 2


async def test_who_comes_back_gets_what_was_missed_and_no_more() -> None:
    async with asked(known=2) as server:
        async with stream(server) as events:
            await events.next()
            server.happenings.add("round", b"1")
            await events.next()
            seen, _, _ = await events.next()
        server.happenings.add("round", b"2")
        async with stream(server, last_id=seen) as events:
            assert (await events.next())[1:] == ("round", b"2")


@pytest.mark.parametrize("last_id", ["zz-1", "nonsense", "-", "1"])
async def test_an_id_of_another_run_begins_anew(last_id: str) -> None:
    async with asked(known=1) as server:
        server.happenings.add("round", b"1")
        async with stream(server, last_id=last_id) as events:
            assert (await events.next())[1] == "record"


async def test_who_is_too_far_behind_begins_anew() -> None:
    async with asked(known=1) as server:
        server.happenings.add("round", b"1")
        async with stream(server) as events:
            seen, _, _ = await events.next()
        for number in range(1001):
            server.happenings.add("round", b"%d" % number)
        async with stream(server, last_id=seen) as events:
            assert (await events.next())[1] == "record"
        run = seen.partition("-")[0]
        async with stream(server, last_id=f"{run}-{10**9}") as events:
            assert (await events.next())[1] == "record"


async def test_only_what_was_asked_for_is_sent() -> None:
    async with asked(known=3) as server, stream(server, "?only=change,round") as events:
        server.happenings.add("record", b"1")
        server.happenings.add("change", b"2")
        assert (await events.next())[1:] == ("change", b"2")


async def test_the_hundred_and_first_stream_is_told_to_come_back() -> None:
    async with asked(known=1) as server:
        streams = [stream(server) for _ in range(100)]
        opened = [await each.__aenter__() for each in streams]
        for each in opened:
            await each.next()
        answer = await server.ask("/events")
        assert answer.status == 503
        assert "Retry-After" in answer.headers
        await streams[0].__aexit__(None, None, None)
        async with asyncio.timeout(10):
            while (await server.ask("/events", method="HEAD")).status != 200:
                pass
            again: Stream | None = None
            while again is None:
                try:
                    async with stream(server) as again:
                        await again.next()
                except AssertionError:
                    again = None
        for left in streams[1:]:
            await left.__aexit__(None, None, None)


async def test_leaving_is_not_held_up_by_streams() -> None:
    loop = asyncio.get_running_loop()
    async with asked(known=1) as server:
        streams = [stream(server) for _ in range(10)]
        for each in streams:
            await (await each.__aenter__()).next()
        begun_at = loop.time()
    assert loop.time() - begun_at < 1.8
    for opened in streams:
        await opened.__aexit__(None, None, None)
