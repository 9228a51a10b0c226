"""Every command of the pages, run as it is written against a simulator.

Pages in two languages have the same commands (``test_in_step``), so each is run once.
"""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trustme

from poller.cli import parse
from poller.settings.alert_tables import read_alerts
from poller.simulator.server import serve
from tests.readme.reading import DOCS, ENGLISH, PAGES, ROOT, blocks_of, sections_of, text_of
from tests.readme.sandbox import Ran, Sandbox, build, ill, well
from tests.running import record_of, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.conftest import Certificates
    from tests.readme.reading import Block

pytestmark = pytest.mark.anyio

MAKES, RECIPES = "Try it", "Recipes"
ONCE = (ENGLISH, *(name for name in DOCS if not name.endswith(".zh-CN.md")))
"""The pages whose commands are run."""
SERVES = "docs/simulator.md"
SERVED = "docs/serve.md"
LIBRARY = "docs/library.md"
SCHEDULE = "docs/schedule.md"
MACHINES = "docs/machines.md"
ALERTS = "docs/alerts.md"

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq here")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


@asynccontextmanager
async def sandbox(folder: Path, *, with_trouble: bool = False) -> AsyncIterator[Sandbox]:
    """Start an upstream and give a folder of accounts that it knows."""
    async with serve() as simulator:
        yield build(folder, simulator.url, *well(), *(ill() if with_trouble else ()))


def blocks(page: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(page) if block.language == language]


def commands(section: str) -> list[Block]:
    number = sections_of(ENGLISH).index(section)
    return [
        block
        for block in blocks_of(ENGLISH)
        if block.section == number and block.language == "console"
    ]


def sections_with_commands() -> list[tuple[str, str, list[str]]]:
    """Return page, section and commands, without those that stand in another page, too."""
    found: list[tuple[str, str, list[str]]] = []
    seen: set[str] = set()
    for page in ONCE:
        if page in (SERVES, SERVED):
            continue
        titles = ["", *sections_of(page)]
        texts: dict[str, list[str]] = {}
        for block in blocks_of(page):
            if block.language == "console" and block.text not in seen:
                seen.add(block.text)
                texts.setdefault(titles[block.section + 1], []).append(block.text)
        found += [
            (page, title, those)
            for title, those in texts.items()
            if (page, title) not in ((ENGLISH, MAKES), (ENGLISH, RECIPES))
        ]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_language_that_is_tried(page: str) -> None:
    tried = {"console", "text", "json", "toml", "crontab", "ini", "python", "sql"}
    if page == "docs/architecture.md":
        tried |= {""}
    if page == MACHINES:
        tried |= {"sh"}
    assert {block.language for block in blocks_of(page)} <= tried


@pytest.mark.parametrize("text", blocks(MACHINES, "sh"))
def test_what_would_need_other_machines_is_at_least_understood(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "laptop.nkey", "collector.nkey"):
        (tmp_path / name).touch(0o600)
    assert subprocess.run(["bash", "-n"], input=text.encode(), check=False).returncode == 0
    lines = [line for line in text.splitlines() if line.startswith("poller ")]
    for line in lines:
        words = shlex.split(
            line.partition(" > ")[0].replace("…", "nats://localhost"), comments=True
        )
        parse(words[1:])


# The two commands


async def test_make_knows_the_two_commands(tmp_path: Path) -> None:
    cloning, *makes = commands(MAKES)
    assert [block.text for block in makes] == ["make demo\n", "make test\n"]
    async with sandbox(tmp_path) as box:
        assert (await box.bash(cloning.text)).code == 0
        for block in makes:
            # Run by CI; here they would set up what these tests run in.
            planned = await box.run(*block.text.split(), "--dry-run", cwd=ROOT)
            assert planned.code == 0
            assert "-m poller" in planned.out or "-m pytest" in planned.out


# All others


