"""What lies beside an auth file is a stranger's until proven; what is made there is private."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from tests.refreshing.conftest import NOBODY
from tests.refreshing.logins import (
    is_alive,
    ledger_folder,
    login,
    outcome,
    polled,
    refresh_token,
    store,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

# What lies beside


def _symlink(place: Path, content: bytes) -> None:
    target = place.with_name("target")
    target.write_bytes(content)
    target.chmod(0o600)
    place.symlink_to(target)


def _hard_link(place: Path, content: bytes) -> None:
    _symlink(place, content)
    target = place.readlink()
    place.unlink()
    os.link(target, place)


def _socket(place: Path, _content: bytes) -> None:
    made = socket.socket(socket.AF_UNIX)
    folder = os.open(place.parent, os.O_RDONLY)
    try:  # a name as short as such an address must be
        made.bind(f"/proc/self/fd/{folder}/{place.name}")
    finally:
        os.close(folder)
        made.close()


def _written(place: Path, content: bytes, mode: int) -> None:
    place.write_bytes(content)
    place.chmod(mode)


def _foreign(place: Path, content: bytes) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files away takes root")
    _written(place, content, 0o600)
    os.chown(place, 1234, 1234)


PLANTINGS: dict[str, Callable[[Path, bytes], None]] = {
    "symbolic link": _symlink,
    "dangling link": lambda place, _: place.symlink_to(place.with_name("nowhere")),
    "hard link": _hard_link,
    "FIFO": lambda place, _: os.mkfifo(place, 0o600),
    "folder": lambda place, _: place.mkdir(0o700),
    "socket": _socket,
    "writable by the group": lambda place, content: _written(place, content, 0o620),
    "writable by everybody": lambda place, content: _written(place, content, 0o602),
    "another user's": _foreign,
}


def around(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return all that can be told of what lies in a folder."""
    return {
        name: (
            *(status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_nlink),
            path.read_bytes() if path.is_file() and not path.is_symlink() else None,
        )
        for name in os.listdir(folder)
        for path in (folder / name,)
        for status in (path.lstat(),)
    }


@pytest.mark.parametrize("planting", PLANTINGS)
@pytest.mark.parametrize("name", [".alice.auth.json.lock", ".alice.auth.json.refreshing"])
async def test_a_strangers_lock_or_draft_means_nothing_is_sent_and_is_left_alone(
    tmp_path: Path, name: str, planting: str
) -> None:
    path = store(tmp_path / "account", "alice")
    PLANTINGS[planting](path.with_name(name), login("mallory"))
    before = around(path.parent)
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, str(path)))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)
    assert report.failure is not None
    assert name in report.failure.message
    is_link = planting in ("symbolic link", "dangling link")
    assert ("is a symbolic link" in report.failure.message) == is_link
    after = around(path.parent)
    if name != ".alice.auth.json.lock":
        del after[".alice.auth.json.lock"]
    assert after == before


async def old_file_back(tmp_path: Path, simulator: Any) -> tuple[Path, bytes]:
    """Refresh, then put the old file back; return its path and what the new one held."""
    path = store(tmp_path / "account", "alice")
    old = path.read_bytes()
    await polled(tmp_path, simulator, str(path))
    new = path.read_bytes()
    path.write_bytes(old)
    return path, new


@pytest.mark.parametrize("planting", PLANTINGS)
async def test_a_strangers_rescue_file_is_passed_over(tmp_path: Path, planting: str) -> None:
    async with serve() as simulator:
        path, new = await old_file_back(tmp_path, simulator)
        PLANTINGS[planting](path.with_name("alice.auth.json.rescue"), new)
        before = around(path.parent)
        report = (await polled(tmp_path, simulator, str(path)))["alice"]
        assert simulator.logins.requests == 1
    assert outcome(report) == ("login_required", False)
    assert around(path.parent) == before


async def test_the_users_own_rescue_file_is_taken(tmp_path: Path) -> None:
    async with serve() as simulator:
        path, new = await old_file_back(tmp_path, simulator)
        _written(path.with_name("alice.auth.json.rescue"), new, 0o600)
        report = (await polled(tmp_path, simulator, str(path)))["alice"]
        assert simulator.logins.requests == 1
        assert is_alive(simulator, path, "alice")
    assert outcome(report) == (None, True)


@pytest.mark.parametrize("name", ["alice.auth.json.rescue", ".alice.auth.json.refreshing"])
async def test_a_successor_that_was_not_recorded_is_not_taken(tmp_path: Path, name: str) -> None:
    async with serve() as simulator:
        path, new = await old_file_back(tmp_path, simulator)
        document = json.loads(new)
        document["tokens"]["refresh_token"] = refresh_token("alice", generation=7)
        _written(path.with_name(name), json.dumps(document).encode(), 0o600)
        before = path.read_bytes()
        report = (await polled(tmp_path, simulator, str(path)))["alice"]
        assert simulator.logins.requests == 1
    assert outcome(report) == ("login_required", False)
    assert path.read_bytes() == before


# Modes and owners


