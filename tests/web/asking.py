"""A real server on loopback, and requests to it as bytes: what no client library would send."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from poller.web.access import Access
from poller.web.events import Happenings
from poller.web.server import Body, NotGiven, WebServer, serving

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from aiohttp import web

NOW = 1_790_000_000.0
TOKEN = "correct horse battery staple 0123456789"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        return str(orjson.loads(self.body)["error"]["message"])


@dataclass(slots=True)
class Asked:
    """A server that is asked."""

    host: str
    port: int
    happenings: Happenings
    tls: ssl.SSLContext | None = None

    async def raw(self, request: bytes) -> bytes:
        """Send bytes; return everything that comes until the end."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        writer.write(request)
        try:
            async with asyncio.timeout(20):
                return await reader.read()
        finally:
            writer.close()

    async def ask(
        self, path: str = "/", method: str = "GET", body: str = "", **headers: Any
    ) -> Answer:
        """Ask as a client does that names the server by its address; None leaves a header out."""
        given: dict[str, str | None] = {
            "Host": f"{self.host}:{self.port}",
            "Connection": "close",
            "Content-Length": str(len(body)) if body else None,
        }
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        return parsed(await self.raw((head + body).encode("utf-8", "surrogateescape")))


def parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), headers, body)


@asynccontextmanager
async def asked(
    access: Access | None = None,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    trusted: ssl.SSLContext | None = None,
    known: int = 2,
) -> AsyncIterator[Asked]:
    async def healthz(_request: web.BaseRequest) -> Body:
        return Body(b"{}")

    async def accounts(_request: web.BaseRequest) -> Body:
        return Body(b'["alice"]')

    async def page(_request: web.BaseRequest) -> Body:
        return Body(b"<!doctype html>", "text/html; charset=utf-8")

    async def account(request: web.BaseRequest) -> Body:
        if not request.raw_path.endswith("/00ff"):
            raise NotGiven(404, "there is no such account")
        return Body(b"<!doctype html>", "text/html; charset=utf-8")

    async def broken(_request: web.BaseRequest) -> Body:
        raise ZeroDivisionError

    contents = {
        "/": page,
        "/account/": account,
        "/api/v1/accounts": accounts,
        "/broken": broken,
        "/healthz": healthz,
    }
    happenings = Happenings(lambda: [("record", b'{"account":%d}' % n) for n in range(known)])
    server = WebServer(
        access or Access(),
        contents,
        login_page=lambda wrong: b"<form>%s" % (b"wrong" if wrong else b""),
        happenings=happenings,
        clock=lambda: NOW,
    )
    with socket.create_server((host, 0)) as listening:
        async with serving(server, listening, tls=tls):
            address, port = listening.getsockname()[:2]
            yield Asked(address, port, happenings, trusted)
