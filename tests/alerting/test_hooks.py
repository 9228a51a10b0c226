"""Programs that alerts run: real ones, ended with all that they started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from poller.deliver.delivery import DeliveryResult
from poller.deliver.hooks import run_hook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here"),
]

ENVIRON = {"PATH": os.environ["PATH"]}


def shell(script: str, *words: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script, "sh", *words)


async def test_a_hook_reads_the_message_and_its_words_are_no_shells(tmp_path: Path) -> None:
    place = tmp_path / "came"
    words = shell('cat > "$1"; printf %s "$2" >> "$1"', str(place), "$(touch x); `touch y` 'z'")
    came = await run_hook(words, b'{"rule":"low"}\n', environ=ENVIRON)
    assert came.result is DeliveryResult.DELIVERED
    assert place.read_text() == '{"rule":"low"}\n$(touch x); `touch y` \'z\''


async def test_what_a_hook_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    words = shell("echo loud; echo louder >&2")
    assert (await run_hook(words, b"", environ=ENVIRON)).result is DeliveryResult.DELIVERED
    assert capfd.readouterr() == ("", "")


async def test_a_hook_sees_the_environment_it_is_given_alone(tmp_path: Path) -> None:
    place = tmp_path / "env"
    await run_hook(shell('env > "$1"', str(place)), b"", environ={**ENVIRON, "A": "b"})
    names = {line.partition("=")[0] for line in place.read_text().splitlines()}
    assert names <= {"PATH", "A", "PWD", "SHLVL", "_", "OLDPWD"}


async def test_a_hook_need_not_read_a_long_message() -> None:
    came = await run_hook(shell("exit 0"), b"x" * 1_000_000, environ=ENVIRON)
    assert came.result is DeliveryResult.DELIVERED


async def test_a_hook_that_fails_is_told_with_its_code() -> None:
    came = await run_hook(shell("exit 3"), b"", environ=ENVIRON)
    assert (came.result, came.why, came.again) == (
        DeliveryResult.FAILED,
        "/bin/sh: it exited with 3",
        True,
    )


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("/nowhere/at\x1ball", "/nowhere/at\\x1ball: no such file or directory"),
        ("/", "/: permission denied"),
        ("a\0b", "a\\x00b: not a program's name"),
    ],
)
async def test_a_hook_that_cannot_be_run_is_not_tried_again(program: str, why: str) -> None:
    came = await run_hook((program,), b"", environ=ENVIRON)
    assert (came.result, came.why, came.again) == (DeliveryResult.FAILED, why, False)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - no process tells another that it has ended
            await asyncio.sleep(0.01)


def living(leader: Path) -> list[str]:
    """Return the states of the processes in a group; what only waits to be reaped is none."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat="], capture_output=True, check=True, text=True
    )
    members = [line.split() for line in listed.stdout.splitlines()]
    group = leader.read_text().strip()
    return [state for each, state in members if each == group and state[0] != "Z"]


async def test_a_hook_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    script = """
    trap '' TERM
    (trap '' TERM; while :; do sleep 0.05; done) &
    echo $$ > "$1"
    while :; do sleep 0.05; done
    """
    started = time.monotonic()
    came = await run_hook(shell(script, str(place)), b"", environ=ENVIRON, within_s=0.3)
    assert came.result is DeliveryResult.ENDED
    assert came.why == "/bin/sh: it ran longer than 0.3 s and was ended"
    assert 2.0 < time.monotonic() - started < 4.0  # TERM, then KILL
    await until(lambda: not living(place))


async def test_children_of_a_leader_that_ends_at_once_are_killed_as_well(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    script = """
    (trap '' TERM; while :; do sleep 0.05; done) &
    echo $$ > "$1"
    sleep 60
    """
    came = await run_hook(shell(script, str(place)), b"", environ=ENVIRON, within_s=0.2)
    assert came.result is DeliveryResult.ENDED
    await until(lambda: not living(place))


async def test_a_hook_that_obeys_is_waited_for_no_longer(tmp_path: Path) -> None:
    started = time.monotonic()
    words = (sys.executable, "-c", "import time; time.sleep(60)")
    came = await run_hook(words, b"", environ=ENVIRON, within_s=0.2)
    assert came.result is DeliveryResult.ENDED
    assert time.monotonic() - started < 1.5


async def test_a_hook_ends_with_the_program_that_runs_it(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    script = """trap '' TERM; echo $$ > "$1"; while :; do sleep 0.05; done"""
    started = 0.0
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: run_hook(shell(script, str(place)), b"", environ=ENVIRON))
            await until(lambda: place.exists() and living(place))
            started = time.monotonic()
            scope.cancel()
    assert time.monotonic() - started < 1.0
    await until(lambda: not living(place))
