"""An upstream that echoes tokens wherever it can, and everything that leaves the program."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import poller
from poller.present.record import record_of
from poller.settings.flags import taken_by
from tests.faults.program import pieces, tokens
from tests.running import account, run, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

ACCOUNTS = [account(name) for name in ("alice", "bob")]
OWN, OTHER = 0, 1


def usage(echo: str) -> tuple[int, dict[str, str], Any]:
    """Return a usage that holds ``echo`` in every text there is."""
    window = {"used_percent": 5, "limit_window_seconds": 18_000, "reset_after_seconds": 60}
    limit = {"allowed": False, "primary_window": window}
    return (
        200,
        {"X-Echo": echo, f"X-{echo[:40]}": "1", "Set-Cookie": f"session={echo}"},
        {
            "plan_type": echo,
            "user_id": echo,
            "email": f"{echo[:40]}@example.com",
            "rate_limit": limit,
            "rate_limit_reached_type": {"type": echo},
            "additional_rate_limits": [
                {"limit_name": echo, "metered_feature": f"a {echo} b", "rate_limit": limit}
            ],
            "credits": {"has_credits": True, "balance": echo},
            "spend_control": {"individual_limit": {"limit": echo, "used": echo}},
            echo: {"echo": [echo]},
        },
    )


def without_identity(echo: str) -> tuple[int, dict[str, str], Any]:
    status, headers, payload = usage(echo)
    return status, headers, {**payload, "user_id": None, "email": None}


def refusal(echo: str) -> tuple[int, dict[str, str], Any]:
    return 403, {"X-Echo": echo}, {"error": {"code": echo[:60], "message": echo}}


def expired(echo: str) -> tuple[int, dict[str, str], Any]:
    return 401, {}, {"detail": echo[:60]}


def encoded(echo: str) -> tuple[int, dict[str, str], Any]:
    return 200, {"Content-Encoding": echo[:40]}, {"plan_type": echo}


def page(echo: str) -> tuple[int, dict[str, str], Any]:
    return 500, {"Retry-After": echo[:40]}, f"<html>{echo}</html>"


ANSWERS = (usage, without_identity, refusal, expired, encoded, page)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "whole": str,
    "upper": str.upper,
    "lower": str.lower,
    "piece": lambda token: token[200:240],
    "upper piece": lambda token: token[201:241].upper(),
    "twelve": lambda token: token[-12:],
}


@asynccontextmanager
async def echoing(
    answer: Callable[[str], tuple[int, dict[str, str], Any]],
    spell: Callable[[str], str],
    whose: int,
) -> AsyncIterator[str]:
    """Serve an upstream that echoes the token of a request, or of the one before."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        token = next(
            line.partition("Bearer ")[2]
            for line in head.split("\r\n")
            if line.startswith("Authorization")
        )
        seen.append(token)
        others = [each for each in seen if each != token]
        status, headers, payload = answer(spell(others[0] if whose and others else token))
        body = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
        lines = [f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in headers.items())]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/usage"


def canaries() -> frozenset[str]:
    """Return every piece of every token, in all spellings that are looked for."""
    whole = [token for one in ACCOUNTS for token in tokens(one.auth_file)]
    return pieces({spell(token) for token in whole for spell in (str, str.upper, str.lower)})


CANARIES = canaries()


def assert_clean(text: str) -> None:
    found = {text[at : at + 12] for at in range(len(text) - 11)} & CANARIES
    assert not found, text


def said(thing: object, depth: int = 8) -> Iterator[str]:
    """Yield the text of a thing and of everything that it holds."""
    yield repr(thing)
    if depth and is_dataclass(thing):
        for each in fields(thing):
            yield from said(getattr(thing, each.name), depth - 1)
    elif depth and isinstance(thing, dict):
        for key, value in thing.items():
            yield from (*said(key, depth - 1), *said(value, depth - 1))
    elif depth and isinstance(thing, list | tuple):
        for value in thing:
            yield from said(value, depth - 1)


@pytest.mark.parametrize("whose", [OWN, OTHER], ids=["own token", "another account's"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_report_holds_a_token(
    answer: Callable[[str], tuple[int, dict[str, str], Any]],
    spelling: str,
    whose: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "poller")
    write(tmp_path, *ACCOUNTS)
    came: list[poller.Report] = []
    async with echoing(answer, SPELLINGS[spelling], whose) as url:
        settings = poller.Settings(
            chatgpt_url=url, raw_json=True, raw_headers=True, retries=1, concurrency=1
        )
        paths = [tmp_path / f"{one.name}.auth.json" for one in ACCOUNTS]
        async with poller.poll(paths, settings) as reports:
            came = [report async for report in reports]

    assert len(came) == len(ACCOUNTS)
    for report in came:
        pickled = pickle.dumps(report)
        assert pickle.loads(pickled) == report
        assert_clean(pickled.decode("latin-1"))
        for text in said(report):
            assert_clean(text)
        record = record_of(report, show_identity=True, raw_json=True, raw_headers=True)
        assert_clean(json.dumps(record))
    for message in caplog.messages:
        assert_clean(message)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_an_old_token_stays_masked_once_the_file_has_a_new_one(
    spelling: str, tmp_path: Path
) -> None:
    old, new = account("alice"), account("alice", lives_s=90_000)
    path = write(tmp_path, old) / "alice.auth.json"
    spell, secret = SPELLINGS[spelling], tokens(old.auth_file)[0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, headers, payload = usage(spell(secret))
        if secret in head:  # the first: meanwhile, codex renews the file
            path.write_bytes(new.auth_file)
            status, headers, payload = refusal(spell(secret))
            status = 401
        body = json.dumps(payload).encode()
        lines = [f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in headers.items())]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/usage"
        words = ("--raw-json", "--raw-headers", "--show-identity", "-vvv")
        done = await run(str(path), *words, "--chatgpt-url", url, cwd=tmp_path)
    (record,) = done.records
    assert record["attempts"] >= 2
    assert_clean(done.out.decode())
    assert_clean(done.err)


FORMATS = next(each for each in taken_by("poll") if each.field == "format").kind.names
OUTPUTS = (
    *(("--format", name, "--extra") for name in FORMATS),
    ("--format", "jsonl", "--show-identity", "--raw-json", "--raw-headers"),
    ("--format", "jsonl", "-vvv"),
    ("--list",),
)


@pytest.mark.parametrize("output", OUTPUTS, ids=" ".join)
@pytest.mark.parametrize("answer", [usage, refusal])
async def test_no_output_shows_a_token(
    answer: Callable[[str], tuple[int, dict[str, str], Any]],
    output: tuple[str, ...],
    tmp_path: Path,
) -> None:
    write(tmp_path / "account", *ACCOUNTS)
    for number in count():
        spell = (str, str.upper, SPELLINGS["piece"])[number]
        async with echoing(answer, spell, OTHER) as url:
            done = await run(*output, "--chatgpt-url", url, "--retries", "0", cwd=tmp_path)
        assert done.out
        assert_clean(done.out.decode())
        assert_clean(done.err)
        if number == 2:
            break


def test_the_search_finds_a_token() -> None:
    token = next(iter(tokens(ACCOUNTS[0].auth_file)))
    for spell in SPELLINGS.values():
        with pytest.raises(AssertionError):
            assert_clean(f"plan {spell(token)}")
