from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
import trustme

from poller import __version__
from poller.history.reading import open_reader
from poller.simulator.server import serve as upstream
from tests.running import account, ended, record_of, run, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

TOKEN = "0123456789 abcdefghijklmnopqrstuvwxyz"
LEAVES_WITHIN_S = 2.0


class Site:
    """A program that serves, and a client of it."""

    def __init__(self, base: str, client: aiohttp.ClientSession, process: Any) -> None:
        self.base, self.client, self.process = base, client, process

    async def get(self, path: str, **how: Any) -> tuple[int, bytes]:
        async with self.client.get(self.base + path, **how) as answer:
            return answer.status, await answer.read()

    async def json(self, path: str, **how: Any) -> Any:
        status, body = await self.get(path, **how)
        assert status == 200, body
        return orjson.loads(body)

    async def until_polled(self) -> None:
        async with asyncio.timeout(20):
            while (await self.get("healthz"))[0] != 200:
                pass


@asynccontextmanager
async def site(
    *words: str, cwd: Path, env: dict[str, str] | None = None, **client: Any
) -> AsyncIterator[Site]:
    given = ("serve", "--listen", "127.0.0.1:0", *words)
    async with started(*given, cwd=cwd, env=env) as process:
        assert process.stderr is not None
        said = (await process.stderr.readline()).decode()
        found = re.search(r"serving at (https?://\S+)", said)
        assert found is not None, said
        jar = aiohttp.CookieJar(unsafe=True)  # addresses have cookies, too
        async with aiohttp.ClientSession(cookie_jar=jar, **client) as session:
            yield Site(found[1], session, process)


async def test_what_is_polled_is_served(tmp_path: Path) -> None:
    alice = account("alice", "+two_windows:42:5")
    write(tmp_path / "account", alice, account("bob", "~402"))
    async with (
        upstream() as simulator,
        site("--chatgpt-url", simulator.url, cwd=tmp_path) as served,
    ):
        await served.until_polled()
        records = {one["account"]: one for one in await served.json("api/v1/accounts")}
        pool = await served.json("api/v1/pool")
        ahead = await served.json("api/v1/timeline")
        asked = simulator.stats().requests
        _, page = await served.get("")
        key = records["alice"]["key"]
        one_page, _ = await served.get(f"account/{key}?range=7d")
        metrics = (await served.get("metrics"))[1].decode()
        health = await served.json("healthz")
        described = await served.json("openapi.json")
        script, _ = await served.get("static/page.js")
        missing = [await served.get(path) for path in ("account/00ff", "account/", "static/x")]
        odd, _ = await served.get(f"account/{key}?range=1y")

        assert simulator.stats().requests == asked, "looking asks nobody"

    assert {*records} == {"alice", "bob"}
    assert records["alice"]["windows"]["five_hour"]["used_percent"] == 42
    assert records["bob"]["error"]["kind"] == "payment_required"
    for record in records.values():
        record_of(orjson.dumps(record))
    assert (pool["accounts"], pool["states"]["failed"]) == (2, 1)
    assert pool["windows"]["five_hour"] == {"lower": 0.58, "upper": 0.58, "of": 1}
    assert {*ahead[0]} == {"at", "account", "key", "window", "returns_percent", "frees"}
    assert b"alice" in page
    assert b"@example.com" not in page
    assert one_page == script == 200
    assert [status for status, _ in missing] == [404, 404, 404]
    assert odd == 400
    assert 'poller_window_used_ratio{account="alice",window="five_hour"} 0.42' in metrics
    assert f'poller_build_info{{version="{__version__}"}} 1.0' in metrics
    assert 'poller_requests_total{result="ok"} 1.0' in metrics
    assert 'poller_requests_total{result="payment_required"}' in metrics
    assert health["status"] == "ok"
    assert described["openapi"].startswith("3.")


