from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.pool import DryRange, Outage, Pool, members_of, pool, runs_dry
from poller.insight.standing import Standing, standing, standings
from poller.values import FailureKind, Report, Usage, Window
from tests.known_accounts import FRESH, HOUR, LENGTHS, NOW, after, answered, failed, silent

DAY = 24 * HOUR
Payload = dict[str, Any]
REACHED: Payload = {"rate_limit_reached_type": "workspace_member_credits_depleted"}
SPENT: Payload = {"spend_control": {"reached": True, "individual_limit": {"remaining_percent": 0}}}
BOUGHT: Payload = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}

Shares = dict[str, tuple[float, float, float]]

LEFT: dict[str, tuple[list[Standing], Shares]] = {
    "what is left is counted in whole windows": (
        [after(answered("a", five=(40, 2), week=(10, 90))), after(answered("b", five=(5, 1)))],
        {"five_hour": (1.55, 1.55, 2), "weekly": (0.9, 0.9, 1)},
    ),
    "a plan's weight counts": (
        [after(answered("a", week=(50, 9), plan="pro")), after(answered("b", week=(50, 9)))],
        {"weekly": (5.5, 5.5, 11)},
    ),
    "a plan that weighs nothing does not count": (
        [after(answered("a", week=(50, 9), plan="free")), after(answered("b", week=(50, 9)))],
        {"weekly": (0.5, 0.5, 1)},
    ),
    "five hours that the week blocks count as nothing": (
        [after(answered("a", five=(0, 5), week=(100, 90)))],
        {"five_hour": (0, 0, 1), "weekly": (0, 0, 1)},
    ),
    "a week is not reduced by exhausted five hours": (
        [after(answered("a", five=(100, 5), week=(30, 90)))],
        {"five_hour": (0, 0, 1), "weekly": (0.7, 0.7, 1)},
    ),
    "the upstream's own reason blocks every window": (
        [after(answered("a", five=(2, 5), week=(30, 90), **REACHED))],
        {"five_hour": (0, 0, 1), "weekly": (0, 0, 1)},
    ),
    "98 percent used and blocked counts as nothing": (
        [after(answered("a", week=(98, 90), allowed=False))],
        {"weekly": (0, 0, 1)},
    ),
    "a spend limit blocks every window": (
        [after(answered("a", five=(2, 5), week=(30, 90), **SPENT))],
        {"five_hour": (0, 0, 1), "weekly": (0, 0, 1)},
    ),
    "a spend limit blocks the week, too, where five hours are exhausted": (
        [after(answered("a", five=(100, 5), week=(30, 90), **SPENT))],
        {"five_hour": (0, 0, 1), "weekly": (0, 0, 1)},
    ),
    "on credits the exhausted window counts as nothing": (
        [after(answered("a", five=(100, 5), week=(30, 90), **BOUGHT))],
        {"five_hour": (0, 0, 1), "weekly": (0.7, 0.7, 1)},
    ),
    "on credits before a window is exhausted the plan counts as nothing": (
        [after(answered("a", five=(2, 5), allowed=False, **BOUGHT))],
        {"five_hour": (0, 0, 1)},
    ),
    "an unknown figure makes a range": (
        [after(answered("a", five=(None, 2), week=(10, 90)))],
        {"five_hour": (0, 1, 1), "weekly": (0.9, 0.9, 1)},
    ),
    "an unknown week may block the five hours": (
        [after(answered("a", five=(20, 2), week=(None, 90)))],
        {"five_hour": (0, 0.8, 1), "weekly": (0, 1, 1)},
    ),
    "an answer older than an hour makes a range": (
        [after(answered("a", week=(10, 90), at=NOW - HOUR - 1))],
        {"weekly": (0, 1, 1)},
    ),
    "so does one that was blocked": (
        [after(answered("a", week=(30, 90), at=NOW - HOUR - 1, **REACHED))],
        {"weekly": (0, 1, 1)},
    ),
    "a failed account keeps its figures for an hour": (
        [after(answered("a", week=(10, 90), at=NOW - HOUR), failed("a"))],
        {"weekly": (0.9, 0.9, 1)},
    ),
    "after that it is unknown": (
        [after(answered("a", week=(10, 90), at=NOW - HOUR - 1), failed("a"))],
        {"weekly": (0, 1, 1)},
    ),
    "a dead login does not count": (
        [
            after(answered("a", week=(10, 90)), failed("a", FailureKind.TOKEN_EXPIRED)),
            after(answered("b", week=(10, 90))),
        ],
        {"weekly": (0.9, 0.9, 1)},
    ),
    "an account that never answered does not count": (
        [after(failed("a")), after(answered("b", week=(10, 90)))],
        {"weekly": (0.9, 0.9, 1)},
    ),
    "one login in two files counts once": (
        [
            after(answered("a", week=(10, 90), key="k")),
            after(answered("copy", week=(10, 90), key="k")),
        ],
        {"weekly": (0.9, 0.9, 1)},
    ),
    "a window whose reset has passed may be full": (
        [after(answered("a", week=(80, 0.5), at=NOW - 0.75 * HOUR))],
        {"weekly": (0.2, 1, 1)},
    ),
    "a spend limit that was to end may be over": (
        [
            after(
                answered(
                    "a",
                    week=(80, 50),
                    at=NOW - HOUR,
                    spend_control={
                        "reached": True,
                        "individual_limit": {"remaining_percent": 0, "reset_at": NOW - 60},
                    },
                )
            )
        ],
        {"weekly": (0, 0.2, 1)},
    ),
    "an account whose windows are unknown counts in those that most others have": (
        [
            after(silent("a")),
            after(answered("b", five=(0, 1), week=(10, 90))),
            after(answered("c", week=(10, 90))),
            after(answered("d", month=(10, 90))),
            after(answered("e", week=(10, 90))),
        ],
        {"five_hour": (1, 1, 1), "weekly": (2.7, 3.7, 4), "monthly": (0.9, 0.9, 1)},
    ),
    "one whose windows nobody has counts in none": ([after(silent("a"))], {}),
    "credits without windows are no windows": (
        [
            after(answered("a", plan="business", credits={"unlimited": True})),
            after(answered("b", week=(10, 90))),
        ],
        {"weekly": (0.9, 0.9, 1)},
    ),
    "a block without a reason may be an unknown window's": (
        [after(answered("a", five=(None, 2), week=(30, 90), allowed=False))],
        {"five_hour": (0, 1, 1), "weekly": (0, 0.7, 1)},
    ),
    "a block with a reason is not": (
        [after(answered("a", five=(None, 2), week=(30, 90), **REACHED))],
        {"five_hour": (0, 0, 1), "weekly": (0, 0, 1)},
    ),
    "on credits the unknown window may be what is used up": (
        [after(answered("a", five=(None, 2), week=(30, 90), allowed=False, **BOUGHT))],
        {"five_hour": (0, 1, 1), "weekly": (0, 0.7, 1)},
    ),
    "windows of one length do not block each other": (
        [
            standing(
                Report(
                    0,
                    "a",
                    "a",
                    NOW,
                    usage=Usage(
                        usable=False,
                        limited_by="weekly_2",
                        windows=(
                            Window("weekly", 40, 604_800, None),
                            Window("weekly_2", 0, 604_800, None),
                        ),
                    ),
                )
            )
        ],
        {"weekly": (0.4, 0.4, 1), "weekly_2": (0, 0, 1)},
    ),
    "no account has nothing": ([], {}),
}


