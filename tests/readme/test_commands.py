"""Every command of the README, run as it is written against the simulator.

The Chinese one has the same commands (``test_in_step``), so each is run once.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from tests.readme.reading import ENGLISH, ROOT, blocks_of, sections_of
from tests.readme.sandbox import Ran, Sandbox, build, ill, well
from tests.running import record_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.conftest import Certificates
    from tests.readme.reading import Block

pytestmark = pytest.mark.anyio

BLOCKS = blocks_of(ENGLISH)
SECTIONS = sections_of(ENGLISH)
MAKES = "Try it"
RECIPES = "Recipes"

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq here")


@asynccontextmanager
async def sandbox(folder: Path, *, with_trouble: bool = False) -> AsyncIterator[Sandbox]:
    """Start an upstream and give a folder of accounts that it knows."""
    async with serve() as simulator:
        yield build(folder, simulator.url, *well(), *(ill() if with_trouble else ()))


def commands(section: str) -> list[Block]:
    number = SECTIONS.index(section)
    return [block for block in BLOCKS if block.section == number and block.language == "console"]


def block_of(language: str, place: int = 0) -> str:
    return [block.text for block in BLOCKS if block.language == language][place]


def test_every_block_is_of_a_language_that_is_tried() -> None:
    languages = {"console", "text", "json", "toml", "crontab", "ini", "python"}
    assert {block.language for block in BLOCKS} == languages
    assert len(commands(RECIPES)) == len(RECIPE_CHECKS) == 10


# The two commands


async def test_make_knows_the_two_commands(tmp_path: Path) -> None:
    blocks = commands(MAKES)
    assert [block.text for block in blocks] == ["make demo\n", "make test\n"]
    async with sandbox(tmp_path) as box:
        for block in blocks:
            # Run by CI; here they would set up what these tests run in.
            planned = await box.run(*block.text.split(), "--dry-run", cwd=ROOT)
            assert planned.code == 0
            assert "-m poller" in planned.out or "-m pytest" in planned.out


# All others


@needs_jq
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{section}-{block.place}")
        for section in SECTIONS
        if section not in (MAKES, RECIPES)
        for block in commands(section)
    ],
)
async def test_a_command_does_what_it_says(
    block: Block, tmp_path: Path, certificates: Certificates
) -> None:
    async with sandbox(tmp_path) as box:
        shutil.copy(certificates.ca_file, box.work / "company.pem")
        if "/.codex/" in block.text:
            shutil.rmtree(box.work / "account")
        ran = await box.bash(block.text)
        assert ran.code == 0, ran
        assert "Traceback" not in ran.err
        for line in ran.out.splitlines():
            if line.startswith('{"schema_version"'):
                assert json.loads(line)["ok"]


async def test_the_first_use_polls_the_login_that_was_copied(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as box:
        shutil.rmtree(box.work / "account")
        ran = await box.bash(commands("Use it")[0].text)
        assert [record_of(line)["account"] for line in ran.out.splitlines()] == ["me"]


async def test_logging_in_twice_gives_two_accounts(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as box:
        shutil.rmtree(box.work / "account")
        assert (await box.bash(commands("Accounts")[0].text)).code == 0
        names = sorted(path.name for path in (box.work / "account").iterdir())
        assert names == ["alice.auth.json", "bob.auth.json"]
        linked = await box.bash(commands("Accounts")[1].text + "poller")
        assert '"account":"me"' in linked.out


# The recipes


def _usable(ran: Ran) -> None:
    assert {*ran.out.split()} == {"alice", "bob", "carol", "team-1"}


def _best(ran: Ran) -> None:
    assert ran.out == "team-1\n"


def _resets(ran: Ran) -> None:
    rows = [line.split("  ") for line in ran.out.splitlines()]
    assert len(rows) == 5
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[0]) for row in rows)
    assert {row[2] for row in rows} <= {"five_hour", "weekly", "monthly"}


def _tsv(ran: Ran, box: Sandbox) -> None:
    assert ran.out == ""
    heading, *rows = (box.work / "quota.tsv").read_text().splitlines()
    assert heading.split("\t") == ["account", "plan", "usable", "5h %", "week %", "usable at"]
    assert [row.split("\t")[0] for row in rows] == [
        "alice",
        "bob",
        "carol",
        "dave",
        "erin",
        "frank",
        "team-1",
    ]
    assert rows[0].split("\t") == ["alice", "plus", "true", "58", "95", ""]


def _failures(ran: Ran) -> None:
    told = dict(re.findall(r"^(\w+): .+\n    (.+)$", ran.out, re.MULTILINE))
    assert sorted(told) == ["erin", "frank"]
    assert "codex" in told["erin"]


def _by_plan(ran: Ran) -> None:
    told = {row["plan"]: row for row in map(json.loads, ran.out.splitlines())}
    assert told == {
        "free": {"plan": "free", "accounts": 1, "average_percent": 76},
        "plus": {"plan": "plus", "accounts": 3, "average_percent": 40},
        "team": {"plan": "team", "accounts": 1, "average_percent": 39},
    }


def _status_bar(ran: Ran) -> None:
    assert ran.out == "codex 4/7, best 76%\n"


def _watch(ran: Ran) -> None:
    assert re.fullmatch(r"\d\d:\d\d UTC  alice bob carol team-1\n", ran.out)
    assert ran.err == "slept 300\n"


def _joined(ran: Ran) -> None:
    told = dict(line.split(": ") for line in ran.out.splitlines())
    assert told["Alice Liddell"] == "58"
    assert told["Bob Cratchit"] == "63"
    assert told["erin"] == "unknown"


def _low(ran: Ran) -> None:
    assert (ran.code, ran.out) == (0, "")


RECIPE_CHECKS: tuple[Callable[..., None], ...] = (
    _usable,
    _best,
    _resets,
    _tsv,
    _failures,
    _by_plan,
    _status_bar,
    _watch,
    _joined,
    _low,
)


@needs_jq
@pytest.mark.parametrize(
    "place", range(len(RECIPE_CHECKS)), ids=lambda n: RECIPE_CHECKS[n].__name__
)
async def test_a_recipe_says_what_is_so(place: int, tmp_path: Path) -> None:
    async with sandbox(tmp_path, with_trouble=True) as box:
        ran = await box.bash(commands(RECIPES)[place].text)
        assert ran.code == 0, ran
        assert "jq: error" not in ran.err
        more: tuple[Any, ...] = (box,) if RECIPE_CHECKS[place] is _tsv else ()
        RECIPE_CHECKS[place](ran, *more)


@needs_jq
@pytest.mark.parametrize("place", [1, 2, 5, 6, 7])
async def test_a_recipe_takes_it_well_when_nothing_can_be_used(place: int, tmp_path: Path) -> None:
    async with serve(fault="403") as simulator:
        box = build(tmp_path, simulator.url, *well())
        ran = await box.bash(commands(RECIPES)[place].text)
    assert ran.code == 0
    assert "jq: error" not in ran.err
    assert "null" not in ran.out


@needs_jq
async def test_a_low_pool_is_told_by_the_exit_code(tmp_path: Path) -> None:
    async with serve(fault="403") as simulator:
        box = build(tmp_path, simulator.url, *well())
        assert (await box.bash(commands(RECIPES)[-1].text)).code == 1


# Schedules


async def test_the_line_for_cron_works_from_a_bare_environment(tmp_path: Path) -> None:
    times, command = re.match(r"((?:\S+ ){5})(.*)\n", block_of("crontab"), re.DOTALL).groups()  # type: ignore[union-attr]
    assert times == "*/15 * * * * "
    assert "%" not in command  # cron takes it for the end of the line
    async with sandbox(tmp_path) as box:
        box.work.rename(box.home / "codex")
        ran = await box.run("/bin/sh", "-c", f"unset PATH; {command}", cwd=box.home)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        lines = (box.home / "codex" / "quota.jsonl").read_text().splitlines()
        assert len(lines) == len(well())
        assert (box.home / "codex" / "quota.log").read_text() == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
async def test_systemd_takes_the_units(tmp_path: Path) -> None:
    service, timer = block_of("ini", 0), block_of("ini", 1)
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
    start = re.search(r"^ExecStart=%h/\.local/bin/(.*)$", block_of("ini"), re.MULTILINE)
    assert start
    async with sandbox(tmp_path) as box:
        ran = await box.run(str(box.home / ".local" / "bin" / "poller"), *start[1].split()[1:])
        assert ran.code == 0
        assert len(ran.out.splitlines()) == len(well())


# The library


async def test_the_library_does_in_ten_lines_what_is_said(tmp_path: Path) -> None:
    program = block_of("python")
    assert program.count("\n") <= 15
    async with sandbox(tmp_path, with_trouble=True) as box:
        (box.work / "example.py").write_text(program)
        here = (
            "import runpy, poller.settings.addresses; "
            f"poller.settings.addresses.DEFAULT_URL = {box.url!r}; "
            "runpy.run_path('example.py', run_name='__main__')"
        )
        ran = await box.run("python", "-c", here)
        assert ran.code == 0, ran.err
        assert sorted(ran.out.splitlines()) == ["alice plus 58.0", "team-1 team 39.0"]
