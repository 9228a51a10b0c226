"""SIGKILL in the middle of recording; ``python -m tests.history.kill`` does it more often."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.history.kill import killed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_kill_leaves_the_file_whole_and_loses_no_round_that_was_written(
    tmp_path: Path,
) -> None:
    for _ in range(30):
        await killed(tmp_path / "history.db", after_s=random.uniform(0, 0.06))