@pytest.mark.parametrize(("accounts", "shares"), LEFT.values(), ids=LEFT)
def test_left(accounts: list[Standing], shares: Shares) -> None:
    came = pool(accounts, now=NOW, weights={"pro": 10, "free": 0}).windows
    assert list(came) == list(shares)
    for name, (lower, upper, of) in shares.items():
        share = came[name]
        assert (share.lower, share.upper, share.of) == pytest.approx((lower, upper, of))


def test_every_account_is_in_one_state() -> None:
    accounts = [
        after(answered("usable", week=(10, 90))),
        after(answered("credits", week=(100, 90), **BOUGHT)),
        after(silent("silent")),
        after(answered("old", week=(10, 90), at=NOW - 2 * HOUR)),
        after(answered("blocked", week=(100, 90))),
        after(answered("blocked until a minute ago", week=(100, 1 / 6), at=NOW - 660)),
        after(answered("failed", week=(10, 90)), failed("failed")),
        after(failed("dead", FailureKind.TOKEN_EXPIRED)),
    ]
    came = pool(accounts, now=NOW)
    assert replace(came, windows={}) == Pool(
        usable=1, on_credits=1, unknown=3, blocked=1, failed=2, windows={}
    )
    assert came.accounts == len(accounts)


# Bounds


