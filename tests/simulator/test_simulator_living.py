"""The living accounts, seen as a poller sees them: payload by payload."""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.simulator.accounts import MadeUpAccount, demo_accounts, made_up
from poller.simulator.living import LivingAccounts, observations
from poller.simulator.payloads import FIVE_HOURS_S, SHAPES, WEEK_S
from poller.usage.normalizer import normalize

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_790_000_000
DAY_S = 86_400
MONTH_S = 30 * DAY_S
ACCOUNTS = list(made_up(40, now=START, seed=3))


class Look(NamedTuple):
    """One window in one payload."""

    at: int
    used: int
    reset_at: int
    length_s: int


def ask(world: LivingAccounts, account: MadeUpAccount, at: float) -> Any:
    return world.payload(
        account.user_id, account.account_id, plan=account.plan, email=account.email, now=at
    )


def main_windows(payload: Any) -> Iterator[Any]:
    limit = payload["rate_limit"] or {}
    yield from filter(None, (limit.get("primary_window"), limit.get("secondary_window")))
    spend = payload["spend_control"]["individual_limit"]
    if spend:
        yield {**spend, "limit_window_seconds": 0}


def every_window(payload: Any) -> Iterator[Any]:
    yield from main_windows(payload)
    for limit in (
        payload["code_review_rate_limit"],
        *(extra["rate_limit"] for extra in payload["additional_rate_limits"] or ()),
    ):
        if limit:
            yield from filter(None, (limit["primary_window"], limit["secondary_window"]))


def series(account: MadeUpAccount, *, step_s: int = 300, days: int = 30) -> list[list[Look]]:
    """Return what each of an account's windows showed at every step."""
    world = LivingAccounts(3)
    answers = (
        [
            Look(at, window["used_percent"], window["reset_at"], window["limit_window_seconds"])
            for window in every_window(ask(world, account, at))
        ]
        for at in range(START, START + days * DAY_S, step_s)
    )
    return [list(looks) for looks in zip(*answers, strict=True)]


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_a_cycle_only_fills_and_ends_at_its_reset_or_early(account: MadeUpAccount) -> None:
    early = 0
    for looks in series(account):
        for look in looks:
            assert type(look.used) is int
            assert 0 <= look.used <= 100
            assert look.at < look.reset_at <= look.at + (look.length_s or 31 * DAY_S)
        for before, after in pairwise(looks):
            if before.reset_at <= after.at or not before.used:
                continue  # the cycle is over, or may not have begun
            if after.used < before.used:
                early += 1
                assert after.used <= 10
            else:
                assert after.reset_at == before.reset_at
    assert early <= 12


def test_a_window_that_has_not_begun_slides_and_one_that_has_stays() -> None:
    slid = stayed = 0
    for account in ACCOUNTS:
        for looks in series(account, step_s=900, days=7):
            for before, after in pairwise(looks):
                if before.length_s and before.reset_at == before.at + before.length_s:
                    assert before.used == 0
                    slid += after.reset_at == after.at + after.length_s
                elif before.reset_at > after.at:
                    stayed += after.reset_at == before.reset_at
    assert slid > 300
    assert stayed > 300


def test_asking_again_and_in_any_order_gives_the_same() -> None:
    times = [START + hour * 3_600 for hour in range(0, 24 * 60, 23)]
    in_order = LivingAccounts(5)
    expected = {(a.name, at): ask(in_order, a, at) for at in times for a in ACCOUNTS[:12]}
    shuffled = list(expected)
    random.Random(1).shuffle(shuffled)
    by_name = {account.name: account for account in ACCOUNTS}
    world = LivingAccounts(5)
    for name, at in shuffled:
        assert ask(world, by_name[name], at) == expected[name, at]


