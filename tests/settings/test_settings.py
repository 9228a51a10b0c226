"""Settings: the table of options, values, files, and where credentials may go."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from poller import settings as door
from poller.cli import parse
from poller.settings import Settings, UsageError
from poller.settings.file import own_path
from poller.settings.flags import taken_by
from poller.settings.options import EVERY, OTHERS, every_option
from poller.settings.quoting import quoted
from poller.settings.zones import _ZONE_OF

BAD = Path(__file__).parents[1] / "data" / "config"


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with a configuration folder of one's own elsewhere."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    path = Path(own_path() or "")
    path.parent.mkdir(parents=True)
    return path


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    return str(caught.value)


# The table


def test_every_field_of_settings_stands_in_the_table_with_its_default() -> None:
    told = {option.field: option.default for option in every_option()}
    assert told | {"alerts": ()} == dataclasses.asdict(Settings())  # tables of their own


def test_the_types_of_the_defaults_are_those_of_settings() -> None:
    plain = dataclasses.asdict(Settings())
    for option in every_option():
        assert type(option.default) is type(plain[option.field])


def test_no_key_is_there_twice() -> None:
    keys = [option.key for option in (*every_option(), *OTHERS)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("command", EVERY)
def test_no_command_has_a_flag_twice(command: str) -> None:
    flags = [flag for option in taken_by(command) for flag in option.flags]
    assert len(set(flags)) == len(flags)


def test_what_a_file_of_unknown_origin_sets_is_what_the_option_takes() -> None:
    for option in every_option():
        if option.local is not None and option.default is not None:
            assert option.local.fit(option.default) == option.kind.fit(option.default)


def test_the_door_knows_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Setings'"):
        door.__getattr__("Setings")


# Files with a mistake in them, one each


@pytest.mark.parametrize(
    "bad",
    sorted(path.name for path in BAD.glob("*.toml") if not path.name.startswith("here_")),
)
def test_a_wrong_file_is_refused_with_its_message(
    bad: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(BAD)
    assert refusal("--config", bad) == expected(bad)


@pytest.mark.parametrize("bad", sorted(path.name for path in BAD.glob("here_*.toml")))
def test_a_config_found_here_is_refused_with_its_message(bad: str) -> None:
    Path("config.toml").write_bytes((BAD / bad).read_bytes())
    assert refusal() == expected(bad)


def expected(bad: str) -> str:
    return (BAD / bad).with_suffix(".txt").read_text().strip().replace("{own}", own_path() or "")


def test_every_bad_file_has_its_message() -> None:
    names = {path.stem for path in BAD.glob("*.toml")}
    assert names == {path.stem for path in BAD.glob("*.txt")}
    assert len(names) > 70


# Reading files


def test_a_file_may_be_empty_begin_with_a_mark_and_end_its_lines_as_windows_does() -> None:
    assert parse(["--config", os.devnull]) == Settings()
    Path("config.toml").write_bytes(b"\xef\xbb\xbf[requests]\r\nretries = 4\r\n")
    assert parse([]).retries == 4


def test_a_flag_beats_the_file() -> None:
    Path("config.toml").write_text('[requests]\nretries = 4\n[accounts]\naccount_dir = "a"\n')
    assert parse(["--retries", "0"]).retries == 0
    assert parse(["--account-dir", "b"]).account_dirs == ("b",)


def test_a_file_that_cannot_be_read_is_refused() -> None:
    assert refusal("--config", "no.toml") == "no.toml: cannot be read: no such file or directory"
    assert refusal("--config", ".") == ".: a folder, not a configuration file"
    Path("config.toml").symlink_to("nowhere")
    assert refusal().startswith("config.toml: cannot be read: ")


def test_an_endless_file_is_refused() -> None:
    assert "larger than 64 KiB" in refusal("--config", "/dev/zero")


def test_a_path_with_escapes_in_it_is_shown_escaped() -> None:
    assert refusal("--config", "\x1b[31m\n.toml").startswith("\\x1b[31m\\x0a.toml: ")


def test_paths_begin_at_home_where_they_say_so(tmp_path: Path, own: Path) -> None:
    own.write_text('[accounts]\naccount_dir = ["~/keys", "b"]\n')
    assert parse([]).account_dirs == (str(tmp_path / "home" / "keys"), "b")


def test_one_name_or_folder_needs_no_list(own: Path) -> None:
    own.write_text('[accounts]\nnames = "alice"\naccount_dir = "keys"\n')
    settings = parse([])
    assert (settings.accounts, settings.account_dirs) == (("alice",), ("keys",))


def test_no_password_of_a_proxy_is_ever_in_a_message() -> None:
    for path in BAD.glob("*.txt"):
        assert "hunter22" not in path.read_text()


# What goes together


def test_the_demo_on_the_command_line_leaves_the_files_accounts_and_proxy_alone(own: Path) -> None:
    own.write_text(
        '[accounts]\nnames = "a"\naccount_dir = "b"\nfiles_from = "c"\n'
        '[requests]\nproxy = "http://127.0.0.1:1"\n',
    )
    assert parse(["--demo", "3"]) == Settings(demo=3)


@pytest.mark.parametrize("flag", ["alice", "--account-dir=x", "--files-from=x"])
def test_accounts_on_the_command_line_end_the_files_demo(flag: str, own: Path) -> None:
    own.write_text("[accounts]\ndemo = 3\n")
    assert parse([]).demo == 3
    assert parse([flag]).demo is None


def test_names_on_the_command_line_replace_the_files_list_but_not_its_folders(own: Path) -> None:
    own.write_text('[accounts]\nfiles_from = "x"\naccount_dir = "keys"\n')
    assert parse(["alice"]) == Settings(accounts=("alice",), account_dirs=("keys",))


@pytest.mark.parametrize("other", ["ACCOUNT", "--account-dir", "--files-from"])
def test_a_demo_with_accounts_is_refused(other: str) -> None:
    flag = "alice" if other == "ACCOUNT" else f"{other}=x"
    expected = f"--demo polls made-up accounts only: leave out --demo, or {other}"
    assert refusal("--demo", "3", flag) == expected


def test_quiet_and_verbose_on_the_command_line_beat_each_other_in_the_file() -> None:
    Path("config.toml").write_text("[output]\nverbose = 2\n")
    assert parse(["-q"]) == Settings(quiet=True)
    Path("config.toml").write_text("[output]\nquiet = true\n")
    assert parse(["-v"]) == Settings(verbose=1)


@pytest.mark.parametrize("flag", ["--raw-json", "--raw-headers"])
def test_the_answer_does_not_go_into_a_table(flag: str) -> None:
    assert refusal(flag, "--format", "table") == (
        f"{flag}: does not fit into a table: leave it out, or ask for --format jsonl "
        "(table comes from --format)"
    )
    assert "(csv comes from --format)" in refusal(flag, "--format", "csv")
    Path("config.toml").write_text('[output]\nformat = "table"\n')
    assert "(table comes from config.toml: output.format)" in refusal(flag)
    assert parse([flag, "--format", "jsonl"]).format == "jsonl"


@pytest.mark.parametrize("proxy", ["http://127.0.0.2:1", "http://[::1]:1", "https://u:p@127.0.0.1"])
def test_a_proxy_on_this_machine_may_see_what_goes_to_this_machine(proxy: str) -> None:
    argv = ["--proxy", proxy, "--chatgpt-url", "http://127.0.0.1:1/"]
    assert parse(argv).proxy == proxy


@pytest.mark.parametrize("proxy", ["http://localhost:1", "proxy.example:3128", "https://10.0.0.1"])
def test_no_other_proxy_sees_a_token_in_clear(proxy: str) -> None:
    told = refusal("--proxy", proxy, "--chatgpt-url", "http://127.0.0.1:1/")
    assert told.startswith("--proxy: the proxy would see your tokens")
    assert parse(["--proxy", proxy]).proxy


# Values


@pytest.mark.parametrize(
    ("flag", "good", "bad"),
    [
        ("--concurrency", "1 10000", "0 10001 8.0 1e2 x -1 ٨ 1_0"),
        ("--retries", "0 100", "-1 101 0.5"),
        ("--rate", "0.001 1000000 1e3", "0 -1 inf nan x 1e-320 0.0009 1000001 5m"),
        (
            "--timeout",
            "0.001 15 .5 15s 1.5m 3650d",
            "0 -0.0 -1 Infinity soon 0s 3651d 5M m nand 1_0s",
        ),
        ("--account-deadline", "1 2h", "0 1e-320"),
        ("--deadline", "1 7d", "0 1e300 ٩s"),
        ("--patience", "1 5m", "0 5w"),
        ("--fail-under", "0 100 12.5", "-1 100.01 nan 10%"),
        ("--demo", "1 100000", "0 100001 1.5 -1"),
        ("--timezone", "UTC Europe/Berlin America/Argentina/Ushuaia", "America Mars ../UTC /"),
        ("--format", "auto table jsonl csv prometheus", "json Table openmetrics"),
        ("--color", "auto always never", "yes Always"),
        ("--machine", f"a {'m' * 64} 火", f"{'m' * 65} \u202e"),
        ("--need", "1 100000", "0 -1 1.5 100001"),
    ],
)
def test_bounds_are_held(flag: str, good: str, bad: str) -> None:
    for text in good.split():
        parse([flag, text])
    for text in bad.split():
        assert refusal(flag, text).startswith(f"{flag}: expected ")


def test_a_window_goes_by_its_name_and_by_what_tables_call_it() -> None:
    own = ("five_hour", "weekly", "monthly", "1h", "15m", "90s", "10d", "weekly_2")
    shown = {"5h": "five_hour", "week": "weekly", "month": "monthly"}
    for text, name in (shown | dict(zip(own, own, strict=True))).items():
        assert parse(["guard", "--window", text]).window == name
    for text in ("5", "0h", "1 h", "h", "٣h", "all", "weekly_", "_2"):
        with pytest.raises(UsageError, match="expected 'five_hour', "):
            parse(["guard", "--window", text])
    with pytest.raises(UsageError, match="did you mean 'weekly'"):
        parse(["history", "--window", "weakly"])


def test_a_number_of_thousands_of_digits_is_no_number() -> None:
    assert "got " in refusal("--concurrency", "9" * 5000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5s", 1.5), ("5m", 300), ("2h", 7200), ("7d", 604_800)],
)
def test_a_time_may_have_a_unit(text: str, seconds: float) -> None:
    assert parse(["--deadline", text]).deadline_s == seconds
    Path("config.toml").write_text(f'[requests]\ndeadline = "{text}"\n')
    assert parse([]).deadline_s == seconds


@pytest.mark.parametrize("text", ["5 m", " 5m", "5m ", "m", ""])
def test_blanks_make_no_time(text: str) -> None:
    assert refusal("--deadline", text).endswith(f'got "{text}"')


@pytest.mark.parametrize("text", [" 8", "8 ", ""])
def test_blanks_make_no_number(text: str) -> None:
    assert refusal("--retries", text).endswith(f'got "{text}"')


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("europe/berlin", "Europe/Berlin"),
        ("Asia/Shanghia", "Asia/Shanghai"),
        ("CST", "Asia/Shanghai"),
        ("Asia/Beijing", "Asia/Shanghai"),
        ("PST", "America/Los_Angeles"),
        ("edt", "America/New_York"),
        ("CEST", "Europe/Berlin"),
        ("BST", "Europe/London"),
        ("IST", "Asia/Kolkata"),
        ("JST", "Asia/Tokyo"),
        ("San Francisco", "America/Los_Angeles"),
        ("UTC+8", "Asia/Shanghai"),
        ("+08:00", "Asia/Shanghai"),
        ("GMT-5", "Etc/GMT+5"),
    ],
)
def test_a_zone_that_is_not_there_is_guessed_at(text: str, meant: str) -> None:
    if Path("/usr/share/zoneinfo").joinpath(text).exists():
        pytest.skip("this file system does not tell upper from lower case")
    assert refusal("--timezone", text).endswith(f"did you mean {meant!r}?")


def test_every_zone_that_is_guessed_at_is_there() -> None:
    assert available_timezones() >= {*_ZONE_OF.values()}


@pytest.mark.parametrize("text", ["UTC+30", "/etc/localtime", "../UTC"])
def test_what_is_like_no_zone_is_not_guessed_at(text: str) -> None:
    assert "did you mean" not in refusal("--timezone", text)


def test_a_certificate_file_must_be_there_and_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    assert parse(["--ca-file", str(tmp_path / "ca.pem")]).ca_file == str(tmp_path / "ca.pem")
    assert refusal("--ca-file", "no.pem") == '--ca-file: no such file: "no.pem"'
    assert refusal("--ca-file", ".") == '--ca-file: expected a file, got a folder: "."'


@pytest.mark.parametrize("words", [("--output",), ("report", "--report-file")])
def test_no_file_is_called_by_a_dash_alone(words: tuple[str, ...]) -> None:
    assert refusal(*words, "-") == (
        f"{words[-1]}: leave it out for standard output, or write ./- for a file of that name"
    )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_certificate_file_must_be_readable(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch(mode=0)
    assert "not readable by you" in refusal("--ca-file", str(tmp_path / "ca.pem"))


@pytest.mark.parametrize("agent", ["Mozilla/5.0", "codex_cli_rs/0.48 (Linux; x86_64)"])
def test_a_good_user_agent_is_taken(agent: str, own: Path) -> None:
    own.write_text(f'[requests]\nuser_agent = "{agent}"\n')
    assert parse([]).user_agent == agent


def test_what_a_message_shows_is_short_printable_and_masked() -> None:
    assert quoted("x" * 100) == f'"{"x" * 59}…"'
    assert quoted("a\x1bb") == '"a\\x1bb"'
    assert quoted("me:pass@word@host") == '"***@host"'
    assert quoted("http://me:pa/ss@host:1/") == '"http://***@host:1/"'
    assert quoted("me@example.com") == '"me@example.com"'
    assert quoted([True, 1, [2.5]]) == "[true, 1, [2.5]]"


def test_every_message_is_lower_case_without_a_full_stop() -> None:
    for path in BAD.glob("*.txt"):
        for line in path.read_text().splitlines():
            assert re.match(r"[\w.]+\.toml: \S", line)
            assert not line.endswith(".")
