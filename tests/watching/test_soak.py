"""Some days of watching: nothing grows. A whole month: ``python -m tests.watching.soak``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.watching.soak import watched_days

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MORE_BYTES = 4_000_000
CPU_OF_A_DAY_S = 60.0


def test_days_of_watching_leave_memory_and_files_as_they_were(tmp_path: Path) -> None:
    days = watched_days(tmp_path, accounts=12, days=4, speed=12_000)

    first, last = days[0], days[-1]
    assert last.memory_bytes - first.memory_bytes < MORE_BYTES
    assert last.files <= first.files
    assert (last.cpu_s - first.cpu_s) / (len(days) - 1) < CPU_OF_A_DAY_S
