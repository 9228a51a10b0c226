"""A real NATS server on loopback, and agents around it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tests.running import POLLER, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVER = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")

needs_nats = pytest.mark.skipif(
    (SERVER is None or find_spec("nats") is None) and not os.environ.get("POLLER_SKIP_NOTHING"),
    reason="no nats-server, or no nats-py, here",
)


@dataclass
class NatsServer:
    """A server that can be killed and started again on the same port."""

    folder: Path
    more: str = ""
    """Configuration beside the usual."""
    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    """What the command is started with: a network namespace."""
    plain: bool = False
    """Whether it has no JetStream."""
    port: int = -1
    name: str = "poller"
    running: asyncio.subprocess.Process | None = None
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    @property
    def store(self) -> Path:
        return self.folder / f"{self.name}.store"

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        ports = self.folder / f"{self.name}.ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        config = self.folder / f"{self.name}.conf"
        config.write_text(
            f'listen: "{self.host}:{self.port}"\nserver_name: "{self.name}"\n{self.more}\n'
        )
        if not self.plain:
            with config.open("a") as file:
                file.write(
                    f'jetstream {{ store_dir: "{self.store}", max_file_store: 1GB,'
                    " max_memory_store: 64MB }\n"
                )
        log = (self.folder / f"{self.name}.log").open("ab")
        command = (*self.prefix, SERVER or "", "-c", str(config), "--ports_file_dir", str(ports))
        with log:
            self.running = await asyncio.create_subprocess_exec(
                *command, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )
        self.started.append(self.running)
        async with asyncio.timeout(20):
            while True:
                found = [path.read_text() for path in ports.glob("*.ports")]
                if found and found[0].endswith("}"):
                    break
                assert self.running.returncode is None, (
                    self.folder / f"{self.name}.log"
                ).read_text()
                await asyncio.sleep(0.02)
        if self.port == -1:
            told = json.loads(found[0])["nats"][0]
            self.port = int(told.rpartition(":")[2])

    async def kill(self, *, with_store: bool = False) -> None:
        assert self.running is not None
        self.running.kill()
        await self.running.wait()
        if with_store:
            shutil.rmtree(self.store)

    async def close(self) -> None:
        for one in self.started:
            if one.returncode is None:
                one.kill()
                await one.wait()


@asynccontextmanager
async def nats_server(folder: Path, **how: Any) -> AsyncIterator[NatsServer]:
    server = NatsServer(folder, **how)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


@dataclass
class AgentProcess:
    """A real ``poller agent``."""

    name: str
    running: asyncio.subprocess.Process
    said: Path

    def send(self, number: signal.Signals) -> None:
        self.running.send_signal(number)


@asynccontextmanager
async def agent(
    server: NatsServer | str,
    name: str,
    *args: str,
    cwd: Path,
    prefix: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> AsyncIterator[AgentProcess]:
    """Start an agent; it need not be there yet."""
    url = server if isinstance(server, str) else server.url
    said = cwd / f"{name}.said"
    command = (*prefix, *POLLER, "agent", "--nats", url, "--name", name, *args)
    with said.open("ab") as log:
        running = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=environment(cwd, env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield AgentProcess(name, running, said)
    finally:
        if running.returncode is None:
            if sys.platform != "win32":
                running.send_signal(signal.SIGCONT)
            running.terminate()
            try:
                await asyncio.wait_for(running.wait(), 5)
            except TimeoutError:
                running.kill()
                await running.wait()
        text = said.read_text()
        assert "Traceback" not in text, text