async def test_what_was_recorded_is_served(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"))
    words = ("--history", "quota.db", "--chatgpt-url")
    async with upstream() as simulator, site(*words, simulator.url, cwd=tmp_path) as served:
        await served.until_polled()
        key = (await served.json("api/v1/accounts"))[0]["key"]
        async with asyncio.timeout(20):
            while not (spans := await served.json("api/v1/history")):
                pass
        wanted = await served.json(f"api/v1/history?key={key}&window=weekly&since=1h")
        others = await served.json(f"api/v1/history?key={'0' * 16}")
        bad = [
            (await served.get(f"api/v1/history?{query}"))[0]
            for query in ("key=zz", "since=tomorrow", "since=", "key=", "since=9999999d")
        ]
    assert [span["window"] for span in spans] == ["five_hour", "weekly"]
    assert [span["used_percent"] for span in wanted] == [5]
    assert others == []
    assert bad == [400] * 5


async def test_the_line_of_the_status_is_kept_in_a_file(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"))
    words = ("--status-file", "line", "--chatgpt-url")
    async with upstream() as simulator, site(*words, simulator.url, cwd=tmp_path) as served:
        async with asyncio.timeout(20):
            while "line" not in os.listdir(tmp_path):
                await served.get("healthz")
        assert "58" in (tmp_path / "line").read_text()
        served.process.terminate()
        assert (await ended(served.process)).code == 143
    assert (tmp_path / "line").read_text() == "codex ?\n"


async def test_a_login_that_had_expired_before_is_no_change_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"), account("old", lives_s=-86_400))
    (tmp_path / "account" / "empty.auth.json").write_bytes(b"")
    words = ("--history", "quota.db", "--chatgpt-url")
    async with upstream() as simulator:
        for _ in range(2):
            async with site(*words, simulator.url, cwd=tmp_path) as served:
                await served.until_polled()
                async with asyncio.timeout(20):
                    while not await served.json("api/v1/history"):
                        pass
                _, page = await served.get("")
                assert b"<p>Nothing but percentages.</p>" in page


async def test_without_a_history_nothing_of_the_past_is_served(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    async with (
        upstream() as simulator,
        site("--no-history", "--chatgpt-url", simulator.url, cwd=tmp_path) as served,
    ):
        await served.until_polled()
        assert await served.json("api/v1/history") == []
        key = (await served.json("api/v1/accounts"))[0]["key"]
        assert (await served.get(f"account/{key}"))[0] == 200
    assert os.listdir(tmp_path) == ["account"]


async def test_an_account_s_page_says_what_is_known_where_its_history_is_spoiled(
    tmp_path: Path,
) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"))
    words = ("--history", "quota.db", "--chatgpt-url")
    async with upstream() as simulator, site(*words, simulator.url, cwd=tmp_path) as served:
        await served.until_polled()
        key = (await served.json("api/v1/accounts"))[0]["key"]
        (tmp_path / "spoiled").write_bytes(b"no history" * 1000)
        (tmp_path / "spoiled").replace(tmp_path / "quota.db")
        status, page = await served.get(f"account/{key}")
        assert status == 200
        assert "58\N{NO-BREAK SPACE}%".encode() in page
        assert b"The history cannot be read now: there are no curves." in page
        assert (await served.get("api/v1/history"))[0] == 503


async def test_before_the_first_round_it_is_not_well(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "~hang"))
    async with (
        upstream() as simulator,
        site("--chatgpt-url", simulator.url, cwd=tmp_path) as served,
    ):
        await simulator.reached(1)
        status, body = await served.get("healthz")
        assert (status, orjson.loads(body)["error"]["status"]) == (503, 503)
        assert (await served.get(""))[0] == 200
        assert await served.json("api/v1/accounts") == []


async def test_to_those_without_the_token_it_says_only_that_it_is_not_well(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "~hang"))
    (tmp_path / "token").write_text(TOKEN)
    words = ("--token-file", "token", "--chatgpt-url")
    async with upstream() as simulator, site(*words, simulator.url, cwd=tmp_path) as served:
        await simulator.reached(1)
        status, body = await served.get("healthz")
        assert status == 503
        assert orjson.loads(body) == {"error": {"status": 503, "message": "not well"}}


async def test_a_token_keeps_all_but_the_health_to_those_who_know_it(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    words = ("--token-file", "token", "--chatgpt-url")
    async with upstream() as simulator, site(*words, simulator.url, cwd=tmp_path) as served:
        await served.until_polled()
        assert await served.json("healthz") == {"status": "ok"}
        assert (await served.get("api/v1/accounts"))[0] == 401
        own = {"Origin": served.base.rstrip("/")}
        form = {"token": TOKEN}
        async with served.client.post(served.base + "login", data=form, headers=own) as answer:
            assert answer.status == 200  # the page it leads to
            assert b"alice" in await answer.read()
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await served.json("healthz", headers=bearer))["version"] == __version__


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    write(tmp_path / "account", account("alice"))
    words = ("--tls-cert", "cert.pem", "--tls-key", "key.pem", "--chatgpt-url")
    async with (
        upstream() as simulator,
        site(
            *(*words, simulator.url), cwd=tmp_path, connector=aiohttp.TCPConnector(ssl=trusted)
        ) as served,
    ):
        assert served.base.startswith("https://")
        await served.until_polled()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--listen 0.0.0.0:8765", "--listen 0.0.0.0:8765: other machines could read it all"),
        ("--listen [::]:0", "add --token-file"),
        ("--listen 0.0.0.0:0 --token-file token", "the token would be sent in the clear"),
        ("--listen 127.0.0.1", "--listen: expected an address with a port"),
        ("--listen quota.example:80", "--listen: expected an address with a port"),
        ("--listen 127.0.0.1:70000", "--listen: expected an address with a port"),
        (
            "--listen 192.0.2.1:0 --token-file token --plain-http",
            "requested address: name an address that this machine has",
        ),
        ("--token-file short", "a token has 32 to 4096 characters, this one has 3"),
        ("--token-file missing", "--token-file missing: no such file"),
        ("--tls-cert cert.pem", "one does nothing without the other"),
        ("--tls-cert token --tls-key token", "name a certificate and its key as PEM"),
        ("--allow-host http://x/", "--allow-host: expected a host name"),
    ],
)
async def test_a_mistake_is_told_and_nothing_is_polled(
    tmp_path: Path, words: str, said: str
) -> None:
    write(tmp_path / "account", account("alice"))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "short").write_text("abc")
    async with upstream() as simulator:
        done = await run("serve", *words.split(), "--chatgpt-url", simulator.url, cwd=tmp_path)
        assert simulator.stats().requests == 0
    assert done.code == 64
    assert said in done.err
    assert TOKEN not in done.err


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = await run("serve", "--listen", listen, cwd=tmp_path)
    assert (done.code, done.out) == (64, b"")
    assert f"--listen {listen}: address already in use: choose another port" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_whatever_is_open(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path / "account", account("alice"))
    words = ("--history", "quota.db", "--chatgpt-url")
    async with upstream() as simulator, site(*words, simulator.url, cwd=tmp_path) as served:
        await served.until_polled()
        streams = [await served.client.get(served.base + "events") for _ in range(20)]
        idle = [await asyncio.open_connection("127.0.0.1", _port(served)) for _ in range(20)]
        served.process.send_signal(number)
        begun_at = time.monotonic()
        done = await ended(served.process)
        took_s = time.monotonic() - begun_at
        for stream in streams:
            stream.close()
        for _, writer in idle:
            writer.close()
    assert (done.code, done.out) == (128 + number, b"")
    assert took_s < LEAVES_WITHIN_S + 0.5  # to end the process on a busy machine
    with open_reader(str(tmp_path / "quota.db")) as reader:
        (stored,) = reader.accounts()
        assert len(reader.spans(stored)) == 2


