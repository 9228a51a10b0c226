"""Telling after a round: in its turn, tried again, kept, and counted."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poller.deliver.alerting import Alerting, Manner
from poller.history.store import open_history
from poller.insight.alert_rules import AlertRule
from poller.settings.alert_tables import Alert
from poller.values import FailureKind, Report
from tests.history.made_up import AT, failed, report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from poller.history.store import History

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="hooks here are of /bin/sh"),
]

MANNER = Manner(zone=None, language="en", again_after_s=(0.0, 0.0), rest_s=0.0)


def hook(script: str, *words: str, name: str = "low") -> Alert:
    return Alert(AlertRule(name), run=("/bin/sh", "-c", script, "sh", *words))


class Told:
    """Alerts over a history, and what they warn of."""

    def __init__(self, history: History, *alerts: Alert, manner: Manner = MANNER) -> None:
        self.warned: list[str] = []
        self.history = history
        self.alerting = Alerting(alerts, history, manner=manner, warn=self.warned.append)
        self._number = 0

    async def round(self, *reports: Report) -> None:
        self._number += 1
        at = AT + 300 * self._number
        came = [replace(each, observed_at=at) for each in reports]
        self.history.record(came)
        await self.alerting.tell(came, now=at, accounts={each.account for each in came})


@asynccontextmanager
async def telling(folder: Path, *alerts: Alert, **how: Any) -> AsyncIterator[Told]:
    async with open_history(str(folder / "h.db")) as history:
        yield Told(history, *alerts, **how)


SPENT = report(100, usable=False)


async def test_a_message_is_delivered_once_and_counted(tmp_path: Path) -> None:
    place = tmp_path / "came"
    async with telling(tmp_path, hook('echo "$1" >> "$2"', "{event} {rule} {x}", str(place))) as it:
        await it.round(report(50))
        for _ in range(3):
            await it.round(SPENT)
        assert dict(it.alerting.counts) == {"delivered": 1}
    assert place.read_text() == "exhausted low {x}\n"
    assert it.warned == []


async def test_what_fails_is_tried_three_times_said_once_and_kept(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    alert = hook('echo x >> "$1"; exit 1', str(tries))
    async with telling(tmp_path, alert) as it:
        await it.round(report(50))
        await it.round(SPENT)
        await it.round(SPENT)
        assert tries.read_text() == "x\n" * 6
        assert it.warned == ["alert low: /bin/sh: it exited with 1; kept for the next round"]
        assert dict(it.alerting.counts) == {"failed": 2}


async def test_a_rule_that_could_not_be_told_is_let_alone_for_a_while(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    patient = replace(MANNER, rest_s=3600.0)
    async with telling(tmp_path, hook('echo x >> "$1"; exit 1', str(tries)), manner=patient) as it:
        await it.round(report(50))
        await it.round(SPENT)
        await it.round(SPENT)
        assert tries.read_text() == "x\n" * 3


async def test_a_program_that_is_missing_is_not_tried_again_at_once(tmp_path: Path) -> None:
    async with telling(tmp_path, Alert(AlertRule("low"), run=("/no/such",))) as it:
        await it.round(report(50))
        await it.round(SPENT)
        assert it.warned == [
            "alert low: /no/such: no such file or directory; kept for the next round"
        ]


async def test_four_run_at_once_at_most(tmp_path: Path) -> None:
    script = """
    mkdir "$1/run.$$"; ls -d "$1"/run.* | wc -l >> "$1/counts"; sleep 0.2; rmdir "$1/run.$$"
    """
    alerts = [hook(script, str(tmp_path), name=f"n{number}") for number in range(9)]
    async with telling(tmp_path, *alerts) as it:
        await it.round(report(50))
        await it.round(SPENT)
    counts = [int(line) for line in (tmp_path / "counts").read_text().split()]
    assert len(counts) == 9
    assert 2 <= max(counts) <= 4


async def test_what_a_rule_tells_arrives_in_the_order_it_came(tmp_path: Path) -> None:
    first, came = tmp_path / "first", tmp_path / "came"
    script = 'test -e "$2" || { touch "$2"; sleep 0.5; }; echo "$1" >> "$3"'
    async with telling(tmp_path, hook(script, "{event}", str(first), str(came))) as it:
        await it.round(report(50))
        async with asyncio.timeout(20), anyio.create_task_group() as tasks:
            tasks.start_soon(it.round, SPENT)
            while not first.exists():  # noqa: ASYNC110 - a program's doing
                await anyio.sleep(0.01)
            await it.round(failed())
    assert came.read_text() == "exhausted\nfailed\n"


async def test_what_waits_for_another_try_when_the_program_ends_is_kept(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    alert = hook('echo x >> "$1"; exit 1', str(tries))
    waiting = replace(MANNER, again_after_s=(60.0,))
    async with telling(tmp_path, alert, manner=waiting) as it:
        await it.round(report(50))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(it.round, SPENT)
                async with asyncio.timeout(20):
                    while not tries.exists() or it.alerting._messenger.in_flight:  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                scope.cancel()
    came = tmp_path / "came"
    async with telling(tmp_path, hook('echo "$1" > "$2"', "{event}", str(came))) as it:
        it._number = 2
        await it.round(SPENT)
    assert came.read_text() == "exhausted\n"


async def test_a_history_that_takes_nothing_is_said_and_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_bytes(b"not a database" * 1000)
    async with telling(tmp_path, hook("exit 0")) as it:
        await it.round(report(50))
        await it.round(SPENT)
    assert all("it is not a database" in line for line in it.warned)


async def test_a_bug_in_evaluating_is_said_and_costs_nothing(tmp_path: Path) -> None:
    async with telling(tmp_path, hook("exit 0")) as it:
        it.history.record([report(50)])
        await it.alerting.tell([replace(report(50), usage="nonsense")], now=AT)  # type: ignore[arg-type]
        assert it.warned == ["alerts: a bug in this program: AttributeError; please report it"]


async def test_reports_of_a_stopped_run_are_passed_over(tmp_path: Path) -> None:
    async with telling(tmp_path, hook("exit 0")) as it:
        await it.round(report(50))
        await it.round(failed(FailureKind.CANCELLED))
        assert not it.alerting.counts
