"""A simulated month: what must be told is told once, and nothing else is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from poller.insight.alert_rules import AlertKind
from tests.alerting.month import DEFAULT, PATIENT, RESETS, Month, live

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    folder: Path = tmp_path_factory.mktemp("month")
    return live(folder / "h.db", seed=1)


def test_the_month_has_all_that_it_should(month: Month) -> None:
    assert month.restarts >= 100
    assert month.flaps > 300
    assert len(month.outages) == 4
    assert len(month.fleet_resets) >= 1
    assert sum(map(len, month.exhausted.values())) > 20


@pytest.mark.parametrize("rule", [DEFAULT.name, PATIENT.name])
def test_every_exhaustion_is_told_once_within_two_polls(month: Month, rule: str) -> None:
    told = Counter(
        (each.account, each.window, one.round)
        for one in month.messages(rule)
        for each in one.told
        if each.change is AlertKind.EXHAUSTED
    )
    assert max(told.values()) == 1
    for (account, window), spans in month.exhausted.items():
        for first, second in spans:
            rounds = [
                key for key in told if key[:2] == (account, window) and first <= key[2] <= second
            ]
            assert len(rounds) == 1, (account, window, first, second)
            del told[rounds[0]]
    # What is left was seen by one good look alone.
    assert {*told} <= month.short


def test_nothing_is_told_that_is_not_so(month: Month) -> None:
    assert month.wrong == []


def test_an_outage_is_one_message_and_its_end_another(month: Month) -> None:
    for rule in (DEFAULT.name, PATIENT.name, RESETS.name):
        told = [
            (each.over, one.round)
            for one in month.messages(rule)
            for each in one.told
            if each.change is AlertKind.INCIDENT
        ]
        assert [over for over, _ in told] == [False, True] * len(month.outages)
        for (first, last), (_, begins), (_, ends) in zip(
            month.outages, told[::2], told[1::2], strict=True
        ):
            assert first <= begins <= first + 1
            assert ends == last + 1


def test_nobody_is_told_to_fail_alone_in_an_outage(month: Month) -> None:
    within = {n for first, last in month.outages for n in range(first, last + 1)}
    assert not [
        each
        for one in month.messages(DEFAULT.name)
        if one.round in within
        for each in one.told
        if each.change is AlertKind.FAILED and not each.over
    ]


def test_a_reset_of_the_whole_fleet_is_one_message(month: Month) -> None:
    for number in month.fleet_resets:
        near = [one for one in month.messages(RESETS.name) if number <= one.round <= number + 3]
        resets = [one for one in near if any("reset" in each.change for each in one.told)]
        assert len(resets) <= 1
    told = [each.change for one in month.messages(RESETS.name) for each in one.told]
    assert AlertKind.FLEET_RESET in told


def test_what_began_is_over_before_it_begins_again(month: Month) -> None:
    for rule in (DEFAULT.name, PATIENT.name):
        firing: set[tuple[str | None, str, str | None]] = set()
        for one in month.messages(rule):
            for each in one.told:
                key = each.account, each.change.value, each.window
                if each.change is AlertKind.BACK:
                    continue
                if each.change is AlertKind.EXHAUSTED:
                    continue
                if each.over:
                    firing.discard(key)
                    continue
                assert key not in firing or each.change is AlertKind.LOW
                firing.add(key)
                if each.change is AlertKind.INCIDENT:
                    firing = {other for other in firing if other[1] != "failed"}
