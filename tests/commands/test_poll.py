"""The whole program, as its users run it: a process, files, pipes, signals."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import resource
import select
import shlex
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from poller.commands import poll as run_module
from poller.commands.running import within_limits
from poller.present.terminal import cells
from poller.settings import Settings
from poller.simulator.server import Simulator, serve
from tests.auth_files import codex
from tests.conftest import Certificates, connect_proxy
from tests.running import (
    POLLER,
    UNMEASURED,
    account,
    ended,
    numbered,
    record_of,
    run,
    started,
    windows_of,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount

pytestmark = pytest.mark.anyio

LEAVES_WITHIN_S = 2.0
SPARE_S = 0.5
"""For a machine that is busy with other tests."""


def aimed(simulator: Simulator, folder: Path, *more: str) -> tuple[str, ...]:
    """Return the arguments that poll a folder's accounts at a simulator."""
    return ("--account-dir", str(folder), "--chatgpt-url", simulator.url, *more)


def tokens_of(one: MadeUpAccount) -> list[str]:
    tokens = json.loads(one.auth_file)["tokens"]
    return [tokens["access_token"], tokens["id_token"], tokens["refresh_token"]]


# The main job


async def test_thirty_accounts_at_concurrency_eight(tmp_path: Path) -> None:
    accounts = numbered(30)
    folder = write(tmp_path / "f", *accounts)
    async with serve(latency_s=0.1, now=int(time.time())) as simulator:
        done = await run(*aimed(simulator, folder, "--concurrency", "8"), cwd=tmp_path)
        stats = simulator.stats()
        figures = {one.name: windows_of(simulator, one) for one in accounts}

    assert (done.code, done.err) == (0, "")
    assert {name: record["windows"] for name, record in done.by_account.items()} == figures
    assert stats.most_in_flight == 8
    assert {each.attempts for each in stats.accounts.values()} == {1}
    assert (len(stats.accounts), stats.requests, stats.with_cookie) == (30, 30, 0)
    seen = [each.started_at_s[0] for each in stats.accounts.values()]
    assert 0.3 <= max(seen) - min(seen) < 0.3 + SPARE_S


async def test_the_pipeline_of_the_readme_works_as_written(tmp_path: Path) -> None:
    accounts = [account("alice", "+two_windows:42:5"), account("bob", "~402"), account("学习")]
    write(tmp_path / "D", *accounts)
    async with serve(now=int(time.time())) as simulator:
        line = (
            f"{shlex.quote(sys.executable)} -m poller --concurrency 8 --account-dir D "
            f"--chatgpt-url {simulator.url} | "
            "jq -c 'select(.ok) | [.account, .windows.five_hour.remaining_percent]'"
        )
        done = await run(cwd=tmp_path, command=("sh", "-c", line))
        other = windows_of(simulator, accounts[2]).get("five_hour", {}).get("remaining_percent")

    assert (done.code, done.err) == (0, "")
    assert sorted(map(json.loads, done.out.splitlines())) == [["alice", 58], ["学习", other]]


async def test_a_record_is_there_while_a_slow_account_still_waits(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("fast"), account("slow", "~hang"))
    async with (
        serve() as simulator,
        started(*aimed(simulator, folder), cwd=tmp_path) as running,
    ):
        assert running.stdout is not None
        record = record_of(await running.stdout.readline())
        await simulator.reached(2)

        assert record["account"] == "fast"
        assert running.returncode is None
        assert simulator.stats().in_flight == 1


async def test_ordered_records_come_in_the_order_of_the_accounts(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("a", "~slow-300ms"), *numbered(10), account("z"))
    async with serve() as simulator:
        done = await run(*aimed(simulator, folder, "--ordered"), cwd=tmp_path)

    assert [record["account"] for record in done.records] == sorted(done.by_account)
    assert done.code == 0


