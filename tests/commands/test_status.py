"""`poller status`: a line from the history, at once and whatever is the matter with it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.history.made_up import failed, record, report
from tests.running import POLLER, ROOT, environment, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running import Ended

pytestmark = pytest.mark.anyio

NOW_AND_THEN = """
import sys, time
from poller.cli import main
code = main(["status", "--history", sys.argv[1]])
costly = {"aiohttp", "anyio", "asyncio", "tenacity", "ssl", "wcwidth", "jinja2"}
loaded = (costly | {"poller.insight.forecast"}) & {*sys.modules}
sys.exit(f"loaded {loaded}" if loaded else code)
"""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Return a history that was recorded a moment ago."""
    at = time.time() - 30
    reset_at = int(at) + 9000
    reports = [
        report(42, at=at, reset_at=reset_at, week=5),
        report(100, at=at, name="bob", reset_at=reset_at, usable=False, usable_at=reset_at),
        failed(at=at, name="carol"),
    ]
    long_gone = report(1, at=at - 2 * 86_400, name="dora", reset_at=reset_at)
    record(tmp_path / "h.db", [long_gone], reports)
    return tmp_path / "h.db"


def test_a_line_without_a_request(history: Path, here: Callable[..., Ended]) -> None:
    done = here("status", "--history", "h.db")
    assert (done.code, done.out, done.err) == (0, b"codex 1/3 alice 58% !1\n", "")


@pytest.mark.parametrize("format_", ["waybar", "json"])
def test_objects(history: Path, format_: str, here: Callable[..., Ended]) -> None:
    done = here("status", "--history", "h.db", "--format", format_)
    assert done.code == 0
    assert json.loads(done.out)["text"] == "codex 1/3 alice 58% !1"


def test_old_figures_say_so(history: Path, here: Callable[..., Ended]) -> None:
    done = here("status", "--history", "h.db", "--max-age", "10")
    assert done.code == 0
    assert done.out.startswith(b"codex ? 3")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is none yet: record some polls"),
        (b"", "it is empty: record some polls"),
        (b"no database, but long enough to be one\n" * 9, "it is not a database"),
    ],
)
def test_without_a_history_there_is_still_a_line(
    tmp_path: Path, content: bytes | None, why: str, here: Callable[..., Ended]
) -> None:
    if content is not None:
        (tmp_path / "h.db").write_bytes(content)
    done = here("status", "--history", "h.db")
    assert (done.code, done.out) == (0, b"codex ?\n")
    assert done.err.startswith(f"poller: history h.db: {why}")
    quiet = here("status", "-q", "--history", "h.db")
    assert (quiet.code, quiet.out, quiet.err) == (0, b"codex ?\n", "")


def test_a_configuration_that_speaks_of_tables_is_no_matter(
    history: Path, here: Callable[..., Ended]
) -> None:
    (history.parent / "config.toml").write_text('[output]\nformat = "csv"\n')
    done = here("status", "--history", "h.db")
    assert (done.code, done.out) == (0, b"codex 1/3 alice 58% !1\n")


async def test_nothing_is_loaded_that_sends_requests(history: Path) -> None:
    command = (sys.executable, "-c", NOW_AND_THEN, str(history))
    done = await run(cwd=history.parent, command=command)
    assert (done.code, done.err) == (0, "")


async def test_tmux_shows_it_and_runs_nothing_of_a_name(tmp_path: Path) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("tmux is not installed")
    record(
        tmp_path / "h.db", [report(42, at=time.time(), name=name) for name in ("#(touch ran)", "b")]
    )
    status = shlex.join((*POLLER, "status", "--history", "h.db", "--format", "tmux"))
    (tmp_path / "inner.conf").write_text(
        "set -g status-interval 1\nset -g status-right-length 60\n"
        f'set -g status-right "#(cd {tmp_path} && PYTHONPATH={ROOT} {status})"\n'
    )
    # A bar is drawn for whoever looks on: here that is another tmux.
    inner = (tmux, "-L", f"in-{tmp_path.name}", "-f", str(tmp_path / "inner.conf"))
    outer = (tmux, "-L", f"out-{tmp_path.name}", "-f", os.devnull)

    async def told(*words: str) -> str:
        running = await asyncio.create_subprocess_exec(
            *words,
            env=environment(tmp_path, {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await running.communicate()
        return out.decode()

    looking = f"TMUX= {shlex.join((*inner, 'new-session', 'sleep 60'))}"
    try:
        await told(*outer, "new-session", "-d", "-x", "100", "-y", "5", looking)
        async with asyncio.timeout(20):
            while "codex" not in (shown := await told(*outer, "capture-pane", "-p")):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
    finally:
        await told(*inner, "kill-server")
        await told(*outer, "kill-server")
    assert "codex 2/2 #(touch ran) 58%" in shown
    assert not (tmp_path / "ran").exists()