def random_report(random: Random, account: str) -> Report:
    def window(name: str) -> tuple[float, float] | str:
        length = LENGTHS[name] / HOUR
        used = random.choice([0, 0, 100, random.randint(1, 99), random.randint(1, 99)])
        return (used, random.uniform(0.01, length)) if used else FRESH

    shape = random.random()
    plan = random.choice(["plus", "plus", "pro", "free"])
    extra: Payload = random.choice([{}, {}, {}, {}, {}, SPENT, REACHED, BOUGHT])
    return answered(
        account,
        five=window("five_hour") if shape < 0.7 else None,
        week=window("weekly") if shape < 0.9 else None,
        month=window("monthly") if shape >= 0.9 else None,
        plan=plan,
        **extra,
    )


def hidden(random: Random, true: Report) -> Standing:
    """Return what is known of an account whose truth is ``true``: all, little or nothing."""
    usage = true.usage
    assert usage is not None
    match random.randrange(6):
        case 0:
            old = replace(true, observed_at=NOW - random.uniform(3601, 9000), usage=usage)
            return after(old, failed(true.account))
        case 1:
            return standing(replace(true, observed_at=NOW - 3601))
        case 2:
            return after(replace(true, observed_at=NOW - 1800), failed(true.account))
        case 3:
            windows = tuple(replace(one, remaining_percent=None) for one in usage.windows)
            return standing(replace(true, usage=replace(usage, windows=windows)))
        case 4:
            return after(replace(true, usage=random_usage_of_before(random, usage)))
        case _:
            return standing(true)


def random_usage_of_before(random: Random, usage: Usage) -> Usage:
    """Return an answer with a little less used, or from before a reset."""

    def before(window: Window) -> Window:
        if window.started is False and random.random() < 0.5:
            used = random.uniform(1, 100)
            return replace(
                window, remaining_percent=100 - used, reset_at=round(NOW - 60), started=True
            )
        return window

    return replace(usage, windows=tuple(before(window) for window in usage.windows))


def true_amounts(reports: list[Report], weights: dict[str, float]) -> dict[str, float]:
    """Return what is left, counted the long way."""
    amounts: dict[str, float] = {}
    for report in reports:
        usage = report.usage
        assert usage is not None
        spent = [
            window.window_seconds or 0 for window in usage.windows if window.remaining_percent == 0
        ]
        out = usage.usable is False and (not spent or usage.spend_limit is not None)
        for window in usage.windows:
            assert window.remaining_percent is not None
            is_blocked = out or any(length > (window.window_seconds or 0) for length in spent)
            share = 0 if is_blocked else window.remaining_percent / 100
            weight = weights.get(usage.plan or "", 1)
            amounts[window.name] = amounts.get(window.name, 0) + share * weight
    return amounts


