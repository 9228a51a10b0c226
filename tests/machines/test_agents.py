"""Agents and a collector, as real programs around a real server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.nats_server import agent, nats_server, needs_nats
from tests.running import account, run, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, needs_nats]


async def test_a_shared_folder_is_asked_by_any_agent_that_has_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "team", *(account(f"n{number}") for number in range(40)))
    (folder / "broken.auth.json").write_text("{")
    shared = ("--shared", "t=team")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve(latency_s=0.05))
        for name in ("one", "two"):
            args = ("--chatgpt-url", simulator.url, "--concurrency", "3")
            await stack.enter_async_context(agent(server, name, *shared, *args, cwd=tmp_path))
        args = ("--agents", "2", "--concurrency", "5")
        ended = await run("--nats", server.url, *shared, *args, cwd=tmp_path)
        most = simulator.stats().most_in_flight
        other = await run("--nats", server.url, "--shared", "u=team", cwd=tmp_path)

    assert ended.kinds == {"broken": "file_invalid"} | {f"n{number}": None for number in range(40)}
    machines = {record["machine"] for record in ended.records}
    assert machines == {"one", "two", None}
    assert most == 5
    assert other.code == 64
    assert "no agent has the shared folder 'u'; there are one, two" in other.err
