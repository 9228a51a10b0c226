"""The file that a status line is kept in."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from poller.deliver.status_file import StatusFile

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_new_line_takes_the_old_ones_place(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "status"
    file = StatusFile(str(path), on_trouble=told.append)
    await file.write("codex 1/2 学习 58%")
    with path.open() as old:
        await file.write("codex 0/2")
        assert old.read() == "codex 1/2 学习 58%\n"
    assert path.read_text() == "codex 0/2\n"
    assert (os.listdir(tmp_path), told) == (["status"], [])


async def test_the_same_line_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "status"
    file = StatusFile(str(path), on_trouble=print)
    await file.write("codex 58%")
    before = path.stat()
    await file.write("codex 58%")
    assert path.stat().st_ino == before.st_ino
    path.unlink()
    await file.write("codex 58%", anew=True)
    assert path.read_text() == "codex 58%\n"


async def test_what_was_never_written_is_not_left_either(tmp_path: Path) -> None:
    path = tmp_path / "status"
    file = StatusFile(str(path), on_trouble=print)
    await file.leave("codex ?")
    assert not path.exists()
    await file.write("codex 58%")
    await file.leave("codex ?")
    assert path.read_text() == "codex ?\n"


async def test_trouble_is_told_once_and_writing_goes_on_when_it_can(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "later" / "status"
    file = StatusFile(str(path), on_trouble=told.append)
    for _ in range(3):
        await file.write("codex 58%")
    (line,) = told
    assert line == (
        f"--status-file {path}: cannot be written (no such file or directory): "
        "name a file in a folder that you can write to"
    )
    path.parent.mkdir()
    await file.write("codex 58%")
    assert path.read_text() == "codex 58%\n"
    path.unlink()
    path.mkdir()
    await file.write("codex 57%")
    assert len(told) == 2
    assert os.listdir(path.parent) == ["status"]


async def test_a_name_that_cannot_be_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    await StatusFile(f"{tmp_path}/a\0b", on_trouble=told.append).write("codex 58%")
    assert len(told) == 1


async def test_a_pipe_or_a_link_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "status"
    os.mkfifo(path)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("status", "link"):
        await StatusFile(str(tmp_path / name), on_trouble=told.append).write("codex 58%")
    assert path.is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "status"]
    assert all("it is a link or not a regular file" in line for line in told)
    assert len(told) == 2


async def test_a_disk_that_hangs_is_given_up_until_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, real, told = threading.Event(), os.replace, list[str]()

    def replaced(old: str, new: str) -> None:
        answers.wait(20)
        real(old, new)

    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr("poller.deliver.status_file._WITHIN_S", 0.05)
    path = tmp_path / "status"
    file = StatusFile(str(path), on_trouble=told.append)
    for _ in range(3):
        await file.write("codex 58%")
    (line,) = told
    assert "its disk does not answer" in line
    answers.set()
    while not path.exists() or path.read_text() != "codex 57%\n":
        await file.write("codex 57%", anew=True)
