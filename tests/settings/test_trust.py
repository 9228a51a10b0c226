"""A ``config.toml`` that came with somebody else's files decides nothing that could hurt."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poller.cli import parse
from poller.settings import Settings, UsageError
from poller.settings.file import HERE, own_path
from poller.settings.options import OPTIONS
from poller.settings.resolve import resolve

if TYPE_CHECKING:
    from poller.settings.options import Option

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

HARMLESS = {
    "concurrency": "16",
    "rate": "0.5",
    "timeout": '"1m"',
    "retries": "5",
    "account_deadline": "90",
    "deadline": '"2h"',
    "patience": "10",
    "format": '"table"',
    "ordered": "true",
    "timezone": '"UTC"',
    "language": '"zh"',
    "color": '"never"',
    "extra": "true",
    "quiet": "true",
    "verbose": "2",
    "fail_under": "10",
    "need": "3",
    "account_dir": '"mine"',
}
"""What may be set by a file of unknown origin: all else may not, options to come included."""
HARMFUL = {
    "names": '"alice"',
    "files_from": '"list"',
    "refresh": "true",
    "refresh_codex_home": "true",
    "demo": "3",
    "chatgpt_url": '"http://127.0.0.1:8787/usage"',
    "proxy": '"http://127.0.0.1:8080"',
    "ca_file": '"ca.pem"',
    "user_agent": '"other"',
    "output": '"results"',
    "report_file": '"quota.html"',
    "raw_json": "true",
    "raw_headers": "true",
    "show_identity": "true",
    "machine": '"theirs"',
    "demo_speed": "600",
    "every": '"90s"',
    "budget": "10",
    "rounds": "3",
    "until_change": "true",
    "no_history": "true",
    "status_file": '"status"',
    "history": '"theirs.db"',
    "record": "true",
    "alerts": "true",
    "max_age": '"10m"',
    "since": '"30d"',
    "window": '"weekly"',
    "older_than": '"1d"',
    "codex_sessions": '"theirs"',
    "as": '"alice"',
    "min_remaining": "20",
    "for": '"2h"',
    "strategy": '"headroom"',
    "unknown": '"ok"',
    "hours": "48",
    "below": "5",
    "weights": "{ pro = 5 }",
    "listen": '"127.0.0.1:8000"',
    "allow_host": '"evil.example"',
    "token_file": '"token"',
    "tls_cert": '"cert.pem"',
    "tls_key": '"key.pem"',
    "plain_http": "true",
    "nats": '"nats://127.0.0.1:4222"',
    "creds": '"seed"',
    "nats_ca": '"ca.pem"',
    "shared": '"team=mine"',
    "agents": "2",
    "name": '"theirs"',
    "server_config": '"theirs"',
}
KEYS = [
    pytest.param(section, option, id=option.key)
    for section, options in OPTIONS.items()
    for option in options
]


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder of somebody else's; return where the user's own file would be."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    Path("ca.pem").touch()
    path = Path(own_path() or "")
    path.parent.mkdir(parents=True)
    return path


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    return str(caught.value)


# Every key there is


def test_every_key_is_known_to_do_harm_or_not() -> None:
    keys = {option.key for options in OPTIONS.values() for option in options}
    assert keys == HARMLESS.keys() | HARMFUL.keys()
    assert not HARMLESS.keys() & HARMFUL.keys()


@pytest.mark.parametrize(("section", "option"), KEYS)
def test_a_file_found_here_sets_what_is_harmless_and_nothing_else(
    section: str, option: Option, own: Path
) -> None:
    value = (HARMLESS | HARMFUL)[option.key]
    Path(HERE).write_text(f"[{section}]\n{option.key} = {value}\n")
    if option.key in HARMLESS:
        assert getattr(parse([]), option.field) != option.default
        return
    told = refusal()
    assert told.startswith(f"config.toml: {section}.{option.key}: a config.toml found in the ")
    assert f"put it into {own}, or name the file with --config config.toml" in told


@pytest.mark.parametrize(
    "text",
    [
        '[[alert]]\nname = "x"\nrun = ["/bin/sh", "-c", "id"]\n',
        '[[alert]]\nname = "x"\nurl_env = "HOME"\n',
        'alert = [{name = "x", run = ["id"]}]\n',
        "[pool.weights]\nplus = 2\n",
        "pool.weights.plus = 2\n",
        '[agent]\nnats = "nats://evil.example"\n',
        '[serve]\nlisten = "0.0.0.0:80"\n',
        '[anything]\nelse = "x"\n',
    ],
)
def test_no_table_that_is_not_of_options_counts_where_it_is_found(text: str) -> None:
    Path(HERE).write_text(text)
    assert refusal().startswith("config.toml: ")


@pytest.mark.parametrize(("section", "option"), KEYS)
def test_the_users_own_file_and_a_named_one_set_everything(
    section: str, option: Option, own: Path
) -> None:
    value = (HARMLESS | HARMFUL)[option.key]
    for path, words in ((own, []), (Path(HERE), ["--config", HERE])):
        path.write_text(f"[{section}]\n{option.key} = {value}\n")
        assert getattr(parse(words), option.field) != option.default
        path.unlink()


@pytest.mark.parametrize(("section", "option"), KEYS)
def test_a_default_does_no_harm(section: str, option: Option) -> None:
    if option.default is None:
        return
    written = json.dumps(option.default)  # which TOML takes as well
    Path(HERE).write_text(f"[{section}]\n{option.key} = {written}\n")
    assert parse([]) == Settings()


@pytest.mark.parametrize(("section", "option"), KEYS)
def test_a_default_found_here_does_not_overrule_the_users_own_file(
    section: str, option: Option, own: Path
) -> None:
    if option.default is None or option.key in HARMLESS:
        return
    own.write_text(f"[{section}]\n{option.key} = {HARMFUL[option.key]}\n")
    said = parse([])
    Path(HERE).write_text(f"[{section}]\n{option.key} = {json.dumps(option.default)}\n")
    assert parse([]) == said
    assert resolve({}).notes[1] == "config.toml: in force: nothing"


def test_the_example_works_as_it_is_where_it_is_found() -> None:
    Path(HERE).write_text(EXAMPLE.read_text())
    assert parse([]) == Settings()


def test_the_example_found_here_leaves_what_only_the_users_own_file_may_set(own: Path) -> None:
    own.write_text('[requests]\nchatgpt_url = "https://mine.example/"\n[watch]\nevery = "10m"\n')
    said = parse([])
    Path(HERE).write_text(EXAMPLE.read_text())
    assert parse([]) == said


def test_the_library_sets_everything() -> None:
    given = asdict(Settings(chatgpt_url="https://example.com/", retries=100, proxy="http://a:1"))
    assert asdict(Settings(**given)) == given


@pytest.mark.parametrize(
    "url",
    [
        "https://chatgpt.com/other",
        "https://chat.openai.com/backend-api/wham/usage",
        "https://[::1]:8787/usage",
        "HTTPS://evil.example/",
    ],
)
def test_no_other_url_is_taken_however_it_is_written(url: str) -> None:
    Path(HERE).write_text(f'[requests]\nchatgpt_url = "{url}"\n')
    assert "requests.chatgpt_url: a config.toml found in" in refusal()


def test_the_url_of_the_upstream_is_the_same_with_its_scheme_in_capitals() -> None:
    url = Settings().chatgpt_url.replace("https", "HTTPS")
    Path(HERE).write_text(f'[requests]\nchatgpt_url = "{url}"\n')
    assert parse([]) == Settings()


def test_more_than_five_retries_are_the_users_own_choice(own: Path) -> None:
    Path(HERE).write_text("[requests]\nretries = 6\n")
    assert "may set only a whole number from 0 to 5" in refusal()
    own.write_text("[requests]\nretries = 6\n")
    Path(HERE).unlink()
    assert parse([]).retries == 6


# Folders


@pytest.mark.parametrize(
    "folder", ["mine", "./mine/deep", ".", "mine/../mine", "link-inside", "not-there"]
)
def test_folders_inside_this_one_may_be_named(folder: str, tmp_path: Path) -> None:
    Path("mine").mkdir()
    Path("link-inside").symlink_to("mine")
    for value in (f'"{folder}"', f'["mine", "{folder}"]', f'"{tmp_path}/here/{folder}"'):
        Path(HERE).write_text(f"[accounts]\naccount_dir = {value}\n")
        assert parse([]).account_dirs


@pytest.mark.parametrize(
    "folder",
    ["..", "../elsewhere", "mine/../..", "~", "~/.codex", "/", "link", "link/deep", "../here2"],
)
def test_folders_elsewhere_may_not(folder: str, tmp_path: Path) -> None:
    Path("mine").mkdir()
    (tmp_path / "elsewhere").mkdir()
    Path("link").symlink_to(tmp_path / "elsewhere")
    for value in (f'"{folder}"', f'["mine", "{folder}"]'):
        Path(HERE).write_text(f"[accounts]\naccount_dir = {value}\n")
        assert "may set only folders inside the current one" in refusal()
        assert parse(["--config", HERE]).account_dirs


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no folder goes while one stands in it")
def test_nothing_is_inside_a_folder_that_is_gone(tmp_path: Path) -> None:
    from poller.settings.value_types import FOLDERS_HERE

    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert FOLDERS_HERE.fit("mine") is None


# Both files


def test_the_file_found_here_lies_over_the_users_own(own: Path) -> None:
    own.write_text('[requests]\nretries = 3\nproxy = "http://a:1"\n[output]\nordered = true\n')
    Path(HERE).write_text("[requests]\nretries = 4\n")
    settings = parse([])
    assert (settings.retries, settings.ordered, settings.proxy) == (4, True, "http://a:1")
    assert parse(["--retries", "0"]).retries == 0


def test_a_named_file_is_the_only_one_read(own: Path) -> None:
    own.write_text("[output]\nordered = true\n")
    Path(HERE).write_text("[output]\nextra = true\n")
    Path("named.toml").write_text("")
    assert parse(["--config", "named.toml"]) == Settings()


def test_what_one_file_says_replaces_what_excludes_it_in_the_other(own: Path) -> None:
    own.write_text("[accounts]\ndemo = 3\n[output]\nquiet = true\n")
    Path(HERE).write_text('[accounts]\naccount_dir = "mine"\n[output]\nverbose = 1\n')
    assert parse([]) == Settings(account_dirs=("mine",), verbose=1)


def test_a_mistake_in_the_users_own_file_is_told_with_its_path(own: Path) -> None:
    own.write_text("[requests]\nretries = -1\n")
    Path(HERE).write_text("[requests]\nretries = 4\n")
    assert refusal().startswith(f"{own}: requests.retries: expected")


def test_a_conflict_names_the_file_that_each_side_comes_from(own: Path) -> None:
    own.write_text("[output]\nraw_json = true\n")
    Path(HERE).write_text('[output]\nformat = "table"\n')
    told = refusal()
    assert told.startswith(f"{own}: output.raw_json: does not fit into a table")
    assert "(table comes from config.toml: output.format)" in told


def test_the_users_own_file_is_their_own_in_its_own_folder_too(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write_text('[requests]\nchatgpt_url = "https://mine.example/"\n')
    monkeypatch.chdir(own.parent)
    assert parse([]).chatgpt_url == "https://mine.example/"
    assert len(resolve({}).notes) == 1


def test_each_file_is_told_with_the_keys_that_are_in_force(own: Path) -> None:
    own.write_text('[requests]\nretries = 3\nrate = 2\n[output]\nformat = "csv"\n')
    Path(HERE).write_text("[requests]\nretries = 4\n")
    assert resolve({"rate": 1.0}).notes == (
        f"{own}: in force: output.format",
        "config.toml: in force: requests.retries",
    )
    assert resolve({"retries": 1}).notes[1] == "config.toml: in force: nothing"
    own.write_text('[[alert]]\nname = "low"\nrun = ["true"]\n')
    assert resolve({}).notes[0] == f"{own}: in force: [[alert]]"
    Path(HERE).unlink()
    own.unlink()
    assert resolve({}).notes == ()


# What is no honest file


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(".".join("a" * 24_000) + " = 1", id="a dotted key of 24,000 parts"),
        pytest.param("[" + ".".join("a" * 32_000) + "]", id="a section of 32,000 parts"),
        pytest.param('"a" . ' * 10_000 + "a = 1", id="a dotted key with quotes and blanks"),
        pytest.param("x = [" + ".".join("a" * 30_000), id="dots where none can stand"),
        pytest.param((".".join("a" * 100) + " = 1\n") * 300, id="as many dots as are allowed"),
        pytest.param(
            "".join(f"{'.'.join(f'a{n}' + 'b' * 90)} = 1\n" for n in range(300)),
            id="the same with keys that differ",
        ),
        pytest.param("[output]\n" + "".join(f"k{n} = 1\n" for n in range(6_000)), id="many keys"),
        pytest.param("".join(f"[s{n}]\n" for n in range(7_000)), id="many sections"),
        pytest.param(
            f"[{'.'.join('h' * 100)}]\n" + f"{'.'.join('a' * 100)}.b = 1\n" * 300,
            id="the same below a section as long",
        ),
        pytest.param("[[a]]\n" * 10_000, id="many tables of one list"),
        pytest.param("x = " + "[" * 60_000, id="nested lists"),
        pytest.param("x = " + "{a=" * 20_000, id="nested tables"),
        pytest.param("x = 0x" + "f" * 60_000, id="a long number"),
        pytest.param("x = " + "9" * 60_000 + ".0", id="a long fraction"),
        pytest.param("[output]\n" + "k" * 60_000 + " = 1", id="a long key"),
        pytest.param(f'[output]\ntimezone = "{"Europe/Berlin" * 4_000}"', id="a long zone"),
        pytest.param(f"[output]\nformat = {'[' * 325}{']' * 325}", id="lists in lists"),
        pytest.param('[requests]\nuser_agent = "' + "eyJ" * 20_000 + '"', id="a long text"),
        pytest.param("[accounts]\nnames = [" + '"x\\u0000",' * 6_000 + "]", id="a long list"),
    ],
)
def test_no_file_takes_long_to_refuse(text: str) -> None:
    assert len(text) <= 64 * 1024
    Path(HERE).write_text(text)
    began = time.process_time()
    refusal()
    assert time.process_time() - began < 1.0  # 16 s for the first of them, once


def test_a_file_larger_than_64_kib_is_refused() -> None:
    text = "#" * (64 * 1024 - 1) + "\n"
    Path(HERE).write_text(text)
    assert parse([]) == Settings()
    Path(HERE).write_text(text + "#")
    assert refusal() == "config.toml: larger than 64 KiB, hardly a configuration file"


def test_of_many_mistakes_the_first_twenty_are_told() -> None:
    keys = "".join(f"key_{number} = 1\n" for number in range(30))
    Path(HERE).write_text(f"[output]\n{keys}")
    told = refusal().splitlines()
    assert len(told) == 21
    assert told[19].startswith("config.toml: output.key_19: unknown key")
    assert told[20] == "config.toml: there are more mistakes than these"


def test_a_fifo_found_here_is_not_waited_for() -> None:
    os.mkfifo(HERE)
    assert refusal() == "config.toml: not a regular file; name one with --config FILE"
