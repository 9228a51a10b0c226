from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from poller.authfiles import files
from poller.values import Failure, FailureKind, Retry

if TYPE_CHECKING:
    from pathlib import Path


def failure(path: Path | str) -> Failure:
    found = files.read(str(path))
    assert isinstance(found, Failure)
    return found


def test_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100_000)
    path.chmod(0o600)
    assert files.read(str(path)) == files.Content(b"x" * 100_000, readable_by_others=False)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_file_that_others_may_read_says_so(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    path.chmod(mode)
    assert files.read(str(path)) == files.Content(b"", readable_by_others=True)


def test_link_to_a_good_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").symlink_to("a")
    assert isinstance(files.read(str(tmp_path / "b")), files.Content)


def test_missing_file_and_dangling_link_are_missing(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").write_bytes(b"")
    for path in ("nowhere", "dangling", "file/below", "nul\0", "\ud800"):
        assert failure(f"{tmp_path}/{path}").kind is FailureKind.FILE_MISSING


def test_link_loop_and_endless_name_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert failure(tmp_path / "loop").kind is FailureKind.FILE_UNREADABLE
    assert failure(tmp_path / ("x" * 5000)).kind is FailureKind.FILE_UNREADABLE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    path.chmod(0)
    assert failure(path).kind is FailureKind.FILE_UNREADABLE


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EPERM])
def test_refusal_of_the_system_makes_a_file_unreadable(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    assert failure("x").kind is FailureKind.FILE_UNREADABLE


def test_read_error_makes_a_file_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "read", refuse)
    assert "input/output error" in failure(tmp_path / "a").message


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, ""), MemoryError()],
)
def test_shortage_on_this_machine_may_pass(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> int:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    found = failure("x")
    assert (found.kind, found.retry_now, found.may_work_later) == (
        FailureKind.LOCAL_RESOURCE,
        Retry.TRANSIENT,
        True,
    )


def test_folder_fifo_socket_and_device_are_invalid_and_never_hang(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    with listening:
        for path in (tmp_path / "folder", tmp_path / "fifo", tmp_path / "socket", "/dev/zero"):
            assert failure(path).kind is FailureKind.FILE_INVALID
    assert "--account-dir" in failure(tmp_path / "folder").hint


def test_more_than_a_mebibyte_is_invalid_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(files.SIZE_CAP)
    assert isinstance(files.read(str(path)), files.Content)
    with path.open("ab") as file:
        file.truncate(1 << 40)
    assert failure(path).kind is FailureKind.FILE_INVALID


def test_file_that_grows_while_it_is_read_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "read", lambda _, size: b"x" * min(size, 100_000))
    assert failure(path).kind is FailureKind.FILE_INVALID


def test_reading_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = os.listdir("/dev/fd")
    for path in (tmp_path, tmp_path / "none", "/dev/null"):
        files.read(str(path))
    assert len(os.listdir("/dev/fd")) == len(before)
