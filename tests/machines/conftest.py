from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poller.simulator.server import serve
from tests.nats_server import AgentProcess, NatsServer, agent, nats_server
from tests.running import Ended, ended, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount
    from poller.simulator.server import Simulator

SHARED = ("--shared", "team=team")


@dataclass
class Site:
    """A server, an upstream and two agents of a shared folder, or of their own accounts."""

    folder: Path
    server: NatsServer
    simulator: Simulator
    agents: dict[str, AgentProcess]

    @asynccontextmanager
    async def collecting(self, *args: str) -> AsyncIterator[Any]:
        """Start a collector; ``ended`` says how it went."""
        async with started("--nats", self.server.url, *args, cwd=self.folder) as running:
            yield running

    async def collect(self, *args: str) -> Ended:
        async with self.collecting(*args) as running:
            return await ended(running)


@asynccontextmanager
async def site(
    folder: Path,
    accounts: Iterable[MadeUpAccount] = (),
    *,
    own: Mapping[str, Iterable[MadeUpAccount]] | None = None,
    latency_s: float = 0.1,
    concurrency: int = 8,
    fault: str | None = None,
    more: tuple[str, ...] = (),
) -> AsyncIterator[Site]:
    write(folder / "team", *accounts)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(folder / "nats"))
        simulator = await stack.enter_async_context(serve(latency_s=latency_s, fault=fault))
        agents: dict[str, AgentProcess] = {}
        for name in own or ("one", "two"):
            mine = write(folder / name, *(own or {}).get(name, ()))
            shared = () if own else SHARED
            args = (*shared, "--account-dir", str(mine), "--chatgpt-url", simulator.url, *more)
            agents[name] = await stack.enter_async_context(
                agent(server, name, *args, "--concurrency", str(concurrency), cwd=folder)
            )
        yield Site(folder, server, simulator, agents)
