"""The library as its users type it: checked by mypy, run by test_library.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import poller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def left_of(*names: str, settings: poller.Settings) -> dict[str, float | None]:
    left: dict[str, float | None] = {}
    async with poller.poll(names, settings) as reports:
        stream: AsyncIterator[poller.Report] = reports
        async for report in stream:
            assert_type(report.usage, poller.Usage | None)
            if report.usage is not None:
                left[report.account] = assert_type(report.usage.remaining_percent, float | None)
    return left


async def why_not(folder: Path, url: str) -> list[str]:
    settings = poller.Settings(chatgpt_url=url, concurrency=2, account_deadline_s=5.0)
    async with poller.poll([folder / "alice.auth.json", "b*"], settings) as reports:
        failures = [report.failure async for report in reports if report.failure is not None]
    assert_type(failures, list[poller.Failure])
    return [explained(failure) for failure in failures]


def explained(failure: poller.Failure) -> str:
    match failure.kind:
        case poller.FailureKind.TOKEN_EXPIRED | poller.FailureKind.UNAUTHORIZED:
            return f"log in again: {failure.hint}"
        case _:
            return failure.message


def soonest_reset(usage: poller.Usage) -> int | None:
    limits: tuple[poller.Limit, ...] = usage.extra_limits
    windows: list[poller.Window] = [*usage.windows, *(w for one in limits for w in one.windows)]
    spend: poller.SpendLimit | None = usage.spend_limit
    bought: poller.Credits | None = usage.credits
    assert_type(bought and bought.balance, poller.Credits | str | None)
    resets = [window.reset_at for window in windows] + [spend.reset_at if spend else None]
    return min((at for at in resets if at is not None), default=None)


async def nothing_there() -> str:
    try:
        async with poller.poll():
            return ""
    except poller.UsageError as error:
        return str(error)
