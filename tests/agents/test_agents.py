"""Two agents and a collector, as real programs around a real server."""

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


async def test_own_accounts_of_two_machines_come_with_their_names(tmp_path: Path) -> None:
    write(tmp_path / "one", account("alice", "+two_windows:42:5"), account("bob", "~402"))
    write(tmp_path / "two", account("carol"), account("alice2", user_id="user-alice"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        for name in ("one", "two"):
            args = ("--account-dir", name, "--chatgpt-url", simulator.url)
            await stack.enter_async_context(agent(server, name, *args, cwd=tmp_path))
        ended = await run("--nats", server.url, "--agents", "2", cwd=tmp_path)
        named = await run("--nats", server.url, "two/c*", "bob", cwd=tmp_path)
        nobody = await run("--nats", server.url, "--agents", "2", "dave", cwd=tmp_path)

    assert ended.kinds == {
        "one/alice": None,
        "one/bob": "payment_required",
        "two/carol": None,
        "two/alice2": None,
    }
    assert ended.code == 3
    record = ended.by_account["one/alice"]
    assert record["machine"] == "one"
    assert record["source"] == "one/alice"
    assert record["attempts"] == 1
    assert record["remaining_percent"] == 58
    assert record["key"] is not None
    assert set(named.kinds) == {"one/bob", "two/carol"}
    assert (nobody.code, nobody.out) == (64, b"")
    assert nobody.err == "poller: no account 'dave' on one, two\n"


async def test_an_agent_that_has_no_accounts_says_why(tmp_path: Path) -> None:
    write(tmp_path / "one", account("alice"))
    (tmp_path / "team").mkdir()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        simulator = await stack.enter_async_context(serve())
        for name, more in (("one", ()), ("two", ()), ("three", ("--shared", "team"))):
            folder = tmp_path / ("John Doe/two" if name == "two" else name)
            args = ("--account-dir", str(folder), "--chatgpt-url", simulator.url, *more)
            await stack.enter_async_context(agent(server, name, *args, cwd=tmp_path))
        done = await run("--nats", server.url, "--agents", "3", cwd=tmp_path)

    assert done.kinds == {"one/alice": None}
    assert done.err == (
        "poller: agent two has no accounts: two: no such folder; "
        "--account-dir names a folder of auth files\n"
    )
