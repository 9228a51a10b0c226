"""Reading what agents answer over a connection that breaks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from poller.agents import subjects
from poller.agents.link import open_link
from poller.agents.records import Records
from poller.settings import Settings
from tests.nats_server import nats_server, needs_nats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, needs_nats]


class Way:
    """A way to a server that can be made to lose what comes from there, and to break."""

    def __init__(self, port: int) -> None:
        self.loses = False
        self._port = port
        self._open: list[asyncio.StreamWriter] = []

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        self._open += [writer, to_server]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_on(reader, to_server, is_lossy=False))
            tasks.create_task(self._pass_on(from_server, writer, is_lossy=True))

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_lossy: bool
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if not (is_lossy and self.loses):
                    writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
        self.loses = False


@asynccontextmanager
async def way_to(port: int) -> AsyncIterator[tuple[Way, int]]:
    way = Way(port)
    server = await asyncio.start_server(way.carry, "127.0.0.1", 0)
    try:
        yield way, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        way.cut()


async def test_what_got_lost_with_a_connection_is_read_again(tmp_path: Path) -> None:
    """Its reader on the server goes on behind it, as soon as the connection is back."""
    import nats

    read: set[int] = set()
    async with (
        nats_server(tmp_path / "nats") as server,
        way_to(server.port) as (way, port),
        open_link(
            Settings(nats=f"nats://127.0.0.1:{port}"), name="test", inbox="_INBOX_t", within_s=5
        ) as link,
        asyncio.timeout(20),
    ):
        records = Records(link, lambda _, content: read.add(int(content)))
        await records.begin()
        link.back = partial(records.catch_up, within_s=3)
        client = await nats.connect(server.url)

        async def send(*numbers: int) -> None:
            for number in numbers:
                await client.jetstream().publish(subjects.records("one"), b"%d" % number)

        await send(1, 2, 3)
        while len(read) < 3:  # noqa: ASYNC110 - records set no event
            await asyncio.sleep(0.01)
        way.loses = True
        await send(4, 5, 6)
        way.cut()
        await send(7, 8, 9)
        while 9 not in read or records.is_silent:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)
        await asyncio.sleep(3)  # a heartbeat comes every 2 s, and tells what is missing
        await client.close()

    assert read == set(range(1, 10))
