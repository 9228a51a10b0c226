from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from poller.deliver.files import NewFile
from poller.deliver.stdout import ResultsLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _usual_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


async def test_a_new_file_takes_the_place_of_the_old_one_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    new = NewFile(str(path))
    await new.write(b"one\n")
    await new.write(b"two\n")
    assert path.read_text() == "old"
    await new.finish()
    new.close()
    assert path.read_text() == "one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["out.jsonl"]


async def test_the_old_file_stays_where_the_new_one_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    new = NewFile(str(path))
    await new.write(b"one\n")
    new.close()
    new.close()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("name", ["nowhere/out.jsonl", "n\0", "x" * 300])
def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultsLost, match=r"--output .* cannot be written"):
        NewFile(str(tmp_path / name))


def _link(path: Path) -> None:
    """As /dev/stdout is one, which root could replace for everybody."""
    path.symlink_to(__file__)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, _link])
def test_what_is_no_regular_file_is_not_replaced(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "out")
    with pytest.raises(ResultsLost, match="is a link or not a regular file"):
        NewFile(str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["out"]


async def test_a_folder_that_came_meanwhile_is_said(tmp_path: Path) -> None:
    new = NewFile(str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    with pytest.raises(ResultsLost, match="is a directory"):
        await new.finish()
    new.close()
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
async def test_a_full_disk_is_said(tmp_path: Path) -> None:
    new = NewFile(str(tmp_path / "out"))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, new._descriptor)
    os.close(full)
    with pytest.raises(ResultsLost, match="no space left"):
        await new.write(b"x" * 100_000)
    new.close()
    assert os.listdir(tmp_path) == []
