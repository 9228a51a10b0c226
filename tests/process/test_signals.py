"""Signals, in a small program that does nothing but wait for them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from poller.process.signals import Interrupts
from poller.process.stopping import stop_on_signal
from tests.running import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOTH = [signal.SIGINT, signal.SIGTERM]

WAITS = """
import os, signal
from poller.process.signals import Interrupts
interrupts = Interrupts(os._exit)
interrupts.listen(lambda number: os.write(1, b"heard %d\\n" % number))
print("ready", flush=True)
while True:
    signal.pause()
"""
"""Leaves never by itself."""


@contextmanager
def waiting(code: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        (sys.executable, "-c", code),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(home),
    ) as running:
        try:
            assert said(running) == "ready"
            yield running
        finally:
            running.kill()


def said(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


@pytest.fixture
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*BOTH, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_who_does_not_leave_well_is_ended_within_two_seconds(
    tmp_path: Path, number: signal.Signals
) -> None:
    with waiting(WAITS, tmp_path) as running:
        running.send_signal(number)
        begun_at = time.monotonic()
        assert said(running) == f"heard {number.value}"
        _, err = running.communicate(timeout=10)

    assert 1.7 <= time.monotonic() - begun_at < 2.5
    assert running.returncode == 128 + number
    assert err == ""


@pytest.mark.parametrize("number", BOTH)
def test_a_second_signal_leaves_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with waiting(WAITS, tmp_path) as running:
        running.send_signal(signal.SIGTERM)
        assert said(running) == f"heard {signal.SIGTERM.value}"
        begun_at = time.monotonic()
        running.send_signal(number)
        _, err = running.communicate(timeout=10)

    assert time.monotonic() - begun_at < 1.5
    assert running.returncode in (128 + signal.SIGTERM, 128 + number)
    assert err == ""


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", BOTH)
def test_a_signal_that_came_before_anybody_listened_is_heard(number: signal.Signals) -> None:
    interrupts = Interrupts(os._exit)
    signal.raise_signal(number)
    heard: list[int] = []
    interrupts.listen(heard.append)

    assert interrupts.number == number
    assert heard == [number]


@pytest.mark.usefixtures("_handlers")
def test_a_signal_is_heard_once_and_the_time_to_leave_runs() -> None:
    interrupts = Interrupts(os._exit)
    heard: list[int] = []
    interrupts.listen(heard.append)
    signal.raise_signal(signal.SIGTERM)

    assert heard == [signal.SIGTERM]
    assert 1.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1.8


@pytest.mark.usefixtures("_handlers")
def test_the_loop_is_told_while_it_runs_and_is_left_alone_afterwards() -> None:
    heard: list[int] = []

    async def listen(*, stopped: bool) -> None:
        stop_on_signal(Interrupts(os._exit), heard.append)
        if stopped:
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
            await asyncio.sleep(0)

    asyncio.run(listen(stopped=True))
    assert heard == [signal.SIGTERM]
    asyncio.run(listen(stopped=False))
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


@pytest.mark.usefixtures("_handlers")
def test_without_a_timer_it_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts = Interrupts(os._exit)
    with monkeypatch.context() as windows:
        windows.delattr(signal, "setitimer")
        signal.raise_signal(signal.SIGINT)

    assert interrupts.number == signal.SIGINT
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
