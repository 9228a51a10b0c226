"""What the printed configuration lets each user do, with TLS, on a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from poller.agents import subjects
from poller.agents.server_config import server_config
from poller.agents.wire import (
    AttemptState,
    Job,
    JobLimits,
    JobResult,
    Presence,
    Welcome,
    encoded,
)
from poller.simulator.server import serve
from poller.values import Usage
from tests.nats_server import SERVER, AgentProcess, agent, nats_server, needs_nats
from tests.running import account, ended, numbered, run, started, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import Certificates
    from tests.nats_server import NatsServer

pytestmark = [pytest.mark.anyio, needs_nats]

RUN, ID = "b" * 16, "a" * 32


@dataclass
class Guarded:
    """A server with the printed rights, and the arguments of each of its users."""

    server: NatsServer
    folder: Path
    ca_file: str

    @property
    def url(self) -> str:
        return f"tls://localhost:{self.server.port}"

    def creds(self, name: str) -> tuple[str, ...]:
        return ("--nats-ca", self.ca_file, "--creds", str(self.folder / f"{name}.nkey"))

    def agent(self, name: str, *args: str) -> Any:
        return agent(self.url, name, *self.creds(name), *args, cwd=self.folder)

    async def collect(self, *args: str) -> Any:
        return await run("--nats", self.url, *self.creds("collector"), *args, cwd=self.folder)

    @asynccontextmanager
    async def as_user(self, name: str) -> AsyncIterator[Hostile]:
        """Connect by hand as one of the users."""
        import nats

        refused: list[str] = []

        async def on_error(error: Exception) -> None:
            refused.append(str(error))

        client = await nats.connect(
            self.url,
            nkeys_seed=str(self.folder / f"{name}.nkey"),
            tls=ssl.create_default_context(cafile=self.ca_file),
            inbox_prefix=subjects.inbox(name),
            error_cb=on_error,
        )
        try:
            yield Hostile(client, refused)
        finally:
            await client.close()


@dataclass
class Hostile:
    client: Any
    refused: list[str]

    async def may_publish(self, subject: str, payload: bytes = b"{}", reply: str = "") -> bool:
        before = len(self.refused)
        await self.client.publish(subject, payload, reply=reply)
        for _ in range(2):  # the first may overtake what it is to wait for
            await self.client.flush()
        return len(self.refused) == before

    async def may_hear(self, subject: str) -> bool:
        before = len(self.refused)
        await self.client.subscribe(subject)
        for _ in range(2):  # the first may overtake what it is to wait for
            await self.client.flush()
        return len(self.refused) == before


@asynccontextmanager
async def guarded(folder: Path, certificates: Certificates, *names: str) -> AsyncIterator[Guarded]:
    config = server_config(names)
    for name, seed in re.findall(r"^#   (\w+): (SU\w+)$", config, re.MULTILINE):
        path = folder / f"{name}.nkey"
        path.touch(mode=0o600)
        path.write_text(seed + "\n")
    _, _, users = config.partition("\nauthorization {")
    tls = f'tls {{ cert_file: "{certificates.cert_file}", key_file: "{certificates.key_file}" }}'
    more = f"{tls}\nauthorization {{{users}"
    async with nats_server(folder / "nats", more=more) as server:
        yield Guarded(server, folder, str(certificates.ca_file))


def test_the_printed_configuration_is_one(tmp_path: Path, certificates: Certificates) -> None:
    config = server_config(["laptop", "desk"])
    config = config.replace("/etc/nats/server.pem", certificates.cert_file)
    config = config.replace("/etc/nats/server-key.pem", certificates.key_file)
    (tmp_path / "nats.conf").write_text(config)
    told = subprocess.run(
        [SERVER or "", "-t", "-c", str(tmp_path / "nats.conf")], capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr


async def test_everything_works_with_no_more_than_these_rights(
    tmp_path: Path, certificates: Certificates
) -> None:
    write(tmp_path / "one", account("alice"))
    write(tmp_path / "team", *numbered(20))
    shared = ("--shared", "team=team")
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(guarded(tmp_path, certificates, "one", "two"))
        simulator = await stack.enter_async_context(serve())
        url = ("--chatgpt-url", simulator.url)
        said: list[AgentProcess] = []
        for name in ("one", "two"):
            args = ("--account-dir", name, *shared, *url, "-vv")
            said.append(await stack.enter_async_context(here.agent(name, *args)))
        own = await here.collect("--agents", "2")
        both = await here.collect("--agents", "2", *shared)
        stranger = await run("--nats", here.url, "--nats-ca", here.ca_file, cwd=tmp_path)
        plain = await run("--nats", f"nats://localhost:{here.server.port}", cwd=tmp_path)
        log = (tmp_path / "nats" / "poller.log").read_text()

    assert own.kinds == {"one/alice": None}
    assert set(both.kinds.values()) == {None}
    assert len(both.records) == 20
    assert (stranger.code, plain.code) == (64, 64)
    assert "refuses the login; give the right one with --creds FILE" in stranger.err
    assert "Violation" not in log.replace("Authorization Violation", "")


async def test_an_agent_may_do_its_own_and_nothing_else(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with (
        guarded(tmp_path, certificates, "good", "bad") as here,
        started(
            "--nats", here.url, *here.creds("collector"), "--agents=9", cwd=tmp_path
        ) as running,
        here.as_user("bad") as bad,
    ):
        await (await bad.client.subscribe(subjects.CALL)).next_msg(timeout=10)
        may = [
            await bad.may_publish(subjects.presence("bad")),
            await bad.may_publish(subjects.records("bad")),
            await bad.may_publish(subjects.pull(subjects.OWN, "own-bad")),
            await bad.may_publish(subjects.pull(subjects.SHARED, "shared-team")),
            await bad.may_hear(subjects.CALL),
            await bad.may_hear(subjects.welcome("bad")),
        ]
        may_not = [
            await bad.may_publish(subjects.presence("good")),
            await bad.may_publish(subjects.records("good")),
            await bad.may_publish(subjects.jobs("good", RUN, is_shared=False)),
            await bad.may_publish(subjects.jobs("team", RUN, is_shared=True)),
            await bad.may_publish(subjects.welcome("good")),
            await bad.may_publish(subjects.CALL),
            await bad.may_publish(subjects.pull(subjects.OWN, "own-good")),
            await bad.may_publish(f"$JS.ACK.{subjects.OWN}.own-good.1.1.1.1.0"),
            await bad.may_publish(f"$JS.API.STREAM.MSG.GET.{subjects.RECORDS}"),
            await bad.may_publish(f"$JS.API.STREAM.PURGE.{subjects.RECORDS}"),
            await bad.may_publish(f"$JS.API.CONSUMER.CREATE.{subjects.RECORDS}"),
            await bad.may_publish("$JS.API.STREAM.LIST"),
            await bad.may_hear(f"{subjects.RECORD}.>"),
            await bad.may_hear(f"{subjects.OWN_JOBS}.>"),
            await bad.may_hear(f"{subjects.inbox('good')}.>"),
            await bad.may_hear(f"{subjects.inbox('collector')}.>"),
            await bad.may_hear(subjects.welcome("good")),
            await bad.may_hear(">"),
        ]
        running.terminate()
        await ended(running)

    assert may == [True] * len(may)
    assert may_not == [False] * len(may_not)


async def test_an_agent_with_anothers_login_says_so(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with guarded(tmp_path, certificates, "good") as here:
        for login in ("good", "collector"):
            words = ("agent", "--nats", here.url, *here.creds(login), "--name", "desk")
            done = await run(*words, cwd=tmp_path)
            assert done.code == 64
            assert "poller: the NATS server does not let this login be agent desk" in done.err


async def test_a_right_that_is_missing_is_said(tmp_path: Path) -> None:
    write(tmp_path / "one", account("alice"))
    for name in ("one", "collector"):
        (tmp_path / name).with_suffix(".login").touch(mode=0o600)
        (tmp_path / name).with_suffix(".login").write_text(f"{name}:secret")
    config = """authorization { users: [
      { user: anybody, password: secret }
      { user: one, password: secret, permissions: { publish: { deny: "$JS.ACK.>" } } }
      { user: collector, password: secret
        permissions: { subscribe: { deny: "poller.presence.*" } } }
    ] }"""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats", more=config))
        simulator = await stack.enter_async_context(serve())
        args = ("--creds", "one.login", "--account-dir", "one", "--chatgpt-url", simulator.url)
        one = await stack.enter_async_context(agent(server, "one", *args, cwd=tmp_path))
        deaf = await run("--nats", server.url, "--creds", "collector.login", cwd=tmp_path)
        url = server.url.replace("//", "//anybody:secret@")
        done = await run("--nats", url, cwd=tmp_path)
        said = one.said.read_text()

    assert deaf.code == 64
    assert "does not let this login listen to poller.presence.*: poller agent --server" in deaf.err
    assert done.code == 0
    right = (
        "poller: the NATS server does not let this login publish to $js.ack.poller_own.own-one: "
    )
    assert said.count(right) == 1


async def test_nothing_that_a_hostile_agent_sends_makes_another_read_a_path(
    tmp_path: Path, certificates: Certificates
) -> None:
    """Its own job, and the server's answers, can be had delivered to where it may not publish."""
    write(tmp_path / "good", account("alice"))
    (tmp_path / "team").mkdir()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(guarded(tmp_path, certificates, "good", "bad"))
        simulator = await stack.enter_async_context(serve())
        args = ("--account-dir", "good", "--shared", "team=team", "--chatgpt-url", simulator.url)
        await stack.enter_async_context(here.agent("good", *args))
        bad = await stack.enter_async_context(here.as_user("bad"))
        heard = await bad.client.subscribe(subjects.welcome("bad"))
        running = await stack.enter_async_context(
            started("--nats", here.url, *here.creds("collector"), "--agents=2", cwd=tmp_path)
        )
        told = Presence("c" * 16, 1.0, 1.0, 8, ())
        while True:
            await bad.may_publish(subjects.presence("bad"), encoded(told))
            try:
                welcome = json.loads((await heard.next_msg(timeout=0.5)).data)
                break
            except TimeoutError:
                continue
        listing = {
            "t": "Listing",
            "run": welcome["run"],
            "agent": "c" * 16,
            "part": 0,
            "is_last": True,
            "accounts": [
                {"label": "../../etc/passwd", "key": None, "expires_at": None},
                {"label": "alice", "key": None, "expires_at": None},
            ],
            "trouble": None,
        }
        await bad.may_publish(subjects.records("bad"), json.dumps(listing).encode())
        for target in (
            subjects.jobs("good", welcome["run"], is_shared=False),
            subjects.jobs("team", welcome["run"], is_shared=True),
        ):
            pull = subjects.pull(subjects.OWN, "own-bad")
            await bad.may_publish(pull, b'{"batch":1,"expires":3000000000}', reply=target)
            await bad.may_publish(subjects.records("bad"), b"{}", reply=target)
        forged = JobResult(ID, welcome["run"], Usage(plan="forged"), AttemptState(1, 1))
        await bad.may_publish(subjects.records("bad"), encoded(forged))
        stdout = running.stdout
        assert stdout is not None
        async with asyncio.timeout(25):
            out: list[Any] = []
            while not any(record["account"] == "good/alice" for record in out):
                out.append(json.loads(await stdout.readline()))
        running.terminate()
        await ended(running)
        requests = simulator.stats().requests

    assert requests == 1
    (alice,) = [record for record in out if record["account"] == "good/alice"]
    assert (alice["plan"], alice["machine"]) == ("plus", "good")


