"""The real program, and witnesses that would see a token that went where it must not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.conftest import connect_proxy
from tests.running import account, numbered, run, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from poller.simulator.server import Simulator
    from tests.conftest import Certificates, Proxy
    from tests.running import Ended

pytestmark = pytest.mark.anyio

FAR = "https://upstream.invalid/usage"
"""A name that is nowhere: only a proxy could be asked for it."""
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def one_account(folder: Path) -> None:
    write(folder / "account", account("alice"))


def refused(done: Ended) -> None:
    """Check that nothing was polled, and that it was said in a sentence."""
    assert done.code == 64
    assert done.out == b""
    assert done.err.startswith("poller: ")
    assert "hunter2" not in done.err


# A configuration file that came with somebody else's folder


@pytest.mark.parametrize("key", ["proxy", "ca_file", "chatgpt_url"])
async def test_a_config_that_lies_here_sends_no_token_anywhere(
    key: str, certificates: Certificates, tmp_path: Path
) -> None:
    one_account(tmp_path)
    async with serve() as simulator, connect_proxy() as proxy:
        # The name is this machine's, so that a request would get to the witness.
        foreign = simulator.url.replace("http://127.0.0.1", "https://localhost")
        values = {"proxy": proxy.url, "ca_file": certificates.ca_file, "chatgpt_url": foreign}
        (tmp_path / "config.toml").write_text(f'[requests]\n{key} = "{values[key]}"\n')
        done = await run(cwd=tmp_path)
        refused(done)
        assert key in done.err
        assert simulator.stats().requests == 0
        assert proxy.requests == []


async def test_a_config_that_lies_here_sends_no_token_to_this_machine(tmp_path: Path) -> None:
    one_account(tmp_path)
    async with serve() as simulator:
        text = f'[requests]\nchatgpt_url = "{simulator.url}"\n'
        (tmp_path / "config.toml").write_text(text)
        refused(await run(cwd=tmp_path))
        assert simulator.stats().requests == 0
        done = await run("--config", "config.toml", cwd=tmp_path)
    assert (done.code, done.kinds) == (0, {"alice": None})


# Answers that point elsewhere


@asynccontextmanager
async def server_that_says(answers: Iterable[str]) -> AsyncIterator[str]:
    """Yield the URL of a server that gives one answer after the other, whoever asks."""
    left = iter(answers)

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(left).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(tell, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/usage"


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    statuses = (301, 302, 303, 307, 308)
    accounts = numbered(len(statuses))
    write(tmp_path / "account", *accounts)
    async with serve() as witness:
        answers = (
            f"HTTP/1.1 {status} Moved\r\nLocation: {witness.url}\r\n"
            f"Refresh: 0; url={witness.url}\r\nContent-Length: 0\r\n\r\n"
            for status in statuses
        )
        async with server_that_says(answers) as url:
            done = await run(f"--chatgpt-url={url}", cwd=tmp_path)
        assert witness.stats().requests == 0
    assert done.code == 3
    assert done.kinds == dict.fromkeys((one.name for one in accounts), "redirect")
    assert sorted(record["http_status"] for record in done.records) == [*statuses]


@pytest.mark.parametrize("status", ["302 Found", "407 Who are you"])
async def test_a_proxys_answer_leads_nowhere(status: str, tmp_path: Path) -> None:
    one_account(tmp_path)
    async with serve() as witness:
        refusal = (
            f"HTTP/1.1 {status}\r\nLocation: {witness.url}\r\nContent-Length: 0\r\n"
            'Proxy-Authenticate: Basic realm="Bearer please"\r\n\r\n'
        )
        async with connect_proxy(refusal.encode()) as proxy:
            words = [f"--proxy={proxy.url}", f"--chatgpt-url={FAR}"]
            done = await run(*words, "-v", cwd=tmp_path)
        assert witness.stats().requests == 0
    assert (done.code, done.kinds) == (2, {"alice": "proxy"})
    assert proxy.requests
    for head in proxy.requests:
        assert head.startswith("CONNECT upstream.invalid:443 ")
        assert "Authorization: Bearer" not in head
        assert "eyJ" not in head
        assert "acct-" not in head


# The environment


async def test_a_netrc_changes_nothing(tmp_path: Path) -> None:
    one_account(tmp_path)
    netrc = tmp_path / ".netrc"
    async with serve() as simulator:
        netrc.write_text(
            "machine 127.0.0.1 login eve password hunter2\ndefault login e password h\n"
        )
        netrc.chmod(0o600)
        env = {"NETRC": str(netrc)}
        done = await run(f"--chatgpt-url={simulator.url}", cwd=tmp_path, env=env)
        (seen,) = simulator.stats().accounts.values()
    assert done.code == 0
    assert dict(seen.headers)["Authorization"].startswith("Bearer eyJ")


async def test_no_proxy_of_the_environment_sees_what_goes_to_this_machine(tmp_path: Path) -> None:
    one_account(tmp_path)
    async with serve() as simulator, connect_proxy() as proxy:
        env = dict.fromkeys(PROXIES, proxy.url)
        done = await run(f"--chatgpt-url={simulator.url}", cwd=tmp_path, env=env)
    assert (done.code, proxy.requests) == (0, [])


@pytest.mark.parametrize(
    ("no_proxy", "asked"),
    [("localhost", False), ("*", False), ("chatgpt.com", True)],
)
async def test_no_proxy_says_who_is_asked_directly(
    no_proxy: str, certificates: Certificates, tmp_path: Path, *, asked: bool
) -> None:
    one_account(tmp_path)
    async with (
        serve(host="localhost", ssl_context=certificates.server) as simulator,
        connect_proxy() as proxy,
    ):
        env = {"HTTPS_PROXY": proxy.url, "NO_PROXY": no_proxy}
        words = [f"--chatgpt-url={simulator.url}", f"--ca-file={certificates.ca_file}"]
        done = await run(*words, cwd=tmp_path, env=env)
    assert (done.code, bool(proxy.requests)) == (0, asked)
    _no_token_in(proxy)


def _no_token_in(proxy: Proxy) -> None:
    assert not any("Bearer" in head or "eyJ" in head for head in proxy.requests)


# What stands in a URL


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0.0.0.0", "[::ffff:127.0.0.1]", "127.0.0.1.nip.io"],
)
async def test_plain_http_goes_to_literal_addresses_of_this_machine_alone(
    host: str, tmp_path: Path
) -> None:
    # Whatever the name resolves to: who answers for it may change that tomorrow.
    one_account(tmp_path)
    async with serve() as simulator:
        refused(await run(f"--chatgpt-url={_at(simulator, host)}", cwd=tmp_path))
        assert simulator.stats().requests == 0


async def test_a_url_with_a_user_in_it_is_not_asked(tmp_path: Path) -> None:
    one_account(tmp_path)
    async with serve() as simulator:
        host = "chatgpt.com:hunter2@127.0.0.1"
        refused(await run(f"--chatgpt-url={_at(simulator, host)}", cwd=tmp_path))
        (tmp_path / "config.toml").write_text(
            f'[requests]\nchatgpt_url = "{_at(simulator, host)}"\n'
        )
        refused(await run(cwd=tmp_path))
        assert simulator.stats().requests == 0


def _at(simulator: Simulator, host: str) -> str:
    return simulator.url.replace("127.0.0.1", host)


async def test_the_password_of_a_proxy_goes_to_the_proxy_alone(
    certificates: Certificates, tmp_path: Path
) -> None:
    one_account(tmp_path)
    async with (
        serve(host="localhost", ssl_context=certificates.server) as simulator,
        connect_proxy() as proxy,
    ):
        with_password = proxy.url.replace("//", "//eve:hunter2@")
        words = [f"--chatgpt-url={simulator.url}", f"--ca-file={certificates.ca_file}"]
        done = await run(*words, f"--proxy={with_password}", "-v", "--raw-headers", cwd=tmp_path)
        (seen,) = simulator.stats().accounts.values()
    assert done.code == 0
    assert "Proxy-Authorization: Basic ZXZlOmh1bnRlcjI=" in proxy.requests[0]
    assert "proxy-authorization" not in {name.lower() for name, _ in seen.headers}
    assert "hunter2" not in done.err + done.out.decode()
