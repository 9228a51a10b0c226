"""Blocking work in threads, and where there are none."""

from __future__ import annotations

import threading

import anyio
import anyio.lowlevel
import pytest

from poller.process.threads import run_in_thread

pytestmark = pytest.mark.anyio


async def test_work_runs_in_another_thread() -> None:
    here = threading.get_ident()
    assert await run_in_thread(threading.get_ident, abandon_on_cancel=True) != here


async def test_an_error_of_the_work_is_raised() -> None:
    def fail() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await run_in_thread(fail, abandon_on_cancel=False)


async def test_threads_that_hang_do_not_keep_others_from_starting() -> None:
    ends = threading.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(50):  # more than the library's own limit
            tasks.start_soon(lambda: run_in_thread(ends.wait, abandon_on_cancel=True))
        with anyio.fail_after(5):
            assert await run_in_thread(lambda: 7, abandon_on_cancel=True) == 7
        ends.set()


async def test_a_cancellation_leaves_hanging_work_behind_where_it_may() -> None:
    ends = threading.Event()
    with anyio.fail_after(5), anyio.move_on_after(0.01) as scope:
        await run_in_thread(ends.wait, abandon_on_cancel=True)
    assert scope.cancelled_caught
    ends.set()


async def test_a_cancellation_waits_for_work_that_must_end() -> None:
    done: list[int] = []
    begun, ends = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        ends.wait(5)
        done.append(1)

    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await run_in_thread(work, abandon_on_cancel=False)

        tasks.start_soon(run)
        while not begun.is_set():
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
        ends.set()
    assert done == [1]


async def test_without_a_thread_to_be_had_the_work_runs_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_args: object, **_how: object) -> None:
        raise RuntimeError(why)

    monkeypatch.setattr("poller.process.threads.to_thread.run_sync", fail)
    why = "can't start new thread"
    assert await run_in_thread(lambda: 7, abandon_on_cancel=False) == 7
    why = "something else"
    with pytest.raises(RuntimeError, match=why):
        await run_in_thread(lambda: 7, abandon_on_cancel=False)
