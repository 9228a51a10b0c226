"""Work that may hang is given up, and what it raises is not lost."""

from __future__ import annotations

from threading import Event

import pytest

from poller.process.patience import has_ended


def test_what_ends_in_time_has_ended() -> None:
    done: list[int] = []
    assert has_ended(lambda: done.append(1), within_s=30)
    assert done == [1]


def test_what_hangs_is_given_up() -> None:
    never = Event()
    assert not has_ended(never.wait, within_s=0.01)
    never.set()


def test_what_is_raised_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        has_ended(lambda: 1 / 0, within_s=30)


def test_without_a_thread_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("poller.process.patience.Thread.start", start)
    done: list[int] = []
    assert has_ended(lambda: done.append(1), within_s=30)
    assert done == [1]