@settings(max_examples=60, deadline=None)
@given(
    index=st.integers(0, len(ACCOUNTS) - 1),
    first=st.floats(1.6e9, 3.9e9),
    second=st.floats(0, 40 * DAY_S),
    seed=st.integers(-(2**63), 2**63 - 1),
)
def test_a_first_look_costs_nothing_later(
    index: int, first: float, second: float, seed: int
) -> None:
    account, at = ACCOUNTS[index], first + second
    looked_before = LivingAccounts(seed)
    ask(looked_before, account, first)
    assert ask(looked_before, account, at) == ask(LivingAccounts(seed), account, at)


def test_another_seed_is_another_world() -> None:
    worlds = [[ask(LivingAccounts(seed), a, START) for a in ACCOUNTS] for seed in (1, 2)]
    assert worlds[0] != worlds[1]


def test_what_is_forgotten_is_computed_again_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [ask(LivingAccounts(3), account, START) for account in ACCOUNTS]
    monkeypatch.setattr("poller.simulator.living._MOST_KEPT", 3)
    world = LivingAccounts(3)
    for _ in range(2):
        assert [ask(world, account, START) for account in ACCOUNTS] == expected
    assert len(world._kept) <= 3


def test_a_month_of_forty_accounts_takes_seconds() -> None:
    world, began = LivingAccounts(3), time.process_time()
    for at in range(START, START + MONTH_S, 900):
        for account in ACCOUNTS:
            ask(world, account, at)
    assert time.process_time() - began < 15  # 1 s on an idle machine


def test_a_hundred_thousand_accounts_cost_little_each() -> None:
    world, began = LivingAccounts(3), time.process_time()
    for number in range(500):
        world.payload(f"user-{number}", f"acct-{number}", now=START + number)
    assert (time.process_time() - began) / 500 < 0.010  # .45 ms on an idle machine


def test_some_accounts_are_exhausted_sometimes_and_some_never() -> None:
    blocked: Counter[str] = Counter()
    world = LivingAccounts(3)
    looks = range(START, START + MONTH_S, 3_600)
    for at in looks:
        for account in ACCOUNTS:
            blocked[account.name] += ask(world, account, at)["rate_limit_reached_type"] is not None
    shares = [blocked[account.name] / len(looks) for account in ACCOUNTS]
    assert sum(share == 0 for share in shares) >= 10
    assert sum(0 < share < 0.6 for share in shares) >= 10
    assert max(shares) < 0.8
    assert 0.01 < sum(shares) / len(shares) < 0.2


