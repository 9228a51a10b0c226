"""`poller report`: one file, written whole or not at all."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from poller.commands.invented import record_week
from poller.simulator.accounts import demo_accounts
from poller.simulator.server import serve
from tests.running import POLLER, UNMEASURED, account, ended, run, started, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
NOBODY = ("--chatgpt-url", "http://127.0.0.1:9/", "--retries", "0", "--patience", "1")


def lived(folder: Path, count: int = 3) -> None:
    """Give the folder accounts, and the week that a poller saw of them until just now.

    One that was reset since the last look would be asked again: a week ends 900 s before its end.
    """
    now = time.time()
    write(folder / "account", *demo_accounts(count, now=now))
    record_week(str(folder / "h.db"), count, now=now + 899)


def headings(html: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", html)


async def test_what_the_history_knows_is_told_without_a_request(tmp_path: Path) -> None:
    lived(tmp_path)
    (tmp_path / "account/broken.auth.json").write_text("{")
    done = await run("report", "-o", "r.html", "--history", "h.db", *NOBODY, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, b"", "")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert {"work", "personal", "team-lead", "broken"} <= set(headings(html))
    assert html.count('class="chart"') == 5
    assert "@example.com" not in html
    assert not re.search(r"<script|https?:", html)


async def test_two_files_of_one_login_have_the_same_curves(tmp_path: Path) -> None:
    lived(tmp_path, 1)
    (tmp_path / "account/copy.auth.json").write_bytes(
        (tmp_path / "account/work.auth.json").read_bytes()
    )
    done = await run("report", "-o", "r.html", "--history", "h.db", *NOBODY, cwd=tmp_path)
    assert done.code == 0
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert {"work", "copy"} <= set(headings(html))
    assert html.count('class="chart"') == 4


async def test_accounts_that_are_not_known_are_asked(tmp_path: Path) -> None:
    lived(tmp_path, 1)
    write(tmp_path / "account", account("alice", "+two_windows:42:5"))
    async with serve() as simulator:
        url = "--chatgpt-url", simulator.url
        done = await run("report", "-o", "r.html", "--history", "h.db", *url, cwd=tmp_path)
        assert simulator.stats().requests == 1
    assert (done.code, done.err) == (0, "")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert {"work", "alice"} <= set(headings(html))
    assert "58\N{NO-BREAK SPACE}% left" in html


async def test_without_a_history_it_is_told_what_the_accounts_answer(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"), account("bob", "~402"))
    async with serve() as simulator:
        url = "--chatgpt-url", simulator.url
        done = await run("report", "-o", "r.html", *url, cwd=tmp_path)
    assert done.code == 0
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert html.count("No window of this account has been recorded yet.") == 2
    assert "workspace unpaid or closed: bob" in html


async def test_names_since_and_zone_say_what_is_in_it(tmp_path: Path) -> None:
    lived(tmp_path)
    (tmp_path / "config.toml").write_text('[output]\nlanguage = "zh"\n')
    asked = ("report", "work", "-o", "r.html", "--since", "3d", "--timezone", "Asia/Shanghai")
    done = await run(*asked, "--history", "h.db", *NOBODY, cwd=tmp_path)
    assert done.code == 0
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<html lang="zh-CN"' in html
    assert "时区 Asia/Shanghai" in html
    assert "team-lead" not in html


async def test_the_demo_has_a_week_behind_it_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    told = {"TMPDIR": str(temporary)}
    done = await run("report", "--demo", "-o", "r.html", cwd=tmp_path, env=told)
    assert (done.code, done.err) == (0, "")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert html.count('class="chart"') >= 18
    assert "Made-up accounts" in html
    assert sorted(os.listdir(tmp_path)) == ["r.html", "tmp"]
    assert os.listdir(temporary) == []


async def test_where_to_write_has_to_be_said(tmp_path: Path) -> None:
    done = await run("report", "--demo", cwd=tmp_path)
    assert done.code == 64
    assert "poller report -o FILE" in done.err


@pytest.mark.parametrize("where", ["not-there/r.html", "a\x01/r.html", "account", "pipe"])
async def test_a_place_that_cannot_be_written_costs_no_request(tmp_path: Path, where: str) -> None:
    write(tmp_path / "account", account("alice"))
    os.mkfifo(tmp_path / "pipe")
    async with serve() as simulator:
        url = "--chatgpt-url", simulator.url
        done = await run("report", "-o", where, *url, cwd=tmp_path)
        assert (done.code, simulator.stats().requests) == (74, 0)
    assert "poller: -o " in done.err
    assert sorted(os.listdir(tmp_path)) == ["account", "pipe"]


async def test_the_file_is_readable_less_the_umask_and_replaced_whole(tmp_path: Path) -> None:
    lived(tmp_path, 1)
    report = tmp_path / "r.html"
    report.write_text("the old one")
    before = os.umask(0o027)
    try:
        done = await run("report", "-o", "r.html", "--history", "h.db", *NOBODY, cwd=tmp_path)
    finally:
        os.umask(before)
    assert done.code == 0
    assert report.stat().st_mode & 0o777 == 0o640
    assert report.read_bytes().endswith(b"</html>")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="nothing limits the size of files")
async def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    lived(tmp_path)
    (tmp_path / "account/broken.auth.json").write_text("{")
    report = tmp_path / "r.html"
    report.write_text("the old one")
    asked = ("report", "-o", "r.html", "--history", "h.db", *NOBODY)
    limited = ("prlimit", "--fsize=10000", *POLLER)
    done = await run(*asked, cwd=tmp_path, command=limited, env=UNMEASURED)
    assert done.code == 74
    assert "poller: -o r.html: cannot be written (file too large)" in done.err
    assert report.read_text() == "the old one"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


async def test_a_broken_history_is_said_and_what_is_asked_is_told(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"))
    (tmp_path / "h.db").write_bytes(b"no database" * 1000)
    async with serve() as simulator:
        url = "--chatgpt-url", simulator.url
        done = await run("report", "-o", "r.html", "--history", "h.db", *url, cwd=tmp_path)
    assert done.code == 0
    assert "h.db" in done.err
    assert "58\N{NO-BREAK SPACE}%" in (tmp_path / "r.html").read_text(encoding="utf-8")


async def test_a_signal_leaves_the_old_file(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "~hang"))
    report = tmp_path / "r.html"
    report.write_text("the old one")
    async with serve() as simulator:
        asked = ("report", "-o", "r.html", "--chatgpt-url", simulator.url)
        async with started(*asked, cwd=tmp_path, env=UNMEASURED) as running:
            while not simulator.stats().requests:  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.01)
            running.send_signal(signal.SIGTERM)
            done = await ended(running)
    assert done.code == 143
    assert report.read_text() == "the old one"
    assert sorted(os.listdir(tmp_path)) == ["account", "r.html"]
