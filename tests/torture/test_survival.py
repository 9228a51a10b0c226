"""What keeps one account's bad luck from the others, piece by piece and in this process."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from poller.authfiles import read
from poller.authfiles.find import find
from poller.authfiles.shapes import parse
from poller.deliver.stdout import ResultsLost, Writer
from poller.polling.feed import AccountFeed
from poller.settings import Settings
from poller.simulator.server import serve
from poller.upstream.client import open_client
from poller.upstream.transport_errors import TransportErrorKind, translate
from poller.values import FailureKind, unexpected_failure
from tests.running import (
    ROOT,
    account,
    environment,
    kind_of,
    made_up,
    numbered,
    one_round,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poller.authfiles.read import Account, AuthFile
    from poller.values import Report
    from tests.conftest import Certificates

pytestmark = pytest.mark.anyio


# Files


class Scarce:
    """``os.open`` where descriptors are gone for a while."""

    def __init__(self, name: str, times: int) -> None:
        self._open = os.open
        self._name = name
        self.left = times

    def __call__(self, path: str, *args: Any) -> int:
        if path.endswith(self._name) and self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._open(path, *args)


async def _all_of(folder: Path) -> dict[str, Account]:
    settings = Settings(account_dirs=(str(folder),))
    feed = AccountFeed(find(settings, environ={}, cwd=str(folder)))
    found: dict[str, Account] = {}
    while (one := await feed.next()) is not None:
        found[one.label] = one
    return found


@pytest.mark.parametrize(("times", "kind"), [(2, None), (99, "local_resource")])
async def test_a_file_is_read_again_once_there_are_descriptors(
    times: int, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, *numbered(3))
    monkeypatch.setattr(read, "SHORT_WAITS_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(os, "open", Scarce("n0001.auth.json", times))
    found = await _all_of(tmp_path)
    kinds = {name: getattr(one.outcome, "kind", None) for name, one in found.items()}
    assert kinds == {"n0000": None, "n0001": kind, "n0002": None}


@pytest.mark.parametrize(
    ("error", "kind"), [(MemoryError(), "local_resource"), (ZeroDivisionError(), "internal")]
)
async def test_a_bug_with_one_file_costs_that_file_alone(
    error: Exception, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, *numbered(3))
    monkeypatch.setattr(read, "SHORT_WAITS_S", (0.01,))

    def breaks(content: bytes, *, now: float) -> Any:
        if b"n0001" in content:
            raise error
        return parse(content, now=now)

    bad = (tmp_path / "n0001.auth.json").read_bytes()
    (tmp_path / "n0001.auth.json").write_bytes(b'{"note": "n0001",' + bad.lstrip()[1:])
    monkeypatch.setattr(read, "parse", breaks)
    found = await _all_of(tmp_path)
    kinds = {name: getattr(one.outcome, "kind", None) for name, one in found.items()}
    assert kinds == {"n0000": None, "n0001": kind, "n0002": None}


# Accounts


class Rigged(AccountFeed):
    """A feed that fails now and then."""

    def __init__(self, count: int, fails: Callable[[int], BaseException | None]) -> None:
        super().__init__(made_up(numbered(count)))
        self._fails = fails
        self._asked = 0

    async def next(self) -> Account | None:
        self._asked += 1
        error = self._fails(self._asked)
        if error is not None:
            raise error
        return await super().next()


async def _polled(files: list[AuthFile] | AccountFeed, url: str, **options: Any) -> list[Report]:
    async with one_round(files, Settings(chatgpt_url=url, **options)) as reports:
        return [report async for report in reports]


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError(), asyncio.CancelledError()])
async def test_a_list_that_fails_to_give_an_account_is_asked_again(error: BaseException) -> None:
    source = Rigged(9, lambda asked: error if asked in (2, 5, 8) else None)
    async with serve() as simulator:
        reports = await _polled(source, simulator.url, concurrency=2)
    assert sorted(report.account for report in reports) == [one.name for one in numbered(9)]
    assert all(report.ok for report in reports)


async def test_a_list_that_always_fails_gives_every_account_a_record() -> None:
    source = Rigged(9, lambda asked: ZeroDivisionError() if asked > 3 else None)
    async with serve() as simulator:
        reports = await _polled(source, simulator.url, concurrency=1)
    kinds = Counter(kind_of(report) for report in reports)
    assert kinds == {None: 3, "internal": 6}
    assert len({report.account for report in reports}) == 9


class Breaking:
    """A client that fails for one account, in a way that no client should."""

    def __init__(self, client: Any, fail: Callable[[], None]) -> None:
        self._client = client
        self._fail = fail
        self.stop_keeping = client.stop_keeping
        self.clock_offset_s: float | None = None

    async def fetch(self, credential: Any, **how: Any) -> Any:
        if credential.account_id == "acct-n0002":
            self._fail()
        return await self._client.fetch(credential, **how)


def _bug() -> None:
    raise ZeroDivisionError


def _stray() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("fail", [_bug, _stray])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_bug_or_a_stray_cancellation_costs_one_account(
    fail: Callable[[], None], concurrency: int
) -> None:
    files = made_up(numbered(20))
    async with serve() as simulator:
        settings = Settings(chatgpt_url=simulator.url, concurrency=concurrency)
        async with (
            open_client(settings, proxy=None) as client,
            one_round(files, settings, client=Breaking(client, fail)) as reports,
        ):
            kinds = {report.account: kind_of(report) async for report in reports}
    assert kinds == {one.name: None for one in numbered(20)} | {"n0002": "internal"}


async def test_a_cancellation_of_the_whole_run_is_obeyed() -> None:
    files = made_up([account("a", "~hang")])
    async with serve() as simulator:
        begun_at = time.monotonic()
        running = asyncio.create_task(_polled(files, simulator.url))
        await simulator.reached(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert time.monotonic() - begun_at < 5


async def test_a_look_up_that_is_cancelled_for_all_is_made_again(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    real, asked = loop.getaddrinfo, 0

    async def fails_once(*of: Any, **how: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            task = asyncio.current_task()  # the one that looks the name up, for everybody
            assert task is not None
            task.cancel()
        return await real(*of, **how)

    files = made_up(numbered(6))
    async with serve(host="localhost", ssl_context=certificates.server) as simulator:
        monkeypatch.setattr(loop, "getaddrinfo", fails_once)
        reports = await _polled(files, simulator.url, ca_file=certificates.ca_file)
    assert [report.ok for report in reports] == [True] * 6
    assert asked > 1


# Words for it


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), FailureKind.LOCAL_RESOURCE),
        (KeyError("secret"), FailureKind.INTERNAL),
        (asyncio.CancelledError("secret"), FailureKind.INTERNAL),
    ],
)
def test_what_nobody_expected_is_named_without_its_text(
    error: BaseException, kind: FailureKind
) -> None:
    failure = unexpected_failure(error)
    assert failure.kind is kind
    assert "secret" not in failure.message


def test_a_thread_that_cannot_start_is_this_machines_trouble() -> None:
    trouble, detail, _ = translate(RuntimeError("can't start new thread"), "x:1")
    assert (trouble, detail) == (TransportErrorKind.OUT_OF_RESOURCES, "threads")
    assert translate(RuntimeError("another"), "x:1")[0] is TransportErrorKind.UNEXPECTED


async def test_no_memory_to_write_with_is_said(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        writer = Writer(out.fileno())

        def fails(_: memoryview) -> int:
            raise MemoryError

        writer._offer = fails
        with pytest.raises(ResultsLost, match="out of memory"):
            await writer.write(b"x\n")


@pytest.mark.parametrize(
    ("raises", "code", "says"),
    [
        (
            "OSError(24, 'Too many open files')",
            64,
            "could not start: too many open files; nothing was polled",
        ),
        ("MemoryError()", 64, "could not start: out of memory; nothing was polled"),
        ("KeyError('secret')", 70, "a bug in this program: KeyError; please report it"),
    ],
)
def test_what_keeps_it_from_starting_is_a_sentence(
    raises: str, code: int, says: str, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "class Failing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'poller.commands.poll': raise {raises}\n"
        "sys.meta_path.insert(0, Failing())\n"
        "sys.argv = ['poller']\n"
        "from poller.__main__ import entry\n"
        "entry()\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", program),
        cwd=tmp_path,
        env=environment(tmp_path) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == f"poller: {says}\n"