async def test_paths_on_standard_input_are_read_to_the_end_then_polled(tmp_path: Path) -> None:
    write(tmp_path / "f", account("a"), account("b"))
    arguments = ("--files-from", "-", "--chatgpt-url")
    async with (
        serve() as simulator,
        started(*arguments, simulator.url, cwd=tmp_path, stdin=asyncio.subprocess.PIPE) as running,
    ):
        assert running.stdin is not None
        running.stdin.write(b"f/a.auth.json\n")
        done = await ended(running, b"f/b.auth.json\nf/none.json\n")

    assert done.kinds == {"a": None, "b": None, "none": "file_missing"}
    assert done.code == 1


async def test_the_demo_ends_well_without_network_or_files(tmp_path: Path) -> None:
    done = await run("--demo", "--format", "jsonl", cwd=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert len(done.by_account) == 12
    kinds = {name: kind for name, kind in done.kinds.items() if kind}
    assert kinds == {"old-laptop": "token_expired", "café-wifi": "edge_blocked"}
    assert done.by_account["flaky"]["attempts"] == 2
    assert os.listdir(tmp_path) == []


# Time


async def test_the_runs_deadline_gives_every_account_its_record(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *numbered(20, "~hang"))
    async with serve() as simulator:
        begun_at = time.monotonic()
        done = await run(
            *aimed(simulator, folder, "--deadline", "1", "--concurrency", "3"), cwd=tmp_path
        )

    assert time.monotonic() - begun_at < 1 + LEAVES_WITHIN_S + SPARE_S
    assert (done.code, set(done.kinds.values())) == (2, {"deadline"})
    assert len(done.kinds) == 20
    assert sum(record["attempts"] for record in done.records) == 3


async def test_times_and_retries_are_as_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("hangs", "~hang"), account("fails", "~503"))
    async with serve() as simulator:
        done = await run(
            *aimed(simulator, folder, "--timeout", "0.3", "--retries", "0", "--rate", "10"),
            cwd=tmp_path,
        )
        seen = sorted(each.started_at_s[0] for each in simulator.stats().accounts.values())

    assert done.kinds == {"hangs": "timeout", "fails": "server_error"}
    assert [record["attempts"] for record in done.records] == [1, 1]
    assert 0.3 <= done.by_account["hangs"]["elapsed_s"] < 0.3 + SPARE_S
    assert seen[1] - seen[0] >= 0.085
    assert done.code == 3


async def test_a_dead_upstream_is_given_up_and_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *numbered(200))
    async with serve(fault="edge") as simulator:
        done = await run(*aimed(simulator, folder, "--patience", "0.5"), cwd=tmp_path)
        asked = simulator.stats().requests

    assert asked < 100
    kinds = list(done.kinds.values())
    assert {*kinds} == {"edge_blocked", "circuit_open"}
    assert kinds.count("circuit_open") > 150
    assert done.code == 3


# Proxies and certificates


async def test_the_environments_proxy_is_used_and_sees_no_token(
    tmp_path: Path, certificates: Certificates
) -> None:
    accounts = numbered(3)
    folder = write(tmp_path / "f", *accounts)
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy() as proxy:
        arguments = aimed(simulator, folder, "--ca-file", certificates.ca_file)
        through = await run(*arguments, cwd=tmp_path, env={"HTTPS_PROXY": proxy.url})
        seen = "".join(proxy.requests)
        proxy.requests.clear()
        past = await run(
            *arguments, cwd=tmp_path, env={"https_proxy": proxy.url, "NO_PROXY": "127.0.0.1"}
        )

        assert proxy.requests == []
        assert simulator.stats().requests == 6
    assert (through.code, past.code) == (0, 0)
    assert seen.startswith("CONNECT 127.0.0.1:")
    assert not any(token[:12] in seen for one in accounts for token in tokens_of(one))
    assert "acct-" not in seen


