"""Lock, reserve, send, save: what comes between them, and what nothing may come between."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poller.authfiles import Account
from poller.authfiles.naming import logins_of
from poller.renewal.eligibility import obstacle
from poller.renewal.ledger import TokenEntry, TokenState
from poller.renewal.refusals import LOCK_WAIT_S
from poller.simulator.server import serve
from poller.simulator.tokens import Logins
from poller.values import Failure, FailureKind
from tests.refreshing.kill import UNMEASURED
from tests.refreshing.logins import (
    is_alive,
    login,
    outcome,
    polled,
    refresh,
    refresh_token,
    renewals,
    sent_twice,
    store,
    surroundings,
    tokens,
)
from tests.running import ended, run, started

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

NOBODY = 65_534
LOCKER = """
import fcntl, os, sys
held = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(held, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock_holder(tmp_path: Path) -> Iterator[Any]:
    """Hold a file's lock in another process, until the test ends."""
    holders: list[subprocess.Popen[bytes]] = []

    def hold(path: Path) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", LOCKER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"

    yield hold
    for holder in holders:
        holder.communicate()


# Nothing is sent


async def test_a_lock_held_elsewhere_means_nothing_is_sent(
    tmp_path: Path, lock_holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poller.renewal.locks.LOCK_WAIT_S", 0.1)
    path = store(tmp_path / "account", "alice")
    lock_holder(path.with_name(".alice.auth.json.lock"))
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_locked", False)
    assert tokens(path)["refresh_token"] == refresh_token("alice")


def test_a_lock_is_waited_for_10_seconds_at_most() -> None:
    assert LOCK_WAIT_S == 10


async def test_an_accounts_deadline_ends_the_wait_for_a_lock(
    tmp_path: Path, lock_holder: Any
) -> None:
    path = store(tmp_path / "account", "alice")
    lock_holder(path.with_name(".alice.auth.json.lock"))
    async with serve() as simulator:
        with anyio.fail_after(5):
            report = (await polled(tmp_path, simulator, account_deadline_s=0.1))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_locked", False)


@pytest.mark.parametrize("limit", [100, 4096])
async def test_a_full_quota_means_nothing_is_sent(tmp_path: Path, limit: int) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.read_bytes()

    def limited() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    async with serve() as simulator:
        # Python would cut off its compiled files too, and find them broken ever after.
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        told = await refresh(tmp_path, simulator, preexec_fn=limited, command=UNMEASURED, env=env)
        assert simulator.logins.requests == 0
        assert told.kinds == {"alice": "refresh_unsaved"}
        assert path.read_bytes() == before
        again = await refresh(tmp_path, simulator)
        assert again.kinds == {"alice": None}
        assert again.by_account["alice"]["refreshed"] is True


def mounted(folder: Path, options: str) -> bool:
    folder.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 64 KiB."""
    folder = tmp_path / "account"
    if sys.platform != "linux" or os.geteuid() != 0 or not mounted(folder, "size=64k"):
        pytest.skip("mounting takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_means_nothing_is_sent(tmp_path: Path, tiny_disk: Path) -> None:
    path = store(tiny_disk, "alice")
    filler = tiny_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        file.writelines(b"." * 4096 for _ in range(100))
    async with serve() as simulator:
        told = await refresh(tmp_path, simulator)
        assert simulator.logins.requests == 0
        assert told.kinds == {"alice": "refresh_unsaved"}
        assert sorted(os.listdir(tiny_disk)) == [
            ".alice.auth.json.lock",
            "alice.auth.json",
            "filler",
        ]
        filler.unlink()
        assert (await refresh(tmp_path, simulator)).kinds == {"alice": None}
        assert is_alive(simulator, path, "alice")


async def test_a_read_only_disk_means_nothing_is_sent(tmp_path: Path, tiny_disk: Path) -> None:
    store(tiny_disk, "alice")
    command = ["mount", "-o", "remount,ro", str(tiny_disk)]
    assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0
    async with serve() as simulator:
        told = await refresh(tmp_path, simulator)
        assert simulator.logins.requests == 0
    assert told.kinds["alice"] in ("refresh_unsaved", "refresh_refused")


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """Return a folder of a user without rights, and be that user, where this is root."""
    own = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if own == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
        os.seteuid(own)
        folder.chmod(0o700)


def test_a_folder_that_is_not_ours_to_write_in_is_told_before(nobodys: Path) -> None:
    path = store(nobodys, "alice")
    assert obstacle(str(path), codex_own=()) is None
    nobodys.chmod(0o500)
    assert obstacle(str(path), codex_own=()) == "not_writable"


def test_a_file_that_is_somebody_elses_is_told_before(nobodys: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("giving files away takes root")
    path = store(nobodys, "alice")
    os.seteuid(0)
    os.chown(path, 1234, 1234)
    os.seteuid(NOBODY)
    assert obstacle(str(path), codex_own=()) == "not_writable"


async def test_what_is_not_ours_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    (tmp_path / "folder").mkdir()
    (before,) = logins_of(str(path))
    assert before.held is not None
    gone = Account(0, "x", "", before.outcome, str(tmp_path / "folder"), None, held=before.held)
    async with serve() as simulator, renewals(tmp_path, simulator) as renewing:
        renewal = await renewing.renew(gone, before.held, within_s=5)
        assert simulator.logins.requests == 0
    assert isinstance(renewal.outcome, Failure)
    assert renewal.outcome.kind is FailureKind.REFRESH_REFUSED


async def test_root_leaves_a_users_files_the_users(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files away takes root")
    path = store(tmp_path / "account", "alice")
    os.chown(path, 1234, 1235)
    path.chmod(0o640)
    async with serve() as simulator:
        assert outcome((await polled(tmp_path, simulator))["alice"]) == (None, True)
    after, lock = path.stat(), path.with_name(".alice.auth.json.lock").stat()
    assert (after.st_uid, after.st_gid, after.st_mode & 0o777) == (1234, 1235, 0o640)
    assert (lock.st_uid, lock.st_gid, lock.st_mode & 0o777) == (1234, 1235, 0o600)


# Nothing comes between


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
async def test_a_signal_waits_for_the_answer_to_be_on_disk(
    tmp_path: Path, number: signal.Signals, times: int
) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-2200ms")
    async with serve() as simulator:
        words = ("--refresh", "--chatgpt-url", simulator.url)
        env = surroundings(tmp_path, simulator)
        async with started(*words, cwd=tmp_path, env=env, command=UNMEASURED) as running:
            await simulator.logins.reached(1)
            for _ in range(times):
                running.send_signal(number)
                await anyio.sleep(0.05)
            told = await ended(running)
        assert told.code == 128 + number
        assert is_alive(simulator, path, "alice")
        assert refresh_token("alice", fault="slow-2200ms") not in path.read_text()
        if times == 1:
            assert told.kinds == {"alice": "cancelled"}
            assert told.by_account["alice"]["refreshed"] is True


async def test_the_runs_deadline_waits_for_the_answer_to_be_on_disk(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-400ms")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, deadline_s=0.1))["alice"]
        assert is_alive(simulator, path, "alice")
    assert outcome(report) == ("deadline", True)


async def test_the_accounts_deadline_waits_for_the_answer_to_be_on_disk(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-400ms")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, account_deadline_s=0.2))["alice"]
        assert is_alive(simulator, path, "alice")
    assert report.refreshed


async def test_a_reader_that_goes_away_waits_for_the_answer_to_be_on_disk(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="slow-800ms")
    async with serve() as simulator:
        words = ("--refresh", "--chatgpt-url", simulator.url)
        env = surroundings(tmp_path, simulator)
        async with started(*words, cwd=tmp_path, env=env) as running:
            await simulator.logins.reached(1)
            assert running.stdout is not None
            running.stdout._transport.close()  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                assert await running.wait() == 141
        assert is_alive(simulator, path, "alice")


class Shut:
    """A door that lets nobody begin."""

    def hold(self) -> bool:
        return False

    def release(self) -> None:
        raise AssertionError


async def test_no_refresh_begins_once_the_program_is_leaving(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    async with serve() as simulator:
        report = await polled(tmp_path, simulator, renewing={"exit_guard": Shut()})
        assert simulator.logins.requests == 0
    assert outcome(report["alice"]) == ("cancelled", False)


async def test_no_copy_is_updated_once_the_program_is_leaving(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    copy = store(tmp_path / "copies", "copy", path.read_bytes())
    async with serve() as simulator:
        await polled(tmp_path, simulator)
        how = {"renewing": {"exit_guard": Shut()}}
        report = (await polled(tmp_path, simulator, str(copy), **how))["copy"]
    assert outcome(report) == ("cancelled", False)
    assert tokens(copy)["refresh_token"] == refresh_token("alice")


async def test_a_copy_that_changes_meanwhile_gets_its_tokens_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path / "account", "alice")
    copy = store(tmp_path / "copies", "copy", path.read_bytes())
    async with serve() as simulator:
        await polled(tmp_path, simulator)

        class Meddling:
            def hold(self) -> bool:
                copy.write_bytes(login("bob"))
                return True

            def release(self) -> None:
                pass

        how = {"renewing": {"exit_guard": Meddling()}}
        report = (await polled(tmp_path, simulator, str(copy), **how))["copy"]
    assert outcome(report) == ("refresh_unsaved", False)
    assert tokens(copy)["refresh_token"] == refresh_token("bob")


async def test_where_no_thread_is_to_be_had_the_work_is_done_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_args: object, **_how: object) -> None:
        raise RuntimeError(why)

    monkeypatch.setattr("poller.renewal.threads.to_thread.run_sync", fail)
    why = "can't start new thread"
    assert await off_loop(lambda: 7) == 7
    why = "something else"
    with pytest.raises(RuntimeError, match=why):
        await off_loop(lambda: 7)


# The answer came, and the file is not what it was


async def swapped(tmp_path: Path, swap: Any) -> tuple[Any, Any]:
    """Refresh while ``swap`` is done between the request and its answer."""
    path = store(tmp_path / "account", "alice", fault="slow-200ms")
    async with serve(logins=Logins(strict=True)) as simulator, anyio.create_task_group() as tasks:

        async def meanwhile() -> None:
            await simulator.logins.reached(1)
            swap(path)

        tasks.start_soon(meanwhile)
        report = (await polled(tmp_path, simulator))["alice"]
        alive = simulator.logins.alive("user-alice", "acct-alice")
    return report, alive


async def test_what_somebody_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    def swap(path: Path) -> None:
        document = json.loads(path.read_bytes())
        path.write_text(json.dumps({"new": 1, **document}))

    report, alive = await swapped(tmp_path, swap)
    path = tmp_path / "account/alice.auth.json"
    assert outcome(report) == (None, True)
    assert json.loads(path.read_bytes())["new"] == 1
    assert tokens(path)["refresh_token"] == alive


@pytest.mark.parametrize("way", ["other", "folder", "gone", "half"])
async def test_where_the_file_cannot_be_replaced_the_tokens_are_kept_beside_it(
    tmp_path: Path, way: str
) -> None:
    def swap(path: Path) -> None:
        if way == "other":
            path.write_bytes(login("bob"))
        elif way == "half":
            path.write_bytes(login("alice")[:50])
        else:
            path.unlink()
        if way == "folder":
            path.mkdir()

    report, alive = await swapped(tmp_path, swap)
    rescue = tmp_path / "account/alice.auth.json.rescue"
    assert outcome(report) == ("refresh_unsaved", False)
    assert str(rescue) in report.failure.message
    assert alive not in report.failure.message
    assert rescue.stat().st_mode & 0o777 == 0o600
    assert tokens(rescue)["refresh_token"] == alive
    assert sorted(os.listdir(rescue.parent)) == sorted(
        [".alice.auth.json.lock", "alice.auth.json.rescue"] + ["alice.auth.json"] * (way != "gone")
    )


async def test_rescued_tokens_are_put_into_the_file_by_the_next_run(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    async with serve(logins=Logins(strict=True)) as simulator:
        before = path.read_bytes()

        def kidnap() -> bool:
            path.unlink()
            path.mkdir()
            return True

        class Door:
            hold = staticmethod(lambda: True)
            release = staticmethod(lambda: None)

        simulator.logins.fault = "slow-200ms"
        async with anyio.create_task_group() as tasks:

            async def meanwhile() -> None:
                await simulator.logins.reached(1)
                kidnap()

            tasks.start_soon(meanwhile)
            first = await polled(tmp_path, simulator, renewing={"exit_guard": Door()})
        assert outcome(first["alice"]) == ("refresh_unsaved", False)
        path.rmdir()
        path.write_bytes(before)
        second = await polled(tmp_path, simulator)
        assert outcome(second["alice"]) == (None, True)
        assert is_alive(simulator, path, "alice")
        assert sent_twice(simulator) == {}
        assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


async def test_what_a_killed_run_left_whole_is_taken_by_the_next(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    async with serve(logins=Logins(strict=True)) as simulator:
        old = path.read_bytes()
        await polled(tmp_path, simulator)
        # As if killed between the last byte and the renaming.
        path.rename(path.with_name(".alice.auth.json.refreshing"))
        path.write_bytes(old)
        (page,) = (tmp_path / "state/poller/logins").iterdir()
        page.write_text(json.dumps({"state": "sent", "at": 1, "file": str(path)}))
        report = (await polled(tmp_path, simulator))["alice"]
        assert outcome(report) == (None, True)
        assert is_alive(simulator, path, "alice")
        assert simulator.logins.requests == 1
        assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


async def test_a_page_that_cannot_be_read_means_that_nothing_is_sent(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    async with serve() as simulator, renewals(tmp_path, simulator):
        await polled(tmp_path, simulator)
        (page,) = (tmp_path / "state/poller/logins").iterdir()
        page.write_text("{ torn")
        store(tmp_path / "account", "alice")
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 1
    assert outcome(report) == ("refresh_unknown", False)


# How it is asked for


async def test_without_being_asked_nothing_is_refreshed(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.read_bytes()
    async with serve() as simulator:
        env = surroundings(tmp_path, simulator)
        told = await run("--chatgpt-url", simulator.url, cwd=tmp_path, env=env)
        assert simulator.logins.requests == 0
    assert told.kinds == {"alice": "token_expired"}
    assert told.by_account["alice"]["refreshed"] is False
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["alice.auth.json"]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("told", [False, True])
async def test_codexs_own_file_needs_a_word_more(tmp_path: Path, told: bool) -> None:
    own = store(tmp_path / ".codex", "x", login("alice")).rename(tmp_path / ".codex/auth.json")
    words = ("--refresh-codex-home",) * told
    async with serve() as simulator:
        ended_ = await refresh(tmp_path, simulator, *words)
        assert is_alive(simulator, own, "alice")
        assert simulator.logins.requests == int(told)
    assert ended_.kinds == {"codex": None if told else "refresh_refused"}


async def test_a_configuration_can_ask_for_it_but_not_one_found_here(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    config = "[accounts]\nrefresh = true\n"
    (tmp_path / "config.toml").write_text(config)
    (tmp_path / "mine.toml").write_text(config)
    async with serve() as simulator:
        how: Any = {"cwd": tmp_path, "env": surroundings(tmp_path, simulator)}
        words = ("--chatgpt-url", simulator.url)
        found = await run(*words, **how)
        assert found.code == 64
        assert "accounts.refresh" in found.err
        assert "spends refresh tokens" in found.err
        named = await run(*words, "--config", "mine.toml", **how)
        assert named.by_account["alice"]["refreshed"] is True


async def test_refresh_tokens_go_nowhere_else(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    async with serve() as simulator:
        env = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "https://evil.example/oauth/token"}
        told = await refresh(tmp_path, simulator, env=env)
        assert simulator.counts.requests == simulator.logins.requests == 0
    assert told.code == 64
    assert "CODEX_REFRESH_TOKEN_URL_OVERRIDE" in told.err
    assert told.out == b""


async def test_the_word_for_codexs_home_alone_is_a_mistake(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    told = await run("--refresh-codex-home", cwd=tmp_path)
    assert told.code == 64
    assert "--refresh" in told.err


async def test_the_request_is_the_one_that_codex_makes(tmp_path: Path) -> None:
    store(tmp_path / "account", "alice")
    heads: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        heads.append(await reader.read(65_536))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serve() as simulator, server:
        where = {"token_url": f"http://127.0.0.1:{port}/oauth/token"}
        report = await polled(tmp_path, simulator, renewing=where)
    assert outcome(report["alice"]) == ("refresh_unknown", False)
    head, body = heads
    assert head.startswith(b"POST /oauth/token HTTP/1.1\r\n")
    lines = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert lines == {
        *(b"host", b"accept", b"content-type", b"user-agent", b"accept-encoding"),
        b"content-length",
    }
    assert json.loads(body) == {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_token": refresh_token("alice"),
    }


async def test_where_the_note_cannot_be_written_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_page: TokenEntry, _note: TokenState) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = store(tmp_path / "account", "alice")
    monkeypatch.setattr(TokenEntry, "write", fail)
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_unsaved", False)
    assert "nothing was sent" in str(report.failure)
    assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]
