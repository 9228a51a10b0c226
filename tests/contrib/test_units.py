"""Service files that people copy, checked by systemd's own tool."""

from __future__ import annotations

import plistlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poller.cli import parse
from tests.parts import needs

CONTRIB = Path(__file__).parents[2] / "contrib"
UNITS = sorted((CONTRIB / "systemd").glob("*.service"))
WORST_EXPOSURE = 3.0


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_well_made(unit: Path, tmp_path: Path) -> None:
    # A program that there is, as systemd looks for it.
    text = re.sub(r"(?m)^(ExecStart=)\S+", rf"\g<1>{sys.executable}", unit.read_text())
    (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit.name],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs("systemd-analyze")
@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if "User=" in unit.read_text()], ids=lambda unit: unit.name
)
def test_a_system_service_can_do_little_else(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) < WORST_EXPOSURE


def test_what_launchd_is_told_is_a_command_that_there_is() -> None:
    told = plistlib.loads((CONTRIB / "launchd" / "poller.watch.plist").read_bytes())
    program, command, *options = told["ProgramArguments"]
    assert program.endswith("/bin/poller")
    assert command == "watch"
    assert parse([command, *options]).format == "jsonl"
    assert told["KeepAlive"] == {"SuccessfulExit": False}


def test_the_unit_of_watch_starts_a_command_that_there_is() -> None:
    text = (CONTRIB / "systemd" / "poller-watch.service").read_text()
    (line,) = re.findall(r"(?m)^ExecStart=\S+ (.+)$", text)
    assert parse(line.split()).status_file == "%t/poller-status"
