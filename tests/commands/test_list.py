"""``--list``: what the files say, and that nobody is asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from poller.cli import main
from poller.commands import list as listing
from poller.present.file_record import serialize
from poller.process.signals import Interrupts
from poller.settings import Settings
from poller.values import FileEntry, Identity
from tests.auth_files import codex, content, several, token
from tests.running import Ended, account, run, started, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount

DAY_S = 86_400
NOW = 1_790_000_000.0
KEYS = """schema_version account source ok shape plan expires_at expires_in_s refresh_token refresh
    mode readable_by_others same_login_as same_account_as error"""


def entries(ended: Ended) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in ended.out.splitlines()]
    named = {entry["account"]: entry for entry in found}
    assert len(named) == len(found)
    return named


@pytest.fixture
def listed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """Run the program in this process, in a folder."""

    def listed(cwd: Path, *args: str, language: str = "en_US.UTF-8") -> Ended:
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("HOME", str(cwd))
        monkeypatch.setenv("LC_ALL", language)
        for name in ("CODEX_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        code = main(["--list", *args], interrupts=cast("Interrupts", Undisturbed()))
        out, err = capfd.readouterr()
        return Ended(code, out.encode(), err)

    return listed


class Undisturbed:
    """No signal comes."""

    number = None

    def listen(self, listener: object) -> None:
        """Have nothing to tell."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "account", account("alice"), account("bob", plan="team"))


def store(folder: Path, name: str, text: bytes, mode: int = 0o600) -> None:
    path = folder / f"{name}.auth.json"
    path.write_bytes(text)
    path.chmod(mode)


# What it tells


def test_every_key_is_told_of_every_account(folder: Path, listed: Callable[..., Ended]) -> None:
    store(folder, "none", b"{}")
    ended = listed(folder.parent)
    assert [list(entry) for entry in entries(ended).values()] == [KEYS.split()] * 3
    alice = entries(ended)["alice"]
    assert alice.pop("expires_at").endswith("Z")
    assert DAY_S - 60 < alice.pop("expires_in_s") <= DAY_S
    assert alice == {
        "schema_version": 1,
        "account": "alice",
        "source": "account/alice.auth.json",
        "ok": True,
        "shape": "codex",
        "plan": "plus",
        "refresh_token": True,
        "refresh": "in_place",
        "mode": "0600",
        "readable_by_others": False,
        "same_login_as": None,
        "same_account_as": None,
        "error": None,
    }
    assert entries(ended)["bob"]["plan"] == "team"


def test_all_well_is_0_and_silent(folder: Path, listed: Callable[..., Ended]) -> None:
    ended = listed(folder.parent)
    assert (ended.code, ended.err) == (0, "")


