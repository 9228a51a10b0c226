"""What tests of the matrix are repeated over; one worker makes all runs of a group."""

from __future__ import annotations

import pytest

from tests.faults.matrix import GROUPS, MODES

each_mode = pytest.mark.parametrize("mode", MODES)
each_group = pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=pytest.mark.xdist_group(f"faults {number}"))
        for number in range(len(GROUPS))
    ],
)
