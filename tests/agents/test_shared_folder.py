"""A shared folder: its name, and what may be read below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poller.agents.shared_folder import SharedFolder
from poller.settings import UsageError
from poller.values import Failure, FailureKind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> SharedFolder:
    team = tmp_path / "team"
    (team / "deep").mkdir(parents=True)
    (team / "deep" / "a.auth.json").touch()
    (tmp_path / "secret.json").touch()
    (team / "out.auth.json").symlink_to(tmp_path / "secret.json")
    (team / "in.auth.json").symlink_to(team / "deep" / "a.auth.json")
    (team / "up").symlink_to(tmp_path)
    return SharedFolder.of(str(team))


def test_a_folder_is_called_by_its_name_or_as_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "my team").mkdir()
    assert SharedFolder.of(str(tmp_path / "my team")).name == "my-team"
    assert SharedFolder.of(f"t={tmp_path}") == SharedFolder("t", str(tmp_path))
    for wrong in ("a.b=/tmp", f"={tmp_path}", "team=/nowhere/at/all", "/nowhere/at/all"):
        with pytest.raises(UsageError, match="--shared"):
            SharedFolder.of(wrong)


def test_a_path_is_told_as_it_lies_below(folder: SharedFolder) -> None:
    assert folder.relative(f"{folder.path}/deep/a.auth.json") == "deep/a.auth.json"
    assert folder.resolved("deep/a.auth.json") == f"{folder.path}/deep/a.auth.json"
    assert folder.resolved("in.auth.json") == f"{folder.path}/deep/a.auth.json"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.json",
        "/etc/passwd",
        "deep/../../secret.json",
        "out.auth.json",
        "up/secret.json",
        "",
        ".",
        "a\x00b",
        "..",
        "deep\\..\\..\\secret.json",
    ],
)
def test_a_path_outside_is_refused_with_a_failure(folder: SharedFolder, path: str) -> None:
    refused = folder.resolved(path)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.FILE_UNREADABLE


def test_a_collector_tells_no_path_outside(folder: SharedFolder) -> None:
    for path in (None, "/etc/passwd", f"{folder.path}/../secret.json", f"{folder.path}/\udcff"):
        assert isinstance(folder.relative(path), Failure)
