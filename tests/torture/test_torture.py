from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.torture.sweep import KNOWN, Blow, arena, drawn, strike

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.torture.sweep import Arena

pytestmark = pytest.mark.anyio

RUNS = 50
"""Drawn in CI; ``python -m tests.torture`` makes all of them, about 1,600."""
AT_ONCE = 3


async def _outcomes(ring: Arena, blows: Iterable[Blow]) -> dict[Blow, str]:
    limiter = anyio.CapacityLimiter(AT_ONCE)
    outcomes: dict[Blow, str] = {}
    clean = await ring.run(Blow("os.open", 0, "EIO"))
    assert clean.code == 3

    async def one(blow: Blow) -> None:
        async with limiter:
            outcomes[blow] = await strike(ring, blow, clean)

    async with anyio.create_task_group() as group:
        for blow in blows:
            group.start_soon(one, blow)
    return outcomes


async def test_no_call_that_fails_costs_more_than_its_own_account(tmp_path: Path) -> None:
    seed = 20261122  # the same ones every time: the gate is no place for a lottery
    async with arena(tmp_path) as ring:
        outcomes = await _outcomes(ring, drawn(RUNS, random.Random(seed)))
    broken = [outcome for outcome in outcomes.values() if outcome.startswith("broken")]
    assert not broken, (seed, broken)
    counted = Counter(outcomes.values())
    assert counted.total() == RUNS
    assert counted["none"] < RUNS / 3, "the calls are not what they were: count them anew"


async def test_a_call_that_fails_heals_or_costs_one_account_or_is_said(tmp_path: Path) -> None:
    async with arena(tmp_path) as ring:
        assert await _outcomes(ring, KNOWN) == KNOWN
