"""Polling writes, renames and touches nothing in the account folder, whatever goes wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults.marks import each_group, each_mode
from tests.faults.watching import CAN_WATCH, watched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.matrix import Runs


@each_mode
@each_group
def test_every_file_is_as_it_was_before_the_run(runs: Runs, number: int, mode: str) -> None:
    run = runs.of_group(number, mode)
    assert run.before == run.after


@pytest.mark.skipif(not CAN_WATCH, reason="needs inotify")
@each_mode
@each_group
def test_nothing_is_done_in_the_folder_but_reading(runs: Runs, number: int, mode: str) -> None:
    run = runs.of_group(number, mode)
    opened = {name for done, name in run.seen if done == "opened"}
    assert opened >= {entry.file_name for entry in run.entries if entry.row is None}
    assert [event for event in run.seen if event[0] != "opened"] == []


@pytest.mark.skipif(not CAN_WATCH, reason="needs inotify")
def test_the_watch_sees_what_is_done(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with watched(tmp_path) as seen:
        (tmp_path / "there").read_bytes()
        (tmp_path / "there").chmod(0o600)
        os.utime(tmp_path / "there")
        (tmp_path / "there").rename(tmp_path / "moved")
        (tmp_path / "moved").write_bytes(b"written")
        (tmp_path / "moved").unlink()
        (tmp_path / "new").touch()
    assert {done for done, _ in seen} == {
        *("opened", "attributes changed", "moved away", "moved in"),
        *("modified", "closed after writing", "deleted", "created"),
    }
