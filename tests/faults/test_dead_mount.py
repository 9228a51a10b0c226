"""A mount that does not answer costs its own accounts, and no others."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from poller.simulator.server import serve
from tests.faults.dead_mount import dead_mount
from tests.running import account, ended, numbered, ran_here, run, started, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

OTHERS = ["n0000", "n0001", "n0002"]
BOTH = ("--account-dir", "good", "--account-dir", "mount")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with good accounts, and one to mount with an account that hangs."""
    write(tmp_path / "good", *numbered(3))
    write(tmp_path / "files", account("dead"))
    (tmp_path / "mount").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "operation"),
    [("poll", "lookup"), ("poll", "open"), ("poll", "read"), ("watch", "getattr")],
)
async def test_a_file_that_hangs_costs_its_own_account(
    folder: Path, command: str, operation: str
) -> None:
    words = ["--rounds", "1"] if command == "watch" else []
    with dead_mount(folder / "mount", folder / "files", operation):
        async with serve() as simulator:
            url = f"--chatgpt-url={simulator.url}"
            words += [url, *BOTH, "--account-deadline", "1.2", "--format", "jsonl"]
            done = await run(command, *words, cwd=folder)
    assert done.kinds == dict.fromkeys(OTHERS) | {"dead": "file_unreadable"}
    assert done.code == 1


@pytest.mark.parametrize("operation", ["lookup", "read"])
async def test_a_webhooks_url_that_hangs_costs_its_own_alert(folder: Path, operation: str) -> None:
    (folder / "files/dead-url").write_text("https://127.0.0.1:1/")
    (folder / "alerts.toml").write_text('[[alert]]\nname = "low"\nurl_file = "mount/dead-url"\n')
    words = ("--config", "alerts.toml", "--history", "h.db")
    with dead_mount(folder / "mount", folder / "files", operation):
        async with serve() as simulator:
            url = f"--chatgpt-url={simulator.url}"
            done = await run(*words, "--alerts", url, "--account-dir", "good", cwd=folder)
        listed = await run("alerts", "list", *words, cwd=folder)
        told = await run("alerts", "test", "low", *words, cwd=folder)
    assert (done.code, done.kinds) == (0, dict.fromkeys(OTHERS))
    assert "mount/dead-url: its disk does not answer" in listed.out.decode()
    assert (told.code, told.err) == (
        2,
        "poller: alert low: mount/dead-url: its disk does not answer\n",
    )


def test_a_list_goes_on_where_a_file_and_the_codex_home_hang(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CODEX_HOME", str(folder / "mount" / "dead.auth.json"))
    monkeypatch.setattr("poller.commands.list._READ_WITHIN_S", 0.5)
    with dead_mount(folder / "mount", folder / "files", "lookup"):
        done = ran_here(capfdbinary, "list", *BOTH)
    lines = {line["account"]: line for line in map(json.loads, done.out.splitlines())}
    kinds = {name: line["error"] and line["error"]["kind"] for name, line in lines.items()}
    assert kinds == dict.fromkeys(OTHERS) | {"dead": "file_unreadable"}
    assert lines["dead"]["mode"] is None
    assert lines[OTHERS[0]]["mode"] == "0600"
    assert done.code == 1


async def test_a_file_that_hangs_is_named_with_others(folder: Path) -> None:
    with dead_mount(folder / "mount", folder / "files", "lookup"):
        async with serve() as simulator:
            url = f"--chatgpt-url={simulator.url}"
            names = ["mount/dead.auth.json", "good/n0001.auth.json"]
            begun_at = time.monotonic()
            done = await run(url, *names, "--deadline", "2", cwd=folder)
    assert done.kinds == {"n0001": None, "dead": "deadline"}
    assert time.monotonic() - begun_at < 2 + 4  # a machine that starts slowly


@pytest.mark.parametrize("words", [BOTH, ("next", *BOTH), ("--files-from", "mount/dead.auth.json")])
async def test_what_cannot_be_found_ends_with_the_deadline(
    folder: Path, words: tuple[str, ...]
) -> None:
    operation = "opendir" if BOTH[-1] in words else "open"
    with dead_mount(folder / "mount", folder / "files", operation):
        done = await run(*words, "--deadline", "1", cwd=folder)
    assert (done.code, done.out) == (64, b"")
    assert "within 2 s" in done.err or "within 1 s" in done.err


async def test_a_folder_that_hangs_keeps_nobody_from_leaving(folder: Path) -> None:
    with dead_mount(folder / "mount", folder / "files", "opendir"):
        async with started(*BOTH, cwd=folder) as running:
            await asyncio.sleep(1)  # nothing shows that it looks by now
            begun_at = time.monotonic()
            running.send_signal(signal.SIGINT)
            done = await ended(running)
    assert done.code == 130
    assert time.monotonic() - begun_at < 3


async def test_a_codex_home_that_hangs_costs_nobody_who_is_not_refreshed(folder: Path) -> None:
    write(folder / "files", account("dead"))
    (folder / "files" / "dead.auth.json").rename(folder / "files" / "dead-home")
    home = folder / "mount" / "dead-home"
    with dead_mount(folder / "mount", folder / "files", "lookup"):
        async with serve() as simulator:
            words = [f"--chatgpt-url={simulator.url}", "--account-dir", "good", "--refresh"]
            done = await run(*words, "--deadline", "5", cwd=folder, env={"CODEX_HOME": str(home)})
    assert done.kinds == dict.fromkeys(OTHERS)


async def test_watch_goes_on_where_history_and_status_file_hang(folder: Path) -> None:
    files = ["--history", "mount/dead.db", "--status-file", "mount/dead-status"]
    with dead_mount(folder / "mount", folder / "files", "lookup"):
        async with serve() as simulator:
            words = ["--account-dir", "good", "--every", "0.5", "--format", "jsonl", *files]
            url = f"--chatgpt-url={simulator.url}"
            async with started("watch", url, *words, cwd=folder) as running:
                assert running.stdout is not None
                came = [json.loads(await running.stdout.readline()) for _ in range(9)]
                running.send_signal(signal.SIGINT)
                done = await ended(running)
    assert {record["account"] for record in came} == {*OTHERS}
    assert all(record["ok"] for record in came)
    assert done.code == 130
    assert "history mount/dead.db: its disk does not answer: it is not read" in done.err
