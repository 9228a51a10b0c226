"""The long proofs, a little of each: more by hand, see the modules' own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.refreshing.kill import ACCOUNTS, kill_all
from tests.refreshing.logins import GOOD_S
from tests.refreshing.race import ACCOUNTS as RACERS
from tests.refreshing.race import race

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_killed_at_any_instant_the_file_is_the_old_or_the_new_one_whole(
    tmp_path: Path,
) -> None:
    killed = await kill_all(8, seed=6, folder=tmp_path)
    assert len(killed) == 8 * ACCOUNTS
    assert {one.found for one in killed} <= {"old", "new", "spent"}
    assert all(one.then != "lost" for one in killed if one.found != "spent")


async def test_processes_that_race_send_every_refresh_token_once(tmp_path: Path) -> None:
    result = await race(tmp_path, rounds=3, writer=False)
    assert (result.sent_twice, result.stale) == (0, 0)
    assert result.kinds == {"None": 3 * 2 * RACERS}
    assert result.requests >= 3 * RACERS


async def test_of_racing_processes_one_sends_and_the_others_take_its_tokens(
    tmp_path: Path,
) -> None:
    result = await race(tmp_path, rounds=1, writer=False, processes=3, life_s=GOOD_S)
    assert (result.sent_twice, result.stale) == (0, 0)
    assert result.kinds == {"None": 3 * RACERS}
    assert result.requests == RACERS


async def test_beside_a_careless_writer_they_still_do(tmp_path: Path) -> None:
    result = await race(tmp_path, rounds=1, writer=True)
    assert result.sent_twice == 0
