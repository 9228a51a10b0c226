"""A collection as a library opens it, with agents that are not what they should be."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import poller
from poller.agents import subjects
from poller.agents.collection import open_collection
from poller.agents.wire import Presence, encoded
from poller.simulator.server import serve
from tests.nats_server import NatsServer, agent, nats_server, needs_nats
from tests.running import account, numbered, run, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, needs_nats]

PROCESS = "c" * 16


@asynccontextmanager
async def silent_agent(server: NatsServer, name: str) -> AsyncIterator[Any]:
    """Be there and tell nothing, for as long as the context lasts."""
    import nats

    client = await nats.connect(server.url)

    async def on_call(_: Any) -> None:
        told = Presence(PROCESS, time.time(), time.time(), 8, ())
        await client.publish(subjects.presence(name), encoded(told))

    await client.subscribe(subjects.CALL, cb=on_call)
    try:
        yield client
    finally:
        told = Presence(PROCESS, 1.0, 1.0, 8, (), leaves=True)
        await client.publish(subjects.presence(name), encoded(told))
        await client.drain()


@pytest.mark.parametrize("ahead_s", [3_600.0, -3_600.0])
async def test_a_collector_whose_clock_is_off_says_so_and_is_answered(
    tmp_path: Path, ahead_s: float
) -> None:
    write(tmp_path / "mine", *numbered(3))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        args = ("--account-dir", "mine", "--chatgpt-url", simulator.url)
        await stack.enter_async_context(agent(server, "one", *args, cwd=tmp_path))
        settings = poller.Settings(nats=server.url, agents=1)
        session = await stack.enter_async_context(
            open_collection(settings, clock=lambda: time.time() + ahead_s)
        )
        reports = await stack.enter_async_context(poller.poll(session=session))
        came = [report async for report in reports]
        notices = reports.notices

    assert [report.ok for report in came] == [True] * 3
    assert notices.clock_offsets == {"one": pytest.approx(-ahead_s, abs=5)}


async def test_an_agent_that_is_lost_before_it_told_its_accounts_is_said(tmp_path: Path) -> None:
    write(tmp_path / "mine", account("alice"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        args = ("--account-dir", "mine", "--chatgpt-url", simulator.url)
        await stack.enter_async_context(agent(server, "one", *args, cwd=tmp_path))
        async with silent_agent(server, "mute"):
            running = await stack.enter_async_context(
                started("--nats", server.url, "--agents", "2", cwd=tmp_path)
            )
            assert running.stdout is not None
            record = json.loads(await running.stdout.readline())
            await asyncio.sleep(0.2)
        out, err = await running.communicate()

    assert record["account"] == "one/alice"
    assert out == b""
    assert running.returncode == 2
    assert b"lost before they listed their accounts: mute" in err


async def test_a_server_without_jetstream_is_said(tmp_path: Path) -> None:
    async with nats_server(tmp_path / "nats") as server:
        config = tmp_path / "nats" / "poller.conf"
        await server.kill()
        server.plain = True
        await server.start()
        done = await run("--nats", server.url, cwd=tmp_path)
        assert "jetstream" not in config.read_text()

    assert done.code == 64
    assert "no JetStream" in done.err


async def test_a_server_that_has_no_room_for_the_streams_is_said(tmp_path: Path) -> None:
    little = f'jetstream {{ store_dir: "{tmp_path}/little", max_file_store: 10MB }}'
    async with nats_server(tmp_path / "nats", more=little, plain=True) as server:
        done = await run("--nats", server.url, cwd=tmp_path)

    assert done.code == 64
    assert "cannot keep jobs and records: insufficient storage resources available" in done.err


async def test_agents_that_are_waited_for_are_counted_meanwhile(tmp_path: Path) -> None:
    async with (
        nats_server(tmp_path / "nats") as server,
        started("--nats", server.url, "--agents", "2", cwd=tmp_path) as running,
    ):
        assert running.stderr is not None
        said = await running.stderr.readline()
        running.terminate()

    assert said == b"poller: 0 of 2 agents are there\n"


async def test_agents_are_waited_for_until_the_runs_deadline(tmp_path: Path) -> None:
    async with nats_server(tmp_path / "nats") as server:
        done = await run("--nats", server.url, "--agents", "2", "--deadline", "1", cwd=tmp_path)

    assert (done.code, done.out) == (64, b"")
    assert done.err == (
        "poller: 0 of 2 agents are there after 1 s (--deadline): start the others, "
        "or ask for fewer with --agents\n"
    )
