"""One login in several files, and files that are not this program's to renew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from poller.renewal.eligibility import CodexHome
from poller.renewal.tokens import login_key
from poller.simulator.server import serve
from poller.simulator.tokens import Logins
from poller.values import Failure, FailureKind, Secret
from tests.refreshing.logins import (
    GOOD_S,
    account_of,
    is_alive,
    login,
    outcome,
    outcomes,
    polled,
    refresh_token,
    renewals,
    sent_twice,
    store,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.anyio


# One login, several files


async def test_copies_of_a_login_are_one_request_and_all_are_updated(tmp_path: Path) -> None:
    names = [f"copy{index}" for index in range(5)]
    content = login("alice", fault="slow-100ms")
    paths = [store(tmp_path / "account", name, content) for name in names]
    async with serve() as simulator:
        reports = await polled(tmp_path, simulator)
        assert outcomes(simulator) == [["renewed"]]
    assert {outcome(reports[name]) for name in names} == {(None, True)}
    assert len({json.dumps(tokens(path)) for path in paths}) == 1


async def test_a_copy_that_slept_through_refreshes_is_brought_up_to_date(tmp_path: Path) -> None:
    awake = store(tmp_path / "account", "awake", login("alice"))
    asleep = store(tmp_path / "asleep", "copy", awake.read_bytes())
    async with serve(logins=Logins(strict=True, life_s=200)) as simulator:
        for _ in range(3):
            assert outcome((await polled(tmp_path, simulator))["awake"]) == (None, True)
        simulator.logins.life_s = GOOD_S
        report = (await polled(tmp_path, simulator, str(asleep)))["copy"]
        assert outcome(report) == (None, True)
        assert tokens(asleep)["refresh_token"] == refresh_token("alice", generation=4)
        report = (await polled(tmp_path, simulator))["awake"]
        assert outcome(report) == (None, True)
        assert tokens(awake) == tokens(asleep)
        assert sent_twice(simulator) == {}
        assert simulator.logins.requests == 4


async def test_a_copy_of_a_login_that_is_nowhere_says_to_log_in(tmp_path: Path) -> None:
    awake = store(tmp_path / "account", "awake", login("alice"))
    asleep = store(tmp_path / "asleep", "copy", awake.read_bytes())
    async with serve() as simulator:
        await polled(tmp_path, simulator)
        awake.unlink()
        report = (await polled(tmp_path, simulator, str(asleep)))["copy"]
        assert simulator.logins.requests == 1
    assert outcome(report) == ("login_required", False)
    assert report.failure is not None
    assert "awake.auth.json" in report.failure.message


async def test_a_copy_takes_what_a_run_killed_before_its_last_record_has_saved(
    tmp_path: Path,
) -> None:
    path = store(tmp_path / "account", "alice")
    copy = store(tmp_path / "copies", "copy", path.read_bytes())
    async with serve(logins=Logins(strict=True)) as simulator:
        await polled(tmp_path, simulator)
        (entry,) = (tmp_path / "state/poller/logins").iterdir()
        successor = login_key(Secret(refresh_token("alice", generation=1)))
        record = {"state": "sent", "at": 1, "file": str(path), "successor": successor}
        entry.write_text(json.dumps(record))
        report = (await polled(tmp_path, simulator, str(copy)))["copy"]
        assert simulator.logins.requests == 1
    assert outcome(report) == (None, True)
    assert tokens(copy) == tokens(path)


async def test_a_file_that_lost_its_refresh_token_meanwhile_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    account, stale = account_of(path)
    document = json.loads(path.read_bytes())
    kinds: list[str] = []
    async with serve() as simulator, renewals(tmp_path, simulator) as renewing:
        for text in (json.dumps(document | {"tokens": held_without(document)}), "{", "[]"):
            path.write_text(text)
            renewal = await renewing.renew(account, stale, within_s=5)
            assert isinstance(renewal.outcome, Failure)
            kinds.append(renewal.outcome.kind)
        assert simulator.logins.requests == 0
    assert kinds == ["refresh_refused", "file_invalid", "file_invalid"]


def held_without(document: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in document["tokens"].items() if key != "refresh_token"}


async def test_an_old_backup_put_back_spends_nothing(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    backup = path.read_bytes()
    async with serve() as simulator:
        await polled(tmp_path, simulator)
        path.write_bytes(backup)
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 1
    assert outcome(report) == ("login_required", False)
    assert "older copy" in str(report.failure)
    assert path.read_bytes() == backup


async def test_a_symbolic_link_stays_one_and_its_file_is_renewed(tmp_path: Path) -> None:
    real = store(tmp_path / "real", "alice")
    (tmp_path / "account").mkdir()
    for name in ("one", "two"):
        (tmp_path / f"account/{name}.auth.json").symlink_to(real)
    async with serve() as simulator:
        reports = await polled(tmp_path, simulator)
        assert outcomes(simulator) == [["renewed"]]
        assert is_alive(simulator, real, "alice")
    assert sorted(outcome(each) for each in reports.values()) == [(None, False), (None, True)]
    assert (tmp_path / "account/one.auth.json").is_symlink()
    assert sorted(os.listdir(tmp_path / "account")) == ["one.auth.json", "two.auth.json"]


# What is not ours


async def test_codexs_own_file_is_refused(tmp_path: Path) -> None:
    own = store(tmp_path / "codex", "x", login("alice")).rename(tmp_path / "codex/auth.json")
    (tmp_path / "account").mkdir()
    (tmp_path / "account/linked.auth.json").symlink_to(own)
    async with serve() as simulator:
        report = await polled(tmp_path, simulator, renewing={"codex": CodexHome((str(own),))})
        assert simulator.logins.requests == 0
    assert outcome(report["linked"]) == ("refresh_refused", False)
    assert "--refresh-codex-home" in str(report["linked"].failure)


@pytest.mark.parametrize("spared", [True, False])
async def test_a_copy_of_codexs_own_file_is_the_same_login(tmp_path: Path, spared: bool) -> None:
    own = store(tmp_path / "codex", "x", login("alice")).rename(tmp_path / "codex/auth.json")
    copy = store(tmp_path / "account", "alice", own.read_bytes())
    how = {"codex": CodexHome((str(own), str(tmp_path / "none")), is_protected=spared)}
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator, renewing=how))["alice"]
        assert simulator.logins.requests == int(not spared)
        assert is_alive(simulator, own, "alice")
        assert is_alive(simulator, copy, "alice")
    assert outcome(report) == (("refresh_refused", False) if spared else (None, True))
    assert spared == ("--refresh-codex-home" in str(report.failure))


async def test_a_login_that_codex_does_not_hold_is_refreshed(tmp_path: Path) -> None:
    own = store(tmp_path / "codex", "x", login("bob")).rename(tmp_path / "codex/auth.json")
    store(tmp_path / "account", "alice")
    async with serve() as simulator:
        reports = await polled(tmp_path, simulator, renewing={"codex": CodexHome((str(own),))})
    assert outcome(reports["alice"]) == (None, True)


async def test_a_file_with_a_second_name_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    os.link(path, tmp_path / "second")
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """Return an auth file that is mounted by itself, as by ``docker run -v FILE:FILE``."""
    path = store(tmp_path / "account", "alice")
    shutil.copy(path, tmp_path / "outside")
    mount = ["mount", "--bind", str(tmp_path / "outside"), str(path)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting takes root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


async def test_a_file_that_is_mounted_by_itself_is_refused(tmp_path: Path, mounted: Path) -> None:
    """No other can take its place."""
    async with serve() as simulator:
        report = (await polled(tmp_path, simulator))["alice"]
        assert simulator.logins.requests == 0
    assert outcome(report) == ("refresh_refused", False)
    assert os.listdir(mounted.parent) == ["alice.auth.json"]


async def test_another_account_in_the_file_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "account", "alice")
    account, stale = account_of(path)
    path.write_bytes(login("bob"))
    async with serve() as simulator, renewals(tmp_path, simulator) as renewing:
        renewal = await renewing.renew(account, stale, within_s=5)
        assert simulator.logins.requests == 0
    assert isinstance(renewal.outcome, Failure)
    assert renewal.outcome.kind is FailureKind.REFRESH_REFUSED
    assert tokens(path)["refresh_token"] == refresh_token("bob")
