"""New tokens have come, and the file is not what it was."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poller.renewal.tokens import login_key
from poller.simulator.server import serve
from poller.simulator.tokens import Logins
from poller.values import Secret
from tests.refreshing.logins import (
    is_alive,
    login,
    outcome,
    polled,
    refresh_token,
    sent_twice,
    store,
    tokens,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


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


async def test_changes_written_meanwhile_are_kept(tmp_path: Path) -> None:
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


async def test_a_draft_that_is_cleared_away_meanwhile_is_made_again(tmp_path: Path) -> None:
    report, alive = await swapped(
        tmp_path, lambda path: path.with_name(".alice.auth.json.refreshing").unlink()
    )
    path = tmp_path / "account/alice.auth.json"
    assert outcome(report) == (None, True)
    assert tokens(path)["refresh_token"] == alive
    assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


@pytest.mark.parametrize("planting", ["file", "link", "folder"])
async def test_what_is_put_in_the_drafts_place_meanwhile_does_not_become_the_file(
    tmp_path: Path, planting: str
) -> None:
    def swap(path: Path) -> None:
        draft = path.with_name(".alice.auth.json.refreshing")
        draft.unlink()
        if planting == "file":
            draft.write_bytes(login("mallory"))
        elif planting == "link":
            draft.symlink_to(path)
        else:
            draft.mkdir()

    report, alive = await swapped(tmp_path, swap)
    path = tmp_path / "account/alice.auth.json"
    rescue = path.with_name("alice.auth.json.rescue")
    assert outcome(report) == ("refresh_unsaved", False)
    assert report.failure is not None
    assert str(rescue) in report.failure.message
    assert tokens(rescue)["refresh_token"] == alive
    assert tokens(path)["refresh_token"] == refresh_token("alice", fault="slow-200ms")
    assert ".alice.auth.json.refreshing" in os.listdir(path.parent)


async def test_rescued_tokens_are_put_into_the_file_by_the_next_run(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    async with serve(logins=Logins(strict=True)) as simulator:
        before = path.read_bytes()
        simulator.logins.fault = "slow-200ms"
        async with anyio.create_task_group() as tasks:

            async def meanwhile() -> None:
                await simulator.logins.reached(1)
                path.unlink()
                path.mkdir()

            tasks.start_soon(meanwhile)
            first = await polled(tmp_path, simulator)
        assert outcome(first["alice"]) == ("refresh_unsaved", False)
        path.rmdir()
        path.write_bytes(before)
        second = await polled(tmp_path, simulator)
        assert outcome(second["alice"]) == (None, True)
        assert is_alive(simulator, path, "alice")
        assert sent_twice(simulator) == {}
        assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


async def test_a_file_that_can_never_be_replaced_has_one_rescue_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path / "account", "alice")
    replace = os.replace

    def refuse(source: str, target: str) -> None:
        if target == str(path):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        replace(source, target)

    async with serve(logins=Logins(strict=True)) as simulator:
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", refuse)
            for _ in range(3):
                report = (await polled(tmp_path, simulator))["alice"]
                assert outcome(report) == ("refresh_unsaved", False)
                assert report.failure is not None
                assert report.failure.message.endswith("alice.auth.json.rescue")
                assert sorted(os.listdir(path.parent)) == [
                    ".alice.auth.json.lock",
                    "alice.auth.json",
                    "alice.auth.json.rescue",
                ]
        assert outcome((await polled(tmp_path, simulator))["alice"]) == (None, True)
        assert is_alive(simulator, path, "alice")
    assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


async def test_a_whole_draft_of_a_killed_run_is_taken_by_the_next(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    async with serve(logins=Logins(strict=True)) as simulator:
        old = path.read_bytes()
        await polled(tmp_path, simulator)
        # As if killed between the last byte and the renaming.
        path.rename(path.with_name(".alice.auth.json.refreshing"))
        path.write_bytes(old)
        path.with_name(".alice.auth.json.lock").unlink()
        (entry,) = (tmp_path / "state/poller/logins").iterdir()
        successor = login_key(Secret(refresh_token("alice", generation=1)))
        record = {"state": "sent", "at": 1, "file": str(path), "successor": successor}
        entry.write_text(json.dumps(record))
        report = (await polled(tmp_path, simulator))["alice"]
        assert outcome(report) == (None, True)
        assert is_alive(simulator, path, "alice")
        assert simulator.logins.requests == 1
        assert sorted(os.listdir(path.parent)) == [".alice.auth.json.lock", "alice.auth.json"]


async def test_a_record_that_cannot_be_read_means_that_nothing_is_sent(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    async with serve() as simulator:
        await polled(tmp_path, simulator)
        (entry,) = (tmp_path / "state/poller/logins").iterdir()
        entry.write_text("{ torn")
        path.with_name(".alice.auth.json.lock").unlink()
        store(tmp_path / "account", "alice")
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 1
    assert outcome(report) == ("refresh_unknown", False)
