"""Locks that are kept for as long as somebody works under them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from poller.renewal.locks import DiskWork, lock
from poller.renewal.refusals import RefreshRefusedError
from poller.values import FailureKind

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.renewal.locks.LOCK_WAIT_S", 0.05)


async def is_free(path: str) -> bool:
    with DiskWork() as disk:
        try:
            await lock(path, disk=disk)
        except RefreshRefusedError as refused:
            return refused.failure.kind is not FailureKind.REFRESH_LOCKED
        return True


async def test_a_lock_is_exclusive_and_lifted_at_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with DiskWork() as disk:
        await lock(path, disk=disk)
        assert not await is_free(path)
    assert await is_free(path)
    assert os.listdir(tmp_path) == ["lock"]


async def test_a_lock_stays_until_abandoned_work_under_it_has_ended(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    begun, ends = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        ends.wait(10)

    with DiskWork() as disk:
        await lock(path, disk=disk)
        with anyio.move_on_after(0.1):
            await disk.run(hang)
        assert begun.is_set()
        assert disk.hangs
    assert not await is_free(path)
    ends.set()
    with anyio.fail_after(5):
        while not await is_free(path):
            pass
    assert not disk.hangs


async def test_work_that_comes_too_late_is_not_begun() -> None:
    with DiskWork() as disk:
        pass
    done: list[int] = []
    with pytest.raises(OSError, match="ancel"):
        await disk.run(lambda: done.append(1))
    assert done == []


async def test_a_missing_folder_is_an_error_of_the_system(tmp_path: Path) -> None:
    with DiskWork() as disk, pytest.raises(FileNotFoundError):
        await lock(str(tmp_path / "nowhere/lock"), disk=disk)
