from __future__ import annotations

import os
import pty
import termios
from typing import Any

import pytest

from poller.deliver.screen import Screen

pytestmark = pytest.mark.anyio


async def test_ended_in_the_middle_of_leaving_the_terminal_is_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    screen = Screen(theirs, on_key=lambda _: None, on_redraw=lambda: None, on_hangup=lambda: None)
    screen.open()
    assert termios.tcgetattr(theirs) != before

    at_the_end: list[Any] = []
    real = os.write

    def write(descriptor: int, content: bytes) -> int:
        monkeypatch.setattr("poller.deliver.screen.os.write", real)
        screen.leave()  # what a second signal does before it ends the process
        at_the_end.append(termios.tcgetattr(theirs))
        return real(descriptor, content)

    monkeypatch.setattr("poller.deliver.screen.os.write", write)
    screen.close()

    assert at_the_end == [before]
    assert termios.tcgetattr(theirs) == before
    for descriptor in (ours, theirs):
        os.close(descriptor)