def test_some_people_sleep_and_some_accounts_never_do() -> None:
    quiet_hours: list[int] = []
    for account in ACCOUNTS[:20]:
        used: Counter[int] = Counter()
        for looks in series(account, step_s=900):
            for before, after in pairwise(looks):
                used[after.at % DAY_S // 3_600] += after.used > before.used
        quiet_hours.append(sum(used[hour] == 0 for hour in range(24)))
    assert max(quiet_hours) >= 10
    assert min(quiet_hours) <= 2


def test_the_fleet_is_reset_early_all_at_once() -> None:
    falls: Counter[int] = Counter()
    paid = [a for a in ACCOUNTS if a.plan in {"plus", "pro", "team"}]
    for account in paid:
        for looks in series(account, step_s=1_800, days=40):
            if looks[0].length_s == WEEK_S:
                for before, after in pairwise(looks):
                    falls[after.at] += after.used < before.used and before.reset_at > after.at
    ((_, most), *_) = falls.most_common(1)
    assert most >= len(paid) // 2
    assert 2 <= sum(count >= len(paid) // 2 for count in falls.values()) <= 4
    assert sum(count == 1 for count in falls.values()) >= 3  # and some alone


def test_credits_carry_on_and_run_out() -> None:
    states: Counter[tuple[bool, bool]] = Counter()
    balances: list[float] = []
    for number in range(20):
        world = LivingAccounts(number)
        for at in range(START, START + MONTH_S, 3_600):
            payload: Any = world.payload("user", "acct+on_credits", plan="plus", now=at)
            is_full = payload["rate_limit"]["primary_window"]["used_percent"] == 100
            balances.append(float(payload["credits"]["balance"]))
            assert payload["credits"]["has_credits"] is (balances[-1] > 0)
            assert payload["rate_limit"]["allowed"] is not (is_full and not balances[-1])
            states[is_full, payload["rate_limit"]["allowed"]] += 1
    assert states[True, True] > 100  # on credits
    assert states[True, False] > 100  # blocked
    assert states[False, True] > 1_000
    assert len(set(balances)) > 100


def test_money_is_spent_towards_a_limit_until_the_month_is_over() -> None:
    world, reached = LivingAccounts(1), 0
    for number in range(10):
        before: Any = None
        for at in range(START, START + 2 * MONTH_S, 3 * 3_600):
            payload: Any = world.payload("u", f"a{number}+spend_reached", plan="business", now=at)
            spend = payload["spend_control"]["individual_limit"]
            assert payload["rate_limit"] is None
            assert time.gmtime(spend["reset_at"])[2:6] == (1, 0, 0, 0)
            assert float(spend["used"]) + float(spend["remaining"]) == 12_500
            assert int(float(spend["used"]) / 125) == spend["used_percent"]
            if before and before["reset_at"] == spend["reset_at"]:
                assert float(spend["used"]) >= float(before["used"])
            elif before:
                assert float(spend["used"]) < float(before["used"])
            assert payload["spend_control"]["reached"] is (spend["used_percent"] == 100)
            reached += payload["spend_control"]["reached"]
            before = spend
    assert reached > 10


def test_a_blocked_account_comes_back_at_its_reset_or_early() -> None:
    world, came_back, early = LivingAccounts(3), 0, 0
    for account in (a for a in ACCOUNTS if a.plan in {"plus", "team"}):
        free_at = 0
        for at in range(START, START + MONTH_S, 300):
            payload = ask(world, account, at)
            if payload["rate_limit_reached_type"] is None:
                if free_at:
                    came_back += at >= free_at
                    early += at < free_at
                free_at = 0
                continue
            full = [w["reset_at"] for w in main_windows(payload) if w["used_percent"] == 100]
            assert full
            free_at = max(full)
            assert free_at > at
    assert came_back > 20
    assert 0 < early < came_back


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_lives_and_is_read_by_the_program(shape: str) -> None:
    payloads = [
        LivingAccounts(2).payload("u", f"a+{shape}:42~503x1", plan="pro", now=START + day * DAY_S)
        for day in range(60)
    ]
    for payload in payloads:
        assert payload["account_id"] == f"a+{shape}:42~503x1"
        normalize(payload, observed_at=START)
    if shape != "no_limits":
        assert len({str(payload) for payload in payloads}) > 20


def test_windows_have_the_lengths_of_their_shapes() -> None:
    def lengths(shape: str) -> list[int]:
        payload = LivingAccounts().payload("u", "a", now=START, shape=shape)
        return [window["limit_window_seconds"] for window in every_window(payload)]

    assert lengths("two_windows") == [FIVE_HOURS_S, WEEK_S]
    assert lengths("swapped") == [WEEK_S, FIVE_HOURS_S]
    assert lengths("weekly_only") == lengths("on_credits") == [WEEK_S]
    assert lengths("monthly") == [2_592_000]
    assert lengths("spark") == [FIVE_HOURS_S, WEEK_S] * 2
    assert lengths("no_limits") == []


def test_the_week_before_is_the_same_world() -> None:
    account = next(a for a in demo_accounts(12, now=START) if a.name == "research")
    times = [START - 7 * DAY_S + hour * 3_600.5 for hour in range(168)]
    seen = list(observations(account, times, seed=4))
    assert [at for at, _ in seen] == times
    assert dict(seen)[times[-1]] == ask(LivingAccounts(4), account, times[-1])
    assert len({str(payload["rate_limit"]) for _, payload in seen}) > 20