def test_the_true_value_lies_inside_the_range_of_1000_random_pools() -> None:
    weights = {"pro": 10.0, "free": 0.2}
    told_ranges = 0
    for seed in range(1000):
        random = Random(seed)
        reports = [random_report(random, f"a{n}") for n in range(random.randint(1, 15))]
        came = pool([hidden(random, report) for report in reports], now=NOW, weights=weights)
        for name, true in true_amounts(reports, weights).items():
            share = came.windows[name]
            assert 0 <= share.lower <= true + 1e-9, (seed, name)
            assert true - 1e-9 <= share.upper <= share.of + 1e-9, (seed, name)
            told_ranges += share.lower < share.upper
    assert told_ranges > 500


# When it runs dry


def dry_after_s(
    reports: list[Report], rates: dict[str, dict[str, float]], *, within_s: int, step_s: int = 60
) -> int | None:
    """Return the first step in which no account can be used; resets come at its start.

    What is burnt is taken from the account whose next reset is soonest, then the next one.
    """
    demand: dict[str, float] = {}
    for burnt in rates.values():
        for name, rate in burnt.items():
            demand[name] = demand.get(name, 0) + rate
    accounts: list[dict[str, list[float | None]]] = []
    for report in reports:
        assert report.usage is not None
        accounts.append(
            {
                window.name: [
                    window.remaining_percent,
                    window.reset_at if window.started else None,
                ]
                for window in report.usage.windows
            }
        )
    for after_s in range(0, within_s, step_s):
        at = NOW + after_s
        for windows in accounts:
            for state in windows.values():
                if state[1] is not None and state[1] <= at:
                    state[:] = [100.0, None]
        share = 1.0
        while share > 0:
            ready = [one for one in accounts if all(state[0] for state in one.values())]
            if not ready:
                return after_s
            used = min(ready, key=lambda one: min(end or inf for _, end in one.values()))
            lasts = [
                (state[0] or 0) / (demand[name] * step_s / HOUR)
                for name, state in used.items()
                if demand.get(name)
            ]
            part = min([share, *lasts])
            for name, state in used.items():
                if demand.get(name):
                    state[1] = state[1] or at + LENGTHS[name]
                    percent = (state[0] or 0) - demand[name] * step_s / HOUR * part
                    state[0] = percent if percent > 1e-6 else 0.0
            share -= part
    return None


def random_living_pool(seed: int) -> tuple[list[Report], dict[str, dict[str, float]]]:
    random = Random(seed)
    reports: list[Report] = []
    rates: dict[str, dict[str, float]] = {}
    both = random.random() < 0.6
    for number in range(random.randint(1, 5)):
        account = f"a{number}"
        five = (random.randint(1, 100), random.uniform(0.1, 5)) if random.random() < 0.7 else FRESH
        week = (random.randint(1, 100), random.uniform(1, 168))
        reports.append(answered(account, five=five, week=week if both else None))
        if number == 0 or random.random() < 0.5:
            pace = random.uniform(10, 100)
            rates[account] = {"five_hour": pace, "weekly": pace * random.uniform(0.1, 0.2)}
    return reports, rates


def agree(exact: Outage | None, after_s: int | None, within_s: float) -> bool:
    if exact is None or after_s is None:
        latest = within_s if exact is None else exact.at - NOW
        return (exact is None and after_s is None) or min(after_s or inf, latest) > 0.9 * within_s
    return abs(exact.at - NOW - after_s) <= 0.1 * after_s + 60


def test_the_dry_time_of_1000_pools_is_that_of_a_simulation_minute_by_minute() -> None:
    within_s, dried, off = round(10 * HOUR), 0, 0
    for seed in range(1000):
        reports, rates = random_living_pool(seed)
        known = [standing(report) for report in reports]
        came = runs_dry(known, rates=rates, now=NOW, within_s=within_s)
        assert came.soonest == came.latest, "everything is known"
        after_s = dry_after_s(reports, rates, within_s=within_s)
        if not agree(came.latest, after_s, within_s):
            # A reset saves the pool within the very minute in which it would be dry.
            off += 1
            after_s = dry_after_s(reports, rates, within_s=within_s, step_s=1)
            assert agree(came.latest, after_s, within_s), seed
        dried += after_s is not None
    assert dried > 300
    assert off < 5


