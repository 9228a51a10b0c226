from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.torture.sweep import Blow, arena, drawn, strike

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

RUNS = 60
"""In CI; ``python -m tests.torture`` makes all of them, about 1,600."""
AT_ONCE = 3


async def test_no_call_that_fails_costs_more_than_its_own_account(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    limiter = anyio.CapacityLimiter(AT_ONCE)
    outcomes: Counter[str] = Counter()
    async with arena(tmp_path) as ring:
        clean = await ring.run(Blow("os.open", 0, "EIO"))
        assert clean.code == 3

        async def one(blow: Blow) -> None:
            async with limiter:
                outcomes[await strike(ring, blow, clean)] += 1

        async with anyio.create_task_group() as group:
            for blow in drawn(RUNS, random.Random(seed)):
                group.start_soon(one, blow)
    broken = [outcome for outcome in outcomes if outcome.startswith("broken")]
    assert not broken, (seed, broken)
    assert outcomes.total() == RUNS
    assert outcomes["none"] < RUNS / 3, "the calls are not what they were: count them anew"
