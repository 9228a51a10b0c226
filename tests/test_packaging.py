"""What is handed out: the source package builds and tests itself, its metadata is right."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poller import __version__

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both packages with what is installed: no isolation, no network."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "-d", str(folder)),
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


def source_names(built: Path) -> set[str]:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wheel_metadata(built: Path) -> Message:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        return email.message_from_bytes(archive.read(name))


def files_under(*folders: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_source_package_holds_what_building_and_testing_it_takes(built: Path) -> None:
    names = source_names(built)
    assert files_under("poller", "tests", "contrib", "docs", ".ci", ".github") <= names
    at_the_top = """pyproject.toml Makefile requirements.lock runtime.lock README.md README.zh-CN.md
        CHANGELOG.md LICENSE CONTRIBUTING.md config.example.toml"""
    assert {*at_the_top.split()} <= names
    there = {path.name for path in ROOT.glob("*.md")}
    assert there <= names


def locked(name: str) -> dict[str, list[str]]:
    """Return the version and the hashes of each package in a lock."""
    entries = re.split(r"^(?=[a-z])", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
    return {
        entry.partition("==")[0]: re.findall(r"(?<===)[\w.]+|sha256:\w+", entry)
        for entry in entries
    }


def test_the_demo_installs_what_the_program_needs_and_no_tools() -> None:
    everything, runtime = locked("requirements.lock"), locked("runtime.lock")
    assert len(everything) > len(runtime) > 10
    assert runtime.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = {re.split(r"[^\w-]", each)[0] for each in project["project"]["dependencies"]}
    tools = {re.split(r"[^\w-]", each)[0] for each in project["dependency-groups"]["dev"]}
    assert named <= runtime.keys()
    assert not tools & runtime.keys()
    planned = subprocess.run(
        ("make", "--dry-run", "demo", "VENV=not-there"),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "-r runtime.lock" in planned
    assert "requirements.lock" not in planned


def test_nobodys_own_files_are_in_it(built: Path) -> None:
    tops = {name.partition("/")[0] for name in source_names(built)}
    assert not tops & {"account", "config.toml", ".venv", "dist"}


def test_the_version_stands_in_one_place(built: Path) -> None:
    assert wheel_metadata(built)["Version"] == __version__
    assert f'"{__version__}"' not in (ROOT / "pyproject.toml").read_text()


def test_the_wheel_says_what_people_look_for(built: Path) -> None:
    metadata = wheel_metadata(built)
    assert metadata["Name"] == "poller"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert {"poller/py.typed", "poller/simulator/server.py"} <= {*names}
    assert files_under("poller/present/templates") <= {*names}
    assert {name.partition("/")[0] for name in names} == {
        "poller",
        f"poller-{__version__}.data",
        f"poller-{__version__}.dist-info",
    }
    data = f"poller-{__version__}.data/data"
    assert [name for name in names if name.startswith(data)] == [f"{data}/share/man/man1/poller.1"]


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
