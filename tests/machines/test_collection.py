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


async def test_an_only_agent_that_is_lost_then_is_no_wrong_usage(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        async with silent_agent(server, "mute") as client:
            welcomed = await client.subscribe(subjects.welcome("mute"))
            running = await stack.enter_async_context(started("--nats", server.url, cwd=tmp_path))
            await welcomed.next_msg(timeout=10)
        out, err = await running.communicate()

    assert (running.returncode, out) == (2, b"")
    assert err.startswith(b"poller: lost before they listed their accounts: mute")


@pytest.mark.parametrize("what", ["failure", "listing"])
async def test_an_agent_of_another_version_is_said_at_once(tmp_path: Path, what: str) -> None:
    """It tells of a kind of failure, or in a shape, that is not known here."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        client = await stack.enter_async_context(silent_agent(server, "new"))
        inbox = client.new_inbox()
        welcomed = await client.subscribe(subjects.welcome("new"))
        jobs = await client.subscribe(inbox)
        running = await stack.enter_async_context(started("--nats", server.url, cwd=tmp_path))
        run_id = json.loads((await welcomed.next_msg(timeout=10)).data)["run"]
        told = {"t": "Listing", "run": run_id, "agent": PROCESS, "part": 0, "is_last": True}
        if what == "failure":
            told |= {"accounts": [{"label": "alice", "key": None, "expires_at": None}]}
            told |= {"trouble": None}
        await client.publish(subjects.records("new"), json.dumps(told).encode())
        if what == "failure":
            pull = subjects.pull(subjects.OWN, "own-new")
            await client.publish(pull, b'{"batch":1,"expires":9000000000}', reply=inbox)
            job = json.loads((await jobs.next_msg(timeout=10)).data)
            result = {"t": "JobResult", "job": job["id"], "run": run_id, "failure": "of a new kind"}
            await client.publish(subjects.records("new"), json.dumps(result).encode())
        assert running.stderr is not None
        said = await running.stderr.readline()
        if what == "listing":
            running.terminate()
        out, _ = await running.communicate()

    assert (
        said
        == b"poller: what agent new says makes no sense: run the same version of poller there\n"
    )
    if what == "failure":
        record = json.loads(out)
        assert (record["account"], record["error"]["kind"]) == ("new/alice", "worker_lost")
        assert record["error"]["message"] == "what the agent new answered makes no sense"
        assert running.returncode == 2


async def test_a_message_that_is_too_large_for_the_server_is_said(tmp_path: Path) -> None:
    write(tmp_path / "mine", *numbered(60))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            nats_server(tmp_path / "nats", more="max_payload: 2048")
        )
        one = await stack.enter_async_context(
            agent(server, "one", "--account-dir", "mine", cwd=tmp_path)
        )
        await stack.enter_async_context(started("--nats", server.url, cwd=tmp_path))
        async with asyncio.timeout(20):
            while "takes 2048 bytes a message: raise max_payload" not in one.said.read_text():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)


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
