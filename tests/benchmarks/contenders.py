"""Who runs against whom: the program, and what people would otherwise use."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poller.simulator.__main__ import write_accounts
from poller.simulator.accounts import made_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.servers import Server

_CLIENTS = Path(__file__).parent / "clients"
PROGRAM = "poller"
BARE = "aiohttp, default"
FREE = "aiohttp, free options"
SEQUENTIAL = "requests, sequential"
CURL = "curl --parallel"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Made-up accounts on disk: as auth files, and as what a bare client sends."""

    count: int
    folder: str
    requests_file: str

    def curl_file(self, server: Server) -> str:
        """Write what curl shall fetch from ``server``; return the file's name."""
        path = Path(f"{self.requests_file}.{server.name}-{'s' if server.is_tls else ''}.curl")
        if not path.exists():
            lines = Path(self.requests_file).read_text(encoding="ascii").splitlines()
            text = "next\n".join(_curl_request(line, server) for line in lines)
            path.write_text(text, encoding="ascii")
        return str(path)


def accounts(folder: Path, count: int, *, faulty: float = 0.0, fault: str = "") -> Accounts:
    """Make up ``count`` accounts under ``folder``; a share of them with a fault."""
    own = folder / f"accounts-{count}{fault}"
    requests_file = folder / f"requests-{count}{fault}"
    population = made_up(count, now=time.time(), fault_share=faulty, fault_mix=(fault,))
    write_accounts(own, population)
    with requests_file.open("w", encoding="ascii") as file:
        for path in sorted(own.glob("*.auth.json")):
            tokens = json.loads(path.read_bytes())["tokens"]
            file.write(f"{tokens['access_token']} {tokens['account_id']}\n")
    return Accounts(count, str(own), str(requests_file))


def program(accounts: Accounts, server: Server, concurrency: int) -> list[str]:
    """Return the whole program: auth files in, JSON lines out."""
    return [
        *(sys.executable, "-m", "poller", "--account-dir", accounts.folder),
        *("--chatgpt-url", server.url, "--concurrency", str(concurrency)),
        *("--format", "jsonl"),
    ]


def bare(
    accounts: Accounts, server: Server, concurrency: int, *, free: bool = False, named: bool = True
) -> list[str]:
    """Return the aiohttp loop, which reaches the server by a name or by its address."""
    url = server.named_url if named else server.url
    script = str(_CLIENTS / "bare_loop.py")
    command = [sys.executable, script, url, accounts.requests_file]
    return [*command, "--concurrency", str(concurrency), *(["--free"] if free else [])]


def sequential(accounts: Accounts, server: Server) -> list[str]:
    """Return the script with one ``requests.get`` after another."""
    ca_file = [server.ca_file] if server.ca_file is not None else []
    return [sys.executable, str(_CLIENTS / "sequential.py"), server.url, accounts.folder, *ca_file]


def curl(accounts: Accounts, server: Server, concurrency: int) -> list[str] | None:
    """Return curl's command, None where it is not installed."""
    if shutil.which("curl") is None:
        return None
    return [
        *("curl", "--silent", "--show-error", "--fail-early", "--parallel"),
        *("--parallel-max", str(concurrency), "--config", accounts.curl_file(server)),
    ]


def trust(server: Server) -> Mapping[str, str]:
    """Return the environment that makes OpenSSL trust the made-up authority, and no other."""
    return {} if server.ca_file is None else {"SSL_CERT_FILE": server.ca_file}


def _curl_request(line: str, server: Server) -> str:
    token, account_id = line.split()
    lines = [
        f'url = "{server.url}"',
        'output = "/dev/null"',
        f'header = "Authorization: Bearer {token}"',
        f'header = "ChatGPT-Account-Id: {account_id}"',
        'header = "Accept: application/json"',
        'header = "Origin: https://chatgpt.com"',
        'header = "Referer: https://chatgpt.com/"',
        'user-agent = "Mozilla/5.0"',
        "http1.1",
        "fail",
    ]
    if server.ca_file is not None:
        lines.append(f'cacert = "{server.ca_file}"')
    return "".join(f"{line}\n" for line in lines)
