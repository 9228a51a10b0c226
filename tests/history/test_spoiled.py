"""Disks that are full or read-only, files that are damaged, foreign, deleted or replaced."""

# ruff: noqa: ASYNC240 - the files are small, and nobody else waits for the loop

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from poller.history import database
from poller.history.database import VERSION, HistoryUnusable, open_to_change
from poller.history.reading import open_reader
from poller.history.store import open_history
from tests.history.made_up import (
    AT,
    is_whole,
    record,
    report,
    rows,
    settled,
    spans,
    until,
    wide,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


def mounted(folder: Path) -> bool:
    folder.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 400 KiB."""
    folder = tmp_path / "disk"
    if sys.platform != "linux" or os.geteuid() != 0 or not mounted(folder):
        pytest.skip("mounting takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def remount(disk: Path, how: str) -> None:
    command = ["mount", "-o", f"remount,{how}", str(disk)]
    assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        file.writelines(b"." * 4096 for _ in range(200))
    return filler


async def test_a_full_disk_is_one_warning_and_recording_goes_on(small_disk: Path) -> None:
    path = small_disk / "history.db"
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append) as history:
        history.record([report()])
        await settled(history)
        filler = fill(small_disk)
        for number in range(1, 6):
            history.record(wide(30, at=AT + 300 * number, number=number))
        await until(lambda: history.trouble)
        with pytest.raises(HistoryUnusable, match="the disk is full"):
            await settled(history)
        filler.unlink()
        history.record([report(at=AT + 1800)])
        await until(lambda: history.trouble is None)
    assert said == [f"history {path}: the disk is full: make room"]
    assert rows(path, "SELECT sum(polls) FROM span") == [(2 + 5 * 30 * 2,)]
    assert is_whole(path)


async def test_a_disk_that_is_full_from_the_start_ends_nothing(small_disk: Path) -> None:
    fill(small_disk)
    path = small_disk / "history.db"
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append, close_within_s=0.5) as history:
        history.record([report()])
        await until(lambda: said)
    assert all("the disk is full" in sentence for sentence in said)


async def test_a_history_on_a_read_only_disk_is_read_all_the_same(small_disk: Path) -> None:
    path = small_disk / "history.db"
    record(path, [report()])
    await remount(small_disk, "ro")
    with open_reader(str(path)) as reader:
        assert [account.label for account in reader.accounts()] == ["alice"]


async def test_a_history_on_a_full_disk_is_read_all_the_same(small_disk: Path) -> None:
    path = small_disk / "history.db"
    record(path, [report()])
    fill(small_disk)
    async with open_history(str(path), close_within_s=0.5) as history:  # leaves an empty log
        await until(lambda: history.trouble)
    for _ in range(2):
        with open_reader(str(path)) as reader:
            assert [account.label for account in reader.accounts()] == ["alice"]


async def test_without_room_for_a_backup_nothing_is_migrated(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_disk / "history.db"
    record(path, *(wide(50, at=AT + 300 * n, number=n) for n in range(8)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    filler = fill(small_disk)
    os.truncate(filler, filler.stat().st_size - 60_000)  # for what SQLite needs beside it
    monkeypatch.setattr(database, "STEPS", {0: "DROP TABLE event;"})
    with pytest.raises(HistoryUnusable, match="the disk is full"), open_to_change(str(path)):
        pass
    assert sorted(os.listdir(small_disk)) == ["filler", "history.db"]
    assert rows(path, "SELECT count(*) FROM event") == [(0,)]


async def test_a_read_only_disk_is_one_warning_and_recording_goes_on(small_disk: Path) -> None:
    path = small_disk / "history.db"
    record(path, [report()])
    said: list[str] = []
    await remount(small_disk, "ro")
    async with open_history(str(path), on_trouble=said.append) as history:
        history.record([report(at=AT + 300)])
        await until(lambda: said)
        await remount(small_disk, "rw")
        history.record([report(at=AT + 600)])
        await until(lambda: history.trouble is None)
    assert len(said) == 1
    assert spans(path) == [(0, 600, 3, 40)]


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def foreign_by_its_id(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 252006674")
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.execute("CREATE TABLE vfs (x)")


def newer(path: Path) -> None:
    record(path, [report()])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def text(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 500)


def scrambled(path: Path) -> None:
    record(path, wide(300, at=AT))
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (foreign, "another program's database: name another file"),
        (foreign_by_its_id, "another program's database: name another file"),
        (newer, "a newer poller made it (version 2)"),
        (text, "it is not a database"),
        (scrambled, "the file is damaged"),
    ],
)
async def test_a_file_that_is_none_of_ours_is_one_warning_and_is_left_as_it_is(
    path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(path)
    before = path.read_bytes()
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append, close_within_s=1) as history:
        history.record(wide(300, at=AT + 300))
        await until(lambda: said)
        history.record([report(at=AT + 600)])
        with pytest.raises(HistoryUnusable):
            await settled(history)
        assert history.trouble is not None
        assert words in history.trouble
    assert path.read_bytes() == before
    assert len(said) == 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_is_not_opened(make: Callable[[Path], None], path: Path) -> None:
    """A pipe would be waited for, and no signal but KILL would end that."""
    make(path)
    for opened in (open_reader, open_to_change):
        with pytest.raises(HistoryUnusable, match="not a regular file"), opened(str(path)):
            pass


def test_a_file_that_another_process_is_just_making_is_not_another_programs(path: Path) -> None:
    asked: list[str] = []

    def note(statement: str) -> None:
        if not statement.startswith("--"):  # of a statement of its own
            asked.append(statement)
        if len(asked) == 2:
            record(path, [report()])

    with closing(sqlite3.connect(path)) as connection:
        connection.set_trace_callback(note)
        assert database._version(connection, str(path)) in {None, VERSION}


async def test_recording_goes_on_once_a_damaged_file_is_moved_away(path: Path) -> None:
    text(path)
    async with open_history(str(path)) as history:
        history.record([report()])
        await until(lambda: history.trouble)
        path.rename(path.with_name("moved"))
        history.record([report(at=AT + 300)])
    assert spans(path) == [(0, 300, 2, 40)]


async def test_a_file_that_is_deleted_while_open_is_begun_anew(path: Path) -> None:
    said: list[str] = []
    async with open_history(str(path), on_trouble=said.append) as history:
        history.record([report()])
        await settled(history)
        path.unlink()
        history.record([report(at=AT + 300)])
    assert spans(path) == [(300, 300, 1, 40)]
    assert is_whole(path)
    assert said == []


async def test_another_file_in_its_place_is_written_from_then_on(path: Path) -> None:
    async with open_history(str(path)) as history:
        history.record([report()])
        await settled(history)
        path.rename(path.with_name("old.db"))
        record(path, [report(50.0, at=AT + 300)])
        history.record([report(50.0, at=AT + 600)])
    assert spans(path) == [(300, 600, 2, 50)]


@pytest.mark.parametrize("rounds", [1, 30])
@pytest.mark.parametrize("by_link", [False, True])
async def test_a_file_put_in_its_place_is_not_overwritten_from_the_log_of_the_one_before(
    path: Path, tmp_path: Path, rounds: int, *, by_link: bool
) -> None:
    named, other = path, path.with_name("other.db")
    if by_link:
        (tmp_path / "elsewhere").mkdir()
        named = tmp_path / "elsewhere" / "link.db"
        named.symlink_to(path)
    record(other, *(wide(20, at=AT + 300 * n, number=n) for n in range(rounds)))
    async with open_history(str(named)) as one, open_history(str(named)) as two:
        for n in range(4):
            (one if n % 2 else two).record([report(float(n), at=AT + 300 * n)])
            await settled(one)
            await settled(two)
        path.rename(path.with_name("moved.db"))
        other.rename(path)
        for n, history in ((rounds, one), (rounds + 1, two)):
            history.record(wide(20, at=AT + 300 * n, number=n))
            await settled(history)
    assert rows(path, "SELECT sum(polls) FROM state") == [(20 * (rounds + 2),)]
    assert spans(path.with_name("moved.db")) == [(300 * n, 300 * n, 1, n) for n in range(4)]
    assert is_whole(path)
    assert is_whole(path.with_name("moved.db"))


async def test_a_folder_that_cannot_be_made_is_one_warning(path: Path) -> None:
    path.write_bytes(b"")
    said: list[str] = []
    below = path / "poller" / "history.db"
    async with open_history(str(below), on_trouble=said.append) as history:
        history.record([report()])
        await until(lambda: said)
    assert said[0].startswith(f"history {below}: ")
    assert "name a file in a folder that you can write to" in said[0]