async def test_a_hostile_collector_can_make_an_agent_ask_for_usage_only(
    tmp_path: Path, certificates: Certificates
) -> None:
    team = write(tmp_path / "team", account("alice"))
    write(tmp_path / "good", account("bob"))
    secret = write(tmp_path / "secret", account("carol"))
    (team / "link.auth.json").symlink_to(secret / "carol.auth.json")
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(guarded(tmp_path, certificates, "good"))
        simulator = await stack.enter_async_context(serve())
        args = ("--account-dir", "good", "--shared", "team=team", "--chatgpt-url", simulator.url)
        await stack.enter_async_context(here.agent("good", *args))
        first = await here.collect("--shared", "team=team", "alice")  # makes the streams
        evil = await stack.enter_async_context(here.as_user("collector"))
        inbox = evil.client.new_inbox()
        records = await evil.client.subscribe(inbox)
        js = evil.client.jetstream()
        await js.add_consumer(subjects.RECORDS, deliver_subject=inbox, ack_policy="none")
        now = time.time()
        limits = JobLimits(15, 2, 60, identity=True, raw_json=True, raw_headers=True)
        paths = ["link.auth.json", "../secret/carol.auth.json", str(secret / "carol.auth.json")]
        asked = [
            Job(
                os.urandom(16).hex(),
                RUN,
                "team",
                True,
                path,
                None,
                now + 60,
                None,
                limits,
                AttemptState(),
            )
            for path in (*paths, "alice.auth.json")
        ]
        for stream, consumer in (
            (subjects.SHARED, "shared-team"),
            (subjects.RECORDS, "x"),
            (subjects.OWN, "own-bad"),
        ):
            await evil.client.publish(
                subjects.welcome("good"),
                encoded(Welcome(RUN, now, stream, consumer, "now", lists=False)),
            )
        for job in asked:
            await js.publish(subjects.jobs("team", RUN, is_shared=True), encoded(job))
        answers: dict[str, Any] = {}
        async with asyncio.timeout(20):
            while len(answers) < len(asked):
                told = json.loads((await records.next_msg(timeout=20)).data)
                if told["t"] == "JobResult" and told["run"] == RUN:
                    answers[told["job"]] = told
        stats = simulator.stats()

    assert first.code == 0
    kinds = [answers[job.id].get("failure", {}).get("kind") for job in asked]
    assert kinds == ["file_unreadable"] * 3 + [None]
    usage = answers[asked[-1].id]
    assert usage["raw"] is None
    assert usage["headers"] is None
    assert "identity" not in usage
    assert usage["usage"]["identity"] == {"user_id": None, "account_id": None, "email": None}
    assert set(stats.accounts) == {"acct-alice"}
    assert stats.other_paths == 0
