"""`poller history`, as its users run it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from tests.history.made_up import failed, record, report, rows, spans
from tests.running import POLLER, environment, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running import Ended

pytestmark = pytest.mark.anyio

HISTORY = ("--history", "h.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a history of two days."""
    now = int(time.time())
    rounds = []
    for number, at in enumerate(range(now - 2 * 86_400, now, 1800)):
        reset_at = at - at % 18_000 + 18_000
        used = float(at % 18_000 // 1800 * 8)
        rounds.append(
            [
                report(used, at=at, reset_at=reset_at, week=number / 2),
                report(used / 2, at=at, name="bob", reset_at=reset_at),
                failed(at=at, name="carol"),
            ]
        )
    record(tmp_path / "h.db", *rounds)
    return tmp_path


def test_it_is_shown_as_a_table(folder: Path, here: Callable[..., Ended]) -> None:
    done = here("history", *HISTORY, "--format", "table")
    assert (done.code, done.err) == (0, "")
    lines = done.out.decode().splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["alice", "week", "bob"]
    assert lines[-2] == "no figures: carol"
    assert lines[-1].startswith("recorded since ")
    chosen = here(*("history", "show", "bo?", *HISTORY, "--format", "table", "--since", "1d"))
    assert "alice" not in chosen.out.decode()
    week = here(*("history", *HISTORY, "--format", "table", "--window", "weekly"))
    assert "5h" not in week.out.decode()
    assert week.out.decode().splitlines()[-2] == "no figures: bob, carol"


def test_into_a_pipe_go_whole_spans(folder: Path, here: Callable[..., Ended]) -> None:
    done = here("history", "alice", *HISTORY, "--window", "weekly", "--since", "3h")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0
    assert 5 <= len(told) <= 7
    assert list(told[0]) == [
        *("account", "key", "window", "since", "until", "polls", "used_percent", "reset_at"),
    ]
    as_csv = here("history", "export", "bob", *HISTORY, "--format", "csv")
    read = list(csv.DictReader(StringIO(as_csv.out.decode(), newline="")))
    assert {row["account"] for row in read} == {"bob"}
    assert len(read) == 96


def test_an_account_that_an_address_names_is_found_by_both_of_its_forms(
    tmp_path: Path, here: Callable[..., Ended]
) -> None:
    whole, short = "alice.liddell@example.com", "al…ll@e…"
    for label in (whole, short):
        file = f"{len(label)}.db"
        record(tmp_path / file, [report(40, at=time.time() - 60, name=label), report(name="bob")])
        for name in (whole, short, "al*"):
            done = here("history", "export", name, "--history", file)
            assert [json.loads(line)["account"] for line in done.out.splitlines()] == [label]


def test_two_accounts_of_one_label_are_both_shown(
    tmp_path: Path, here: Callable[..., Ended]
) -> None:
    at = time.time() - 60
    mine = report(40, at=at, reset_at=None)
    theirs = replace(report(70, at=at, reset_at=None), key="f" * 16)  # another machine's export
    record(tmp_path / "h.db", [mine, theirs])
    shown = here("history", *HISTORY, "--format", "table").out.decode()
    assert "2 accounts" in shown
    assert f"alice {mine.key}" in shown
    assert f"alice {'f' * 16}" in shown


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_an_export_makes_the_same_history_again(
    folder: Path, format_: str, here: Callable[..., Ended]
) -> None:
    exported = here("history", "export", *HISTORY, "--format", format_)
    (folder / "export").write_bytes(exported.out)
    for _ in range(2):
        done = here("history", "import", "export", "--history", "new.db")
        assert done.code == 0
    assert done.err.startswith("poller: imported 0 new observations, ")
    assert spans(folder / "new.db") == spans(folder / "h.db")


async def test_records_are_imported_from_a_pipe(tmp_path: Path) -> None:
    polled = await run("--demo", "3", cwd=tmp_path)
    done = await run("history", "import", "-", *HISTORY, cwd=tmp_path, given=polled.out)
    assert (done.code, done.out) == (0, b"")
    assert done.err == "poller: imported 3 new observations, 0 were already known\n"
    assert len(rows(tmp_path / "h.db", "SELECT 1 FROM account")) == 3


def test_a_standard_input_that_is_closed_is_said(tmp_path: Path) -> None:
    words = [*POLLER, "history", "import", "-", *HISTORY]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "poller: -: bad file descriptor\n"


def test_the_sessions_of_the_codex_cli_are_imported(
    tmp_path: Path, here: Callable[..., Ended]
) -> None:
    limits = {
        "primary": {"used_percent": 42.0, "window_minutes": 300, "resets_in_seconds": 3600},
        "secondary": {"used_percent": 5.0, "window_minutes": 10080, "resets_in_seconds": 86400},
    }
    event = {"type": "token_count", "rate_limits": limits}
    line = {"timestamp": "2026-09-21T14:13:20.000Z", "type": "event_msg", "payload": event}
    where = tmp_path / "sessions" / "2026" / "09" / "21"
    where.mkdir(parents=True)
    (where / "rollout-2026-09-21.jsonl").write_text(f"{json.dumps(line)}\nnothing\n")
    asked = ("history", "import", "--codex-sessions", "sessions", *HISTORY)
    nobody = here(*asked)
    assert (nobody.code, nobody.err) == (
        64,
        "poller: --codex-sessions: say whose they are with --as NAME: they name no account\n",
    )
    done = here(*asked, "--as", "codex")
    assert (done.code, done.err) == (
        0,
        "poller: imported 1 new observations, 0 were already known\n",
    )
    stored = rows(tmp_path / "h.db", "SELECT account, window, used_percent FROM samples")
    assert stored == [("codex", "five_hour", 42.0), ("codex", "weekly", 5.0)]


def test_what_is_old_is_pruned(folder: Path, here: Callable[..., Ended]) -> None:
    before = len(rows(folder / "h.db", "SELECT 1 FROM span"))
    done = here("history", "prune", *HISTORY, "--older-than", "1d")
    assert done.code == 0
    assert done.err.startswith("poller: removed ")
    assert len(rows(folder / "h.db", "SELECT 1 FROM span")) < before


def test_the_forecast_is_checked(folder: Path, here: Callable[..., Ended]) -> None:
    done = here("history", "check", *HISTORY)
    (told,) = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, told["window"]) == (0, "five_hour")
    assert told["asked"] > 10
    table = here("history", "check", *HISTORY, "--format", "table")
    assert table.out.decode().splitlines()[-3] == "week: too little is recorded to compare"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("show zoe", "zoe: no account of that name was recorded; poller history shows all"),
        ("show alcie", "alcie: no account of that name was recorded; did you mean 'alice'?"),
        ("exprot", "exprot: no account of that name was recorded; did you mean 'export'?"),
        ("import", "history import: name a FILE, - for standard input, or --codex-sessions"),
        ("import nowhere", "nowhere: no such file or directory"),
        pytest.param(
            *("import /proc/self/mem", "/proc/self/mem: input/output error"),
            marks=pytest.mark.skipif(sys.platform != "linux", reason="there is no such file"),
        ),
        ("import config", "history import: found no record, export or rate limit in it"),
        ("import --codex-sessions no --as a", "--codex-sessions: no such folder: no"),
        (
            "import --codex-sessions . --as a",
            "history import: found no record, export or rate limit in it",
        ),
        ("prune", "history prune: say how old with --older-than, such as 365d"),
        (
            "prune alice --older-than 1d",
            "history prune alice: it takes out what is old of all accounts: leave out the name",
        ),
        (
            "export --format table",
            "--format: history export has jsonl and csv; a table is for history show",
        ),
        ("check --format csv", "--format: history check has table and jsonl"),
    ],
)
def test_a_mistake_is_told(folder: Path, words: str, why: str, here: Callable[..., Ended]) -> None:
    (folder / "config").write_text("nothing\n")
    done = here("history", *words.split(), *HISTORY, "-q")
    assert (done.code, done.out, done.err) == (64, b"", f"poller: {why}\n")