async def test_setuid_bits_are_not_carried_over(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    path.chmod(0o7640)
    async with serve() as simulator:
        assert outcome((await polled(tmp_path, simulator))["alice"]) == (None, True)
    assert path.stat().st_mode & 0o7777 == 0o640


def acl_of(*entries: tuple[int, ...]) -> bytes:
    """Return an ACL as Linux keeps it, of tags, permissions and, for one user, an id."""
    everyone = 0xFFFFFFFF
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry, *((everyone,) if len(entry) == 2 else ())) for entry in entries
    )


@pytest.mark.parametrize(("group", "mode"), [(0, 0o600), (4, 0o640), (6, 0o640)])
async def test_what_an_acl_gives_one_user_is_not_given_to_the_group(
    tmp_path: Path, group: int, mode: int
) -> None:
    path = store(tmp_path / "account", "alice")
    acl = acl_of((0x01, 6), (0x02, 4, 1234), (0x04, group), (0x10, 4), (0x20, 0))
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except (AttributeError, OSError):
        pytest.skip("this file system has no ACLs")
    assert path.stat().st_mode & 0o777 == 0o640  # the most that anybody but the owner may
    async with serve() as simulator:
        assert outcome((await polled(tmp_path, simulator))["alice"]) == (None, True)
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert path.stat().st_mode & 0o777 == mode


async def test_a_folders_default_acl_gives_nobody_the_new_tokens(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    path.chmod(0o640)
    acl = acl_of((0x01, 7), (0x02, 7, 1234), (0x04, 7), (0x10, 7), (0x20, 0))
    try:
        os.setxattr(path.parent, "system.posix_acl_default", acl)
    except (AttributeError, OSError):
        pytest.skip("this file system has no ACLs")
    async with serve() as simulator:
        assert outcome((await polled(tmp_path, simulator))["alice"]) == (None, True)
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert path.stat().st_mode & 0o777 == 0o640


async def test_a_group_that_is_not_ours_to_give_gets_nothing(nobodys: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("giving files away takes root")
    path = store(nobodys / "account", "alice")
    os.seteuid(0)
    os.chown(path, -1, 4321)
    path.chmod(0o640)
    os.seteuid(NOBODY)
    async with serve() as simulator:
        assert outcome((await polled(nobodys, simulator))["alice"]) == (None, True)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077, 0o277, 0o777])
async def test_no_umask_locks_a_login_out(nobodys: Path, umask: int) -> None:
    path = store(nobodys / "account", "alice")
    usual = os.umask(umask)
    try:
        async with serve() as simulator:
            simulator.logins.life_s = 200  # due again at once
            for _ in range(2):
                assert outcome((await polled(nobodys, simulator))["alice"]) == (None, True)
            assert is_alive(simulator, path, "alice")
    finally:
        os.umask(usual)
    made = [
        path,
        path.with_name(".alice.auth.json.lock"),
        *ledger_folder(nobodys / "state").iterdir(),
    ]
    assert {each.stat().st_mode & 0o777 for each in made} == {0o600}
    assert {
        folder.stat().st_mode & 0o777
        for folder in (nobodys / "state", ledger_folder(nobodys / "state"))
    } == {0o700}


@pytest.mark.parametrize("whose", ["another user's", "writable by others"])
async def test_a_ledger_that_others_can_write_means_nothing_is_sent(
    tmp_path: Path, whose: str
) -> None:
    store(tmp_path / "account", "alice")
    ledger = ledger_folder(tmp_path / "state")
    ledger.mkdir(parents=True)
    if whose == "another user's":
        if os.geteuid() != 0:
            pytest.skip("giving files away takes root")
        os.chown(ledger, 1234, 1234)
    else:
        ledger.chmod(0o722)
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)


# Another home directory


@pytest.mark.parametrize(
    ("fault", "kind"), [("dropped", "refresh_unknown"), ("reused", "login_required")]
)
async def test_another_home_does_not_send_what_was_sent(
    tmp_path: Path, fault: str, kind: str
) -> None:
    store(tmp_path / "account", "alice", fault=fault)
    async with serve() as simulator:
        for home in ("one", "two"):
            how = {"renewing": {"state": tmp_path / home}}
            report = (await polled(tmp_path, simulator, **how))["alice"]
            assert outcome(report) == (kind, False)
        assert simulator.logins.requests == 1


async def test_another_home_finds_the_rescued_tokens(tmp_path: Path) -> None:
    async with serve() as simulator:
        path, new = await old_file_back(tmp_path, simulator)
        _written(path.with_name("alice.auth.json.rescue"), new, 0o600)
        how = {"renewing": {"state": tmp_path / "two"}}
        report = (await polled(tmp_path, simulator, str(path), **how))["alice"]
        assert simulator.logins.requests == 1
        assert is_alive(simulator, path, "alice")
    assert outcome(report) == (None, True)


async def test_another_home_may_send_what_was_not_looked_at(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice", fault="429x1")
    async with serve() as simulator:
        for home, expected in (("one", ("rate_limited", False)), ("two", (None, True))):
            how = {"renewing": {"state": tmp_path / home}}
            report = (await polled(tmp_path, simulator, **how))["alice"]
            assert outcome(report) == expected
        assert refresh_token("alice", fault="429x1", generation=1) in path.read_text()
