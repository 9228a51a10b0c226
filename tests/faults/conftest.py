"""The runs of the matrix, shared by all tests that look at them."""

from __future__ import annotations

import pytest

from tests.faults.matrix import Runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp)
