"""A cluster of three servers whose leader is killed during a run."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from poller.agents import subjects
from poller.simulator.server import serve
from tests.nats_server import agent, nats_server, needs_nats
from tests.running import ended, numbered, started, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, needs_nats]

ACCOUNTS = 200


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on: routes have to be known before a server starts."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


async def test_a_cluster_goes_on_when_its_leader_is_killed(tmp_path: Path) -> None:
    import nats

    write(tmp_path / "team", *numbered(ACCOUNTS))
    routes = free_ports(3)
    listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                nats_server(
                    tmp_path / "nats",
                    name=f"n{number}",
                    more=f'cluster {{ name: "c", listen: "127.0.0.1:{port}", routes: [{listed}] }}',
                )
            )
            for number, port in enumerate(routes)
        ]
        urls = ",".join(server.url for server in servers)
        simulator = await stack.enter_async_context(serve(latency_s=0.1))
        for name in ("one", "two"):
            args = ("--shared", "t=team", "--chatgpt-url", simulator.url)
            await stack.enter_async_context(agent(urls, name, *args, cwd=tmp_path))
        client = await nats.connect([server.url for server in servers])
        async with asyncio.timeout(20):
            while True:
                try:
                    await client.jsm(timeout=1).account_info()
                    break
                except Exception:  # noqa: BLE001 - the three have not agreed yet
                    await asyncio.sleep(0.1)
        how = ("--shared", "t=team", "--agents", "2", "--concurrency", "8")
        running = await stack.enter_async_context(started("--nats", urls, *how, cwd=tmp_path))
        await simulator.reached(60)
        told = await client.jsm(timeout=2).stream_info(subjects.SHARED)
        assert told.config.num_replicas == 3
        assert told.cluster is not None
        await client.close()
        await servers[int(str(told.cluster.leader).removeprefix("n"))].kill()
        done = await ended(running)
        requests = simulator.stats().requests

    assert set(done.kinds.values()) == {None}
    assert len(done.records) == ACCOUNTS
    assert requests <= ACCOUNTS + 16