def test_the_dry_time_with_all_known_mostly_lies_in_the_range() -> None:
    """Mostly: an account that is found full may be drained before one that is reset sooner."""
    inside = ranges = 0
    for seed in range(500):
        random = Random(seed)
        reports, rates = random_living_pool(seed)
        known = [standing(report) for report in reports]
        true = runs_dry(known, rates=rates, now=NOW, within_s=DAY).latest
        some = [hidden(random, report) for report in reports]
        came = runs_dry(some, rates=rates, now=NOW, within_s=DAY)
        earliest, true_at, latest = (
            inf if one is None else one.at for one in (came.soonest, true, came.latest)
        )
        ranges += earliest < latest
        inside += earliest - 60 <= true_at <= latest + 60
    assert ranges > 200
    assert inside >= 0.97 * 500


def test_an_account_of_unknown_figures_makes_the_dry_time_a_range() -> None:
    known = [
        after(answered("a", week=(50, 50))),
        after(answered("b", week=(None, 60))),
    ]
    came = runs_dry(known, rates={"a": {"weekly": 10}}, now=NOW)
    assert came.soonest == Outage(NOW + 5 * HOUR, NOW + 50 * HOUR, "a", "weekly")
    assert came.latest == Outage(NOW + 15 * HOUR, NOW + 50 * HOUR, "a", "weekly")


Dry = tuple[float, float | None, str | None, str | None] | None
"""Hours until it is dry, hours until the first comes back, which account, which window."""

RATES = {"a": {"five_hour": 20.0, "weekly": 2.0}}
DRY: dict[str, tuple[list[Standing], dict[str, dict[str, float]], Dry]] = {
    "nothing burnt lasts": ([after(answered("a", week=(50, 50)))], {}, None),
    "no account is no dry pool": ([], RATES, None),
    "all blocked is dry now, and what comes back first is told": (
        [after(answered("a", week=(100, 50))), after(answered("b", five=(100, 2)))],
        {},
        (0, 2, "b", "five_hour"),
    ),
    "two windows that are exhausted bring an account back with the later": (
        [after(answered("a", five=(100, 2), week=(100, 50)))],
        {},
        (0, 50, "a", "weekly"),
    ),
    "of two that are reset together the longer brings it back": (
        [after(answered("a", five=(100, 2), week=(100, 2)))],
        {},
        (0, 2, "a", "weekly"),
    ),
    "where no reset is told nothing is known to come back": (
        [after(answered("a", week=(30, 50), **REACHED))],
        {},
        (0, None, None, None),
    ),
    "a spend limit that ends brings its account back": (
        [
            after(
                answered(
                    "a",
                    week=(30, 50),
                    spend_control={
                        "reached": True,
                        "individual_limit": {"remaining_percent": 0, "reset_at": NOW + 2 * HOUR},
                    },
                )
            )
        ],
        {},
        (0, 2, "a", None),
    ),
    "an exhausted window without a told reset ends within its length": (
        [after(answered("a", week=(100, None)))],
        {},
        (0, 168, "a", "weekly"),
    ),
    "the first window that is empty ends an account": (
        [after(answered("a", five=(0, 5), week=(96, 50)))],
        RATES,
        (2, 50, "a", "weekly"),
    ),
    "a reset that comes in time is seen": (
        [after(answered("a", five=(50, 2)))],
        {"a": {"five_hour": 22.0}},
        (2 + 100 / 22, 7, "a", "five_hour"),
    ),
    "a window that has not begun ends its length after its first use": (
        [after(answered("a", five=FRESH))],
        {"a": {"five_hour": 25}},
        (4, 5, "a", "five_hour"),
    ),
    "the soonest reset is drained first": (
        [after(answered("a", five=(50, 1))), after(answered("b", five=(50, 4.5)))],
        {"a": {"five_hour": 25}, "b": {"five_hour": 25}},
        # an hour of a, lost and full again; one of b, then two of a, and b is back at 4.5
        (1 + 1 + 2, 4.5, "b", "five_hour"),
    ),
    "an account that comes back is drained at once where its reset is sooner": (
        [after(answered("a", week=(100, 1))), after(answered("b", week=(0, 167)))],
        {"b": {"weekly": 50}},
        (4, 167, "b", "weekly"),
    ),
    "an account by itself is twice as soon empty where it weighs half": (
        [after(answered("a", week=(50, 50), plan="half"))],
        {"a": {"weekly": 10}},
        (5, 50, "a", "weekly"),
    ),
    "a heavy account lasts longer with what a light one burns": (
        [after(answered("a", week=(100, 90))), after(answered("b", week=(0, 50), plan="pro"))],
        {"a": {"weekly": 100}},
        (10, 50, "b", "weekly"),
    ),
    "rates that are no numbers, or of windows it does not have, burn nothing": (
        [after(answered("a", week=(50, 50)))],
        {"a": {"weekly": float("nan"), "five_hour": 10}, "b": {"weekly": 5}},
        None,
    ),
    "what is not burnt before the end is not followed": (
        [after(answered("a", month=(0, 700)))],
        {"a": {"monthly": 0.1}},
        None,
    ),
}


