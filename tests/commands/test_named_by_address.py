"""Accounts that e-mail addresses name: no output tells one unless it was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poller.settings.flags import taken_by
from poller.simulator.server import serve
from tests.auth_files import content, several, token
from tests.running import account, run, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ADDRESSES = ("alice.liddell@example.com", "bob.cratchit@example.org", "carol@example.net")
LABELS = {"al…ll@e…", "pool:bo…it@e…", "pool:ca…@e…", "keys:openai-codex:bo…it@e…", "keys:x"}
FORMATS = next(each for each in taken_by("poll") if each.field == "format").kind.names
OUTPUTS = (
    *(("--format", name, "--extra") for name in FORMATS if name != "auto"),
    ("--format", "jsonl", "-vvv"),
    ("--list", "--format", "jsonl"),
    ("--list", "--format", "table"),
)


def folder_of(path: Path) -> Path:
    """Write accounts that are named by files, by a list's names and by a mapping's keys."""
    folder = write(path, account(ADDRESSES[0]))
    (folder / "pool.json").write_bytes(content(several(*ADDRESSES[1:])))
    profiles = {
        f"openai-codex:{ADDRESSES[1]}": {"type": "oauth", "access": token("dan")},
        "x": {"provider": "openai", "type": "oauth", "access": token("erin")},
    }
    (folder / "keys.json").write_bytes(content({"version": 1, "profiles": profiles}))
    for each in folder.iterdir():
        each.chmod(0o600)
    return folder


@pytest.mark.parametrize("output", OUTPUTS, ids=" ".join)
async def test_no_output_calls_an_account_by_its_address(
    output: tuple[str, ...], tmp_path: Path
) -> None:
    folder_of(tmp_path / "account")
    async with serve() as simulator:
        plain = await run(*output, "--chatgpt-url", simulator.url, cwd=tmp_path)
        wide = {"COLUMNS": "200"}  # in the evening a table's times have a date, and names less room
        shown = await run(
            *(*output, "--show-identity", "--chatgpt-url", simulator.url), cwd=tmp_path, env=wide
        )
    text = plain.out.decode()
    if "jsonl" in output:  # a path is told as it is, to be opened
        records = [{**json.loads(line), "source": ""} for line in plain.out.splitlines()]
        assert {record["account"] for record in records} == LABELS
        text = json.dumps(records)
    assert not [address for address in ADDRESSES if address in text + plain.err]
    assert all(address in shown.out.decode() for address in ADDRESSES)


@pytest.mark.parametrize("name", [*sorted(LABELS), ADDRESSES[0], f"pool:{ADDRESSES[1]}"])
async def test_an_account_is_found_by_its_address_and_by_its_label(
    name: str, tmp_path: Path
) -> None:
    folder_of(tmp_path / "account")
    done = await run("list", name, cwd=tmp_path)
    (line,) = done.out.splitlines()
    assert json.loads(line)["account"] in LABELS
    if name in LABELS:
        assert json.loads(line)["account"] == name


async def test_next_names_a_file_as_it_is_called_where_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "account", account(ADDRESSES[0]))
    async with serve() as simulator:
        asked = ("next", "--quiet", "--chatgpt-url", simulator.url)
        plain = await run(*asked, cwd=tmp_path)
        whole = await run(*asked, "--show-identity", cwd=tmp_path)
    assert (plain.out.decode(), whole.out.decode()) == ("al…ll@e…\n", f"{ADDRESSES[0]}\n")


async def test_what_may_have_been_meant_is_no_address(tmp_path: Path) -> None:
    folder_of(tmp_path / "account")
    done = await run("alice.lidell@example.com", cwd=tmp_path)
    assert done.code == 64
    assert "did you mean 'al…ll@e…'?" in done.err


async def test_a_list_of_paths_is_labelled_likewise(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "account") / "pool.json"
    list_of_paths = f"{path}\n".encode()
    done = await run("--list", "--files-from", "-", cwd=tmp_path, given=list_of_paths)
    labels = {json.loads(line)["account"] for line in done.out.splitlines()}
    assert labels == {"pool:bo…it@e…", "pool:ca…@e…"}
