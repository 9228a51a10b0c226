from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import make_mocked_request

from poller.present.overview import Overview, overview
from poller.present.page import Pages
from poller.present.prometheus import Counted
from poller.web import contents
from poller.web.access import Access
from poller.web.contents import Contents, WebLook
from tests.known_accounts import NOW, after, answered

if TYPE_CHECKING:
    from pathlib import Path

    from poller.values import Snapshot

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef"


class Known:
    """What is known of one account."""

    version = 1
    counted = Counted({}, {}, [], 0.0)
    round_within_s = 60.0
    last_round: Snapshot | None = None

    overviews = 0
    """How many were asked for."""

    def overview(self) -> Overview:
        self.overviews += 1
        alice = after(answered("alice", five=(42, 1), week=(5, 30), key=KEY))
        return overview([alice], now=NOW, forecasts={})


async def test_a_disk_that_hangs_is_waited_for_once_and_keeps_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.db"
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")  # who reads waits for its end
    monkeypatch.setattr(contents, "_READ_WITHIN_S", 0.1)
    given = Contents(
        Known(), WebLook(Pages("en"), str(path), "1"), Access(), clock=lambda: NOW
    ).by_path()
    threads = threading.active_count()
    for _ in range(5):
        page = await given["/account/"](make_mocked_request("GET", f"/account/{KEY}"))
        assert b"58\xc2\xa0%" in page.body
        assert b"The history cannot be read now: there are no curves." in page.body
    assert threading.active_count() == threads + 1
    path.unlink()
    locked.close()
    async with asyncio.timeout(10):
        while b"cannot be read" in page.body:
            await asyncio.sleep(0)  # else nothing of the loop's own would come to pass
            page = await given["/account/"](make_mocked_request("GET", f"/account/{KEY}"))
    assert b"No window of this account has been recorded yet." in page.body


async def test_readers_that_come_together_are_given_one_drawing(tmp_path: Path) -> None:
    known, look = Known(), WebLook(Pages("en"), str(tmp_path / "none.db"), "1")
    index = Contents(known, look, Access(), clock=lambda: NOW).by_path()["/"]
    given = await asyncio.gather(*(index(make_mocked_request("GET", "/")) for _ in range(20)))
    assert known.overviews == 1
    assert len({id(each) for each in given}) == 1