async def test_a_proxy_on_the_command_line_beats_the_environments(
    tmp_path: Path, certificates: Certificates
) -> None:
    folder = write(tmp_path / "f", account("a"))
    async with serve(ssl_context=certificates.server) as simulator, connect_proxy() as proxy:
        done = await run(
            *aimed(simulator, folder, "--ca-file", certificates.ca_file, "--proxy", proxy.url),
            cwd=tmp_path,
            env={"HTTPS_PROXY": "http://127.0.0.1:1"},
        )

        assert len(proxy.requests) == 1
    assert done.code == 0


async def test_an_unknown_certificate_is_refused_with_a_hint(
    tmp_path: Path, certificates: Certificates
) -> None:
    folder = write(tmp_path / "f", account("a"))
    async with serve(ssl_context=certificates.server) as simulator:
        done = await run(*aimed(simulator, folder), cwd=tmp_path)

        assert simulator.stats().requests == 0
    assert (done.code, done.kinds) == (2, {"a": "tls"})
    assert "--ca-file" in done.records[0]["error"]["hint"]


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"HTTPS_PROXY": "socks5://127.0.0.1:9"}, "HTTPS_PROXY"),
        ({"all_proxy": "gopher://x"}, "all_proxy"),
    ],
)
async def test_a_proxy_that_cannot_be_spoken_to_polls_nothing(
    tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    folder = write(tmp_path / "f", account("a"))
    url = "https://127.0.0.1:1/usage"
    done = await run("--account-dir", str(folder), "--chatgpt-url", url, cwd=tmp_path, env=environ)

    assert (done.code, done.out) == (64, b"")
    assert says in done.err


# Exit codes


@pytest.mark.parametrize(
    ("endings", "more", "code"),
    [
        ([], (), 1),
        (["~reset"], (), 2),
        (["~402", "~reset"], (), 3),
        (["+weekly_only:95", "~402"], ("--fail-under", "10"), 4),
        (["+weekly_only:85", "+no_limits"], ("--fail-under", "10"), 1),
    ],
)
async def test_the_exit_code_is_the_gravest(
    tmp_path: Path, endings: list[str], more: tuple[str, ...], code: int
) -> None:
    accounts = [account(f"n{index}", ending) for index, ending in enumerate(endings)]
    folder = write(tmp_path / "f", account("old", lives_s=-1_000), *accounts)
    async with serve() as simulator:
        done = await run(*aimed(simulator, folder, "--retries", "0", *more), cwd=tmp_path)

    assert done.kinds["old"] == "token_expired"
    assert done.code == code
    assert done.err == ("poller: less than 10% left or blocked: n0\n" if code == 4 else "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fail-under", "6", "--quiet"), "less than 6% left or blocked: blocked, low"),
        (("--fail-under", "5"), "less than 5% left or blocked: blocked"),
        (("--need", "3"), "2 of 4 can be used, 3 needed"),
        (("--need", "2"), ""),
    ],
)
async def test_exit_code_4_says_who(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    folder = write(
        tmp_path / "f",
        account("low", "+weekly_only:95"),
        account("blocked", "+exhausted:100:16"),
        account("well", "+weekly_only:10"),
        account("gone", "~402"),
    )
    async with serve() as simulator:
        done = await run(*aimed(simulator, folder, "--ordered", *arguments), cwd=tmp_path)

    assert (done.code, done.err) == ((4, f"poller: {said}\n") if said else (3, ""))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--account-dir", "empty"), "no auth files"),
        (("--account-dir", "nowhere"), "no such folder"),
        (("nobody", "--account-dir", "empty"), "nobody"),
        ((), "poller --demo"),
        (("--files-from", os.devnull), "nothing to poll"),
        (("--files-from", "empty"), "a folder"),
        (("x.json", "--ca-file", "none.pem", "--chatgpt-url", "https://127.0.0.1:1/"), "none.pem"),
    ],
)
async def test_a_run_that_cannot_begin_says_why(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.json").write_bytes(account("x").auth_file)
    done = await run(*arguments, cwd=tmp_path)

    assert (done.code, done.out) == (64, b"")
    assert says in done.err
    assert done.err.startswith("poller: ")
    assert done.err.count("\n") == 1


# What is said, and to whom


async def test_raw_answers_headers_and_identity_are_shown_only_on_request(tmp_path: Path) -> None:
    one = account("alice", "~echo")
    folder = write(tmp_path / "f", one)
    async with serve() as simulator:
        plain = await run(*aimed(simulator, folder), cwd=tmp_path)
        full = await run(
            *aimed(simulator, folder, "--raw-json", "--raw-headers", "--show-identity"),
            cwd=tmp_path,
        )

    assert not {"raw", "headers", "email", "user_id", "account_id"} & plain.records[0].keys()
    record = full.records[0]
    assert (record["email"], record["user_id"]) == (one.email, one.user_id)
    assert record["raw"]["rate_limit"]
    assert record["headers"]["content-type"] == "application/json"
    assert not any(token[-12:] in full.out.decode() for token in tokens_of(one))
    assert "***" in record["headers"]["x-echo"]


async def test_a_table_in_a_pipe_fits_a_hundred_columns(tmp_path: Path) -> None:
    accounts = [
        account("a-name-that-is-longer-than-anybody-would-ever-want-it-to-be", "+two_windows:1:2"),
        account("学习学习", "+exhausted:100:16"),
        account("old", lives_s=-1_000),
        account("gone", "~402"),
    ]
    folder = write(tmp_path / "f", *accounts)
    async with serve() as simulator:
        done = await run(
            *aimed(simulator, folder, "--format", "table", "--timezone", "Asia/Tokyo"),
            cwd=tmp_path,
            env={"LC_ALL": "C.UTF-8"},
        )

    lines = done.out.decode().splitlines()
    assert max(map(cells, lines)) <= 100
    assert "JST" in lines[0] or "+09" in lines[0] or "Asia/Tokyo" in lines[0]
    text = done.out.decode()
    told = ("学习学习", "token expired: old (16 minutes ago)", "workspace unpaid or closed: gone")
    assert all(words in text for words in told)
    assert lines[-1].startswith("1 usable · 1 blocked, back ")
    assert "\x1b" not in text
    assert done.err == ""
    assert done.code == 3


@pytest.mark.parametrize(("word", "meant"), [("lst", "list"), ("simulat", "simulate"), ("bob", "")])
async def test_a_mistyped_command_is_recognized(word: str, meant: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("alice"))
    done = await run(word, "--account-dir", str(folder), cwd=tmp_path)

    assert done.code == 64
    assert done.err.startswith(f"poller: no account '{word}' in ")
    assert done.err.endswith(f"; did you mean `poller {meant}`?\n") is bool(meant)


async def test_codex_own_login_that_expired_is_not_told_to_be_refreshed(tmp_path: Path) -> None:
    own, folder = tmp_path / ".codex/auth.json", tmp_path / "account"
    own.parent.mkdir()
    folder.mkdir()
    own.write_text(json.dumps(codex("me", exp=int(time.time()) - 90_000)))
    own.chmod(0o600)
    (folder / "linked.auth.json").symlink_to("../.codex/auth.json")
    (folder / "copy.auth.json").write_text(json.dumps(codex("other", exp=int(time.time()) - 9_000)))
    (folder / "copy.auth.json").chmod(0o600)
    done = await run("--format", "table", cwd=tmp_path, env={"HOME": str(tmp_path)})
    told = " ".join(done.out.decode().split())
    assert "linked (1 day ago) -> use codex once with this login, or log in again" in told
    assert "copy (2 hours ago) -> poller --refresh, or log in with codex" in told


async def test_warnings_are_said_in_chinese(tmp_path: Path) -> None:
    twice = account("alice")
    folder = write(tmp_path / "f", twice)
    (folder / "copy.auth.json").write_bytes(twice.auth_file)
    (folder / "copy.auth.json").chmod(0o644)
    async with serve(clock_offset_s=-300) as simulator:
        done = await run(
            *aimed(simulator, folder, "--need", "3", "--concurrency", "50"),
            cwd=tmp_path,
            env={"LC_ALL": "zh_CN.UTF-8"},
            command=("sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *POLLER),
        )

    assert done.code == 4
    said = done.err.splitlines()
    assert len(said) == 5
    assert all(re.search("[\u4e00-\u9fff]", line) for line in said)


async def test_warnings_are_said_once_and_not_where_quiet(tmp_path: Path) -> None:
    twice = account("alice")
    folder = write(tmp_path / "f", twice, account("bob", "~503x1"))
    (folder / "copy.auth.json").write_bytes(twice.auth_file)
    (folder / "copy.auth.json").chmod(0o644)
    async with serve(clock_offset_s=-300) as simulator:
        loud = await run(*aimed(simulator, folder, "-v"), cwd=tmp_path)
        quiet = await run(*aimed(simulator, folder, "-q"), cwd=tmp_path)

    assert (loud.code, quiet.code, quiet.err) == (0, 0, "")
    assert "poller: bob: attempt 1: server_error" in loud.err
    assert "alice and copy are the same login\n" in loud.err
    assert "chmod 600" in loud.err
    assert "this machine's clock is 5 min ahead of the upstream's: " in loud.err
    assert loud.err.count("\n") == 4


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="has no file that cannot be read")
async def test_a_list_that_breaks_off_is_said(tmp_path: Path) -> None:
    done = await run("--files-from", "/proc/self/mem", cwd=tmp_path)

    assert (done.code, done.out) == (64, b"")
    assert "poller: the list of paths broke off: " in done.err
    assert "nothing to poll" in done.err


async def test_few_open_files_lower_the_concurrency_and_all_goes_well(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *numbered(60))
    async with serve(latency_s=0.02) as simulator:
        arguments = aimed(simulator, folder, "--concurrency", "50")
        done = await run(
            cwd=tmp_path,
            command=("sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *POLLER, *arguments),
        )
        most = simulator.stats().most_in_flight

    assert {*done.kinds.values()} == {None}
    assert (done.code, most) == (0, 12)
    assert done.err == (
        "poller: concurrency lowered from 50 to 12: this process may open few files (ulimit -n)\n"
    )


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [("~anonymous", {None}), ("~twice", {None}), ("~503", {None, "server_error"})],
)
async def test_few_open_files_do_also_where_connections_are_not_kept(
    tmp_path: Path, fault: str, kinds: set[str | None]
) -> None:
    # Once one shows that nothing can be told apart, all 30 in flight close theirs and open another.
    folder = write(
        tmp_path / "f", *numbered(60), *numbered(20, fault, start=60), *numbered(120, start=80)
    )
    async with serve(latency_s=0.02) as simulator:
        arguments = aimed(simulator, folder, "--concurrency", "200", "--retries", "0", "--quiet")
        done = await run(
            cwd=tmp_path,
            command=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *POLLER, *arguments),
        )

    assert done.by_account.keys() == {f"n{number:04d}" for number in range(200)}
    assert {*done.kinds.values()} == kinds