@pytest.mark.parametrize("words", ["", "export", "check", "prune --older-than 1d"])
def test_without_a_history_that_is_said(
    tmp_path: Path, words: str, here: Callable[..., Ended]
) -> None:
    done = here("history", *words.split(), *HISTORY)
    assert (done.code, done.err) == (
        64,
        "poller: history h.db: there is none yet: record some polls with poller --record\n",
    )
    (tmp_path / "h.db").write_text("another thing, and long enough to look like one\n" * 9)
    done = here("history", *words.split(), *HISTORY)
    assert done.code == 64
    assert "it is not a database" in done.err


def test_what_a_wrong_clock_saw_later_than_now_is_not_shown(
    tmp_path: Path, here: Callable[..., Ended]
) -> None:
    now = time.time()
    later = [report(99, at=now + 86_400 + 1800 * number, reset_at=None) for number in range(3)]
    record(tmp_path / "h.db", [report(40, at=now - 60, reset_at=int(now) + 9000)], later)
    shown = here("history", *HISTORY, "--format", "table").out.decode()
    assert " 60% " in shown
    assert " 1% " not in shown
    assert here("status", *HISTORY).out == b"codex 60%\n"
    assert here("history", "check", *HISTORY).out == b""


async def test_the_demo_shows_an_invented_week_and_touches_nothing(tmp_path: Path) -> None:
    done = await run("history", "--demo", "3", "--format", "table", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.decode().splitlines()[-1].startswith("recorded since ")
    assert " in --demo (" in done.out.decode()
    exported = await run("history", "export", "--demo", "3", cwd=tmp_path)
    assert len(exported.out.splitlines()) > 30
    refused = await run("history", "import", "-", "--demo", cwd=tmp_path)
    assert (refused.code, refused.err) == (
        64,
        "poller: --demo: what is imported would be gone at once: leave out --demo\n",
    )
    status = await run("status", "--demo", "3", cwd=tmp_path)
    assert (status.code, status.err) == (0, "")
    assert status.out.decode().startswith("codex ")
    assert "/3" in status.out.decode()
    assert [*os.walk(tmp_path)] == [(str(tmp_path), [], [])]
