from __future__ import annotations

import os
import random
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poller.authfiles import Account, Selection, Source, discover, in_memory, read, reread
from poller.settings import Settings
from poller.values import Credential, Failure, FailureKind
from tests.auth_files import codex, content, several, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


def fill(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        put(folder / f"a{number:05}.auth.json", codex(f"u{number}"))


def put(path: Path, document: Any) -> None:
    path.write_bytes(content(document))
    path.chmod(0o600)


def source_of(path: Path, **settings: Any) -> Source:
    return Source(discover(Settings(**settings), environ={}, cwd=str(path)))


async def drain(source: Source, *, workers: int = 1) -> list[Account]:
    found: list[Account] = []

    async def work() -> None:
        while (account := await source.next()) is not None:
            found.append(account)

    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(work)
    assert sorted(account.position for account in found) == list(range(len(found)))
    assert len({account.label for account in found}) == len(found)
    assert not source.known_left
    return found


def kinds(accounts: list[Account]) -> dict[str, str]:
    return {
        account.label: account.outcome.kind if isinstance(account.outcome, Failure) else "ok"
        for account in accounts
    }


@pytest.mark.parametrize("workers", [1, 8])
async def test_every_account_of_a_large_folder_comes_once_in_order(
    tmp_path: Path, workers: int
) -> None:
    fill(tmp_path / "account", 500)
    source = source_of(tmp_path)
    assert source.expected == 500
    assert source.known_left
    found = await drain(source, workers=workers)
    assert [account.position for account in found] == list(range(500))
    assert [account.label for account in found] == [f"a{number:05}" for number in range(500)]
    assert all(isinstance(account.outcome, Credential) for account in found)


async def test_reading_five_thousand_files_keeps_only_their_names(tmp_path: Path) -> None:
    fill(tmp_path / "account", 5000)
    source = source_of(tmp_path)
    count = 0
    tracemalloc.start()
    try:
        while await source.next() is not None:
            count += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 5000
    assert peak < 4_000_000


async def test_files_are_not_read_long_before_their_turn(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    source = source_of(tmp_path)
    await source.next()
    put(tmp_path / "account/a00299.auth.json", codex("new"))
    last = (await drain_rest(source))[-1]
    assert isinstance(last.outcome, Credential)
    assert last.outcome.account_id == "acc-new"


async def drain_rest(source: Source) -> list[Account]:
    found: list[Account] = []
    while (account := await source.next()) is not None:
        found.append(account)
    return found


async def test_file_for_nobody_leaves_no_gap_in_the_positions(tmp_path: Path) -> None:
    fill(tmp_path / "account", 3)
    put(tmp_path / "account/a00001.auth.json", codex(disabled=True))
    put(tmp_path / "account/a00001.json", {"name": "x"})
    assert [account.label for account in await drain(source_of(tmp_path))] == ["a00000", "a00002"]


async def test_broken_file_is_invalid_and_holds_nobody_up(tmp_path: Path) -> None:
    fill(tmp_path / "account", 4)
    (tmp_path / "account/a00001.auth.json").write_text("{")
    (tmp_path / "account/a00001.json").write_text("{")
    found = await drain(source_of(tmp_path))
    assert [account.position for account in found] == [0, 2, 3, 1]
    last = found[-1]
    assert last.label == "a00001"
    assert isinstance(last.outcome, Failure)
    assert last.outcome.kind is FailureKind.FILE_INVALID
    assert last.outcome.may_work_later is False


async def test_half_written_file_is_good_when_read_again(tmp_path: Path) -> None:
    fill(tmp_path / "account", 2)
    (tmp_path / "account/a00000.auth.json").write_bytes(content(codex())[:100])
    source = source_of(tmp_path)
    first = await source.next()
    assert first is not None
    assert first.label == "a00001"
    put(tmp_path / "account/a00000.auth.json", codex("late"))
    (late,) = await drain_rest(source)
    assert (late.position, late.label) == (0, "a00000")
    assert isinstance(late.outcome, Credential)


@pytest.mark.parametrize(
    ("becomes", "labels"),
    [
        (several("x", "y"), {"a00000:x": 0, "a00000:y": 2}),
        (codex(disabled=True), {"a00000": 0}),
    ],
)
async def test_half_written_file_that_turns_out_otherwise_loses_no_position(
    tmp_path: Path, becomes: Any, labels: dict[str, int]
) -> None:
    fill(tmp_path / "account", 2)
    (tmp_path / "account/a00000.auth.json").write_bytes(b"")
    source = source_of(tmp_path)
    await source.next()
    put(tmp_path / "account/a00000.auth.json", becomes)
    assert {account.label: account.position for account in await drain_rest(source)} == labels


async def test_half_written_plain_json_comes_last_once_it_is_known(tmp_path: Path) -> None:
    fill(tmp_path / "account", 2)
    (tmp_path / "account/a.json").write_bytes(b"")
    source = source_of(tmp_path)
    await source.next()
    put(tmp_path / "account/a.json", codex("late"))
    assert [account.label for account in await drain_rest(source)] == ["a00001", "a"]


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
            (account,) = await drain(source_of(tmp_path))
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
        account = await source_of(tmp_path).next()
    assert account is not None
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
    assert len(await drain(source_of(tmp_path))) == 200


# Drawing at random


async def test_drawing_and_taking_give_each_account_once(tmp_path: Path) -> None:
    fill(tmp_path / "account", 400)
    put(tmp_path / "account/a00100.auth.json", several("x", "y", "z"))
    put(tmp_path / "account/a00200.auth.json", codex(disabled=True))
    put(tmp_path / "account/a00200.json", {"name": "x"})
    (tmp_path / "account/a00300.auth.json").write_text("{")
    source = source_of(tmp_path)
    chance = random.Random(7)
    found: list[Account] = []
    for turn in range(150):
        account = await source.draw(chance) if turn % 3 else await source.next()
        assert account is not None
        found.append(account)
    in_order = await drain_rest(source)
    positions = [account.position for account in in_order if "00300" not in account.label]
    assert positions == sorted(positions)
    everything = found + in_order
    assert sorted(account.position for account in everything) == list(range(401))
    assert len({account.label for account in everything}) == 401
    by_position = sorted(everything, key=lambda account: account.position)
    labels = [account.label for account in by_position]
    assert labels == sorted(labels)


async def test_draws_come_from_the_whole_of_the_folder(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    source = source_of(tmp_path)
    drawn = [await source.draw(random.Random(seed)) for seed in range(20)]
    assert max(account.position for account in drawn if account) > 200
    assert len({account.position for account in drawn if account}) == 20


async def test_all_can_be_drawn_and_then_there_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "account", 100)
    put(tmp_path / "account/b.json", {"name": "x"})
    source = source_of(tmp_path)
    await source.next()
    labels = {account.label async for account in draws(source)}
    assert len(labels) == 99
    assert await source.draw(random) is None
    assert await source.next() is None


async def draws(source: Source) -> Any:
    while (account := await source.draw(random)) is not None:
        yield account


async def test_drawing_from_nothing_gives_none() -> None:
    assert await Source(Selection()).draw(random) is None
    assert await Source(Selection()).next() is None


async def test_file_that_changes_after_it_was_counted_breaks_no_position(tmp_path: Path) -> None:
    fill(tmp_path / "account", 100)
    put(tmp_path / "account/a00050.auth.json", several("x", "y", "z"))
    source = source_of(tmp_path)

    class Last:
        def randrange(self, stop: int, /) -> int:
            return stop - 1

    drawn = await source.draw(Last())
    assert drawn is not None
    assert drawn.position == 101
    put(tmp_path / "account/a00050.auth.json", codex())
    put(tmp_path / "account/a00060.auth.json", several("x", "y"))
    found = await drain_rest(source)
    assert sorted(account.position for account in [*found, drawn]) == list(range(103))
    assert len({account.label for account in [*found, drawn]}) == 103
    assert kinds(found)["a00050:2"] == "file_invalid"


async def test_account_in_memory_can_be_drawn() -> None:
    selection = in_memory((f"d{number}", content(codex())) for number in range(3))
    assert {account.label async for account in draws(Source(selection))} == {"d0", "d1", "d2"}


# What is left at the end


async def test_what_is_left_at_the_end_is_told_without_waiting(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    (tmp_path / "account/a00001.auth.json").write_text("")
    put(tmp_path / "account/b.json", {"name": "x"})
    source = source_of(tmp_path)
    first, second, drawn = await source.next(), await source.next(), await source.draw(random)
    assert first is not None
    assert second is not None
    assert drawn is not None
    rest = list(await source.remaining())
    found = [first, second, drawn, *rest]
    assert sorted(account.position for account in found) == list(range(300))
    assert kinds(found)["a00001"] == "file_invalid"
    assert await source.next() is None


async def test_what_is_left_is_not_read_where_there_is_no_time(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    put(tmp_path / "account/b.json", codex())
    unread = Failure(FailureKind.CIRCUIT_OPEN, "not asked", "wait")
    rest = list(await source_of(tmp_path).remaining(within_s=0, unread=unread))
    assert [account.outcome for account in rest] == [unread] * 300


@pytest.mark.parametrize(("files", "reads"), [(100, True), (20_000, False)])
async def test_files_are_not_read_where_their_records_alone_take_the_time(
    files: int, reads: bool
) -> None:
    # 30 µs are kept for each record: those of the many would take 0.6 s.
    source = Source(in_memory((f"n{number}", b"") for number in range(files)))
    first, *rest = await source.remaining(within_s=0.3)
    assert kinds([first]) == {"n0": "file_invalid" if reads else "cancelled"}
    assert len(rest) == files - 1


async def test_cancelled_reading_loses_nobody(tmp_path: Path) -> None:
    fill(tmp_path / "account", 300)
    source = source_of(tmp_path)
    found: list[Account] = []

    async def work(scope: anyio.CancelScope) -> None:
        while (account := await source.next()) is not None:
            found.append(account)
            if len(found) == 100:
                scope.cancel()

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(work, tasks.cancel_scope)
    found += await source.remaining()
    assert sorted(account.position for account in found) == list(range(300))


# Lists of paths


def listing(tmp_path: Path, *lines: str | bytes) -> str:
    path = tmp_path / "list"
    path.write_bytes(b"\n".join(os.fsencode(line) for line in lines))
    return str(path)


async def test_list_of_paths_is_polled_in_its_order_each_once(tmp_path: Path) -> None:
    fill(tmp_path / "x", 3)
    lines = (
        "x/a00002.auth.json",
        "",
        "  ",
        "x/a00000.auth.json\r",
        f"{tmp_path}/x/./a00002.auth.json",
        "x/none.auth.json",
        b"x/\xff\x1b.auth.json",
        b"x/nul\0",
        "x/a00001.auth.json",
    )
    found = await drain(source_of(tmp_path, files_from=listing(tmp_path, *lines)))
    assert kinds(found) == {
        "a00002": "ok",
        "a00000": "ok",
        "none": "file_missing",
        "\\xff\\x1b": "file_missing",
        "nul\\x00": "file_missing",
        "a00001": "ok",
    }
    assert found[0].source == "x/a00002.auth.json"


async def test_labels_of_a_list_are_made_unique_as_they_come(tmp_path: Path) -> None:
    for name in ("p/x", "q/x", "q"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    lines = ("p/x/a.json", "q/x/a.json", "q/a.json", "q/a.auth.json", "q/a/auth.json", "a")
    found = await drain(source_of(tmp_path, files_from=listing(tmp_path, *lines)))
    assert [account.label for account in found][:3] == ["a", "x/a", "q/a"]
    assert len({account.label for account in found}) == 6


async def test_list_may_end_in_the_middle_of_a_line(tmp_path: Path) -> None:
    for end in ("a.json", "a.json\n"):
        found = await drain(source_of(tmp_path, files_from=listing(tmp_path, end)))
        assert [account.label for account in found] == ["a"]


async def test_labels_that_only_look_alike_are_told_apart(tmp_path: Path) -> None:
    lines = ("/x\x1b", "/x\\x1b")
    found = await drain(source_of(tmp_path, files_from=listing(tmp_path, *lines)))
    assert [account.label for account in found] == ["x\\x1b", "/x\\x1b"]


async def test_long_list_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    fill(tmp_path / "x", 300)
    lines = [f"{tmp_path}/x/a{number:05}.auth.json" for number in range(300)] * 10
    source = source_of(tmp_path, files_from=listing(tmp_path, *lines))
    assert source.expected is None
    assert len(await drain(source, workers=8)) == 300


async def test_disabled_account_in_a_list_is_wanted(tmp_path: Path) -> None:
    put(tmp_path / "a.json", codex(disabled=True))
    found = await drain(source_of(tmp_path, files_from=listing(tmp_path, "a.json")))
    assert kinds(found) == {"a": "ok"}


async def test_line_without_an_end_does_not_fill_memory(tmp_path: Path) -> None:
    found = await drain(source_of(tmp_path, files_from=listing(tmp_path, "x" * 300_000, "y")))
    assert len(found[0].source) == 8192
    assert found[1].label == "y"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def source_from(tmp_path: Path, descriptor: int) -> Source:
    settings = Settings(files_from="-")
    return Source(discover(settings, environ={}, cwd=str(tmp_path), stdin=descriptor))


async def test_path_that_has_come_is_handed_out_while_the_next_is_awaited(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    fill(tmp_path / "x", 3)
    source = source_from(tmp_path, pipe[0])
    assert not source.known_left
    assert source.list_trouble is None
    for number in range(3):
        os.write(pipe[1], f"x/a{number:05}.auth.json\n".encode())
        account = await source.next()
        assert account is not None
        assert account.label == f"a{number:05}"
    os.write(pipe[1], b"x/none")
    os.close(pipe[1])
    assert kinds(await drain_rest(source)) == {"none": "file_missing"}


async def test_slow_pipe_holds_up_neither_other_workers_nor_the_end(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    fill(tmp_path / "x", 3)
    source = source_from(tmp_path, pipe[0])
    found: list[Account] = []
    three = anyio.Event()

    async def work() -> None:
        while (account := await source.next()) is not None:
            found.append(account)
            if len(found) == 3:
                three.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(work)
        os.write(pipe[1], b"".join(b"x/a0000%d.auth.json\n" % number for number in range(3)))
        await three.wait()
        assert await source.draw(random) is None
        tasks.cancel_scope.cancel()
    assert list(await source.remaining()) == []
    assert len(found) == 3
    os.close(pipe[1])


async def test_half_written_file_is_read_again_while_the_pipe_is_silent(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    (tmp_path / "a.json").write_bytes(b"")
    source = source_from(tmp_path, pipe[0])
    os.write(pipe[1], b"a.json\n")
    account = await source.next()
    assert account is not None
    assert kinds([account]) == {"a": "file_invalid"}
    os.close(pipe[1])


async def test_paths_that_came_before_the_end_are_left_over(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    fill(tmp_path / "x", 3)
    source = source_from(tmp_path, pipe[0])
    os.write(pipe[1], b"".join(b"x/a0000%d.auth.json\n" % number for number in range(3)))
    assert await source.next() is not None
    drawn = await source.draw(random)
    rest = list(await source.remaining())
    assert drawn is not None
    assert sorted(account.position for account in [drawn, *rest]) == [1, 2]
    os.close(pipe[1])


async def test_pipe_shared_with_a_faster_reader_is_no_trouble(
    tmp_path: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_from(tmp_path, pipe[0])
    os.write(pipe[1], b"a.json\n")
    real, calls = os.read, iter([True])

    def read(descriptor: int, size: int) -> bytes:
        if descriptor == pipe[0] and next(calls, False):
            raise BlockingIOError
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    account = await source.next()
    assert account is not None
    assert account.label == "a"
    os.close(pipe[1])


async def test_device_that_cannot_be_waited_for_is_read_all_the_same(tmp_path: Path) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    assert await drain(source_from(tmp_path, null)) == []
    os.close(null)
    assert await drain(source_of(tmp_path, files_from="/dev/null")) == []


async def test_list_that_breaks_off_says_so(
    tmp_path: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_from(tmp_path, pipe[0])

    def refuse(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    os.write(pipe[1], b"a.json\n")
    monkeypatch.setattr(os, "read", refuse)
    assert await source.next() is None
    assert source.list_trouble == "the list of paths broke off: Input/output error"
    os.close(pipe[1])


async def test_named_pipe_is_waited_for_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    source = source_of(tmp_path, files_from="fifo")
    writing = os.open(tmp_path / "fifo", os.O_WRONLY)
    os.write(writing, b"a.json\n")
    account = await source.next()
    assert account is not None
    os.close(writing)
    assert await source.next() is None


async def test_closed_source_takes_in_no_more(tmp_path: Path) -> None:
    source = source_of(tmp_path, files_from=listing(tmp_path, "a.json"))
    source.close()
    source.close()
    assert await source.next() is None
    Source(Selection()).close()


# What is said once for the run


async def test_file_that_others_may_read_is_noted_once(tmp_path: Path) -> None:
    fill(tmp_path / "account", 3)
    source = source_of(tmp_path)
    await drain(source)
    assert source.readable_by_others is None
    for name in ("a00001", "a00002"):
        (tmp_path / f"account/{name}.auth.json").chmod(0o644)
    source = source_of(tmp_path)
    await drain(source)
    assert source.readable_by_others == "account/a00001.auth.json"


async def test_files_of_one_login_are_noted(tmp_path: Path) -> None:
    fill(tmp_path / "account", 3)
    put(tmp_path / "account/b.auth.json", codex("u1"))
    put(tmp_path / "account/c.json", {"access_token": token("x"), "refresh_token": "rt_u2"})
    member = codex("x")
    member["tokens"] = {"access_token": token("y"), "account_id": "acc-u1"}
    put(tmp_path / "account/d.auth.json", member)
    opaque = {"access_token": "opaque", "account_id": "acc-u1"}
    put(tmp_path / "account/e.json", opaque)
    source = source_of(tmp_path)
    await drain(source)
    assert source.same_login == ("a00001", "b")
    assert source.same_logins == 2


async def test_looking_for_one_login_ends_after_ten_thousand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poller.authfiles.duplicates._COMPARED", 1)
    source = Source(in_memory([("a", content(codex())), ("b", content(codex()))]))
    await drain(source)
    assert source.same_login is None


# In memory, and reading one again


async def test_made_up_accounts_come_from_memory() -> None:
    files = [("a", content(codex())), ("a", b"{"), ("b\x1b", content(several("x", "y")))]
    source = Source(in_memory(files))
    found = await drain(source)
    assert kinds(found) == {"a": "ok", "a#2": "file_invalid", "b\\x1b:x": "ok", "b\\x1b:y": "ok"}
    assert found[0].path is None
    assert await reread(found[0]) is found[0]


async def test_reading_again_finds_the_new_token_of_the_same_login(tmp_path: Path) -> None:
    put(tmp_path / "s.json", several("x", "y"))
    _, account = await drain(source_of(tmp_path, accounts=("./s.json",)))
    renewed = several("x", "y")
    renewed["accounts"][1]["auth_data"]["access_token"] = token("y", exp=4_100_000_000)
    put(tmp_path / "s.json", renewed)
    again = await reread(account)
    assert isinstance(again.outcome, Credential)
    assert again.outcome.expires_at == 4_100_000_000
    assert again.label == "s:y"


async def test_reading_again_tells_when_the_login_is_gone(tmp_path: Path) -> None:
    put(tmp_path / "s.json", several("x", "y"))
    _, account = await drain(source_of(tmp_path, accounts=("./s.json",)))
    put(tmp_path / "s.json", several("x"))
    assert kinds([await reread(account)]) == {"s:y": "no_credentials"}
    (tmp_path / "s.json").unlink()
    assert kinds([await reread(account)]) == {"s:y": "file_missing"}


async def test_reading_again_waits_for_a_half_written_file_and_no_longer(tmp_path: Path) -> None:
    put(tmp_path / "a.json", codex())
    (account,) = await drain(source_of(tmp_path, accounts=("./a.json",)))
    (tmp_path / "a.json").write_bytes(b"")
    again = await reread(account)
    assert isinstance(again.outcome, Failure)
    assert again.outcome.kind is FailureKind.FILE_INVALID
    assert again.outcome.may_work_later is False


async def test_polling_touches_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "account", 100)
    folder = tmp_path / "account"
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}
    await drain(source_of(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())} == before