# On a terminal


@contextmanager
def terminal(columns: int = 80) -> Iterator[tuple[int, int]]:
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def shown(ours: int) -> str:
    """Return what a terminal was sent so far."""
    parts = []
    while select.select([ours], [], [], 0)[0]:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


async def test_a_terminal_gets_a_table_and_progress(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f", *numbered(3), account("late", "~slow-400ms"), account("old", lives_s=-1_000)
    )
    with terminal() as (ours, theirs):
        async with serve() as simulator:
            done = await run(
                *aimed(simulator, folder),
                cwd=tmp_path,
                env={"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
                stdout=theirs,
                stderr=theirs,
            )
        text = shown(ours)

    assert done.code == 1
    assert all(name in text for name in ("n0000", "n0001", "n0002", "late", "old"))
    assert "4/5 · 1 failed" in text
    assert "Traceback" not in text


async def test_raw_answers_on_a_terminal_are_indented(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("a"))
    with terminal() as (ours, theirs):
        async with serve() as simulator:
            done = await run(*aimed(simulator, folder, "--raw-json"), cwd=tmp_path, stdout=theirs)
        text = shown(ours)

    assert (done.code, done.err) == (0, "")
    assert text.startswith("{\r\n  ")
    assert record_of(text)["raw"]["rate_limit"]


# Leaving


def read_all(reader: int) -> bytes:
    """Return what is in a pipe that nobody writes to any more."""
    with open(reader, "rb") as pipe:
        return pipe.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_leaves_every_account_its_record(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = write(tmp_path / "f", account("a"), account("b", "~hang"), *numbered(40))
    arguments = ("--concurrency", "1")
    async with (
        serve() as simulator,
        started(*aimed(simulator, folder, *arguments), cwd=tmp_path) as running,
    ):
        assert running.stdout is not None
        first = record_of(await running.stdout.readline())
        await simulator.reached(2)
        running.send_signal(number)
        begun_at = time.monotonic()
        done = await ended(running)

        assert simulator.stats().requests == 2
    assert time.monotonic() - begun_at < LEAVES_WITHIN_S
    assert (done.code, done.err) == (128 + number, "")
    assert (first["account"], first["ok"]) == ("a", True)
    assert done.kinds == dict.fromkeys(("b", *(one.name for one in numbered(40))), "cancelled")
    assert done.by_account["b"]["attempts"] == 1


async def test_an_interrupted_table_shows_what_there_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("a", "+weekly_only:30"), account("b", "~hang"))
    async with (
        serve() as simulator,
        started(
            *aimed(simulator, folder, "--format", "table", "--concurrency", "1"), cwd=tmp_path
        ) as running,
    ):
        await simulator.reached(2)
        running.send_signal(signal.SIGINT)
        done = await ended(running)

    text = done.out.decode()
    assert done.code == 130
    assert "70" in text
    assert "stopped before they were asked: b ->" in text
    assert text.endswith("1 usable - 1 not asked\n")


async def test_records_nobody_reads_are_lost_at_a_signal_but_never_cut(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *numbered(600))
    reader, writer = os.pipe()
    async with (
        serve() as simulator,
        started(*aimed(simulator, folder), cwd=tmp_path, env=UNMEASURED, stdout=writer) as running,
    ):
        os.close(writer)
        await simulator.reached(100)
        running.send_signal(signal.SIGTERM)
        begun_at = time.monotonic()
        done = await ended(running)
        took_s = time.monotonic() - begun_at
    lines = read_all(reader).splitlines(keepends=True)

    assert took_s < LEAVES_WITHIN_S + SPARE_S
    assert done.code == 143
    assert 10 < len(lines) < 600
    assert all(line.endswith(b"\n") and record_of(line) for line in lines)


async def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *numbered(600))
    reader, writer = os.pipe()
    async with (
        serve() as simulator,
        started(*aimed(simulator, folder), cwd=tmp_path, env=UNMEASURED, stdout=writer) as running,
    ):
        os.close(writer)
        await simulator.reached(100)  # more than the pipe will take: there is no leaving well
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        begun_at = time.monotonic()
        done = await ended(running)
    os.close(reader)

    assert time.monotonic() - begun_at < 1.0
    assert done.code in (130, 143)


