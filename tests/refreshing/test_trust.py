"""What neighbours put beside an auth file, and what an answer says, is not simply believed."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from poller.renewal.eligibility import codex_files
from poller.renewal.renewals import renewals_for
from poller.settings import Settings, UsageError
from poller.simulator.accounts import access_claims, jwt
from poller.simulator.server import serve
from tests.refreshing.conftest import NOBODY
from tests.refreshing.logins import (
    answering,
    is_alive,
    ledger_folder,
    login,
    outcome,
    polled,
    refresh_token,
    store,
    tokens,
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


async def test_a_folders_default_acl_gives_nobody_the_new_tokens(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    path.chmod(0o640)
    everyone = 0xFFFFFFFF
    entries = (
        *((0x01, 7, everyone), (0x02, 7, 1234), (0x04, 7, everyone)),
        *((0x10, 7, everyone), (0x20, 0, everyone)),
    )
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries)
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


# Answers


def access_token(user_id: str | None, account_id: str | None) -> str:
    claims = access_claims(
        user_id or "", account_id, plan="plus", email="alice@example.com", expires_at=4e9
    )
    if user_id is None:
        del claims["https://api.openai.com/auth"]["chatgpt_user_id"]  # type: ignore[attr-defined]
    return jwt(claims)


ALICE = access_token("user-alice", "acct-alice")


@pytest.mark.parametrize(
    "granted",
    [
        {"access_token": access_token("user-mallory", "acct-mallory")},
        {"access_token": access_token("user-mallory", "acct-alice")},
        {"access_token": access_token("user-alice", "acct-other")},
        {"access_token": ALICE, "id_token": access_token("user-mallory", "acct-alice")},
    ],
)
async def test_another_logins_tokens_are_not_believed(
    tmp_path: Path, granted: dict[str, str]
) -> None:
    path = store(tmp_path / "account", "alice")
    before = path.read_bytes()
    new = granted | {"refresh_token": "rt_new"}
    async with serve() as simulator, answering(new) as endpoint:
        for _ in range(2):
            renewing = {"token_url": endpoint.url}
            report = (await polled(tmp_path, simulator, str(path), renewing=renewing))["alice"]
            assert outcome(report) == ("refresh_unsaved", False)
            assert report.failure is not None
            assert "alice.auth.json.rescue" in report.failure.message
        assert endpoint.requests == 1
        assert simulator.counts.requests == 0
    rescue = path.with_name("alice.auth.json.rescue")
    assert path.read_bytes() == before
    assert rescue.stat().st_mode & 0o777 == 0o600
    assert {key: tokens(rescue)[key] for key in new} == new


@pytest.mark.parametrize("token", ["opaque", ALICE])
async def test_tokens_that_name_nobody_else_are_believed(tmp_path: Path, token: str) -> None:
    path = store(tmp_path / "account", "alice")
    granted = {"access_token": token, "refresh_token": "rt_new"}
    async with serve() as simulator, answering(granted) as endpoint:
        renewing = {"token_url": endpoint.url}
        report = (await polled(tmp_path, simulator, renewing=renewing))["alice"]
    assert report.refreshed
    assert tokens(path)["access_token"] == token


async def test_an_account_id_that_its_owner_edited_is_no_other_login(tmp_path: Path) -> None:
    document = json.loads(login("alice"))
    document["tokens"]["account_id"] = "acct-second-workspace"
    store(tmp_path / "account", "alice", json.dumps(document).encode())
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
    assert report.refreshed


@pytest.mark.parametrize("status", [400, 401, 403, 429, 503])
async def test_an_echo_of_the_token_gets_out_nowhere(tmp_path: Path, status: int) -> None:
    secret = "rt_canary4711canary"
    document = json.loads(login("alice"))
    document["tokens"]["refresh_token"] = secret
    path = store(tmp_path / "account", "alice", json.dumps(document).encode())
    echo = {"error": {"code": secret, "message": secret}}
    async with serve() as simulator, answering(echo, status=status) as endpoint:
        for _ in range(2):
            renewing = {"token_url": endpoint.url}
            report = (await polled(tmp_path, simulator, renewing=renewing))["alice"]
            assert report.failure is not None
            assert report.failure.code is None
            assert "canary" not in repr(report)
    records = [
        path.with_name(".alice.auth.json.lock"),
        *ledger_folder(tmp_path / "state").iterdir(),
    ]
    assert len(records) == 2
    assert all("canary" not in each.read_text() for each in records)


# Machines that lack something


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
async def test_a_disk_without_locks_is_told_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", fail)
    store(tmp_path / "account", "alice")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)
    assert report.failure is not None
    assert os.strerror(number).lower() in report.failure.message
    assert "disk" in report.failure.hint


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user without a home folder, as in a container that was given a number."""

    def unknown(_uid: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_STATE_HOME", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


def test_without_a_home_refreshing_says_what_to_set(
    homeless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = Settings(refresh=True)
    with pytest.raises(UsageError, match="XDG_STATE_HOME"):
        renewals_for(asked, environ={})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert renewals_for(asked, environ={}) is not None


def test_without_a_home_codex_has_no_file_by_default(homeless: None) -> None:
    assert codex_files({}) == ()
    assert codex_files({"CODEX_HOME": "/codex"}) == ("/codex/auth.json",)
