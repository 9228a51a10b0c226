"""Who is there, who is lost, and which accounts agents have told."""

from __future__ import annotations

import random

import pytest

from poller.agents.crew import LOST_AFTER_S, TELLS_WITHIN_S, Crew
from poller.agents.own_accounts import OwnAccounts, own_files
from poller.agents.wire import ListedAccount, Listing, Presence
from poller.values import internal_failure

pytestmark = pytest.mark.anyio

RUN, KEY = "b" * 16, "0123456789abcdef"


def there(
    crew: Crew, name: str, *, now: float = 0.0, agent: str = "a" * 16, **more: object
) -> None:
    told = Presence(agent, 0.0, 0.0, 2, ("team",), **more)  # type: ignore[arg-type]
    crew.hear(name, told, now=now, at=0.0)


def tell(crew: Crew, name: str, *labels: str, part: int = 0, last: bool = True) -> None:
    accounts = tuple(ListedAccount(label, KEY if label == "twin" else None) for label in labels)
    crew.take_list(name, Listing(RUN, "a" * 16, part, last, accounts), now=1.0)


async def labels_of(feed: OwnAccounts) -> list[str]:
    found: list[str] = []
    while (account := await feed.next()) is not None:
        found.append(account.label)
    return found


def test_an_agent_is_lost_after_ten_seconds_and_comes_back() -> None:
    crew = Crew("team")
    there(crew, "one")
    there(crew, "two", now=5.0)
    assert crew.lose(now=LOST_AFTER_S) == []
    assert [machine.name for machine in crew.lose(now=LOST_AFTER_S + 0.1)] == ["one"]
    assert [machine.name for machine in crew.living] == ["two"]
    assert [machine.name for machine in crew.fitting] == ["one", "two"]
    there(crew, "one", now=11.0)
    assert len(crew.living) == 2
    crew.excuse(now=100.0)
    assert crew.lose(now=100.0 + LOST_AFTER_S) == []
    there(crew, "two", leaves=True)
    assert [machine.name for machine in crew.living] == ["one"]


def test_a_job_has_a_place_where_the_agent_or_all_together_have_room() -> None:
    crew = Crew("team")
    there(crew, "one")
    there(crew, "two")
    one = crew.machines["one"]
    one.open_jobs = crew.open_jobs = 2
    assert not crew.has_place(one)
    assert crew.has_place(None)
    crew.open_jobs = 4
    assert not crew.has_place(None)


def test_parts_of_a_list_may_come_in_any_order() -> None:
    crew = Crew(None)
    there(crew, "one")
    tell(crew, "one", "c", part=1)
    assert list(crew.held) == ["one/c"]
    assert not crew.are_listed(now=0.0)
    tell(crew, "one", "a", "b", part=0, last=False)
    assert crew.are_listed(now=0.0)
    assert [each.label for each in crew.machines["one"].accounts or ()] == ["a", "b", "c"]
    tell(crew, "one", "b", "d")
    assert set(crew.held) == {"one/b", "one/d"}
    tell(crew, "stranger", "x")
    assert "stranger/x" not in crew.held


def test_what_is_gone_from_a_list_is_forgotten() -> None:
    crew = Crew(None)
    there(crew, "one")
    tell(crew, "one", "a", "b")
    tell(crew, "one", "b", "c")
    assert set(crew.held) == {"one/b", "one/c"}


def test_an_agent_that_does_not_tell_is_not_waited_for() -> None:
    crew = Crew(None)
    there(crew, "one")
    assert not crew.are_listed(now=TELLS_WITHIN_S)
    assert crew.are_listed(now=TELLS_WITHIN_S + 0.1)
    assert [machine.name for machine in crew.untold(now=TELLS_WITHIN_S + 0.1)] == ["one"]


async def test_accounts_are_handed_out_where_there_is_room() -> None:
    crew = Crew(None)
    for name in ("one", "two"):
        there(crew, name)
        tell(crew, name, "a", "twin")
    crew.machines["one"].open_jobs = 1
    feed = OwnAccounts(crew)
    assert await labels_of(feed) == ["two/a", "two/twin", "one/a", "one/twin"]
    assert feed.notices.same_logins == [("one/twin", "two/twin")]
    assert feed.total == 4


async def test_names_and_patterns_mean_accounts_with_their_machine_or_without() -> None:
    crew = Crew(None)
    for name in ("one", "two"):
        there(crew, name)
        tell(crew, name, "alice", "bob")
    feed = OwnAccounts(crew, ("two/*", "alice", "nobody"))
    assert feed.unmatched == ["nobody"]
    assert sorted(await labels_of(feed)) == ["one/alice", "two/alice", "two/bob"]


def test_a_label_that_looks_like_a_pattern_means_itself_and_an_address_its_short_form() -> None:
    crew = Crew(None)
    there(crew, "one")
    tell(crew, "one", "we[ir]d", "al…@e…", "al…@e…#2", "bob")
    for given, meant in (
        ("we[ir]d", ["one/we[ir]d"]),
        ("one/we[ir]d", ["one/we[ir]d"]),
        ("alice@example.com", ["one/al…@e…", "one/al…@e…#2"]),
        ("one/alice@example.com", ["one/al…@e…", "one/al…@e…#2"]),
        ("bob@example.com", []),
    ):
        assert [file.label for file in own_files(crew, (given,))] == meant


async def test_rounds_know_own_accounts_by_files_that_lie_nowhere() -> None:
    crew = Crew(None)
    there(crew, "one")
    tell(crew, "one", "a", "b", "c")
    files = own_files(crew, ("b", "c"))
    assert [(file.label, file.path) for file in files] == [
        ("one/b", "/dev/null/one/b/None"),
        ("one/c", "/dev/null/one/c/None"),
    ]
    feed = OwnAccounts(crew, files=files)
    drawn = await feed.draw(random)
    assert drawn is not None
    left = [account.label async for account in feed.rest(internal_failure(""))]
    assert sorted([drawn.label, *left]) == ["one/b", "one/c"]
    assert await feed.draw(random) is None
    assert not feed.known_left
