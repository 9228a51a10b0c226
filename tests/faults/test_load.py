"""A bad hour: a fifth of many accounts is faulty, and the others must not notice."""

from __future__ import annotations

from tests.faults.load import MOST_BYTES, measured

_ACCOUNTS = 1_500
_FOR_GOOD = "503,502,reset,cut,401,404,402,edge,empty,bad-header"
"""Nothing heals: every faulty account asks for all that it may have."""


def test_a_fifth_of_faulty_accounts_costs_little_and_the_others_nothing() -> None:
    figures = measured(_ACCOUNTS, fault_share=0.2, concurrency=256)
    assert figures.healthy == 0.8 * _ACCOUNTS
    assert figures.broken() == []


def test_faults_that_never_heal_cost_the_budget_and_a_proof_each_at_most() -> None:
    figures = measured(_ACCOUNTS, fault_share=0.2, concurrency=256, fault_mix=_FOR_GOOD)
    assert figures.healthy_answered == figures.healthy == 0.8 * _ACCOUNTS
    assert figures.records == _ACCOUNTS
    assert figures.attempts <= 1.25 * _ACCOUNTS + 20 + 0.2 * _ACCOUNTS


def test_bodies_without_end_take_no_more_memory_however_many_come_at_once() -> None:
    figures = measured(
        _ACCOUNTS, fault_share=0.3, concurrency=256, fault_mix="endless,big,big-1000000"
    )
    assert figures.kinds["invalid_response"] > 0.15 * _ACCOUNTS
    assert figures.healthy_answered == figures.healthy
    assert figures.peak_bytes < MOST_BYTES
