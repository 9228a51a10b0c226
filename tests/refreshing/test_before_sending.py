"""Where a refresh could not be saved, or is somebody else's to make, nothing is sent."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poller.renewal.beside import read_regular
from poller.renewal.eligibility import obstacle
from poller.renewal.ledger import TokenEntry
from poller.renewal.refusals import LOCK_WAIT_S
from poller.simulator.server import serve
from poller.values import Failure, FailureKind
from tests.refreshing.kill import UNMEASURED
from tests.refreshing.logins import (
    account_of,
    is_alive,
    login,
    outcome,
    polled,
    refresh,
    refresh_token,
    renewals,
    store,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poller.renewal.token_state import TokenState

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


async def test_nothing_is_sent_while_another_process_holds_the_lock(
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


def test_an_unwritable_folder_is_an_obstacle(nobodys: Path) -> None:
    path = store(nobodys, "alice")
    assert obstacle(str(path), codex_own=()) is None
    nobodys.chmod(0o500)
    assert obstacle(str(path), codex_own=()) == "not_writable"


def test_another_users_file_is_an_obstacle(nobodys: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("giving files away takes root")
    path = store(nobodys, "alice")
    os.seteuid(0)
    os.chown(path, 1234, 1234)
    os.seteuid(NOBODY)
    assert obstacle(str(path), codex_own=()) == "not_writable"


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    (tmp_path / "folder").mkdir()
    account, stale = account_of(path)
    gone = account._replace(path=str(tmp_path / "folder"))
    async with serve() as simulator, renewals(tmp_path, simulator) as renewing:
        renewal = await renewing.renew(gone, stale, within_s=5)
        assert simulator.logins.requests == 0
    assert isinstance(renewal.outcome, Failure)
    assert renewal.outcome.kind is FailureKind.REFRESH_REFUSED


async def test_a_file_that_takes_long_to_rewrite_is_refused(tmp_path: Path) -> None:
    content = json.dumps(json.loads(login("alice")) | {"more": [0] * 100_000}).encode()
    path = store(tmp_path / "account", "alice", content)
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)
    assert path.read_bytes() == content


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_root_refuses_other_users_files_and_folders(tmp_path: Path, what: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files away takes root")
    path = store(tmp_path / "account", "alice")
    os.chown(path if what == "file" else path.parent, 1234, 1235)
    before = path.stat()
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)
    assert "root" in str(report.failure)
    assert (path.stat(), os.listdir(path.parent)) == (before, [path.name])


async def test_where_the_record_cannot_be_written_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_entry: TokenEntry, _state: TokenState) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = store(tmp_path / "account", "alice")
    monkeypatch.setattr(TokenEntry, "write", fail)
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_unsaved", False)
    assert "nothing was sent" in str(report.failure)
    assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


async def test_a_disk_that_hangs_costs_its_own_account_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = threading.Event()

    def hanging(path: str) -> tuple[bytes, os.stat_result]:
        if "alice" in path:
            ends.wait(20)
        return read_regular(path)

    monkeypatch.setattr("poller.renewal.renewals.read_regular", hanging)
    for name in ("alice", "bob"):
        store(tmp_path / "account", name)
    async with serve() as simulator:
        with anyio.fail_after(10):
            reports = await polled(tmp_path, simulator, account_deadline_s=1)
        assert simulator.logins.requests == 1
    ends.set()
    assert outcome(reports["alice"]) == ("file_unreadable", False)
    assert outcome(reports["bob"]) == (None, True)