@pytest.mark.parametrize(("accounts", "rates", "dry"), DRY.values(), ids=DRY)
def test_dry(accounts: list[Standing], rates: dict[str, dict[str, float]], dry: Dry) -> None:
    came = runs_dry(accounts, rates=rates, now=NOW, weights={"pro": 10, "half": 0.5})
    assert came.soonest == came.latest
    assert (came.latest is None) is (dry is None)
    if dry is not None and came.latest is not None:
        hours, back, account, window = dry
        assert came.latest.at == pytest.approx(NOW + hours * HOUR, abs=1)
        assert came.latest.back_at == (None if back is None else pytest.approx(NOW + back * HOUR))
        assert (came.latest.account, came.latest.window) == (account, window)


def test_an_account_of_which_nothing_is_burnt_carries_the_others_at_best() -> None:
    known = [after(answered("a", week=(50, 50))), after(answered("b", month=(10, 500)))]
    came = runs_dry(known, rates={"a": {"weekly": 10}}, now=NOW)
    assert came.soonest == Outage(NOW + 5 * HOUR, NOW + 50 * HOUR, "a", "weekly")
    assert came.latest is None


def test_a_window_without_a_length_never_comes_back() -> None:
    odd = Usage(usable=False, limited_by="odd", windows=(Window("odd", 0, None, None),))
    known = [standing(Report(0, "a", "a", NOW, usage=odd))]
    assert runs_dry(known, rates={}, now=NOW).latest == Outage(NOW, None, None, None)


def test_a_block_that_should_be_over_may_last() -> None:
    control = {"reached": True, "individual_limit": {"reset_at": NOW + 60}}
    known = [after(answered("a", week=(30, 50), spend_control=control))]
    came = runs_dry(known, rates={"a": {"weekly": 7}}, now=NOW + 120)
    assert came.soonest == Outage(NOW + 120, None, None, None)
    assert came.latest is not None
    assert came.latest.at == pytest.approx(NOW + 120 + 10 * HOUR)


def test_windows_of_seconds_end_the_search() -> None:
    tiny = Usage(usable=True, windows=(Window("1s", 100, 1, None, started=False),))
    known = [standing(Report(0, "a", "a", NOW, usage=tiny))]
    assert runs_dry(known, rates={"a": {"1s": 1}}, now=NOW) == DryRange(None, None)


