"""Machines without file locks, and users without a home folder."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from poller.process.own_folders import codex_files
from poller.renewal.renewals import renewals_for
from poller.settings import Settings, UsageError
from poller.simulator.server import serve
from tests.refreshing.logins import (
    outcome,
    polled,
    store,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


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
    renewals_for(asked, environ={})


def test_without_a_home_codex_has_no_file_by_default(homeless: None) -> None:
    assert codex_files({}) == ()
    assert codex_files({"CODEX_HOME": "/codex"}) == ("/codex/auth.json",)
