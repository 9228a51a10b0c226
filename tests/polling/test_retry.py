from __future__ import annotations

import asyncio

import pytest

from poller.polling.retry import persist
from poller.values import Failure, FailureKind, Retry

pytestmark = pytest.mark.anyio


def _failure(message: str, retry_after_s: float | None = None) -> Failure:
    return Failure(
        FailureKind.SERVER_ERROR,
        message,
        "",
        retry_now=Retry.TRANSIENT,
        retry_after_s=retry_after_s,
    )


async def test_accounts_that_take_turns_keep_their_own_failures_attempts_and_waits() -> None:
    accounts = 20
    asked: dict[int, list[tuple[str, int, float]]] = {index: [] for index in range(accounts)}
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    async def one(index: int) -> str:
        tries = 0

        async def again() -> Failure:
            nonlocal tries
            tries += 1
            for _ in range(index):  # so that no two keep step
                await asyncio.sleep(0)
            return _failure(f"{index}: {tries}", retry_after_s=float(100 * index + tries))

        def may_retry(failure: Failure, attempts: int, wait_s: float) -> bool:
            asked[index].append((failure.message, attempts, wait_s // 1))
            return attempts <= index

        first = _failure(f"{index}: 0", retry_after_s=float(100 * index))
        ended = await persist(first, again, may_retry=may_retry, sleep=sleep)
        assert isinstance(ended, Failure)
        return ended.message

    ends = await asyncio.gather(*(one(index) for index in range(accounts)))

    assert ends == [f"{index}: {index}" for index in range(accounts)]
    for index, told in asked.items():
        assert told == [(f"{index}: {n}", n + 1, 100.0 * index + n) for n in range(index + 1)]
    assert len(slept) == sum(range(accounts))
