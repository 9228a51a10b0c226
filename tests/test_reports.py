"""What people reported, each with its right outcome, through the real program."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.auth_files import OPENAI, jwt, token
from tests.refreshing.logins import answering, login
from tests.running import account, run, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

REPORTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "data/reports").glob("*.json"))
}


def with_key(key: str) -> pytest.MarkDecorator:
    """Return the reports that have a key, for a test of each."""
    found = {name: report for name, report in REPORTS.items() if key in report}
    return pytest.mark.parametrize("report", found.values(), ids=found)


def filled(value: Any) -> Any:
    """Put tokens and times where the reports say ``<access alice>`` and ``<in 60>``."""
    match value:
        case dict():
            return {key: filled(member) for key, member in value.items()}
        case list():
            return [filled(member) for member in value]
        case str() if value.startswith("<"):
            what, _, word = value.strip("<>").rpartition(" ")
            if what == "access":
                return token(word)
            if what == "in":
                return int(time.time()) + int(word)
            return jwt({"iss": word, OPENAI: {"chatgpt_account_id": "acc-1"}})
        case _:
            return value


@asynccontextmanager
async def upstream(answer: Any, *, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve one answer for every request; yield the URL, and the tokens that come."""
    body = json.dumps(answer).encode()
    came: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        came.append(head.partition("Authorization: Bearer ")[2].partition("\r\n")[0])
        writer.write(
            b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (status, len(body), body)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/usage", came


@with_key("answer")
async def test_an_answer_that_was_reported(report: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    async with upstream(filled(report["answer"]), status=report.get("status", 200)) as (url, _):
        done = await run("--chatgpt-url", url, "--retries", "0", cwd=tmp_path)
    record = done.by_account["alice"]
    error = record["error"] or {}
    told = {
        **record,
        "error": error.get("kind"),
        **{k: error.get(k) for k in ("code", "retryable")},
    }
    assert {key: told[key] for key in report["right"]} == report["right"]
    assert done.code == report["exit"]
    if report["right"].get("error") == "edge_blocked":
        assert "--proxy" in error["hint"]


@with_key("file")
async def test_a_file_that_was_reported(report: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / report["name"]).write_text(json.dumps(filled(report["file"])))
    if not report["accounts"]:  # else there would be nothing to poll
        write(folder, account("alice"))
    async with upstream({"plan_type": "plus", "rate_limit": None}) as (url, came):
        done = await run("--chatgpt-url", url, cwd=tmp_path)
    expected = report["accounts"] or ["alice"]
    assert sorted(done.by_account) == expected
    kinds = [done.kinds[name] for name in expected]
    assert kinds == report.get("kinds", [None] * len(expected))
    held = set(filled(report["sent"]))
    sent = {each for each in came if each in json.dumps(filled(report["file"]))}
    assert sent == held
    if report["accounts"]:
        assert {*came} == held


@with_key("body")
async def test_a_refusal_of_the_token_endpoint_that_was_reported(
    report: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "account"
    folder.mkdir(mode=0o700)
    (folder / "alice.auth.json").write_bytes(login("alice"))
    (folder / "alice.auth.json").chmod(0o600)
    async with answering(report["body"], status=report["status"]) as endpoint:
        env = {
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": endpoint.url,
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        for _ in range(2):
            done = await run(
                "--refresh", "--chatgpt-url", "http://127.0.0.1:1/usage", cwd=tmp_path, env=env
            )
            error = done.by_account["alice"]["error"]
            assert (error["kind"], error["retryable"]) == ("login_required", False)
            assert error["code"] == report["body"]["error"]["code"]
            assert done.code == 1
        assert endpoint.requests == 1


def test_every_report_is_tried() -> None:
    assert len(REPORTS) > 20
    assert all({"answer", "file", "body"} & report.keys() for report in REPORTS.values())
