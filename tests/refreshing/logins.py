"""Logins that the made-up token endpoint knows, in files, and runs that refresh them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from poller.authfiles.find import find
from poller.authfiles.read import Account
from poller.authfiles.shapes import parse
from poller.renewal.endpoint import TokenEndpoint
from poller.renewal.ledger import Ledger
from poller.renewal.renewals import Renewals
from poller.settings import Settings
from poller.simulator.accounts import auth_file, refresh_token_of
from tests.running import LONGEST_S, one_round, started
from tests.running import ended as end_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from poller.simulator.server import Simulator
    from poller.values import Credential, Report
    from tests.running import Ended

EXPIRED_S = -86_400.0
GOOD_S = 86_400.0


def login(
    name: str, *, lives_s: float = EXPIRED_S, fault: str = "", usage: str = "", **more: Any
) -> bytes:
    """Return a Codex file; ``fault`` is the token endpoint's, ``usage`` the usage endpoint's."""
    user_id, account_id = f"user-{name}", f"acct-{name}{usage}"
    return auth_file(
        user_id=user_id,
        account_id=account_id,
        email=f"{name}@example.com",
        expires_at=time.time() + lives_s,
        refresh_token=refresh_token(name, fault=fault, usage=usage),
        **more,
    )


def refresh_token(name: str, *, fault: str = "", usage: str = "", generation: int = 0) -> str:
    return refresh_token_of(
        f"user-{name}",
        f"acct-{name}{usage}",
        email=f"{name}@example.com",
        generation=generation,
        fault=fault,
    )


def store(folder: Path, name: str, content: bytes | None = None, **how: Any) -> Path:
    """Write a login into ``<name>.auth.json``."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{name}.auth.json"
    path.write_bytes(login(name, **how) if content is None else content)
    path.chmod(0o600)
    return path


def account_of(path: Path) -> tuple[Account, Credential]:
    """Return the only account in a file, and what is stale about it."""
    logins = parse(path.read_bytes(), now=time.time())
    assert isinstance(logins, tuple)
    (login,) = logins
    assert login.held is not None
    return Account(0, "alice", "", login.outcome, str(path), None, held=login.held), login.held


def tokens(path: Path) -> dict[str, Any]:
    """Return the tokens in a Codex file."""
    return dict(json.loads(path.read_bytes())["tokens"])


def is_alive(simulator: Simulator, path: Path, name: str) -> bool:
    """Return whether a file holds the refresh token that works now."""
    alive = simulator.logins.alive(f"user-{name}", f"acct-{name}")
    return str(tokens(path)["refresh_token"]) == (alive or refresh_token(name))


def outcomes(simulator: Simulator) -> list[list[str]]:
    """Return what each refresh token brought, every time it was sent."""
    return list(simulator.logins.outcomes.values())


def sent_twice(simulator: Simulator) -> dict[str, list[str]]:
    return {
        token[-30:]: became
        for token, became in simulator.logins.outcomes.items()
        if len(became) > 1
    }


def surroundings(home: Path, simulator: Simulator) -> dict[str, str]:
    """Return the environment of a run that refreshes at the simulator."""
    return {
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": simulator.token_url,
        "XDG_STATE_HOME": str(home / "state"),
    }


def ledger_folder(state: Path) -> Path:
    """Return the folder of the ledger in a state folder."""
    return state / "poller/logins"


async def refresh(cwd: Path, simulator: Simulator, *args: str, **how: Any) -> Ended:
    """Run the real program with ``--refresh``."""
    env = {**surroundings(cwd, simulator), **how.pop("env", {})}
    words = ("--refresh", "--chatgpt-url", simulator.url, *args)
    async with started(*words, cwd=cwd, env=env, **how) as running:
        return await end_of(running)


@asynccontextmanager
async def renewals(
    home: Path,
    simulator: Simulator,
    *,
    token_url: str | None = None,
    endpoint: TokenEndpoint | None = None,
    state: Path | None = None,
    **how: Any,
) -> AsyncIterator[Renewals]:
    """Make what renews, in this process; ``state`` is the user's state folder."""
    url = token_url or simulator.token_url
    endpoint = endpoint or TokenEndpoint(Settings(), url=url, proxy=None)
    yield Renewals(endpoint, Ledger(str(ledger_folder(state or home / "state"))), **how)


async def polled(
    cwd: Path,
    simulator: Simulator,
    *accounts: str,
    renewing: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Report]:
    """Poll files with refreshing on, in this process; return the reports by account."""
    dirs = None if accounts else (str(cwd / "account"),)
    asked = Settings(
        chatgpt_url=simulator.url, accounts=accounts, account_dirs=dirs, refresh=True, **settings
    )
    files = find(asked, environ=os.environ, cwd=str(cwd))
    async with (
        asyncio.timeout(LONGEST_S),
        renewals(cwd, simulator, **(renewing or {})) as renewed,
        one_round(files, asked, renewals=renewed) as reports,
    ):
        return {report.account: report async for report in reports}


def outcome(report: Report) -> tuple[str | None, bool]:
    """Return the kind of failure, if any, and whether the file was given new tokens."""
    return (None if report.failure is None else str(report.failure.kind), report.refreshed)


class AnsweringEndpoint:
    """A token endpoint that gives every request the same answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.requests = 0
        self.url = ""
        self._answer = (
            b"HTTP/1.1 %d Made Up\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)
        )

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        writer.write(self._answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def answering(body: object, *, status: int = 200) -> AsyncIterator[AnsweringEndpoint]:
    """Serve a token endpoint that answers everything with ``body``, as JSON."""
    endpoint = AnsweringEndpoint(status, json.dumps(body).encode())
    server = await asyncio.start_server(endpoint.answer, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/oauth/token"
    async with server:
        yield endpoint
