"""Nobody gets another account's answer, whatever waits on a kept connection."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from poller.present.record import record_of
from poller.settings import Settings
from poller.simulator.server import serve
from poller.upstream.client import Client, open_client
from tests.faults import swaps
from tests.running import made_up, one_round

if TYPE_CHECKING:
    from poller.polling.stream import Reports
    from poller.upstream.transport_errors import TransportError
    from poller.values import Credential, Response

_ACCOUNTS = 2_000


def test_the_program_shows_no_account_the_figures_of_another() -> None:
    went = swaps.polled(_ACCOUNTS, concurrency=64, surplus=True)
    assert (went.answered, went.wrong) == (_ACCOUNTS, 0)


class Stubborn:
    """A client that keeps its connections, whatever their answers have shown."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.reused = 0

    clock_offset_s: float | None = None

    def stop_keeping(self) -> None:
        pass

    async def fetch(
        self, credential: Credential, *, timeout_s: float, fresh: bool = False
    ) -> Response | TransportError:
        answer = await self._client.fetch(credential, timeout_s=timeout_s, fresh=fresh)
        self.reused += answer.reused
        return answer


async def _records(reports: Reports) -> list[dict[str, Any]]:
    return [record_of(report, show_identity=True) async for report in reports]


async def _polled_stubbornly(url: str, began_at: float) -> tuple[list[dict[str, Any]], int]:
    accounts = swaps.population(_ACCOUNTS, began_at)
    settings = Settings(chatgpt_url=url, concurrency=32, timeout_s=0.7, retries=5)
    async with open_client(settings, proxy=None) as client:
        stubborn = Stubborn(client)
        async with one_round(made_up(accounts), settings, client=stubborn) as reports:
            return await _records(reports), stubborn.reused


def test_no_answer_goes_astray_where_every_kept_connection_holds_a_stray_one() -> None:
    async def run() -> tuple[list[dict[str, Any]], int, int]:
        async with asyncio.timeout(60), serve(surplus=True, detail=False) as simulator:
            records, reused = await _polled_stubbornly(simulator.url, began_at)
            return records, reused, simulator.counts.requests

    began_at = time.time()
    records, reused, requests = asyncio.run(run())
    assert {record["account"] for record in records if record["ok"]} == {
        one.name for one in swaps.population(_ACCOUNTS, began_at)
    }
    wrong = swaps.wrong_answers(records, _ACCOUNTS, began_at=began_at, ended_at=time.time())
    assert wrong == 0
    assert reused > _ACCOUNTS / 2
    # A stray answer costs a request on a fresh connection, never more.
    assert requests <= 2 * _ACCOUNTS + 0.2 * _ACCOUNTS


def test_an_answer_at_the_wrong_account_would_be_found() -> None:
    began_at = time.time()
    one, other, *_ = swaps.population(2, began_at)
    assert one.account_id == other.account_id
    shown = {"ok": True, "windows": {}, "user_id": other.user_id}
    strange = [{"account": one.name, **shown}, {"account": other.name, **shown}]
    assert swaps.wrong_answers(strange, 2, began_at=began_at, ended_at=began_at) == 1