@needs_jq
@pytest.mark.parametrize(
    ("page", "texts"),
    [
        pytest.param(page, those, id=f"{page}-{title}")
        for page, title, those in sections_with_commands()
    ],
)
async def test_the_commands_of_a_section_work_one_after_the_other(
    page: str, texts: list[str], tmp_path: Path, certificates: Certificates
) -> None:
    async with sandbox(tmp_path) as box:
        shutil.copy(certificates.ca_file, box.work / "company.pem")
        for text in texts:
            if "mkdir -p account" in text:  # what it makes must not be there
                shutil.rmtree(box.work / "account")
            ran = await box.bash(text)
            write(box.work / "account", *well())
            assert ran.code == 0, (text, ran)
            assert "Traceback" not in ran.err
            assert "jq: error" not in ran.err
            for line in ran.out.splitlines():
                if line.startswith('{"schema_version"') and "--demo" not in text:
                    assert json.loads(line)["ok"], text


async def test_without_any_setup_the_login_of_codex_is_polled(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as box:
        shutil.rmtree(box.work / "account")
        first, links, _ = [block.text for block in commands("Your accounts")]
        ran = await box.bash(first)
        assert [record_of(line)["account"] for line in ran.out.splitlines()] == ["codex"]
        linked = await box.bash(f"{links}{first}")
        assert {record_of(line)["account"] for line in linked.out.splitlines()} == {"alice", "bob"}


async def test_the_table_in_chinese_is_chinese(tmp_path: Path) -> None:
    shown = next(text for text in blocks("docs/configuration.md", "console") if "zh_CN" in text)
    async with sandbox(tmp_path) as box:
        assert "4 个可用" in (await box.bash(shown)).out


# The recipes


def _usable(ran: Ran) -> None:
    assert {*ran.out.split()} == {"alice", "bob", "carol", "grace", "team-1"}


def _best(ran: Ran) -> None:
    assert ran.out == "team-1\n"


def _blocked(ran: Ran) -> None:
    assert re.fullmatch(r"dave  five_hour  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", ran.out)


def _paying(ran: Ran) -> None:
    assert re.fullmatch(r"grace  \d+(\.\d+)? left\n", ran.out)


def _resets(ran: Ran) -> None:
    rows = [line.split("  ") for line in ran.out.splitlines()]
    assert {row[1] for row in rows} == {"alice", "bob", "carol", "dave", "grace", "team-1"}
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert {row[2] for row in rows} <= {"five_hour", "weekly", "monthly"}


def _failures(ran: Ran) -> None:
    told = dict(re.findall(r"^(\w+): .+\n    (.+)$", ran.out, re.MULTILINE))
    assert sorted(told) == ["erin", "frank"]
    assert "codex" in told["erin"]


def _status_bar(ran: Ran) -> None:
    assert re.fullmatch(r"codex 5/8, next reset \d{4}-\S+Z\n", ran.out)


def _joined(ran: Ran) -> None:
    told = dict(line.split(": ") for line in ran.out.splitlines())
    assert told["Alice Liddell"] == "58"
    assert told["Bob Cratchit"] == "63"
    assert told["erin"] == "unknown"


def _spreadsheet(ran: Ran, box: Sandbox) -> None:
    assert ran.out == ""
    with (box.work / "quota.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert {row["account"] for row in rows} == {one.name for one in (*well(), *ill())}
    left = {(row["account"], row["window"]): row["remaining_percent"] for row in rows}
    assert left["alice", "five_hour"] == "58.0"


def _enough(ran: Ran) -> None:
    assert ran.out == ""


RECIPE_CHECKS: tuple[Callable[..., None], ...] = (
    _usable,
    _best,
    _blocked,
    _paying,
    _resets,
    _failures,
    _status_bar,
    _joined,
    _spreadsheet,
    _enough,
)


@needs_jq
async def test_the_recipes_say_what_is_so(tmp_path: Path) -> None:
    async with sandbox(tmp_path, with_trouble=True) as box:
        for check, block in zip(RECIPE_CHECKS, commands(RECIPES), strict=True):
            ran = await box.bash(block.text)
            # Of jq, but where there is none: dave is blocked, and frank is refused.
            assert ran.code == (3 if check is _spreadsheet else 0), (block.text, ran)
            assert "jq: error" not in ran.err, block.text
            if check is _spreadsheet:
                check(ran, box)
            else:
                check(ran)


@needs_jq
async def test_the_best_account_is_in_the_first_row_of_the_table(tmp_path: Path) -> None:
    async with sandbox(tmp_path, with_trouble=True) as box:
        table = (await box.run("poller", "--format", "table")).out.splitlines()
        row = next(line for line in table if line.startswith("✓"))
        assert (await box.bash(commands(RECIPES)[1].text)).out.strip() == row.split()[1]


@needs_jq
async def test_the_recipes_take_it_well_when_nothing_can_be_used(tmp_path: Path) -> None:
    async with serve(fault="403") as simulator:
        box = build(tmp_path, simulator.url, *well())
        for block in commands(RECIPES)[:8]:
            ran = await box.bash(block.text)
            assert ran.code == 0, block.text
            assert "jq: error" not in ran.err, block.text
            assert "null" not in ran.out, block.text
        ran = await box.bash(commands(RECIPES)[9].text)
        assert ran.err == "poller: 0 of 4 can be used, 2 needed\n"
        assert ran.out == "time for a break\n"


# The twelve questions


@needs_jq
async def test_the_twelve_questions_are_answered(tmp_path: Path) -> None:
    poll, questions = blocks("docs/record.md", "console")[:2]
    asked = re.findall(r"^# (.+\?)\n(jq .+)$", questions, re.MULTILINE)
    assert len(asked) == 12
    assert questions.count("\n") == 24  # each in one line
    answers: dict[str, str] = {}
    async with sandbox(tmp_path, with_trouble=True) as box:
        await box.bash(f"{poll} || true")
        for question, command in asked:
            ran = await box.bash(command)
            assert (ran.code, ran.err) == (0, ""), command
            answers[question] = ran.out
    assert answers["Which are used up?"] == "dave\n"
    assert answers["Which run on credits?"] == "grace\n"
    assert answers["How many failures of each kind?"] == "1  forbidden\n1  token_expired\n"
    assert '["free",76]' in answers["How much is left on average, by plan?"]
    assert answers["Which files share one account, and so one quota?"] == ""
    assert "null" not in "".join(answers.values())


# Watching


@needs_jq
async def test_watching_writes_what_its_page_says(tmp_path: Path) -> None:
    (command,) = blocks("docs/watch.md", "console")
    async with sandbox(tmp_path) as box:
        ran = await box.bash(command.replace("--every 5m", "--every 1s"))
    assert (ran.code, ran.err) == (0, "")
    assert all(re.fullmatch(r"\S+\t1\t(true|false)?", line) for line in ran.out.splitlines())


# The simulator


@needs_jq
@needs_curl
async def test_the_simulator_serves_what_its_page_says(tmp_path: Path) -> None:
    lines = [line for text in blocks(SERVES, "console") for line in text.splitlines()]
    servers = [line for line in lines if line.startswith("poller simulate --dir")]
    others = [line for line in lines if line not in servers]
    assert len(servers) >= 5
    async with sandbox(tmp_path) as box:
        running = [
            await _start(f"{line} --port 0", box, place=f"{tmp_path}/{number}")
            for number, line in enumerate(servers)
        ]
        try:
            urls = [
                (await each.stdout.readline()).decode().strip() for each in running if each.stdout
            ]
            assert all(url.startswith("http://127.0.0.1:") for url in urls), urls
            port = re.search(r":(\d+)/", urls[0])
            assert port is not None
            for line in others:
                here = line.replace("8787", port[1]).replace("/tmp/accounts", f"{tmp_path}/0")
                ran = await box.bash(here)
                assert ran.code == 0, (line, ran)
                assert "Traceback" not in ran.err
            assert len([*(tmp_path / "0").glob("*.auth.json")]) == 12
        finally:
            for each in running:
                each.terminate()
                await each.communicate()


async def test_the_server_serves_what_its_page_says(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("quota.example")
    joined = "".join(blocks(SERVED, "console")).replace("\\\n", "")
    lines = [line.partition("  #")[0] for line in joined.splitlines()]
    async with sandbox(tmp_path) as box:
        made.private_key_pem.write_to_path(box.work / "key.pem")
        made.cert_chain_pems[0].write_to_path(box.work / "cert.pem")
        for line in lines:
            if not line.startswith("poller serve"):
                assert (await box.bash(line)).code == 0
                continue
            anywhere = line.replace(":8765", ":0")
            if "--listen" not in line:
                anywhere += " --listen 127.0.0.1:0"
            running = await _start(anywhere, box)
            try:
                assert running.stderr is not None
                async with asyncio.timeout(20):
                    assert b"serving at http" in await running.stderr.readline(), line
            finally:
                running.terminate()
                await running.communicate()


async def _start(line: str, box: Sandbox, *, place: str = "") -> asyncio.subprocess.Process:
    """Start a server as a line of the page says, in a folder and on a port of its own."""
    words = line.replace("/tmp/accounts", place).split()[1:]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "poller", *words),
        cwd=box.work,
        env=box.environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


# Schedules


@pytest.mark.parametrize("place", range(3))
async def test_a_line_for_cron_works_from_a_bare_environment(place: int, tmp_path: Path) -> None:
    lines = [line for text in blocks(SCHEDULE, "crontab") for line in text.splitlines()]
    assert len(lines) == 3
    timed = re.fullmatch(r"((?:\S+ ){5})(.*)", lines[place])
    assert timed is not None
    times, command = timed.groups()
    assert re.fullmatch(r"(\*/15 \*|0 8) \* \* \* ", times)
    assert "%" not in command  # cron takes it for the end of the line
    async with sandbox(tmp_path) as box:
        box.work.rename(box.home / "codex")
        ran = await box.run("/bin/sh", "-c", f"unset PATH; {command}", cwd=box.home)
        assert (ran.code, ran.err) == (0, "")
        if "--format table" in command:
            assert ran.out.splitlines()[-1].startswith("4 usable")
            return
        assert ran.out == ""
        written = box.home / "codex" / ("quota.csv" if "csv" in command else "quota.jsonl")
        assert len(written.read_text().splitlines()) >= len(well())


def test_every_rule_of_the_page_about_alerts_is_one() -> None:
    rules = [tomllib.loads(text)["alert"] for text in blocks(ALERTS, "toml")]
    assert len(rules) >= 8
    for tables in rules:
        alerts, mistakes = read_alerts(tables)
        assert (len(alerts), mistakes) == (1, [])


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
def test_tmux_tells_an_alert_and_runs_nothing_of_its_text(tmp_path: Path) -> None:
    """In a message of its own, it would: a file named ``#(…).auth.json`` is enough."""
    text = "gone: #(touch ran) #{pid}, low: bob (5h 8 % left, back 16:04)"
    (tables,) = (
        tomllib.loads(one)["alert"] for one in blocks(ALERTS, "toml") if 'name = "tmux"' in one
    )
    words = [word.replace("{text}", text) for word in tables[0]["run"]]
    words.insert(words.index("display-message") + 1, "-p")  # to standard output
    environ = {**os.environ, "TMUX": "", "TMUX_TMPDIR": str(tmp_path)}
    tmux = partial(subprocess.run, env=environ, capture_output=True, text=True, check=True)
    tmux(["tmux", "-f", os.devnull, "new-session", "-d", "sleep", "60"])
    try:
        told = tmux(words).stdout
    finally:
        tmux(["tmux", "kill-server"])
    assert told == f"poller: {text}\n"


async def test_the_line_for_cron_that_evaluates_alerts_works(tmp_path: Path) -> None:
    (line,) = [line for text in blocks(ALERTS, "crontab") for line in text.splitlines()]
    command = line.removeprefix("*/5 * * * * ")
    async with sandbox(tmp_path) as box:
        own = box.home / ".config" / "poller" / "config.toml"
        rule = '\n[[alert]]\nname = "desktop"\nrun = ["notify-send", "poller", "{text}"]\n'
        own.write_text(own.read_text() + rule)
        box.work.rename(box.home / "codex")
        ran = await box.run("/bin/sh", "-c", f"unset PATH; {command}", cwd=box.home)
        assert (ran.code, ran.out, ran.err) == (0, "", "")


async def test_the_line_for_cron_that_writes_metrics_works(tmp_path: Path) -> None:
    (line,) = [line for text in blocks(SERVED, "crontab") for line in text.splitlines()]
    command = line.removeprefix("*/5 * * * * ")
    async with sandbox(tmp_path) as box:
        box.work.rename(box.home / "codex")
        command = command.replace("/var/lib/prometheus/node-exporter", str(box.home))
        ran = await box.run("/bin/sh", "-c", f"unset PATH; {command}", cwd=box.home)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        assert "\npoller_account_ok{" in (box.home / "poller.prom").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
async def test_systemd_takes_the_units(tmp_path: Path) -> None:
    service, timer = blocks(SCHEDULE, "ini")
    async with sandbox(tmp_path) as box:
        (box.home / "codex").mkdir()
        for name, text in (("service", service), ("timer", timer)):
            # %h is another home where this runs as another user
            (box.work / f"poller.{name}").write_text(text.replace("%h", str(box.home)))
        units = (str(box.work / f"poller.{name}") for name in ("service", "timer"))
        ran = await box.run("systemd-analyze", "verify", "--user", *units)
        complaints = [line for line in ran.err.splitlines() if "poller" in line]
        assert (ran.code, complaints) == (0, [])
        calendar = re.search(r"OnCalendar=(.*)", timer)
        assert calendar
        assert (await box.run("systemd-analyze", "calendar", calendar[1])).code == 0


async def test_the_service_starts_what_is_installed(tmp_path: Path) -> None:
    service = blocks(SCHEDULE, "ini")[0]
    start = re.search(r"^ExecStart=%h/\.local/bin/(.*)$", service, re.MULTILINE)
    assert start
    async with sandbox(tmp_path) as box:
        ran = await box.run(str(box.home / ".local" / "bin" / "poller"), *start[1].split()[1:])
        assert ran.code == 0
        assert len(ran.out.splitlines()) == len(well())


# The library


async def test_the_library_does_what_its_page_shows(tmp_path: Path) -> None:
    programs = blocks(LIBRARY, "python")
    shown = ["alice plus 58.0\nteam-1 team 39.0", "5 usable\n5 usable"]
    assert programs[0].count("\n") <= 15
    async with sandbox(tmp_path, with_trouble=True) as box:
        for number, program in enumerate(programs):
            (box.work / f"example{number}.py").write_text(program)
        run_all = "; ".join(
            f"runpy.run_path('example{number}.py', run_name='__main__'); print('--')"
            for number in range(len(programs))
        )
        ran = await box.run(
            "python",
            "-c",
            "import runpy, poller.settings.addresses; "
            f"poller.settings.addresses.DEFAULT_URL = {box.url!r}; {run_all}",
        )
        assert ran.code == 0, ran.err
        outputs = [part.strip() for part in ran.out.split("--\n")[: len(programs)]]
    assert ["\n".join(sorted(output.splitlines())) for output in outputs[:2]] == shown
    assert outputs[2] == "1 of 1 answered"
    assert min(outputs[3].splitlines()) == "alice True"
    assert len(outputs[3].splitlines()) == 8


# What takes minutes is not run here, but has to be there


def test_every_measurement_that_is_named_can_be_run() -> None:
    named = {line for page in PAGES for line in re.findall(r"`([^`\n]+)`", text_of(page))}
    makes = [line.split()[1] for line in named if line.startswith("make ")]
    modules = [line.split()[2] for line in named if line.startswith("python -m tests.")]
    assert len(makes) >= 4
    assert len(modules) >= 6
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {*makes} <= targets
    for module in modules:
        assert importlib.util.find_spec(module) is not None, module
    for line in named:
        if line.startswith("python -m tests."):
            source = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
            for flag in re.findall(r" (--[a-z-]+)", line):
                assert f'"{flag}"' in source, line
