from __future__ import annotations

from itertools import pairwise

from poller.polling.every import Every

NOW = 1_000.0


def turns(every: Every, *, until: float, now: float = NOW) -> list[tuple[str, float]]:
    """Return who is asked when, if each is asked as soon as it is due."""
    asked: list[tuple[str, float]] = []
    while True:
        turn = every.next(now)
        assert turn is not None
        account, due_at = turn
        now = max(now, due_at)
        if now > until:
            return asked
        every.begun(account, now)
        asked.append((account, now))


def spread(count: int, interval_s: float = 60) -> Every:
    every = Every(interval_s, at_once=8)
    accounts = [f"a{number}" for number in range(count)]
    for account in accounts:
        every.add(account, NOW)
    every.begin(accounts, NOW)
    return every


def test_turns_are_spread_evenly_over_the_interval() -> None:
    asked = turns(spread(10), until=NOW + 120)

    assert [account for account, _ in asked] == [f"a{number}" for number in range(10)]
    assert all(3 - 0.05 <= later - at <= 9 for (_, at), (_, later) in pairwise(asked))


def test_nobody_is_asked_again_before_the_interval_is_over() -> None:
    asked = turns(spread(3), until=NOW + 3_600)

    for account in ("a0", "a1", "a2"):
        times = [at for name, at in asked if name == account]
        assert all(57 <= later - at <= 63.1 for at, later in pairwise(times))


def test_everybody_has_had_a_turn_before_the_next_round_begins() -> None:
    asked = [account for account, _ in turns(spread(50), until=NOW + 600)]

    for start in range(0, len(asked) - 50, 50):
        assert len(set(asked[start : start + 50])) == 50


def test_missed_turns_are_left_out() -> None:
    every = spread(2)
    later = NOW + 10 * 60 + 5

    assert [account for account, _ in turns(every, now=later, until=later)] == ["a0", "a1"]
    following = turns(every, now=later, until=later + 90)
    assert sorted(account for account, _ in following) == ["a0", "a1"]


def test_an_account_that_joins_is_asked_at_once_and_one_that_is_gone_no_more() -> None:
    every = spread(2)
    every.add("new", NOW + 70)
    every.remove("a0")

    asked = turns(every, now=NOW + 70, until=NOW + 70)

    assert asked == [("new", NOW + 70)]
    assert "a0" not in [account for account, _ in turns(every, now=NOW + 71, until=NOW + 200)]


def test_an_account_asked_out_of_turn_keeps_its_turns() -> None:
    every = spread(1)
    every.changed("a0", NOW + 20)

    asked = [at for _, at in turns(every, until=NOW + 130)]

    assert asked[0] == NOW + 20
    assert 60 <= asked[1] - NOW <= 63
    every.changed("unknown", NOW)
    every.begun("unknown", NOW)


def test_a_turn_just_after_one_that_came_out_of_turn_is_left_out() -> None:
    early = spread(1, 300)
    early.changed("a0", NOW + 280)
    asked = [at - NOW for _, at in turns(early, until=NOW + 700)]
    assert asked[0] == 280
    assert 600 <= asked[1] <= 615

    late = spread(1, 300)  # awake again just before a turn
    asked = [at - NOW for _, at in turns(late, now=NOW + 895, until=NOW + 1400)]
    assert asked[0] == 895
    assert 1200 <= asked[1] <= 1215


def test_nobody_is_due_where_there_is_nobody() -> None:
    assert Every(60, at_once=1).next(NOW) is None
