"""The program as a library."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import poller
from poller.simulator.server import serve
from tests import typed_usage
from tests.conftest import Certificates, connect_proxy
from tests.running import ROOT, account, kind_of, numbered, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

PROXY_VARIABLES = ("https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CODEX_HOME", *PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)


async def test_reports_come_one_per_account_with_the_figures(tmp_path: Path) -> None:
    accounts = [account("alice", "+two_windows:42:5"), account("bob", "~402"), account("carol")]
    write(tmp_path / "account", *accounts)
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url)
        async with poller.poll(settings=settings) as reports:
            came = {report.account: report async for report in reports}

    assert sorted(came) == ["alice", "bob", "carol"]
    usage = came["alice"].usage
    assert usage is not None
    assert {window.name: window.used_percent for window in usage.windows} == {
        "five_hour": 42,
        "weekly": 5,
    }
    assert kind_of(came["bob"]) == poller.FailureKind.PAYMENT_REQUIRED


async def test_accounts_are_named_by_name_pattern_or_path(tmp_path: Path) -> None:
    write(tmp_path / "account", *(account(name, "+weekly_only:30") for name in ("alice", "bob")))
    write(tmp_path / "else", account("carol", "~402"))
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, accounts=("nobody-asks-for-these",))
        left = await typed_usage.left_of("alice", "b*", settings=settings)
        named = tmp_path / "else" / "carol.auth.json"
        async with poller.poll([named], settings) as reports:
            kinds = [kind_of(report) async for report in reports]

    assert left == {"alice": 70, "bob": 70}
    assert kinds == ["payment_required"]


async def test_the_settings_own_accounts_count_where_none_are_given(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"), account("bob"))
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, accounts=("bob",))
        async with poller.poll(settings=settings) as reports:
            assert [report.account async for report in reports] == ["bob"]


async def test_failures_are_values(tmp_path: Path) -> None:
    folder = write(tmp_path / "account", account("alice", lives_s=-1_000), account("b", "~403"))
    async with serve() as simulator:
        why = await typed_usage.why_not(folder, simulator.url)

    assert sorted(why) == sorted(["no permission (403)", next(x for x in why if "log in" in x)])


async def test_what_cannot_be_done_is_a_usage_error(tmp_path: Path) -> None:
    assert "no accounts" in await typed_usage.nothing_there()
    write(tmp_path / "account", account("alice"))
    with pytest.raises(poller.UsageError, match="demo"):
        async with poller.poll(settings=poller.Settings(demo=3)):
            pass


async def test_the_runs_deadline_holds(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(5))
    async with serve(fault="hang") as simulator:
        begun_at = time.monotonic()
        settings = poller.Settings(chatgpt_url=simulator.url, deadline_s=0.3, concurrency=2)
        async with poller.poll(settings=settings) as reports:
            kinds = [kind_of(report) async for report in reports]

    assert kinds == ["deadline"] * 5
    assert time.monotonic() - begun_at < 2.3


async def test_leaving_early_sends_no_more(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("".join(f"account/n{i:04d}.auth.json\n" for i in range(50)))
    write(tmp_path / "account", *numbered(50))
    async with serve(latency_s=0.01) as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, files_from="list", concurrency=2)
        async with poller.poll(settings=settings) as reports:
            first = await anext(reports)
        asked = simulator.stats().requests

    assert first.ok
    assert asked < 10


async def test_a_round_that_was_left_is_not_read_on(tmp_path: Path) -> None:
    write(tmp_path / "account", *numbered(20))
    async with serve(latency_s=0.01) as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, concurrency=1)
        async with poller.poll(settings=settings) as left:
            async for _ in left:
                break
        async with poller.poll(["n0001"], settings) as read:
            assert [report.ok async for report in read] == [True]

    with pytest.raises(RuntimeError, match="inside its async with"):
        await anext(left)
    assert [report async for report in read] == []


async def test_a_session_that_is_closed_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    async with poller.open_session() as session:
        pass
    with pytest.raises(poller.UsageError, match="session: it is closed"):
        async with poller.poll(session=session):
            pass


async def test_one_name_is_not_taken_for_a_list_of_its_letters(tmp_path: Path) -> None:
    write(tmp_path / "account", account("a"))
    for opened in (poller.poll, poller.rounds):
        with pytest.raises(poller.UsageError, match="accounts: expected a list"):
            async with opened("a"):
                pass


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chatgpt_url", "http://example.com/usage"),
        ("concurrency", 0),
        ("rate", 0),
        ("timeout_s", -1),
        ("retries", -1),
        ("every", 5),
        ("proxy", "socks5://127.0.0.1:1"),
        ("ca_file", "/nowhere"),
        ("nats", "nats://127.0.0.1"),
    ],
)
async def test_settings_are_held_to_what_their_options_take(field: str, value: object) -> None:
    made: Any = {field: value}
    with pytest.raises(poller.UsageError, match=f"settings.{field}: "):
        async with poller.open_session(poller.Settings(**made)):
            pass


def test_another_event_loop_is_refused_with_the_reason() -> None:
    opening = poller.open_session().__aenter__()
    with pytest.raises(RuntimeError, match="needs asyncio"):
        opening.send(None)


async def test_a_pause_of_one_round_is_kept_by_the_next(tmp_path: Path) -> None:
    asked_too_often = [account(f"a{number}", "~429-after-1") for number in range(3)]
    write(tmp_path / "account", *asked_too_often, account("later"))
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, retries=0)
        async with poller.open_session(settings) as session:
            async with poller.poll(["a*"], session=session) as reports:
                kinds = [kind_of(report) async for report in reports]
            async with poller.poll(["later"], session=session) as reports:
                (later,) = [report async for report in reports]
        seen = {name: each.started_at_s for name, each in simulator.stats().accounts.items()}

    assert kinds == ["rate_limited"] * 3
    assert later.ok
    first = min(seen[one.account_id][0] for one in asked_too_often)
    assert seen["acct-later"][0] - first >= 0.9


async def test_rounds_of_one_session_share_connections(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url)
        async with poller.open_session(settings) as session:
            for _ in range(3):
                async with poller.poll(session=session) as reports:
                    assert [report.ok async for report in reports] == [True]
        stats = simulator.stats()

    assert (stats.requests, stats.connections_opened) == (3, 1)
    with pytest.raises(poller.UsageError, match="a session has its own"):
        async with poller.poll(settings=settings, session=session):
            pass


async def test_a_dead_upstream_is_probed_and_not_asked_again_by_the_next_round(
    tmp_path: Path,
) -> None:
    write(tmp_path / "account", *numbered(60))
    async with serve(fault="503") as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, retries=0, patience_s=0.2)
        async with poller.open_session(settings) as session:
            requests = list[int]()
            for _ in range(3):
                async with poller.poll(session=session) as reports:
                    kinds = [kind_of(report) async for report in reports]
                assert len(kinds) == 60
                requests.append(simulator.stats().requests)

    assert requests[0] <= 80
    assert requests[1:] == [requests[0]] * 2
    assert kinds == ["circuit_open"] * 60


async def test_accounts_may_come_one_at_a_time(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"), account("bob"))

    async def come() -> AsyncIterator[str]:
        for name in ("alice", "nobody", "bob"):
            yield name

    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url)
        async with poller.poll(come(), settings) as reports:
            kinds = {report.account: kind_of(report) async for report in reports}

    assert kinds == {"alice": None, "nobody": "file_missing", "bob": None}


@pytest.mark.parametrize("last", [3, OSError("the directory is away")])
async def test_what_a_source_raises_is_raised_after_the_reports_before(
    tmp_path: Path, last: object
) -> None:
    write(tmp_path / "account", *numbered(3))

    async def names() -> AsyncIterator[Any]:
        for number in range(3):
            yield f"n{number:04d}"
        if isinstance(last, Exception):
            raise last
        yield last

    came: list[bool] = []
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url)
        with pytest.raises((OSError, TypeError)):
            async with poller.poll(names(), settings) as reports:
                came += [report.ok async for report in reports]
    assert came == [True] * 3


async def test_reports_keep_the_input_order_where_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "account", account("a", "~slow-300ms"), *(account(name) for name in "bcd"))
    async with serve() as simulator:
        settings = poller.Settings(chatgpt_url=simulator.url, ordered=True)
        async with poller.poll(settings=settings) as reports:
            assert [report.account async for report in reports] == ["a", "b", "c", "d"]


async def test_the_environments_proxy_is_used(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "account", account("alice"))
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        settings = poller.Settings(chatgpt_url=simulator.url, ca_file=certificates.ca_file)
        async with poller.poll(settings=settings) as reports:
            assert [report.ok async for report in reports] == [True]

        assert len(proxy.requests) == 1


def test_a_reset_is_found_in_whatever_window_it_is() -> None:
    window = poller.Window("weekly", 50.0, 604_800, 1_790_000_000)
    limit = poller.Limit("Spark", "spark", usable=True, windows=(window,))
    usage = poller.Usage(extra_limits=(limit,))

    assert typed_usage.soonest_reset(usage) == 1_790_000_000
    assert typed_usage.soonest_reset(poller.Usage()) is None


@pytest.mark.parametrize("name", poller.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(poller, name) is not None
    assert name in dir(poller)


def test_public_names_are_sorted_and_no_others_are_there() -> None:
    assert sorted(poller.__all__) == poller.__all__
    with pytest.raises(AttributeError, match="'pol'"):
        poller.pol  # type: ignore[attr-defined]  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, poller; print(*sys.modules)"
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"aiohttp", "anyio", "asyncio", "orjson", "tenacity", "wcwidth", "dataclasses", "enum"}
    bare = subprocess.run(
        (sys.executable, "-c", "import sys; print(*sys.modules)"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not heavy & ({*done.stdout.split()} - {*bare.stdout.split()})