# Any accounts at all

percents = st.one_of(st.none(), st.sampled_from([0.0, 100.0]), st.floats(0, 100))
windows = st.builds(
    Window,
    st.sampled_from(["five_hour", "weekly", "monthly", "15m", "weekly_2"]),
    percents,
    st.one_of(st.none(), st.sampled_from([1, 900, 18_000, 604_800])),
    st.one_of(st.none(), st.integers(round(NOW - DAY), round(NOW + 8 * DAY))),
    st.sampled_from([None, True, False]),
)
usages = st.builds(
    Usage,
    plan=st.sampled_from([None, "plus", "pro"]),
    usable=st.sampled_from([None, True, False]),
    limited_by=st.sampled_from([None, "weekly", "unknown", "spend_limit"]),
    usable_at=st.one_of(st.none(), st.integers(round(NOW - DAY), round(NOW + DAY))),
    windows=st.lists(windows, max_size=3, unique_by=lambda window: window.name).map(tuple),
    on_credits=st.sampled_from([None, True, False]),
)
reports = st.builds(
    lambda account, at, usage: Report(0, account, account, at, usage=usage),
    st.sampled_from("abcdefg"),
    st.floats(NOW - 7300, NOW),
    usages,
)
failures = st.builds(failed, st.sampled_from("abcdefg"), st.sampled_from(list(FailureKind)))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(reports, failures), max_size=12),
    st.dictionaries(
        st.sampled_from("abc"),
        st.dictionaries(st.sampled_from(["five_hour", "weekly", "15m"]), st.floats()),
    ),
    st.dictionaries(st.sampled_from(["plus", "pro"]), st.floats()),
)
def test_no_accounts_break_the_pool(
    given_reports: list[Report],
    rates: dict[str, dict[str, float]],
    weights: dict[str, float],
) -> None:
    known = standings(given_reports)
    came = pool(known, now=NOW, weights=weights)
    assert came.accounts == len(known)
    for share in came.windows.values():
        assert 0 <= share.lower <= share.upper <= share.of * (1 + 1e-9)
    dry = runs_dry(known, rates=rates, now=NOW, weights=weights, within_s=DAY)
    if dry.soonest is not None:
        assert NOW <= dry.soonest.at < NOW + DAY
        assert dry.latest is None or dry.soonest.at <= dry.latest.at
        assert dry.soonest.back_at is None or dry.soonest.back_at > dry.soonest.at


def test_windows_of_one_length_stand_in_one_order_whoever_comes_first() -> None:
    week, other = (Window(name, 50.0, 604_800, int(NOW) + 9) for name in ("weekly", "weekly_2"))
    known = [
        standing(Report(0, account, account, NOW, usage=usage))
        for account, usage in (
            ("a", Usage(usable=True, windows=(week, other))),
            ("b", Usage(usable=True, windows=(other, week))),
            ("unknown", Usage()),
        )
    ]
    for order in (known, [known[1], known[0], known[2]]):
        windows = members_of(order, now=NOW)[2].windows
        assert [window.name for window in windows] == ["weekly", "weekly_2"]


@settings(max_examples=100, deadline=None)
@given(st.lists(reports, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_accounts_changes_nothing(given_reports: list[Report], random: Random) -> None:
    known = standings(given_reports)
    shuffled = random.sample(known, len(known))
    rates = {"a": {"five_hour": 30.0, "weekly": 3.0}, "b": {"five_hour": 10.0}}
    assert runs_dry(shuffled, rates=rates, now=NOW) == runs_dry(known, rates=rates, now=NOW)
    one, other = pool(shuffled, now=NOW), pool(known, now=NOW)
    assert replace(one, windows={}) == replace(other, windows={})
    for name, share in one.windows.items():
        assert share.lower == pytest.approx(other.windows[name].lower)
        assert share.upper == pytest.approx(other.windows[name].upper)
