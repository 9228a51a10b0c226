"""A home, a folder and a ``poller`` for the pages' commands, all on this machine.

Whatever of them would change the machine, or ask somebody, is played: codex logs in to
made-up accounts; git, pip, pipx and systemctl only look at what they are asked.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.history.made_up import record, report
from tests.readme.reading import ROOT
from tests.running import account, write

if TYPE_CHECKING:
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount

_NOBODY = "http://127.0.0.1:9"
"""A proxy that is not there: nothing gets past this machine."""

_PRELUDE = """
sleep() { echo "slept $*" >&2; exit 0; }
"""
_POLLER = f'"{sys.executable}" -m poller'
# Recipes all ask the same: what plain poller said once of these accounts, it says again.
_POLLER_ONCE = f"""\
if [ $# != 0 ] || [ -n "$HTTPS_PROXY" ]; then exec {_POLLER} "$@"; fi
said=~/said-$(ls account 2>/dev/null | cksum | tr -d ' ')
[ -e "$said.code" ] || {{ {_POLLER} > "$said.out" 2> "$said.err"; echo $? > "$said.code"; }}
cat "$said.out"; cat "$said.err" >&2; exit $(cat "$said.code")"""
_PROGRAMS = {
    "poller": _POLLER_ONCE,
    "python": f'exec "{sys.executable}" "$@"',
    "python3": '[ "$1 $2" = "-m venv" ] && mkdir -p "$3" && cp -r ~/.local/bin "$3/bin"',
    "codex": '[ "$*" = login ] && [ -d "$CODEX_HOME" ] && cp ~/login.json "$CODEX_HOME/auth.json"',
    "git": '[ "$*" = "clone https://github.com/OWNER/poller" ] && mkdir poller',
    "pip": '[ "$*" = "install ." ] && [ -e pyproject.toml ]',
    "pipx": 'exec pip "$@"',
    "systemctl": '[ "$1" = --user ] && echo "$@" >> ~/systemctl.log',
    "notify-send": '[ $# = 2 ] && echo "$2" >> ~/notified.log',
    "less": '[ "$*" = -R ] && exec cat',
    "watch": 'while [ "$1" != poller ]; do echo "watch $1" >> ~/watch.log; shift; done; exec "$@"',
}


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Sandbox:
    """Where a block runs."""

    work: Path
    home: Path
    url: str
    """Of the upstream."""

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        return {
            **kept,
            "PATH": f"{self.home / '.local' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "BASH_ENV": str(self.home / "prelude"),
            "LC_ALL": "C.UTF-8",
            "ALL_PROXY": _NOBODY,
            "XDG_RUNTIME_DIR": str(self.home),
        }

    async def run(self, *words: str, cwd: Path | None = None) -> Ran:
        """Run a program to its end."""
        running = await asyncio.create_subprocess_exec(
            *words,
            cwd=cwd or self.work,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await running.communicate()
        assert running.returncode is not None
        return Ran(running.returncode, out.decode(), err.decode())

    async def bash(self, script: str) -> Ran:
        """Run a block as it is written, up to the first command that fails."""
        return await self.run("/bin/bash", "-e", "-c", script)


WELL = (
    ("alice", "+two_windows:42:5", "plus"),
    ("bob", "+weekly_only:37", "plus"),
    ("carol", "+monthly:24", "free"),
    ("team-1", "+two_windows:8:61", "team"),
)
ILL = (
    ("dave", "+exhausted:100:16", "plus"),
    ("frank", "~403", "pro"),
    ("grace", "+on_credits:100", "plus"),
)


def well() -> list[MadeUpAccount]:
    return [account(name, ending, plan=plan) for name, ending, plan in WELL]


def ill() -> list[MadeUpAccount]:
    return [
        *(account(name, ending, plan=plan) for name, ending, plan in ILL),
        account("erin", lives_s=-86_400),
    ]


def build(folder: Path, url: str, *accounts: MadeUpAccount) -> Sandbox:
    """Make a sandbox with these accounts in ``account``, and some elsewhere."""
    box = Sandbox(folder / "work", folder / "home", url)
    for path in (box.work, box.home / ".local" / "bin", box.home / ".codex"):
        path.mkdir(parents=True)
    write(box.work / "account", *accounts)
    write(box.home / "more-accounts", account("zoe"))
    for name in (".codex/auth.json", "login.json"):
        (box.home / name).write_bytes(account("me").auth_file)
    (box.home / "prelude").write_text(_PRELUDE)
    # The user's own file: one in the folder they stand in may not say where tokens go.
    own = box.home / ".config" / "poller" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f'[requests]\nchatgpt_url = "{url}"\n')
    (box.work / "pyproject.toml").touch()
    _remember(box)
    for name, body in _PROGRAMS.items():
        program = box.home / ".local" / "bin" / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    return box


_SESSION = (
    '{"timestamp": "2026-09-21T14:13:20.000Z", "type": "event_msg", "payload": {"rate_limits": '
    '{"primary": {"used_percent": 42.0, "window_minutes": 300, "resets_in_seconds": 3600}}}}\n'
)


def _remember(box: Sandbox) -> None:
    """Give the user a history, too old to answer from, and a session of the Codex CLI."""
    path = box.home / ".local" / "state" / "poller" / "history.db"
    path.parent.mkdir(parents=True)
    at = time.time() - 7200
    record(path, [report(at=at, name=name, reset_at=int(at) + 9000) for name, *_ in WELL])
    sessions = box.home / ".codex" / "sessions" / "2026"
    sessions.mkdir(parents=True)
    (sessions / "rollout-2026-09-21.jsonl").write_text(_SESSION)