def _port(served: Site) -> int:
    return int(served.base.rstrip("/").rpartition(":")[2])


async def test_systemd_hears_when_it_is_ready(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    heard.bind(str(tmp_path / "notify"))
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    async with (
        upstream() as simulator,
        site("--chatgpt-url", simulator.url, cwd=tmp_path, env=env),
        asyncio.timeout(20),
    ):
        assert await asyncio.get_running_loop().sock_recv(heard, 100) == b"READY=1"
    heard.close()


async def test_quiet_says_nothing_while_nothing_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    heard.bind(str(tmp_path / "notify"))
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    words = ("serve", "-q", "--listen", "127.0.0.1:0", "--chatgpt-url")
    async with (
        upstream() as simulator,
        started(*words, simulator.url, cwd=tmp_path, env=env) as process,
    ):
        await asyncio.get_running_loop().sock_recv(heard, 100)
        process.terminate()
        done = await ended(process)
    heard.close()
    assert (done.code, done.out, done.err) == (143, b"", "")


async def test_the_demo_serves_made_up_accounts_and_leaves_nothing(tmp_path: Path) -> None:
    async with site("--demo", "3", cwd=tmp_path) as served:
        await served.until_polled()
        records = await served.json("api/v1/accounts")
        past = await served.json("api/v1/history")
        _, page = await served.get("")
    assert len(records) == 3
    assert len(past) > 10
    assert b"made up" in page.lower() or b"made-up" in page.lower()
    assert os.listdir(tmp_path) == []
