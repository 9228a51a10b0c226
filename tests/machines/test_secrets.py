"""Nothing secret: the server's whole store, and all that crossed the wire, searched."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from tests.nats_server import agent, nats_server, needs_nats
from tests.running import account, ended, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, needs_nats]

PIECE = 12
ACCOUNTS = [
    account("alice", "~echo", user_id="user-4f1c8a27d9b3"),
    account("bob", user_id="user-77ab01c2e3f4"),
    account("carol", "~503x1", user_id="user-19cd5e6f7a8b"),
    account("dave", user_id="user-0b1a2c3d4e5f", lives_s=-1_000),
]


@asynccontextmanager
async def tapped(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """Pass everything on to a port; yield one's own, and what was said, both ways."""
    said = bytearray()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                said.extend(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], said
    finally:
        server.close()


def secrets_of(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.json"):
        tokens = json.loads(path.read_bytes())["tokens"]
        yield from (text for text in tokens.values() if isinstance(text, str))


def pieces(text: str) -> set[bytes]:
    return {text[at : at + PIECE].encode() for at in range(len(text) - PIECE + 1)} or {
        text.encode()
    }


@pytest.mark.parametrize("shared", [False, True])
async def test_no_piece_of_a_token_an_address_or_a_user_id_leaves_a_machine(
    tmp_path: Path, shared: bool
) -> None:
    folder = write(tmp_path / "mine", *ACCOUNTS)
    how = ("--shared", "t=mine") if shared else ()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        port, said = await stack.enter_async_context(tapped(server.port))
        url = f"nats://127.0.0.1:{port}"
        args = ("--account-dir", "mine", *how, "--chatgpt-url", simulator.url, "-vv")
        await stack.enter_async_context(agent(url, "one", *args, cwd=tmp_path))
        running = await stack.enter_async_context(started("--nats", url, *how, cwd=tmp_path))
        done = await ended(running)
        await asyncio.sleep(0.3)  # the store is written behind
        stored = b"".join(path.read_bytes() for path in server.store.rglob("*") if path.is_file())

    assert len(done.records) == len(ACCOUNTS)
    assert b"remaining_percent" in stored
    assert b"remaining_percent" in said
    forbidden = {piece for text in secrets_of(folder) for piece in pieces(text)}
    forbidden |= {piece for one in ACCOUNTS for piece in pieces(one.user_id)}
    forbidden |= {one.email.encode() for one in ACCOUNTS}
    assert len(forbidden) > 500
    for place in (stored, bytes(said)):
        assert not [piece for piece in forbidden if piece in place]
    assert str(tmp_path).encode() not in said


async def test_who_an_account_is_leaves_only_where_both_sides_say_so(tmp_path: Path) -> None:
    write(tmp_path / "mine", ACCOUNTS[1])
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        told: list[Any] = []
        for name, open_ in (("shut", ()), ("open", ("--show-identity",))):
            args = ("--account-dir", "mine", "--chatgpt-url", simulator.url, *open_)
            await stack.enter_async_context(agent(server, name, *args, cwd=tmp_path))
        args = ("--agents", "2", "--show-identity", "--raw-json")
        running = await stack.enter_async_context(
            started("--nats", server.url, *args, cwd=tmp_path)
        )
        out, _ = await running.communicate()
        told = [json.loads(line) for line in out.splitlines()]

    by_machine = {record["machine"]: record for record in told}
    assert by_machine["shut"]["email"] is None
    assert by_machine["shut"]["raw"] is None
    assert by_machine["open"]["email"] == "bob@example.com"
    assert by_machine["open"]["raw"]["user_id"] == "user-77ab01c2e3f4"