async def test_a_reader_that_has_seen_enough_is_no_news(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("a"), *numbered(100, "~slow-200ms"))
    reader, writer = os.pipe()
    async with (
        serve() as simulator,
        started(
            *aimed(simulator, folder, "--concurrency", "2"), cwd=tmp_path, stdout=writer
        ) as running,
    ):
        os.close(writer)
        first = await asyncio.to_thread(os.read, reader, 1 << 16)
        os.close(reader)
        closed_at = time.monotonic()
        done = await ended(running)
        last = simulator.stats().last_request_at_s

    assert record_of(first)["account"] == "a"
    assert (done.code, done.err) == (141, "")
    assert last is not None
    assert last - closed_at < 1.0


async def test_a_reader_that_left_is_noticed_while_nothing_is_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", account("a", "~hang"))
    reader, writer = os.pipe()
    async with (
        serve() as simulator,
        started(*aimed(simulator, folder), cwd=tmp_path, stdout=writer) as running,
    ):
        os.close(writer)
        await simulator.reached(1)
        os.close(reader)
        begun_at = time.monotonic()
        done = await ended(running)

    assert time.monotonic() - begun_at < 1.0 + SPARE_S
    assert (done.code, done.err) == (141, "")


@pytest.mark.parametrize("form", ["jsonl", "table"])
async def test_a_full_disk_is_said(tmp_path: Path, form: str) -> None:
    folder = write(tmp_path / "f", *numbered(3))
    async with serve() as simulator:
        full = os.open("/dev/full", os.O_WRONLY)
        done = await run(*aimed(simulator, folder, "--format", form), cwd=tmp_path, stdout=full)
        os.close(full)

    assert done.code == 74
    assert "no space left" in done.err


