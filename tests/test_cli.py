"""The command line: what it answers without polling, and what it refuses."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poller import __version__, cli
from poller.cli import main, parse
from poller.commands import COMMANDS
from poller.commands.help import _option_help
from poller.commands.help import text as help_text
from poller.deliver.printing import write_all
from poller.settings import Settings, UsageError
from poller.settings.flags import SAID_ELSEWHERE, parser, taken_by
from poller.settings.options import EVERY, OPTIONS, OTHERS, Option, every_option
from poller.settings.value_types import PATH

if TYPE_CHECKING:
    from tests.conftest import Certificates

ROOT = Path(__file__).parents[1]
POLLER = (sys.executable, "-m", "poller")


def run(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the program in the checkout and return what it said."""
    options = {"stdout": subprocess.PIPE, "cwd": ROOT} | options
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        (*POLLER, *argv), stderr=subprocess.PIPE, text=True, check=False, **options
    )


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    return str(caught.value)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no configuration file is."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))


# Loading


def said_by(code: str, **environment: str) -> str:
    """Return what a fresh interpreter, which nothing else has loaded into, says to ``code``."""
    return subprocess.run(
        (sys.executable, "-c", code),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("bundle", [None, "ours"])
def test_the_systems_certificates_are_read_where_they_are_used_and_not_before(
    bundle: str | None, certificates: Certificates
) -> None:
    code = (
        "import os\n"
        "from poller.process.importing import import_without_certificates\n"
        "import_without_certificates('poller.commands.poll')\n"
        "from aiohttp import connector\n"
        "from poller.settings import Settings\n"
        "from poller.upstream.exchange import ssl_context\n"
        "used = ssl_context(Settings(), 'https://chatgpt.com', proxy=None)\n"
        "print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()['x509'],\n"
        "  used.cert_store_stats()['x509'] > 0, os.environ.get('SSL_CERT_FILE'))\n"
    )
    given = {} if bundle is None else {"SSL_CERT_FILE": certificates.ca_file}
    unread, is_used, left = said_by(code, **given).split()
    assert (unread, left) == ("0", given.get("SSL_CERT_FILE", "None"))
    assert is_used == "True" or not given  # a bare machine may have no certificates at all


# Parsing


def test_nothing_said_is_the_defaults() -> None:
    assert parse([]) == Settings()


def test_every_flag_sets_its_field(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    words = """alice --account-dir a --files-from - --chatgpt-url https://example.com/u
        --concurrency 1 --rate 2 --timeout 3 --retries 4 --account-deadline 5 --deadline 6
        --patience 7 --proxy http://p:8 --ca-file ca.pem --format jsonl --output o.jsonl
        --color never --ordered --extra --raw-json --raw-headers --show-identity --timezone UTC
        --machine m --fail-under 9 --need 10 --quiet -v team-* --account-dir=b -v"""
    assert parse(words.split()) == Settings(
        accounts=("alice", "team-*"),
        account_dirs=("a", "b"),
        files_from="-",
        chatgpt_url="https://example.com/u",
        concurrency=1,
        rate=2.0,
        timeout_s=3.0,
        retries=4,
        account_deadline_s=5.0,
        deadline_s=6.0,
        patience_s=7.0,
        proxy="http://p:8",
        ca_file="ca.pem",
        format="jsonl",
        output="o.jsonl",
        color="never",
        ordered=True,
        extra=True,
        raw_json=True,
        raw_headers=True,
        show_identity=True,
        timezone="UTC",
        machine="m",
        fail_under=9.0,
        need=10,
        quiet=True,
        verbose=2,
    )


def test_after_two_dashes_everything_is_an_account() -> None:
    assert parse(["a", "--ordered", "--", "-q", "--help", "-"]).accounts == (
        "a",
        "-q",
        "--help",
        "-",
    )


def test_the_demo_makes_up_twelve_accounts_where_no_number_is_said() -> None:
    assert parse(["--demo"]).demo == 12
    assert parse(["--demo", "--ordered"]).demo == 12
    assert parse(["--demo", "7"]).demo == 7
    assert parse(["--demo=7"]).demo == 7


def test_more_verbose_than_the_highest_level_is_accepted() -> None:
    assert parse(["-vvvvv", "-v"]).verbose == 3


@pytest.mark.parametrize("command", EVERY)
def test_the_parser_of_a_command_knows_its_flags_and_no_other(command: str) -> None:
    known = {flag for action in parser(command)._actions for flag in action.option_strings}
    assert known == {flag for option in taken_by(command) for flag in option.flags}


# Refusals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--acount-dir D", "--acount-dir: unknown option; did you mean --account-dir?"),
        ("--account_dir=D", "--account_dir: unknown option; did you mean --account-dir?"),
        ("--concurency 8", "--concurency: unknown option; did you mean --concurrency?"),
        ("-format table", "-format: unknown option; did you mean --format?"),
        ("--bogus", "--bogus: unknown option; poller --help shows them all"),
        ("-x", "-x: unknown option; poller --help shows them all"),
        ("--conc 8", "--conc: unknown option; did you mean --config?"),
        (
            "--user-agent x",
            "--user-agent: set 'user_agent' in [requests] of the configuration file instead",
        ),
        (
            "--language zh",
            "--language: set 'language' in [output] of the configuration file instead",
        ),
        (
            "--rate",
            "--rate: expected a number of requests per second from 0.001 to 1000000, got nothing",
        ),
        ("--config", "--config: expected a path, got nothing"),
        ("--config --ordered", "--config: expected a path, got nothing"),
        ("--ordered=yes", "--ordered: takes no value"),
        ("--quiet=yes", "--quiet: takes no value"),
        (
            "--format tabel",
            (
                "--format: expected 'auto', 'table', 'jsonl', 'csv' or 'prometheus', "
                "got \"tabel\"; did you mean 'table'?"
            ),
        ),
        (
            "--demo alice",
            (
                '--demo: expected how many accounts to make up, got "alice"; '
                "--demo polls made-up accounts only, leave it out to poll yours"
            ),
        ),
        ("--json", "--json: unknown option; type --format jsonl"),
        ("status --json", "--json: unknown option; type --format json"),
        ("next --json", "--json: unknown option; type --format jsonl"),
        ("next --csv", "--csv: unknown option; poller next --help shows them all"),
        ("list --csv", "--csv: unknown option; poller list --help shows them all"),
        ("history --dir x", "--dir: unknown option; poller history --help shows them all"),
        ("watch --dir x", "--dir: unknown option; did you mean --account-dir?"),
        ("watch --interval 5m", "--interval: unknown option; type poller watch --every"),
        ("--next", "--next: unknown option; type poller next"),
        ("report --output x", "--output: not an option of poller report; did you mean -o?"),
        ("-j 8", "-j: unknown option; did you mean --concurrency?"),
        ("--list=x", "--list: takes no value"),
        ("list --rate 4", "--rate: not an option of poller list, but of poller poll and 6 more"),
        ("guard --list", "--list: not an option of poller guard, but of poller poll"),
        (
            "status --need 2",
            "--need: not an option of poller status, but of poller poll and 2 more",
        ),
        (
            "schema --ordered",
            "--ordered: not an option of poller schema, but of poller poll and 1 more",
        ),
        ("list --raw", "--raw: unknown option; did you mean --raw-json?"),
        ("schema --raw", "--raw: unknown option; poller schema --help shows them all"),
        ("list --format csv", "--format: expected 'auto', 'table' or 'jsonl', got \"csv\""),
        ("schema alice", '"alice": one word too many; poller schema --help shows what it takes'),
        (
            "completion bash zsh",
            '"zsh": one word too many; poller completion --help shows what it takes',
        ),
        ("completion", "SHELL: expected 'bash', 'zsh' or 'fish', got nothing"),
        ("--retries -1", "--retries: expected a whole number from 0 to 100, got -1"),
    ],
)
def test_a_mistake_is_told_with_what_to_type_instead(words: str, message: str) -> None:
    assert refusal(*words.split()) == message


