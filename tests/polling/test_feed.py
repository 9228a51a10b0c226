"""Where a round's accounts come from: folders, lists, iterables, memory."""

from __future__ import annotations

import os
import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from poller.authfiles import read
from poller.authfiles.find import in_memory
from poller.authfiles.path_list import PathList
from poller.authfiles.reread import reread
from poller.polling.feed import AccountFeed, open_feed
from poller.settings import Settings, UsageError
from poller.values import Credential, Failure, FailureKind
from tests.auth_files import codex, content, several, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from poller.authfiles.read import Account

pytestmark = pytest.mark.anyio

STOPPED = Failure(FailureKind.CANCELLED, "stopped", "run again")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fill(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        put(folder / f"a{number:05}.auth.json", codex(f"u{number}"))


def put(path: Path, document: Any) -> None:
    path.write_bytes(content(document))
    path.chmod(0o600)


async def drain(feed: AccountFeed, *, workers: int = 1) -> list[Account]:
    found: list[Account] = []

    async def work() -> None:
        while (account := await feed.next()) is not None:
            found.append(account)

    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(work)
    assert len({account.label for account in found}) == len(found)
    assert not feed.known_left
    assert feed.total == len(found)
    return found


async def all_of(*given: str, workers: int = 1, **settings: Any) -> list[Account]:
    async with open_feed(given, Settings(**settings), clock=time.time) as feed:
        return await drain(feed, workers=workers)


def kinds(accounts: list[Account]) -> dict[str, str]:
    return {
        account.label: account.outcome.kind if isinstance(account.outcome, Failure) else "ok"
        for account in accounts
    }


@pytest.mark.parametrize("workers", [1, 8])
async def test_every_account_of_a_large_folder_comes_once(tmp_path: Path, workers: int) -> None:
    fill(tmp_path / "account", 300)
    found = await all_of(workers=workers)
    assert sorted(account.label for account in found) == [f"a{n:05}" for n in range(300)]
    assert sorted(account.position for account in found) == list(range(300))


async def test_a_position_is_the_index_of_the_file(tmp_path: Path) -> None:
    fill(tmp_path / "account", 4)
    put(tmp_path / "account/a00001.auth.json", codex(disabled=True))
    put(tmp_path / "account/a00002.auth.json", several("x", "y"))
    put(tmp_path / "account/a00001.json", {"name": "x"})
    found = await all_of()
    assert {account.label: account.position for account in found} == {
        "a00000": 0,
        "a00002:x": 3,
        "a00002:y": 3,
        "a00003": 4,
    }


async def test_label_of_a_file_never_meets_that_of_an_account_in_another(tmp_path: Path) -> None:
    (tmp_path / "account").mkdir()
    for name in ("store:home.auth.json", "x\x1b.auth.json", "x\\x1b.auth.json"):
        put(tmp_path / "account" / name, codex())
    put(tmp_path / "account/store.json", several("home", "work"))
    assert sorted(account.label for account in await all_of()) == [
        "store:home",
        "store:home#2",
        "store:work",
        "x\\x1b",
        "x\\x1b#2",
    ]


async def test_the_accounts_of_one_file_are_shared_by_all_workers(tmp_path: Path) -> None:
    put(tmp_path / "s.json", several(*map(str, range(20))))
    taken: dict[int, int] = {}
    async with open_feed(("./s.json",), Settings(), clock=time.time) as feed:

        async def work(number: int) -> None:
            while await feed.next() is not None:
                taken[number] = taken.get(number, 0) + 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(work, number)
    assert sum(taken.values()) == 20
    assert sum(taken.values()) == 20


async def test_broken_file_is_invalid_and_holds_nobody_up(tmp_path: Path) -> None:
    fill(tmp_path / "account", 4)
    (tmp_path / "account/a00001.auth.json").write_text("{")
    (tmp_path / "account/a00001.json").write_text("{")
    found = await all_of(workers=2)
    assert [account.label for account in found] == ["a00000", "a00002", "a00003", "a00001"]
    last = found[-1]
    assert isinstance(last.outcome, Failure)
    assert last.outcome.kind is FailureKind.FILE_INVALID
    assert last.outcome.may_work_later is False


@pytest.mark.parametrize(
    ("becomes", "labels"),
    [
        (codex("late"), ["a00000"]),
        (several("x", "y"), ["a00000:x", "a00000:y"]),
        (codex(disabled=True), []),
    ],
)
async def test_half_written_file_is_what_it_is_when_read_again(
    tmp_path: Path, becomes: Any, labels: list[str]
) -> None:
    fill(tmp_path / "account", 1)
    path = tmp_path / "account/a00000.auth.json"
    path.write_bytes(content(codex())[:100])

    async def finish() -> None:
        await anyio.sleep(0.03)
        put(path, becomes)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(finish)
        found = await all_of()
    assert [account.label for account in found] == labels
    assert all(isinstance(account.outcome, Credential) for account in found)


async def test_a_file_that_does_not_answer_costs_its_own_account(tmp_path: Path) -> None:
    fill(tmp_path / "account", 3)
    hang = threading.Event()
    real = os.open

    def opened(path: Any, *of: Any, **how: Any) -> int:
        if str(path).endswith("a00001.auth.json"):
            hang.wait(20)
        return real(path, *of, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        begun_at = time.monotonic()
        patch.setattr("poller.polling.feed._SLOW_S", 0.1)
        async with open_feed((), Settings(account_deadline_s=0.2), clock=time.time) as feed:
            found = await drain(feed, workers=3)
        assert time.monotonic() - begun_at < 5
        hang.set()
    assert kinds(found) == {"a00000": "ok", "a00002": "ok", "a00001": "file_unreadable"}


async def test_on_a_slow_disk_the_first_accounts_do_not_wait_for_a_whole_batch(
    tmp_path: Path,
) -> None:
    fill(tmp_path / "account", 200)
    read_at: list[float] = []

    def clock() -> float:  # asked for each file that is read
        time.sleep(0.02)
        read_at.append(time.time())
        return read_at[-1]

    async with open_feed((), Settings(), clock=clock) as feed:
        assert await feed.next() is not None
        assert len(read_at) <= 10
        rest = [account async for account in feed.rest(STOPPED)]
    assert len(rest) == 199


@pytest.mark.parametrize("hanging", [0, 1, 2])
async def test_stopped_while_a_file_hangs_every_account_is_left_for_its_record(
    tmp_path: Path, hanging: int
) -> None:
    fill(tmp_path / "account", 3)
    hang = threading.Event()
    reached = threading.Event()
    real = os.open

    def opened(path: Any, *of: Any, **how: Any) -> int:
        if str(path).endswith(f"a0000{hanging}.auth.json"):
            reached.set()
            hang.wait(20)
        return real(path, *of, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr("poller.polling.feed._LAST_READING_S", 0.2)
        async with open_feed((), Settings(), clock=time.time) as feed:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(feed.next)
                    await anyio.to_thread.run_sync(reached.wait)
                    scope.cancel()
            left = [account async for account in feed.rest(STOPPED)]
        hang.set()
    assert sorted(account.label for account in left) == ["a00000", "a00001", "a00002"]
    assert [account for account in left if account.label < f"a0000{hanging}"] == [
        account for account in left if isinstance(account.outcome, Credential)
    ]


async def test_writer_that_truncates_and_rewrites_is_never_in_the_way(tmp_path: Path) -> None:
    fill(tmp_path / "account", 1)
    path = tmp_path / "account/a00000.auth.json"
    done = threading.Event()

    def rewrite() -> None:
        whole = content(codex())
        while not done.wait(0.2):
            with path.open("wb") as file:
                done.wait(0.02)
                file.write(whole[:50])
                file.flush()
                done.wait(0.02)
                file.write(whole[50:])

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(100):
            (account,) = await all_of()
            again = await reread(account)
            assert isinstance(account.outcome, Credential)
            assert isinstance(again.outcome, Credential)
    finally:
        done.set()
        writer.join()


async def test_out_of_descriptors_is_worth_another_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "account", 1)

    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(read, "SHORT_WAITS_S", (0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        (account,) = await all_of()
    assert isinstance(account.outcome, Failure)
    assert account.outcome.kind is FailureKind.LOCAL_RESOURCE
    assert isinstance((await reread(account)).outcome, Credential)


async def test_no_thread_to_be_had_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    fill(tmp_path / "account", 200)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert len(await all_of()) == 200


# Drawing at random


async def test_drawing_and_taking_give_each_account_once(tmp_path: Path) -> None:
    fill(tmp_path / "account", 60)
    put(tmp_path / "account/a00010.auth.json", several("x", "y", "z"))
    put(tmp_path / "account/a00020.auth.json", codex(disabled=True))
    found: list[Account] = []
    async with open_feed((), Settings(), clock=time.time) as feed:
        while feed.known_left:
            for take in (feed.next, partial(feed.draw, random)):
                account = await take()
                found += [account] if account is not None else []
        assert await feed.draw(random) is None
    assert len(found) == len({account.label for account in found}) == 61


async def test_draws_come_from_the_whole_of_the_folder(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    async with open_feed((), Settings(), clock=time.time) as feed:
        drawn = [await feed.draw(random.Random(seed)) for seed in range(30)]
    positions = [account.position for account in drawn if account is not None]
    assert min(positions) < 60
    assert max(positions) > 240


# What is left at the end


async def test_what_is_left_at_the_end_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "account", 100)
    (tmp_path / "account/a00001.auth.json").write_text("")
    put(tmp_path / "account/a00002.auth.json", several("x", "y"))
    put(tmp_path / "account/b.json", {"name": "x"})
    async with open_feed((), Settings(), clock=time.time) as feed:
        first = await feed.next()
        assert first is not None
        rest = [account async for account in feed.rest(STOPPED)]
        assert await feed.next() is None
    found = [first, *rest]
    assert len({account.label for account in found}) == len(found) == 101
    assert kinds(found)["a00001"] == "file_invalid"


async def test_what_is_left_is_not_read_where_there_is_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "account", 30)
    put(tmp_path / "account/b.json", codex())
    monkeypatch.setattr("poller.polling.feed._LAST_READING_S", 0.0)
    async with open_feed((), Settings(), clock=time.time) as feed:
        rest = [account async for account in feed.rest(STOPPED)]
    assert [account.outcome for account in rest] == [STOPPED] * 30


@pytest.mark.parametrize(("files", "reads"), [(100, True), (60_000, False)])
async def test_files_are_not_read_where_their_records_alone_take_the_time(
    files: int, reads: bool
) -> None:
    # 30 µs are kept for each record: those of the many would take 1.8 s.
    feed = AccountFeed(in_memory((f"n{number}", b"") for number in range(files)))
    first, *rest = [account async for account in feed.rest(STOPPED)]
    assert kinds([first]) == {"n0": "file_invalid" if reads else "cancelled"}
    assert len(rest) == files - 1


async def test_cancelled_reading_loses_nobody(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    found: list[Account] = []
    async with open_feed((), Settings(), clock=time.time) as feed:

        async def work(scope: anyio.CancelScope) -> None:
            while (account := await feed.next()) is not None:
                found.append(account)
                if len(found) == 100:
                    scope.cancel()

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(work, tasks.cancel_scope)
        found += [account async for account in feed.rest(STOPPED)]
    assert sorted(account.position for account in found) == list(range(300))


# Lists of paths


def listing(tmp_path: Path, *lines: str | bytes) -> str:
    path = tmp_path / "list"
    path.write_bytes(b"\n".join(os.fsencode(line) for line in lines))
    return str(path)


async def test_list_of_paths_is_polled_in_its_order_each_once(tmp_path: Path) -> None:
    fill(tmp_path / "x", 3)
    lines = (
        "\ufeffx/a00002.auth.json",
        "",
        "  ",
        "x/a00000.auth.json\r",
        f"{tmp_path}/x/./a00002.auth.json",
        "x/none.auth.json",
        b"x/\xff\x1b.auth.json",
        b"x/nul\0",
        "x/a00001.auth.json",
    )
    found = await all_of(files_from=listing(tmp_path, *lines))
    assert kinds(found) == {
        "a00002": "ok",
        "a00000": "ok",
        "none": "file_missing",
        "\\xff\\x1b": "file_missing",
        "nul\\x00": "file_missing",
        "a00001": "ok",
    }
    assert found[0].source == "x/a00002.auth.json"


async def test_labels_of_a_list_are_told_apart(tmp_path: Path) -> None:
    for name in ("p/x", "q/x", "q"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    lines = ("p/x/a.json", "q/x/a.json", "q/a.json", "q/a.auth.json", "q/a/auth.json", "a")
    found = await all_of(files_from=listing(tmp_path, *lines))
    assert len({account.label for account in found}) == 6


async def test_list_may_end_in_the_middle_of_a_line(tmp_path: Path) -> None:
    for end in ("a.json", "a.json\n"):
        found = await all_of(files_from=listing(tmp_path, end))
        assert [account.label for account in found] == ["a"]


async def test_labels_that_only_look_alike_are_told_apart(tmp_path: Path) -> None:
    found = await all_of(files_from=listing(tmp_path, "/x\x1b", "/x\\x1b"))
    assert [account.label for account in found] == ["x\\x1b", "x\\x1b#2"]


async def test_disabled_account_in_a_list_is_wanted(tmp_path: Path) -> None:
    put(tmp_path / "a.json", codex(disabled=True))
    assert kinds(await all_of(files_from=listing(tmp_path, "a.json"))) == {"a": "ok"}


async def test_line_without_an_end_does_not_fill_memory(tmp_path: Path) -> None:
    found = await all_of(files_from=listing(tmp_path, "x" * 300_000, "y"))
    assert len(found[0].source) == 8192
    assert found[1].label == "y"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def fed_from(tmp_path: Path, descriptor: int) -> AccountFeed:
    return AccountFeed(more=PathList(descriptor, cwd=str(tmp_path), owned=False))


async def test_a_list_is_read_to_its_end_first(tmp_path: Path, pipe: tuple[int, int]) -> None:
    fill(tmp_path / "x", 3)
    feed = fed_from(tmp_path, pipe[0])
    assert feed.total is None
    found: list[Account] = []

    async def work() -> None:
        found.extend(await drain(feed, workers=4))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        os.write(pipe[1], b"x/a00000.auth.json\nx/a0000")
        await anyio.wait_all_tasks_blocked()
        assert feed.total is None
        os.write(pipe[1], b"1.auth.json\nx/none")
        os.close(pipe[1])
    assert kinds(found) == {"a00000": "ok", "a00001": "ok", "none": "file_missing"}


async def test_paths_that_came_before_the_end_are_left_over(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    fill(tmp_path / "x", 3)
    feed = fed_from(tmp_path, pipe[0])
    os.write(pipe[1], b"".join(b"x/a0000%d.auth.json\n" % number for number in range(3)))
    with anyio.move_on_after(0.1):
        await feed.next()
    rest = [account async for account in feed.rest(STOPPED)]
    assert kinds(rest) == {"a00000": "ok", "a00001": "ok", "a00002": "ok"}
    os.close(pipe[1])


async def test_pipe_that_somebody_made_non_blocking_is_no_trouble(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    os.set_blocking(pipe[0], False)
    feed = fed_from(tmp_path, pipe[0])

    async def write() -> None:
        await anyio.sleep(0.05)
        os.write(pipe[1], b"a.json\n")
        os.close(pipe[1])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        found = await drain(feed)
    assert [account.label for account in found] == ["a"]


async def test_device_is_read_all_the_same(tmp_path: Path) -> None:
    assert await all_of(files_from="/dev/null") == []


async def test_list_that_breaks_off_says_so(
    tmp_path: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = fed_from(tmp_path, pipe[0])

    def refuse(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", refuse)
    assert await feed.next() is None
    assert feed.notices.list_trouble == "the list of paths broke off: input/output error"
    os.close(pipe[1])


async def test_named_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    def write() -> None:
        with (tmp_path / "fifo").open("wb") as fifo:
            fifo.write(b"a.json\n")

    writer = threading.Thread(target=write)
    writer.start()
    assert [account.label for account in await all_of(files_from="fifo")] == ["a"]
    writer.join()


async def test_list_and_accounts_together_are_a_mistake() -> None:
    with pytest.raises(UsageError, match="only one of them"):
        await all_of("a", files_from="-")
    with pytest.raises(UsageError, match="only one of them"):
        await all_of(accounts=("a",), files_from="-")


async def test_list_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, said in (("nowhere", "no such file"), ("folder", "a folder"), ("n\0", "not a valid")):
        with pytest.raises(UsageError, match=said):
            await all_of(files_from=name)


# Accounts that come in one at a time


async def test_an_asynchronous_iterable_is_polled_as_it_comes(tmp_path: Path) -> None:
    fill(tmp_path / "account", 2)
    put(tmp_path / "s.json", several("x", "y"))
    asked: list[int] = []

    async def come() -> AsyncIterator[str]:
        for number, each in enumerate(("a00001", "./s.json", "nobody", "a00001")):
            asked.append(number)
            yield each

    async with open_feed(come(), Settings(), clock=time.time) as feed:
        first = await feed.next()
        assert first is not None
        assert asked == [0]
        assert feed.total is None
        rest = [account async for account in _rest_of(feed)]
    assert kinds([first, *rest]) == {
        "a00001": "ok",
        "s:x": "ok",
        "s:y": "ok",
        "nobody": "file_missing",
        "a00001#2": "ok",
    }


async def _rest_of(feed: AccountFeed) -> AsyncIterator[Account]:
    while (account := await feed.next()) is not None:
        yield account


# What a round notices


async def test_files_that_others_may_read_are_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "account", 4)
    async with open_feed((), Settings(), clock=time.time) as feed:
        await drain(feed)
        assert feed.notices.readable_by_others == []
    for name in ("a00001", "a00002"):
        (tmp_path / f"account/{name}.auth.json").chmod(0o644)
    async with open_feed((), Settings(), clock=time.time) as feed:
        await drain(feed)
        assert feed.notices.readable_by_others == [
            "account/a00001.auth.json",
            "account/a00002.auth.json",
        ]


async def test_accounts_of_one_login_are_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "account", 3)
    put(tmp_path / "account/b.auth.json", codex("u1"))
    put(tmp_path / "account/c.json", {"access_token": token("x"), "refresh_token": "rt_u2"})
    async with open_feed((), Settings(), clock=time.time) as feed:
        await drain(feed)
        assert feed.notices.same_logins == [("a00001", "b"), ("a00002", "c")]


async def test_looking_for_one_login_ends_after_ten_thousand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poller.polling.feed._COMPARED", 1)
    feed = AccountFeed(in_memory([("a", content(codex())), ("b", content(codex()))]))
    await drain(feed)
    assert feed.notices.same_logins == []


# In memory, and reading one again


async def test_made_up_accounts_come_from_memory() -> None:
    files = [("a", content(codex())), ("a", b"{"), ("b\x1b", content(several("x", "y")))]
    found = await drain(AccountFeed(in_memory(files)))
    assert kinds(found) == {"a": "ok", "a#2": "file_invalid", "b\\x1b:x": "ok", "b\\x1b:y": "ok"}
    assert found[0].path is None
    assert await reread(found[0]) is found[0]


async def test_reading_again_finds_the_new_token_of_the_same_login(tmp_path: Path) -> None:
    put(tmp_path / "s.json", several("x", "y"))
    _, account = await all_of("./s.json")
    renewed = several("x", "y")
    renewed["accounts"][1]["auth_data"]["access_token"] = token("y", exp=4_100_000_000)
    put(tmp_path / "s.json", renewed)
    again = await reread(account)
    assert isinstance(again.outcome, Credential)
    assert again.outcome.expires_at == 4_100_000_000
    assert again.label == "s:y"


async def test_reading_again_tells_when_the_login_is_gone(tmp_path: Path) -> None:
    put(tmp_path / "s.json", several("x", "y"))
    _, account = await all_of("./s.json")
    put(tmp_path / "s.json", several("x"))
    assert kinds([await reread(account)]) == {"s:y": "no_credentials"}
    (tmp_path / "s.json").unlink()
    assert kinds([await reread(account)]) == {"s:y": "file_missing"}


async def test_reading_again_waits_for_a_half_written_file_and_no_longer(tmp_path: Path) -> None:
    put(tmp_path / "a.json", codex())
    (account,) = await all_of("./a.json")
    (tmp_path / "a.json").write_bytes(b"")
    again = await reread(account)
    assert isinstance(again.outcome, Failure)
    assert again.outcome.kind is FailureKind.FILE_INVALID
    assert again.outcome.may_work_later is False


async def test_polling_touches_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "account", 100)
    folder = tmp_path / "account"
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}
    await all_of()
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())} == before
