"""A dead upstream is not asked for every account, however many there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.faults.dead import cost

if TYPE_CHECKING:
    from pathlib import Path

_ACCOUNTS = 600
_KINDS = {
    "503": "server_error",
    "edge": "edge_blocked",
    "refused": "connect",
    "reset": "connection_lost",
    "404": "not_found",
    "429": "rate_limited",
}


@pytest.mark.parametrize("death", _KINDS)
def test_a_dead_upstream_costs_few_requests_and_every_account_its_record(
    death: str, tmp_path: Path
) -> None:
    # So that nothing has failed yet when as many are in flight as may be.
    flags = ("--concurrency", "256", "--patience", "1")
    spent = asyncio.run(cost(death, _ACCOUNTS, tmp_path, *flags, latency_s=0.3))
    assert set(spent.kinds) == {_KINDS[death], "circuit_open"}
    assert spent.records == _ACCOUNTS
    assert spent.requests < 200
    assert spent.wall_s < 15
