"""What holds over all agents as on one machine, and what belongs to each of them."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.machines.conftest import SHARED, site
from tests.nats_server import agent, nats_server, needs_nats
from tests.running import account, ended, numbered, run, started, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, needs_nats]


async def test_the_rate_holds_over_all_agents(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(30), latency_s=0.01) as here:
        done = await here.collect(*SHARED, "--agents", "2", "--rate", "10", "--concurrency", "20")
        stats = here.simulator.stats()

    starts = sorted(at for each in stats.accounts.values() for at in each.started_at_s)
    assert done.code == 0
    assert len(starts) == 30
    assert starts[-1] - starts[0] >= 29 / 10 - 0.3


async def test_retries_are_counted_as_on_one_machine(tmp_path: Path) -> None:
    accounts = [account("a", "~503x1"), account("b", "~503x2"), account("c", "~503"), account("d")]
    async with site(tmp_path, accounts, latency_s=0) as here:
        done = await here.collect(*SHARED, "--agents", "2")
        stats = here.simulator.stats()

    attempts = {name: record["attempts"] for name, record in done.by_account.items()}
    assert attempts == {"a": 2, "b": 3, "c": 3, "d": 1}
    assert {name.partition("~")[0]: each.attempts for name, each in stats.accounts.items()} == {
        f"acct-{name}": count for name, count in attempts.items()
    }
    assert done.kinds == {"a": None, "b": None, "c": "server_error", "d": None}
    assert done.by_account["c"]["machine"] in ("one", "two")


async def test_an_account_deadline_and_the_runs_hold(tmp_path: Path) -> None:
    accounts = [account("hangs", "~hang"), account("fine")]
    async with site(tmp_path, accounts, latency_s=0) as here:
        one = await here.collect(*SHARED, "--account-deadline", "1", "--agents", "2")
        all_ = await here.collect(*SHARED, "--deadline", "3", "--agents", "2")

    assert one.kinds == {"hangs": "deadline", "fine": None}
    assert 0.9 < one.by_account["hangs"]["elapsed_s"] < 2.5
    assert all_.kinds == {"hangs": "deadline", "fine": None}


async def test_an_agent_renews_its_own_logins(tmp_path: Path) -> None:
    old = account("old", lives_s=-1_000)
    folder = write(tmp_path / "mine", old)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        args = ("--account-dir", "mine", "--chatgpt-url", simulator.url, "--refresh")
        env = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": simulator.token_url}
        await stack.enter_async_context(agent(server, "one", *args, cwd=tmp_path, env=env))
        there = await run("--nats", server.url, cwd=tmp_path)
        here = await run("--nats", server.url, "--refresh", cwd=tmp_path)

    assert there.kinds == {"one/old": None}
    assert there.by_account["one/old"]["refreshed"] is True
    assert (folder / "old.auth.json").read_bytes() != old.auth_file
    assert (here.code, here.out) == (64, b"")
    assert "--refresh: belongs to the agent" in here.err


async def test_a_second_agent_of_the_same_name_leaves(tmp_path: Path) -> None:
    write(tmp_path / "mine", account("alice"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        args = ("--account-dir", "mine", "--chatgpt-url", simulator.url)
        await stack.enter_async_context(agent(server, "one", *args, cwd=tmp_path))
        before = await run("--nats", server.url, cwd=tmp_path)
        second = await run("agent", "--nats", server.url, "--name", "one", *args, cwd=tmp_path)
        after = await run("--nats", server.url, cwd=tmp_path)

    assert (before.code, after.code) == (0, 0)
    assert second.code == 64
    assert "an agent called one runs already: give this one another --name" in second.err


async def test_an_agent_waits_for_its_server(tmp_path: Path) -> None:
    write(tmp_path / "mine", account("alice"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        await server.kill()
        args = ("--account-dir", "mine", "--chatgpt-url", simulator.url)
        one = await stack.enter_async_context(agent(server, "one", *args, cwd=tmp_path))
        nobody = await run("--nats", server.url, cwd=tmp_path)
        await server.start()
        done = await run("--nats", server.url, "--agents", "1", cwd=tmp_path)
        one.send(signal.SIGINT)
        code = await one.running.wait()

    assert nobody.code == 64
    assert f"no NATS server at {server.url} within 5 s: connection refused" in nobody.err
    assert done.kinds == {"one/alice": None}
    assert code == 130


async def test_one_collector_that_leaves_does_not_stop_anothers_run(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(60), latency_s=0.3, concurrency=4) as here:
        args = (*SHARED, "--agents", "2", "--concurrency", "4")
        async with here.collecting(*args) as long:
            await here.simulator.reached(8)
            short = await here.collect(*SHARED, "n0001")
            done = await ended(long)

    assert short.code == 0
    assert done.code == 0
    assert len(done.by_account) == 60


async def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    url = "nats://someone:hunter2secret@127.0.0.1:1"
    for words in (("--nats", url), ("--nats", f"{url}/path"), ("agent", "--nats", f"{url}?x=1")):
        done = await run(*words, cwd=tmp_path)
        assert done.code == 64
        assert "hunter2" not in done.err
    creds = tmp_path / "creds"
    creds.write_text("someone:hunter2secret")
    creds.chmod(0o644)
    told = await run("--nats", "nats://127.0.0.1:1", "--creds", "creds", cwd=tmp_path)
    assert told.code == 64
    assert told.err == "poller: --creds: creds: others can read or write it: chmod 600 creds\n"


async def test_watch_goes_on_over_agents(tmp_path: Path) -> None:
    write(tmp_path / "mine", account("alice"), account("bob"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        url = ("--chatgpt-url", simulator.url)
        await stack.enter_async_context(
            agent(server, "one", "--account-dir", "mine", *url, cwd=tmp_path)
        )
        watch = ("watch", "--nats", server.url, *url, "--every", "2s", "--no-history")
        running = await stack.enter_async_context(started(*watch, cwd=tmp_path))
        assert running.stdout is not None
        told = [json.loads(await running.stdout.readline()) for _ in range(2)]
        await server.kill()
        await asyncio.sleep(1)
        await server.start()
        told += [json.loads(await running.stdout.readline()) for _ in range(4)]
        running.terminate()
        await running.communicate()

    assert {record["account"] for record in told} == {"one/alice", "one/bob"}
    assert all(record["ok"] for record in told)
    assert max(record["round"] for record in told) == 3
