from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from poller.upstream.deadline_timer import DeadlineTimer

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

NEVER_S = 600.0


async def asleep(alarm: DeadlineTimer, in_s: float) -> bool:
    """Sleep until the alarm rings; tell whether it did."""
    task = asyncio.current_task()
    assert task is not None
    alarm.set(task, in_s)
    try:
        await asyncio.sleep(NEVER_S)
    except asyncio.CancelledError:
        rang = alarm.clear(task)
        if task.cancelling():
            raise
        return rang
    finally:
        alarm.clear(task)
    raise AssertionError("nobody sleeps as long")


async def test_each_is_cancelled_at_its_time_whatever_order_they_came_in() -> None:
    alarm = DeadlineTimer()
    rang_after_s: dict[float, float] = {}

    async def one(in_s: float) -> None:
        begun_at = time.monotonic()
        assert await asleep(alarm, in_s)
        rang_after_s[in_s] = time.monotonic() - begun_at

    latest = asyncio.create_task(asleep(alarm, NEVER_S))
    async with asyncio.timeout(NEVER_S / 10), asyncio.TaskGroup() as group:
        for in_s in (0.03, 0.01, 0.05, 0.02, 0.04, 0.0):
            group.create_task(one(in_s))
    latest.cancel()

    assert len(rang_after_s) == 6
    assert all(after_s >= in_s for in_s, after_s in rang_after_s.items())


async def test_what_is_cleared_is_not_cancelled() -> None:
    alarm = DeadlineTimer()
    task = asyncio.current_task()
    assert task is not None
    alarm.set(task, 0.0)
    assert not alarm.clear(task)
    assert not alarm.clear(task)
    assert await asyncio.ensure_future(asleep(alarm, 0.01))
    assert not task.cancelling()


async def test_after_one_was_cleared_the_others_are_cancelled() -> None:
    alarm = DeadlineTimer()
    task = asyncio.current_task()
    assert task is not None
    alarm.set(task, 0.01)
    alarm.clear(task)
    assert all(await asyncio.gather(asleep(alarm, 0.03), asleep(alarm, 0.02)))


async def test_a_cancellation_from_outside_goes_before_the_alarm() -> None:
    alarm = DeadlineTimer()
    sleeping = asyncio.ensure_future(asleep(alarm, 0.0))
    while not sleeping.cancelling():  # noqa: ASYNC110 - rung, and not woken up yet
        await asyncio.sleep(0)
    sleeping.cancel()
    assert sleeping.cancelling() == 2
    with pytest.raises(asyncio.CancelledError):
        await sleeping


async def test_one_timer_serves_all_whose_deadlines_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def counted(at: float, ring: Callable[[], None]) -> asyncio.TimerHandle:
        made.append(at)
        return call_at(at, ring)

    monkeypatch.setattr(loop, "call_at", counted)
    alarm = DeadlineTimer()
    task = asyncio.current_task()
    assert task is not None
    for _ in range(100):
        alarm.set(task, NEVER_S)
        alarm.clear(task)
    assert len(made) == 1