def test_what_other_programs_call_their_options_leads_to_ours() -> None:
    options = (*every_option(), *OTHERS)
    known = {flag for option in options for flag in option.flags}
    told_by = {"poll", "list"}
    taken = {flag for option in options if told_by & {*option.commands} for flag in option.flags}
    for foreign, told in SAID_ELSEWHERE.items():
        assert foreign not in taken
        assert {*re.findall(r"(?<!\S)--[a-z-]+", told)} <= known


def test_an_option_without_its_dashes_is_told(tmp_path: Path) -> None:
    told = "poller: no account 'version'; for the option, type --version\n"
    done = run("version", cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (64, told)


def test_every_mistake_is_told_at_once() -> None:
    told = refusal("--bogus", "--timeout=soon", "", "--retries=x").splitlines()
    assert [line.partition(":")[0] for line in told] == [
        "--bogus",
        "ACCOUNT",
        "--timeout",
        "--retries",
    ]


def test_a_token_given_to_an_unknown_option_is_not_repeated() -> None:
    assert "eyJ" not in refusal("--token=eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
    assert "eyJ" not in refusal("--eyJhbGciOiJSUzI1NiJ9.e30.c2ln")


def test_escapes_in_words_are_shown_escaped() -> None:
    assert refusal("--\x1b[31mred") == (
        "--\\x1b[31mred: unknown option; poller --help shows them all"
    )
    assert refusal("--timeout", "\udcff\n").endswith('got "\\xff\\x0a"')


def test_a_refusal_leaves_with_64_and_one_clear_sentence() -> None:
    done = run("--acount-dir", "D")
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr == "poller: --acount-dir: unknown option; did you mean --account-dir?\n"


def test_a_refusal_of_several_lines_names_the_program_on_each(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["--bogus", "--retries=x"]) == 64
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("poller: --") for line in told)


def test_a_refusal_is_told_in_an_ascii_locale_too() -> None:
    done = run("--timeout", "火", env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.returncode == 64
    assert done.stderr.startswith("poller: --timeout: expected ")


# Answers


@pytest.mark.parametrize("command", EVERY)
def test_the_help_of_a_command_has_its_options_within_80_columns(command: str) -> None:
    text = help_text(command)
    shown = re.findall(r"(?m)^  (?:-\w, )?(--[a-z-]+)", text)
    assert shown == [option.flags[-1] for option in taken_by(command) if option.flags]
    assert max(map(len, text.splitlines())) < 80
    assert text.startswith(f"usage: poller {command} ")


def test_the_help_tells_every_flag_and_default_within_80_columns() -> None:
    text = help_text()
    for option in taken_by("poll"):
        assert all(re.search(rf"(?m)^  (-\w, )?{flag}\b", text) for flag in option.flags[-1:])
    for default in (
        "8",
        "15s",
        "2",
        "60s",
        "40s",
        "auto",
        "https://chatgpt.com/backend-api/wham/usage",
    ):
        assert f"(default: {default})" in text
    assert max(map(len, text.splitlines())) < 80
    assert text.isascii()


def test_the_help_stands_in_groups_and_ends_with_eight_examples() -> None:
    groups = re.findall(r"(?m)^(\w+):$", help_text())
    sections = [
        name
        for name, options in OPTIONS.items()
        if any("poll" in o.commands and o.place for o in options)
    ]
    assert groups == ["commands", *sections, "other", "examples"]
    examples = help_text().partition("examples:\n")[2].splitlines()
    assert len(examples) == 8
    assert all("poller" in line for line in examples)


def test_a_long_flag_stands_on_a_line_of_its_own() -> None:
    lines = _option_help(Option("a_key_with_a_long_name", PATH, "what it is"))
    assert lines == ["  --a-key-with-a-long-name FILE", " " * 24 + "what it is"]


def test_every_example_of_the_help_parses() -> None:
    for line in help_text().partition("examples:\n")[2].splitlines():
        words = re.split(r"[>|]|  +|\|\|", line.partition("poller")[2])[0]
        parse(words.replace("'", "").split())


def test_the_help_begins_with_the_commands_there_are() -> None:
    commands = help_text().partition("commands:\n")[2].partition("\n\n")[0]
    assert re.findall(r"(?m)^  (\w+)", commands) == [*COMMANDS]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("--help", None),
        ("-h", None),
        ("--bogus --timeout --help", None),
        ("-vh", None),
        ("help", None),
        ("poll --help", "poll"),
        ("list --bogus --help", "list"),
        ("list -vh", "list"),
        ("completion -h", "completion"),
        ("help help", "help"),
        ("help poll", "poll"),
    ],
)
def test_help_is_given_whatever_else_is_said(
    words: str, command: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 0
    assert capfd.readouterr() == (help_text(command), "")


def test_the_help_reaches_a_pipe() -> None:
    done = run("--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, help_text(), "")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("lsit", "\"lsit\": no such command; did you mean 'list'?"),
        ("x", '"x": no such command; there are poll, list, '),
    ],
)
def test_help_for_an_unknown_command_is_refused(
    word: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", word]) == 64
    assert capfd.readouterr().err.startswith(f"poller: {told}")


def test_the_version_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"poller {__version__}\n"


@pytest.mark.parametrize("word", ["--schema", "schema"])
def test_the_schema_is_told(word: str) -> None:
    done = run(word)
    assert done.returncode == 0
    assert "schema_version" in json.loads(done.stdout)["properties"]


# Commands


def test_every_name_that_is_promised_is_taken() -> None:
    names = """poll list watch serve next guard status timeline diff history report alerts agent
        simulate schema completion help"""
    assert [*COMMANDS] == names.split()


def test_every_command_has_its_function_and_its_line_in_the_help() -> None:
    for name in COMMANDS:
        assert COMMANDS[name].help
        assert callable(cli._function_of(COMMANDS[name]))


def test_options_name_commands_that_there_are() -> None:
    named = {name for option in (*every_option(), *OTHERS) for name in option.commands}
    assert named == {*COMMANDS} - {"simulate"} == {*EVERY}


def test_only_the_first_word_and_only_a_whole_name_is_a_command() -> None:
    assert parse(["alice", "list"]) == Settings(accounts=("alice", "list"))
    assert parse(["./list"]) == Settings(accounts=("./list",))
    assert parse(["--", "list"]) == Settings(accounts=("list",))
    assert parse(["List"]) == Settings(accounts=("List",))
    assert parse(["poll", "list", "watch"]) == Settings(accounts=("list", "watch"))
    assert parse(["list", "list", "-q"]) == Settings(accounts=("list",), quiet=True)


def test_a_poll_is_the_same_with_its_name_and_without() -> None:
    words = ["alice", "--retries", "0", "-v"]
    assert parse(["poll", *words]) == parse(words) != Settings()


def test_a_listing_by_flag_takes_what_polls_take(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--rate", "4", "--demo", "1"]) == 0
    by_flag = json.loads(capfd.readouterr().out)
    assert main(["list", "--demo", "1"]) == 0
    assert json.loads(capfd.readouterr().out).keys() == by_flag.keys()


@pytest.mark.parametrize(
    "flag", ["--raw-json", "--need=2", "--fail-under=1", "--extra", "--output=x", "--machine=x"]
)
def test_a_listing_has_no_answers(flag: str, capfd: pytest.CaptureFixture[str]) -> None:
    name = flag.partition("=")[0]
    assert main(["--list", flag]) == 64
    assert capfd.readouterr().err == (
        f"poller: {name}: --list sends no requests, so there are no answers: "
        f"leave out --list, or {name}\n"
    )


def test_csv_in_a_configuration_file_does_not_apply_to_a_listing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text('[output]\nformat = "csv"\n')
    assert (parse([]).format, parse(["list"]).format) == ("csv", "auto")


@pytest.mark.parametrize("words", ["simulate --help", "help simulate"])
def test_the_simulator_explains_itself(words: str) -> None:
    done = run(*words.split())
    assert done.returncode == 0
    assert "--fault-share" in done.stdout


def test_the_simulator_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with subprocess.Popen(
        (*POLLER, "simulate", "--port", "0", "--dir", str(tmp_path)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        url = running.stdout.readline()
        assert url.startswith("http://127.0.0.1:")
        running.terminate()
        _, told = running.communicate(timeout=10)
        assert running.returncode == 0
    assert f"try: poller --account-dir {tmp_path} --chatgpt-url {url}" in told


def test_the_simulator_refuses_in_its_own_words() -> None:
    done = run("simulate", "--port", "none")
    assert (done.returncode, done.stdout) == (64, "")
    assert "--port" in done.stderr


def test_what_files_say_is_told_where_more_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[output]\nordered = true\n")
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = run("list", "--demo", "1", "-v", cwd=tmp_path, env=env)
    assert done.stderr == "poller: config.toml: in force: output.ordered\n"
    assert run("list", "--demo", "1", cwd=tmp_path, env=env).stderr == ""


def test_no_configuration_file_is_read_for_an_answer(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("nonsense")
    assert main(["--version"]) == 0


def test_sys_argv_is_what_counts_where_nothing_is_passed(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["poller", "--version"])
    assert main() == 0
    assert __version__ in capfd.readouterr().out


# What help costs


def test_help_imports_nothing_that_it_does_not_need() -> None:
    code = (
        "import os, sys; before = {*sys.modules}; from poller.__main__ import entry; "
        "sys.argv[1:], os._exit = ['--help'], lambda code: None; entry(); "
        "print(*{*sys.modules} - before)"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.splitlines()[-1].split())
    costly = (
        "aiohttp anyio asyncio tenacity wcwidth orjson argparse contextlib dataclasses typing re"
    )
    assert not imported & {*costly.split(), "pathlib", "tomllib", "urllib.parse", "platformdirs"}


def test_help_costs_less_than_100_ms_of_processor_time() -> None:
    def cost_s(*argv: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run((sys.executable, *argv), cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    helped = min(cost_s("-m", "poller", "--help") for _ in range(5))
    bare = min(cost_s("-c", "pass") for _ in range(5))
    assert helped - bare < 0.1


# A standard output that is gone, full or closed


def test_a_reader_that_went_away_is_not_reported() -> None:
    read, write = os.pipe()
    os.close(read)
    done = run("--help", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("words", ["--help", "schema", "agent --server-config laptop"])
def test_a_full_standard_output_is_told(words: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*words.split(), stdout=full)
    assert done.returncode == 74
    assert done.stderr == "poller: standard output: no space left on device\n"


def test_a_closed_standard_output_is_told() -> None:
    done = run("--help", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (74, "poller: standard output: bad file descriptor\n")


def test_a_closed_standard_error_changes_no_exit_code() -> None:
    done = run("--bogus", preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (64, "")


def test_a_slow_reader_is_waited_for() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    text = "x" * 300_000
    with os.fdopen(read) as reader:
        came: list[str] = []
        thread = threading.Thread(target=lambda: came.append(reader.read()))
        thread.start()
        assert write_all(write, text) is None
        os.close(write)
        thread.join()
    assert came == [text]


# Being interrupted


def test_an_interrupt_while_modules_load_is_quiet() -> None:
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'poller.settings.options':\n"
        f"            os.kill(os.getpid(), {signal.SIGINT:d})\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv = ['poller', '--help']\n"
        "from poller.__main__ import entry\n"
        "entry()\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