def test_an_expired_token_is_told_with_all_the_file_holds(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    write(folder, account("erin", plan="pro", lives_s=-2 * DAY_S))
    ended = listed(folder.parent)
    erin = entries(ended)["erin"]
    assert ended.code == 1
    assert (erin["ok"], erin["plan"], erin["refresh_token"]) == (False, "pro", True)
    assert -2 * DAY_S - 60 < erin["expires_in_s"] <= -2 * DAY_S
    assert erin["error"]["kind"] == "token_expired"
    assert erin["error"]["hint"]


@pytest.mark.parametrize(
    ("text", "kind", "shape"),
    [
        (b'{"tok', "file_invalid", None),
        (b'{"OPENAI_API_KEY": "sk-1"}', "no_credentials", "codex"),
        (content(codex() | {"tokens": {"access_token": "sess-abc"}}), "no_credentials", "codex"),
        (
            content(codex() | {"tokens": {"access_token": "sess-abc", "account_id": "a"}}),
            "invalid_token",
            "codex",
        ),
    ],
)
def test_what_could_not_be_polled_is_1(
    tmp_path: Path, text: bytes, kind: str, shape: str | None, listed: Callable[..., Ended]
) -> None:
    (tmp_path / "account").mkdir()
    store(tmp_path / "account", "x", text)
    ended = listed(tmp_path)
    assert ended.code == 1
    assert entries(ended)["x"]["error"]["kind"] == kind
    assert entries(ended)["x"]["shape"] == shape


def test_a_file_without_a_refresh_token_says_so(
    tmp_path: Path, listed: Callable[..., Ended]
) -> None:
    (tmp_path / "account").mkdir()
    store(tmp_path / "account", "x", content({"access_token": token(), "account_id": "a"}))
    told = entries(listed(tmp_path))["x"]
    assert (told["ok"], told["shape"], told["refresh_token"]) == (True, "flat", False)
    assert told["refresh"] == "no_refresh_token"


def test_what_stands_against_a_refresh_is_told(
    tmp_path: Path, listed: Callable[..., Ended]
) -> None:
    home = write(tmp_path / ".codex", account("x"))
    (home / "x.auth.json").rename(home / "auth.json")
    ended = listed(tmp_path)
    assert entries(ended)["codex"]["refresh"] == "codex_home"
    table = (listed(tmp_path, "--format", "table")).out.decode()
    assert "Codex's own file" in table


def test_accounts_of_one_file_are_told_apart(tmp_path: Path, listed: Callable[..., Ended]) -> None:
    (tmp_path / "account").mkdir()
    store(tmp_path / "account", "x", content(several("a", "b")))
    told = entries(listed(tmp_path))
    assert [*told] == ["x:a", "x:b"]
    assert {entry["shape"] for entry in told.values()} == {"codex-switcher"}


@pytest.mark.skipif(os.name == "nt", reason="no permission bits")
def test_permissions_are_those_of_the_file_itself(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    (folder / "bob.auth.json").chmod(0o644)
    (folder / "link.auth.json").symlink_to("bob.auth.json")
    (folder / "gone.auth.json").symlink_to("nowhere")
    told = entries(listed(folder.parent))
    assert [told[name]["mode"] for name in ("alice", "bob", "link", "gone")] == [
        "0600",
        "0644",
        "0644",
        None,
    ]
    assert [told[name]["readable_by_others"] for name in ("alice", "bob", "gone")] == [
        False,
        True,
        None,
    ]


def test_copies_are_one_login_and_a_second_login_is_one_account(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    store(folder, "copy", (folder / "alice.auth.json").read_bytes())
    other = codex("alice")
    other["tokens"]["access_token"] = token("alice", jti="2")
    store(folder, "laptop", content(codex("alice")))
    store(folder, "phone", content(other | {"tokens": other["tokens"] | {"refresh_token": "rt_2"}}))
    told = entries(listed(folder.parent))
    same = {
        name: (entry["same_login_as"], entry["same_account_as"]) for name, entry in told.items()
    }
    assert same == {
        "alice": (None, None),
        "bob": (None, None),
        "copy": ("alice", "alice"),
        "laptop": (None, None),
        "phone": (None, "laptop"),
    }


def test_members_of_a_team_are_not_the_same_account(
    tmp_path: Path, listed: Callable[..., Ended]
) -> None:
    (tmp_path / "account").mkdir()
    for who in ("alice", "bob"):
        tokens = {"access_token": token(who, chatgpt_account_id="team"), "account_id": "team"}
        store(tmp_path / "account", who, content(codex() | {"tokens": tokens}))
    told = entries(listed(tmp_path))
    assert [entry["same_account_as"] for entry in told.values()] == [None, None]


def test_identity_is_told_only_where_it_is_asked_for(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    plain, shown = listed(folder.parent), listed(folder.parent, "--show-identity")
    assert b"example.com" not in plain.out
    assert entries(shown)["alice"]["email"] == "alice@example.com"
    assert entries(shown)["alice"]["user_id"] == "user-alice"
    assert entries(shown)["alice"]["account_id"] == "acct-alice"
    table = listed(folder.parent, "--show-identity", "--format", "table")
    assert b"alice@example.com" in table.out
    assert b"example.com" not in (listed(folder.parent, "--format", "table")).out


def test_no_piece_of_a_token_is_told(folder: Path, listed: Callable[..., Ended]) -> None:
    secrets = json.loads((folder / "alice.auth.json").read_bytes())["tokens"]
    for how in ((), ("--show-identity", "-vv"), ("--format", "table")):
        ended = listed(folder.parent, *how)
        said = ended.out.decode() + ended.err
        for name in ("access_token", "refresh_token", "id_token"):
            pieces = {secrets[name][at : at + 12] for at in range(len(secrets[name]) - 11)}
            assert not any(piece in said for piece in pieces)


# That nobody is asked


def seen(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_nobody_is_asked_and_nothing_is_written(folder: Path, listed: Callable[..., Ended]) -> None:
    before = seen(folder)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        ended = listed(folder.parent, "--chatgpt-url", f"http://127.0.0.1:{port}/")
        with pytest.raises(BlockingIOError):
            server.accept()
    assert ended.code == 0
    assert seen(folder) == before


@pytest.mark.anyio
async def test_no_http_library_is_loaded_for_it(folder: Path) -> None:
    code = (
        "import sys; from poller.cli import main; code = main(['--list']); "
        "sys.exit('aiohttp' in sys.modules or code)"
    )
    async with started("-c", code, cwd=folder.parent, command=(sys.executable,)) as running:
        assert await running.wait() == 0


# Which accounts, and how


def test_names_lists_and_order_are_as_in_a_poll(folder: Path, listed: Callable[..., Ended]) -> None:
    write(folder, account("carol"))
    some = listed(folder.parent, "carol", "a*")
    assert [*entries(some)] == ["carol", "alice"]
    (folder.parent / "list").write_text("account/bob.auth.json\naccount/alice.auth.json\n")
    given = listed(folder.parent, "--files-from", "list", "--ordered")
    assert [*entries(given)] == ["bob", "alice"]
    lost = listed(folder.parent, "alicia")
    assert lost.code == 64
    assert "did you mean 'alice'?" in lost.err


def test_a_list_that_breaks_off_is_told(folder: Path, listed: Callable[..., Ended]) -> None:
    ended = listed(folder.parent, "--files-from", "account")
    assert ended.code == 64


def test_a_half_written_file_is_waited_for_and_keeps_its_place(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    store(folder, "alice", b'{"tok')
    ended = listed(folder.parent, "--ordered")
    assert [*entries(ended)] == ["alice", "bob"]
    assert ended.code == 1


@pytest.mark.parametrize("format_", ["jsonl", "table"])
def test_nothing_to_list_is_64(tmp_path: Path, format_: str, listed: Callable[..., Ended]) -> None:
    empty = listed(tmp_path, "--format", format_)
    assert (empty.code, empty.out) == (64, b"")
    assert "poller --demo" in empty.err
    (tmp_path / "account").mkdir()
    store(tmp_path / "account", "off", content(codex(disabled=True)))
    off = listed(tmp_path, "--format", format_)
    assert (off.code, off.out) == (64, b"")
    assert "all are disabled" in off.err


def test_the_demo_is_listed_too_and_ends_well(tmp_path: Path, listed: Callable[..., Ended]) -> None:
    ended = listed(tmp_path, "--demo")
    assert ended.code == 0
    assert len(entries(ended)) == 12
    assert entries(ended)["old-laptop"]["error"]["kind"] == "token_expired"
    assert {entry["mode"] for entry in entries(ended).values()} == {None}


@pytest.mark.parametrize("flag", ["--raw-json", "--raw-headers", "--fail-under=5"])
def test_what_is_about_answers_does_not_go_with_it(
    folder: Path, flag: str, listed: Callable[..., Ended]
) -> None:
    ended = listed(folder.parent, flag)
    assert (ended.code, ended.out) == (64, b"")
    name = flag.partition("=")[0]
    assert ended.err == (
        f"poller: {name}: --list sends no requests, so there are no answers: "
        f"leave out --list, or {name}\n"
    )


def test_a_configuration_made_for_polls_does_no_harm(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    (folder.parent / "mine.toml").write_text("[output]\nraw_json = true\nfail_under = 5\n")
    assert listed(folder.parent, "--config", "mine.toml").code == 0


def test_the_table_names_files_that_others_can_read_and_sums_up(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    for name in ("alice", "bob"):
        (folder / f"{name}.auth.json").chmod(0o644)
    ended = listed(folder.parent, "--format", "table", "--quiet")
    lines = ended.out.decode().splitlines()
    assert [line.split()[1] for line in lines[2:4]] == ["alice", "bob"]
    assert " ".join(map(str.strip, lines[4:-1])) == (
        "! others on this machine can read account/alice.auth.json, account/bob.auth.json"
        " → chmod 600"
    )
    assert lines[-1] == "2 can be polled · next token expires in 23 hours: alice"
    assert ended.err == ""


def test_the_table_is_in_the_language_of_the_environment(
    folder: Path, listed: Callable[..., Ended]
) -> None:
    told = listed(folder.parent, "--format", "table", language="zh_CN.UTF-8")
    assert "2 个可以查询" in told.out.decode()


def test_sizes_do_not_matter(tmp_path: Path, listed: Callable[..., Ended]) -> None:
    many: list[MadeUpAccount] = [account(f"n{index:03d}") for index in range(300)]
    write(tmp_path / "account", *many)
    ended = listed(tmp_path)
    assert [*entries(ended)] == [one.name for one in many]


# How it leaves


@pytest.mark.anyio
async def test_a_reader_that_goes_away_is_141(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = await run("--list", cwd=folder.parent, stdout=writer)
    os.close(writer)
    assert (ended.code, ended.err) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.anyio
async def test_a_full_disk_is_74(folder: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    ended = await run("--list", cwd=folder.parent, stdout=full)
    os.close(full)
    assert ended.code == 74
    assert "no space left on device" in ended.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.anyio
async def test_a_signal_ends_it_with_what_was_listed(
    folder: Path, number: signal.Signals, code: int
) -> None:
    for name in range(2_000):  # more than a pipe holds, so that it is under way
        store(folder, f"n{name:04}", content(codex()))
    async with started("--list", cwd=folder.parent) as running:
        assert running.stdout is not None
        assert b'"alice"' in await running.stdout.readline()
        running.send_signal(number)
        assert await running.wait() == code


def test_a_bug_is_one_sentence_and_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("rt_secret")

    monkeypatch.setattr(listing, "open_feed", broken)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert listing.list_accounts(Settings(), Interrupts(os._exit)) == 70
    assert capsys.readouterr().err == (
        "poller: a bug in this program: RuntimeError; please report it\n"
    )


# The record


ALICE = FileEntry(
    0,
    "alice",
    "account/alice.auth.json",
    shape="codex",
    plan="plus",
    expires_at=NOW + 5 * DAY_S,
    has_refresh_token=True,
    refresh="in_place",
    mode=0o600,
)


def test_an_entry_is_one_line_of_json_without_anything_that_steers_a_terminal() -> None:
    entry = replace(ALICE, plan="\u202eevil\x1b", identity=Identity("u", "a", "e@x\x07"))
    line = serialize(entry, now=NOW, show_identity=True)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert json.loads(line)["plan"] == "\u202eevil\x1b"
    assert json.loads(line)["expires_in_s"] == 5 * DAY_S
