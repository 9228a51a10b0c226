from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from poller.authfiles.find import in_memory
from poller.polling.file_looks import FileLooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poller.authfiles.read import AuthFile

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.polling.file_looks._FILE_WITHIN_S", 0.05)
    monkeypatch.setattr("poller.polling.file_looks._LOOK_WITHIN_S", 0.3)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Have files called ``dead`` not answer before the event is set."""
    answers, real = threading.Event(), os.stat

    def asked(path: Any, *of: Any, **how: Any) -> os.stat_result:
        if str(path).endswith("dead"):
            answers.wait(20)
        return real(path, *of, **how)

    monkeypatch.setattr(os, "stat", asked)
    yield answers
    answers.set()


def files(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).write_text(name)
    return [str(folder / name) for name in names]


async def test_a_file_that_hangs_is_passed_over(tmp_path: Path, dead: threading.Event) -> None:
    looks, paths = FileLooks(list), files(tmp_path, "a", "dead", "b")
    for _ in range(2):
        found = await looks.signatures([*paths, str(tmp_path / "none")])
        assert found.keys() == {paths[0], paths[2], str(tmp_path / "none")}
        assert found[str(tmp_path / "none")] is None
    assert threading.active_count() < 20
    dead.set()
    while paths[1] not in found:
        found = await looks.signatures(paths)


async def test_of_many_files_that_hang_a_look_takes_its_time_at_most(
    tmp_path: Path, dead: threading.Event
) -> None:
    assert not dead.is_set()
    paths = files(tmp_path, *(f"{number}-dead" for number in range(50)), "a")
    assert await FileLooks(list).signatures(paths) == {}


async def test_a_folder_that_hangs_is_not_looked_at_again_meanwhile() -> None:
    answers, calls = threading.Event(), list[int]()

    def find() -> list[AuthFile]:
        calls.append(1)
        answers.wait(20)
        return in_memory([("alice", b"")])

    looks = FileLooks(find)
    assert [await looks.found(), await looks.found()] == [None, None]
    assert len(calls) == 1
    answers.set()
    found = await looks.found()
    while found is None:
        found = await looks.found()
    assert [file.label for file in found] == ["alice"]
