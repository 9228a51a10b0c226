"""No piece of a token in anything that leaves the far side or the reading of files.

That the program itself lets none out stands in ``test_matrix``: every run of it there is
searched, one of each in Python's development mode at ``-v``.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING

import pytest

from poller.authfiles.files import Content, read
from poller.authfiles.shapes import parse
from poller.settings import Settings, UsageError
from poller.simulator.faults import FAULTS
from poller.simulator.server import serve
from poller.upstream.client import open_client
from poller.upstream.transport_errors import TransportError
from poller.values import Credential, Response, Secret
from tests import running
from tests.faults import program
from tests.faults.rows import FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount
    from tests.faults.rows import Row

_DEPTH = 6
_LEAVES = (str, bytes, int, float, Enum, type, type(None))
_CUT_SHORT = ("hang", "drip", "slow-30s", "headers-endless", "endless", "hang-half", "echo")


def _credential(made_up: MadeUpAccount) -> Credential:
    logins = parse(made_up.auth_file, now=time.time())
    assert isinstance(logins, tuple)
    assert isinstance(logins[0].outcome, Credential)
    return logins[0].outcome


def _secret_of(made_up: MadeUpAccount) -> frozenset[str]:
    return program.pieces(program.tokens(made_up.auth_file))


def said(thing: object, depth: int = _DEPTH) -> Iterator[str]:
    """Yield all the text that can be had of a thing: its own, its arguments', its attributes'.

    A ``Secret`` is not opened: it is there so that nobody does by accident. Nor are the
    frames of a traceback, which hold whatever was at work.
    """
    if isinstance(thing, Secret) or depth == 0:
        return
    yield from (str(thing), repr(thing))
    if isinstance(thing, _LEAVES):
        return
    if isinstance(thing, BaseException):
        yield from (text for part in _of_exception(thing) for text in said(part, depth - 1))
    if isinstance(thing, dict):
        thing = [*thing, *thing.values()]
    if isinstance(thing, list | tuple | set | frozenset):
        yield from (text for part in thing for text in said(part, depth - 1))
    yield from (text for part in _attributes(thing) for text in said(part, depth - 1))


def _of_exception(error: BaseException) -> tuple[object, ...]:
    return (error.args, error.__cause__, error.__context__, getattr(error, "__notes__", None))


def _attributes(thing: object) -> list[object]:
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    if isinstance(thing, Response | Content):  # what they are there to hold
        slots = []
    held = [getattr(thing, name, None) for name in slots if name != "__weakref__"]
    return [*held, *vars(thing).values()] if hasattr(thing, "__dict__") else held


def _check(thing: object, secret: frozenset[str]) -> None:
    for text in said(thing):
        assert program.leaks(text, secret) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_request_brings_shows_no_token(fault: str) -> None:
    made_up = running.account("canary", f"~{fault}")

    async def fetched() -> Response | TransportError:
        async with serve() as simulator:
            settings = Settings(chatgpt_url=simulator.url, raw_headers=True)
            async with open_client(settings, proxy=None) as client:
                return await client.fetch(_credential(made_up), timeout_s=0.3)

    answer = asyncio.run(fetched())
    assert isinstance(answer, Response | TransportError)
    _check(answer, _secret_of(made_up))


@pytest.mark.parametrize("fault", _CUT_SHORT)
def test_a_request_that_is_cancelled_at_any_moment_shows_no_token(fault: str) -> None:
    made_up = running.account("canary", f"~{fault}")
    credential, secret = _credential(made_up), _secret_of(made_up)

    async def cancelled_after(steps: int, url: str) -> BaseException | None:
        async with open_client(Settings(chatgpt_url=url), proxy=None) as client:
            task = asyncio.create_task(client.fetch(credential, timeout_s=30))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
        return ended if isinstance(ended, BaseException) else None

    async def run() -> None:
        async with serve() as simulator:
            for steps in range(0, 40, 2):
                error = await cancelled_after(steps, simulator.url)
                assert error is None or isinstance(error, asyncio.CancelledError)
                _check(error, secret)

    asyncio.run(run())


def test_an_authority_that_cannot_be_read_is_refused_without_its_content(tmp_path: Path) -> None:
    secret = "made-up-and-never-valid"
    (tmp_path / "ca.pem").write_text(secret)
    settings = Settings(ca_file=str(tmp_path / "ca.pem"))

    async def opened() -> None:
        async with open_client(settings, proxy=f"http://user:{secret}@127.0.0.1:9"):
            pass

    with pytest.raises(UsageError) as raised:
        asyncio.run(opened())
    _check(raised.value, program.pieces([secret]))


@pytest.mark.parametrize("row", [row for row in FILES if row.spoil], ids=lambda row: row.name)
def test_what_a_file_holds_shows_no_token(row: Row, tmp_path: Path) -> None:
    made_up = running.account("canary")
    path = tmp_path / "canary.auth.json"
    assert row.spoil is not None
    row.spoil(str(path), made_up.auth_file)
    found = read(str(path))
    _check(found, _secret_of(made_up))
    if isinstance(found, Content):
        _check(parse(found.content, now=time.time()), _secret_of(made_up))


def test_a_file_cut_anywhere_shows_no_token() -> None:
    made_up = running.account("canary")
    secret, content = _secret_of(made_up), made_up.auth_file
    for end in range(0, len(content), 61):
        _check(parse(content[:end], now=time.time()), secret)
        _check(parse(content[:end] + b"\xff" + content[end:], now=time.time()), secret)
        _check(parse(content[:end] + b'"' + content[end:], now=time.time()), secret)


def test_the_search_finds_a_token_wherever_an_exception_holds_it() -> None:
    token = "made-up-and-never-valid"
    places: list[BaseException] = [ValueError(token), ValueError({"a": [token]})]
    places += [ValueError() for _ in range(4)]
    places[2].__cause__ = KeyError(token)
    places[3].__context__ = KeyError((token,))
    places[4].add_note(token)
    vars(places[5])["headers"] = {"Authorization": f"Bearer {token}"}
    for number, error in zip(count(), places, strict=False):
        assert any(token in text for text in said(error)), number