@pytest.mark.parametrize("form", ["jsonl", "table"])
async def test_a_closed_standard_output_is_said(tmp_path: Path, form: str) -> None:
    folder = write(tmp_path / "f", *numbered(3))
    async with serve() as simulator:
        arguments = aimed(simulator, folder, "--format", form)
        done = await run(
            cwd=tmp_path, command=("sh", "-c", 'exec "$@" >&-', "sh", *POLLER, *arguments)
        )

    assert done.code == 74
    assert done.err.startswith("poller: the results cannot be written to standard output")


async def test_with_standard_error_closed_results_stay_clean(tmp_path: Path) -> None:
    twice = account("alice")
    folder = write(tmp_path / "f", twice, account("bob", "~503x1"))
    (folder / "copy.auth.json").write_bytes(twice.auth_file)
    async with serve() as simulator:
        arguments = aimed(simulator, folder, "-v")
        done = await run(
            cwd=tmp_path, command=("sh", "-c", 'exec "$@" 2>&- <&-', "sh", *POLLER, *arguments)
        )

    assert (done.code, done.err) == (0, "")
    assert {*done.by_account} == {"alice", "bob", "copy"}


# A bug of ours


class NoSignals:
    number = None


def test_a_bug_outside_any_account_is_a_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def breaks(_: object) -> None:
        raise ExceptionGroup("secret", [KeyError("secret"), ExceptionGroup("", [OSError(5)])])

    monkeypatch.setattr(run_module._Poll, "run", breaks)
    interrupts: Any = NoSignals()

    assert run_module.run(Settings(), interrupts) == 70
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "poller: a bug in this program: KeyError, OSError; nothing was polled; please report it\n"
    )


def test_a_system_without_limits_on_files_keeps_its_concurrency(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    assert within_limits(Settings(concurrency=9_000)).concurrency == 9_000
    monkeypatch.setitem(sys.modules, "resource", None)
    assert within_limits(Settings(concurrency=9_000)).concurrency == 9_000


@pytest.mark.parametrize("words", [("--demo", "2"), ("list", "--demo", "2"), ("--help",)])
async def test_keys_that_cannot_be_logged_matter_only_to_who_encrypts(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done = await run(*words, cwd=tmp_path, env={"SSLKEYLOGFILE": "/not/there"})
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("words", [(), ("--refresh", "--chatgpt-url", "http://127.0.0.1:1/")])
async def test_keys_that_cannot_be_logged_are_said_before_anything_is_sent(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path / "account", account("alice"))
    done = await run(*words, cwd=tmp_path, env={"SSLKEYLOGFILE": "/not/there"})
    assert (done.code, done.out) == (64, b"")
    assert done.err == (
        "poller: environment variable SSLKEYLOGFILE: /not/there: cannot be opened (no such file "
        "or directory): unset it, or name a file that you can write to\n"
    )
