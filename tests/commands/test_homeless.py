"""A user without a home folder, as in a container that was given a number."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from poller.commands import COMMANDS
from poller.simulator.server import serve
from tests.running import account, run, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

DRIVER = """
import pwd
def unknown(_):
    raise KeyError
pwd.getpwuid = pwd.getpwnam = unknown
from poller.__main__ import entry
entry()
"""
HOMELESS = ("env", "-u", "HOME", sys.executable, "-c", DRIVER)


async def test_accounts_are_polled_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    async with serve() as simulator:
        done = await run("--chatgpt-url", simulator.url, cwd=tmp_path, command=HOMELESS)
        assert done.kinds == {"alice": None}
        assert simulator.stats().requests == 1


async def test_watch_records_nothing_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    async with serve() as simulator:
        words = ("watch", "--every", "0.1", "--rounds", "2", "--chatgpt-url", simulator.url)
        done = await run(*words, cwd=tmp_path, command=HOMELESS)
    assert (done.code, len(done.records)) == (0, 2)
    assert done.err.startswith("poller: no home folder is known to keep a history in: ")
    assert len(done.err.splitlines()) == 1


async def test_without_accounts_it_says_where_it_looked(tmp_path: Path) -> None:
    done = await run(cwd=tmp_path, command=HOMELESS)
    assert done.code == 64
    assert "no folder account/ here and no home folder is known; log in" in done.err


async def test_a_folder_called_as_the_home_folder_is_written_is_nobodys(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    for path in ("~/.config/poller/config.toml", "~/.codex/auth.json"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text('[requests]\nuser_agent = "theirs"\n')
    (tmp_path / "config.toml").write_text('[requests]\nproxy = "http://127.0.0.1:1"\n')
    done = await run("list", "-v", cwd=tmp_path, command=HOMELESS)
    assert done.code == 64
    assert "put it into a configuration file of your own, or name" in done.err
    (tmp_path / "config.toml").unlink()
    done = await run("list", "-v", cwd=tmp_path, command=HOMELESS)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("words", [("--refresh",), ("--record",)])
async def test_what_needs_a_home_says_what_to_set(words: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice"))
    done = await run(*words, cwd=tmp_path, command=HOMELESS)
    assert (done.code, done.out) == (64, b"")
    assert "XDG_STATE_HOME" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "watch"])
async def test_no_command_breaks(command: str, tmp_path: Path) -> None:
    words = {"completion": ("bash",), "simulate": ("--help",), "serve": ("--help",)}
    done = await run(command, *words.get(command, ()), cwd=tmp_path, command=HOMELESS)
    assert done.code in (0, 64, 1)
    assert "bug" not in done.err


async def test_the_demo_needs_nothing(tmp_path: Path) -> None:
    done = await run("--demo", "2", cwd=tmp_path, command=HOMELESS)
    assert [json.loads(line)["ok"] for line in done.out.splitlines()] == [True, True]
