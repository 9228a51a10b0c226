"""Agents and servers that stop, freeze and come back: every account one record, none twice."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from tests.machines.conftest import SHARED, site
from tests.nats_server import needs_nats
from tests.running import ended, numbered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running import Ended

pytestmark = [pytest.mark.anyio, needs_nats]

ACCOUNTS, IN_FLIGHT = 300, 8
RUN = (*SHARED, "--agents", "2", "--concurrency", str(IN_FLIGHT))


def all_answered(done: Ended, accounts: int = ACCOUNTS) -> bool:
    """Say whether each account has one record, and each answered."""
    assert set(done.kinds.values()) == {None}, done.kinds
    assert len(done.records) == accounts
    return done.code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_agent_that_stops_leaves_its_shared_jobs_to_the_other(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with (
        site(tmp_path, numbered(ACCOUNTS)) as here,
        here.collecting(*RUN) as running,
    ):
        await here.simulator.reached(100)
        here.agents["one"].send(number)
        done = await ended(running)
        requests = here.simulator.stats().requests

    assert all_answered(done)
    assert ACCOUNTS <= requests <= ACCOUNTS + IN_FLIGHT
    assert {record["machine"] for record in done.records} == {"one", "two"}


async def test_an_agent_that_freezes_and_thaws_answers_for_nobody_twice(tmp_path: Path) -> None:
    async with (
        site(tmp_path, numbered(160), latency_s=0.5) as here,
        here.collecting(*RUN) as running,
    ):
        await here.simulator.reached(30)
        here.agents["one"].send(signal.SIGSTOP)
        await asyncio.sleep(6)  # what the freeze is about
        here.agents["one"].send(signal.SIGCONT)
        done = await ended(running)
        stats = here.simulator.stats()

    assert all_answered(done, 160)
    assert stats.requests <= 160 + IN_FLIGHT
    last = {record["machine"] for record in done.records[-40:]}
    assert last == {"one", "two"}


async def test_own_accounts_of_a_lost_machine_are_told_as_lost(tmp_path: Path) -> None:
    own = {"one": numbered(40), "two": numbered(40, start=40)}
    async with (
        site(tmp_path, own=own, latency_s=0.5, concurrency=2) as here,
        here.collecting("--agents", "2", "--concurrency", "4") as running,
    ):
        await here.simulator.reached(10)
        here.agents["one"].send(signal.SIGKILL)
        done = await ended(running)

    assert done.code == 2
    assert len(done.by_account) == 80
    kinds = {(name.partition("/")[0], kind) for name, kind in done.kinds.items()}
    assert kinds == {("one", None), ("one", "worker_lost"), ("two", None)}
    lost = [record for record in done.records if not record["ok"]]
    assert {record["machine"] for record in lost} == {None}
    assert "poller: agent one has not been heard for 10 s" in done.err


async def test_an_agent_that_starts_late_joins(tmp_path: Path) -> None:
    own = {"one": numbered(40), "two": numbered(40, start=40)}
    async with site(tmp_path, own=own, latency_s=0.5, concurrency=2) as here:
        here.agents["two"].send(signal.SIGSTOP)
        async with here.collecting("--concurrency", "4") as running:
            await here.simulator.reached(6)
            here.agents["two"].send(signal.SIGCONT)
            done = await ended(running)

    assert all_answered(done, 80)


@pytest.mark.parametrize("with_store", [False, True])
async def test_a_server_that_restarts_is_waited_for(tmp_path: Path, with_store: bool) -> None:
    async with (
        site(tmp_path, numbered(ACCOUNTS)) as here,
        here.collecting(*RUN) as running,
    ):
        await here.simulator.reached(100)
        await here.server.kill(with_store=with_store)
        await asyncio.sleep(2)  # what the run has to wait for
        await here.server.start()
        done = await ended(running)
        requests = here.simulator.stats().requests

    assert all_answered(done)
    assert requests <= ACCOUNTS + 2 * IN_FLIGHT


async def test_two_collectors_at_once_each_get_every_record(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(100)) as here:
        both = await asyncio.gather(here.collect(*RUN), here.collect(*RUN))
        requests = here.simulator.stats().requests

    assert all(all_answered(done, 100) for done in both)
    assert requests == 200


async def test_a_dead_upstream_costs_all_agents_few_requests(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(1_000), latency_s=0, fault="503") as here:
        done = await here.collect(*SHARED, "--agents", "2", "--concurrency=64", "--patience=6")
        requests = here.simulator.stats().requests

    assert done.code == 3
    assert len(done.by_account) == 1_000
    assert list(done.kinds.values()).count("circuit_open") > 800
    assert requests < 200


async def test_a_collector_that_is_interrupted_takes_its_jobs_back(tmp_path: Path) -> None:
    async with (
        site(tmp_path, numbered(ACCOUNTS)) as here,
        here.collecting(*RUN) as running,
    ):
        await here.simulator.reached(50)
        running.send_signal(signal.SIGINT)
        done = await ended(running)
        asked = here.simulator.stats().requests
        again = await here.collect(*SHARED, "--agents", "2", "n0001")
        later = here.simulator.stats().requests

    assert done.code == 130
    assert len(done.by_account) == ACCOUNTS
    assert set(done.kinds.values()) == {None, "cancelled"}
    assert again.code == 0
    assert later == asked + 1


async def test_a_collector_that_freezes_goes_on_where_it_was(tmp_path: Path) -> None:
    async with (
        site(tmp_path, numbered(100), latency_s=0.3) as here,
        here.collecting(*RUN) as running,
    ):
        await here.simulator.reached(30)
        running.send_signal(signal.SIGSTOP)
        await asyncio.sleep(12)  # so long that agents take it for gone
        running.send_signal(signal.SIGCONT)
        done = await ended(running)
        requests = here.simulator.stats().requests

    assert all_answered(done, 100)
    assert requests <= 100 + IN_FLIGHT
    assert "has not been heard" not in done.err
