"""Real hosts, as far as one machine has them: network namespaces with a link each."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.nats_server import agent, nats_server, needs_nats
from tests.running import POLLER, ended, environment, numbered, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


def may_make_hosts() -> bool:
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    name = f"poller-{os.getpid()}-try"
    made = ip("netns", "add", name)
    return ip("netns", "del", name) if made else False


pytestmark = [
    pytest.mark.anyio,
    needs_nats,
    pytest.mark.skipif(not may_make_hosts(), reason="network namespaces are not permitted"),
]

ACCOUNTS = 160


@dataclass
class Hosts:
    """A bridge in a namespace, and hosts around it: 10.99.0.1 is the bridge's own."""

    mark: str

    def inside(self, host: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", f"{self.mark}-{host}")

    def cut(self, host: str) -> None:
        assert ip("-n", f"{self.mark}-hub", "link", "set", f"to-{host}", "down")

    def join(self, host: str) -> None:
        assert ip("-n", f"{self.mark}-hub", "link", "set", f"to-{host}", "up")


@asynccontextmanager
async def hosts(*names: str) -> AsyncIterator[Hosts]:
    made = Hosts(f"poller-{os.getpid()}")
    hub = f"{made.mark}-hub"
    try:
        assert ip("netns", "add", hub)
        for words in (
            ("link", "set", "lo", "up"),
            ("link", "add", "bridge", "type", "bridge"),
            ("addr", "add", "10.99.0.1/24", "dev", "bridge"),
            ("link", "set", "bridge", "up"),
        ):
            assert ip("-n", hub, *words)
        for number, name in enumerate(names, start=2):
            own = f"{made.mark}-{name}"
            assert ip("netns", "add", own)
            assert ip(
                *("-n", hub, "link", "add", f"to-{name}", "type", "veth"),
                *("peer", "name", "eth0", "netns", own),
            )
            assert ip("-n", hub, "link", "set", f"to-{name}", "master", "bridge", "up")
            assert ip("-n", own, "addr", "add", f"10.99.0.{number}/24", "dev", "eth0")
            assert ip("-n", own, "link", "set", "lo", "up")
            assert ip("-n", own, "link", "set", "eth0", "up")
        yield made
    finally:
        for name in (*names, "hub"):
            ip("netns", "del", f"{made.mark}-{name}")


@asynccontextmanager
async def upstream(here: Hosts, host: str, cwd: Path) -> AsyncIterator[str]:
    """Serve an upstream on a host's loopback; yield its address."""
    args = ("simulate", "--port", "0", "--latency", "300ms")
    running = await asyncio.create_subprocess_exec(
        *here.inside(host), *POLLER, *args, cwd=cwd, env=environment(cwd), stdout=-1, stderr=-1
    )
    try:
        assert running.stdout is not None
        async with asyncio.timeout(20):
            found = None
            while found is None:
                found = re.search(r"http://\S+/usage", (await running.stdout.readline()).decode())
        yield found[0]
    finally:
        running.kill()
        await running.communicate()


@pytest.mark.parametrize("shared", [True, False])
async def test_a_link_that_is_down_for_ten_seconds_costs_no_record(
    tmp_path: Path, shared: bool
) -> None:
    names = ("one", "two", "three")
    if shared:
        write(tmp_path / "team", *numbered(ACCOUNTS))
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(hosts(*names, "desk"))
        server = await stack.enter_async_context(
            nats_server(tmp_path / "nats", host="10.99.0.1", prefix=here.inside("hub"), port=4222)
        )
        for number, name in enumerate(names):
            url = await stack.enter_async_context(upstream(here, name, tmp_path))
            own = numbered(60, start=60 * number)
            folder = write(tmp_path / name, *(() if shared else own))
            args = ("--shared", "t=team") if shared else ("--account-dir", str(folder))
            await stack.enter_async_context(
                agent(
                    *(server, name, *args, "--chatgpt-url", url, "--concurrency", "2"),
                    cwd=tmp_path,
                    prefix=here.inside(name),
                )
            )
        args = (*(("--shared", "t=team") if shared else ()), "--agents", "3", "--concurrency", "6")
        running = await stack.enter_async_context(
            started(
                *("--nats", server.url, *args),
                cwd=tmp_path,
                command=(*here.inside("desk"), *POLLER),
            )
        )
        assert running.stdout is not None
        first = [await running.stdout.readline() for _ in range(20)]
        here.cut("two")
        await asyncio.sleep(10)  # what the link is down for
        here.join("two")
        done = await ended(running)

    records = b"".join(first) + done.out
    lines = type(done)(done.code, records, done.err)
    kinds = lines.kinds
    if shared:
        assert len(kinds) == ACCOUNTS
        assert set(kinds.values()) == {None}
        return
    assert len(kinds) == 180
    away = {name for name, kind in kinds.items() if kind is not None}
    assert len(away) <= 2  # what was in flight there
    assert {kinds[name] for name in away} <= {"worker_lost"}
    assert {name.partition("/")[0] for name in away} <= {"two"}
