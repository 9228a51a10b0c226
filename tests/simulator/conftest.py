"""A client that reads raw bytes and repairs nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from poller.simulator.accounts import access_claims, jwt
from poller.simulator.server import serve

EXPIRES_AT = 2_000_000_000


@dataclass(frozen=True)
class RawResponse:
    """A response as it was read; its Content-Length is believed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """One connection to a simulator."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def receive(self) -> RawResponse:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        pairs = [(name, value.strip()) for name, _, value in (x.partition(":") for x in lines)]
        got = RawResponse(int(first.split(" ")[1]), pairs, b"")
        body = await self.reader.readexactly(int(got.header("content-length") or 0))
        return RawResponse(got.status, pairs, body)

    async def ask(self, account_id: str = "acct-1", **request: Any) -> RawResponse:
        self.send(asking(account_id, **request))
        return await self.receive()

    async def read_all(self) -> bytes:
        return await self.reader.read()

    def abort(self) -> None:
        self.writer.transport.abort()


def asking(
    account_id: str | None = "acct-1",
    *,
    user_id: str = "user-1",
    plan: str = "plus",
    method: str = "GET",
    path: str = "/backend-api/wham/usage",
    token: str | None = None,
    extra: str = "",
) -> bytes:
    """Return a request as poller sends it."""
    claims = access_claims(user_id, account_id, plan=plan, email="a@b.c", expires_at=EXPIRES_AT)
    named = "" if account_id is None else f"ChatGPT-Account-Id: {account_id}\r\n"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {jwt(claims) if token is None else token}\r\n{named}{extra}\r\n"
    ).encode("latin-1")


class Connector:
    """Opens connections, which close with the test."""

    def __init__(self) -> None:
        self.lines: list[RawConnection] = []

    async def __call__(self, url: str, **options: Any) -> RawConnection:
        parts = urlsplit(url)
        line = RawConnection(
            *await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20, **options)
        )
        self.lines.append(line)
        return line


@pytest.fixture
async def dial(anyio_backend: str) -> Any:
    dialled = Connector()
    yield dialled
    for line in dialled.lines:
        line.abort()
    await asyncio.sleep(0)


@pytest.fixture
async def simulator(anyio_backend: str) -> Any:
    async with serve(now=1_790_000_000) as running:
        yield running


@pytest.fixture
async def line(simulator: Any, dial: Any) -> Any:
    return await dial(simulator.url)


@pytest.fixture
def request_bytes() -> Any:
    return asking
