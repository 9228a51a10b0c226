"""``poller completion``: what each shell makes of it, where it is installed."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from poller.cli import main
from poller.commands import COMMANDS
from poller.commands.completion import text
from poller.settings import value_types as kinds
from poller.settings.flags import taken_by

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = {*next(each for each in taken_by("poll") if each.field == "format").kind.names}
PATHS = [
    option.flags[-1]
    for option in taken_by("poll")
    if option.kind in (kinds.PATH, kinds.FILE, kinds.FOLDERS) and option.flags
]
BUILT = {*COMMANDS}

_BASH = """
source poller.bash
words=({words})
COMP_WORDS=("${{words[@]}}") COMP_CWORD=$((${{#words[@]}} - 1))
_shtab_poller 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def flags_of(command: str) -> set[str]:
    flags = {flag for option in taken_by(command) for flag in option.flags}
    return {flag for flag in flags if flag.startswith("--")}


def said_by(shell: str, program: str, *, cwd: Path) -> list[str]:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    clean = {"bash": ("--norc",), "zsh": ("-f",), "fish": ("--no-config",)}[shell]
    done = subprocess.run(
        (path, *clean, "-c", program), cwd=cwd, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "account").mkdir()
    for name in ("alice", "ali baba", "bob"):
        (tmp_path / "account" / f"{name}.auth.json").touch()
    (tmp_path / "list.txt").touch()
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / f"poller.{shell}").write_text(text(shell))
    return tmp_path


def completed(words: str, *, cwd: Path) -> set[str]:
    """Return what bash offers for the last of these words."""
    return set(said_by("bash", _BASH.format(words=words), cwd=cwd)) - {""}


@pytest.mark.parametrize("word", ["completion", "--print-completion"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(word: str, shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([word, shell]) == 0
    assert capfd.readouterr().out == text(shell)


@pytest.mark.parametrize(
    ("word", "place"), [("completion", "SHELL"), ("--print-completion", "--print-completion")]
)
def test_another_shell_is_refused_with_those_there_are(
    word: str, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "bsh"]) == 64
    assert capfd.readouterr().err == (
        f"poller: {place}: expected 'bash', 'zsh' or 'fish', got \"bsh\"; did you mean 'bash'?\n"
    )


def test_bash_knows_how_to_complete_poller(here: Path) -> None:
    told = said_by("bash", "source poller.bash; complete -p poller", cwd=here)
    assert told == ["complete -o bashdefault -F _shtab_poller poller"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("poller --", flags_of("poll")),
        ("poller poll --", flags_of("poll")),
        ("poller list --", flags_of("list")),
        ("poller schema --", flags_of("schema")),
        ("poller s", {name for name in BUILT if name.startswith("s")}),
        ("poller help ''", BUILT),
        ("poller completion ''", {"bash", "zsh", "fish"}),
        ("poller list ali", {"alice", "ali baba"}),
        ("poller history pr", {"prune"}),
        ("poller history export bo", {"bob"}),
        ("poller history import l", {"list.txt"}),
        ("poller --timezone Asia/Shang", {"Asia/Shanghai"}),
        ("poller list --timezone Europe/Berl", {"Europe/Berlin"}),
        ("poller --color ''", {"auto", "always", "never"}),
        ("poller --output l", {"list.txt"}),
        ("poller --acc", {"--account-dir", "--account-deadline"}),
        ("poller --list --fo", {"--format"}),
        ("poller --format ''", FORMATS),
        ("poller --format t", {"table"}),
        ("poller --print-completion ''", {"bash", "zsh", "fish"}),
        ("poller --account-dir a", {"account"}),
        ("poller --files-from l", {"list.txt"}),
        ("poller --config l", {"list.txt"}),
        ("poller ali", {"alice", "ali baba"}),
        ("poller alice b", {"bob"}),
        ("poller --quiet bo", {"bob"}),
    ],
)
def test_bash_offers_what_can_stand_there(here: Path, words: str, offered: set[str]) -> None:
    assert completed(words, cwd=here) == offered


# Names of files that a shell would run


_TYPED_INTO = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source poller.bash"),
    "zsh": (
        ("zsh", "-f", "-i"),
        'autoload -U compinit; compinit -u -d dump; eval "$(<poller.zsh)"',
    ),
}


def typed(line: str, *, cwd: Path, shell: str = "bash") -> str:
    """Type a line with a tab at its end into an interactive shell; return what ``poller`` got."""
    called, reads_script = _TYPED_INTO[shell]
    master, slave = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PS1": "ready> ", "TERM": "dumb"}
    with subprocess.Popen(
        called,
        cwd=cwd,
        env=environ,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as running:
        os.close(slave)
        told = b""
        lines = (
            reads_script,
            "poller() { printf 'got <%s>\\n' \"$@\"; }",
            f"{line}\t",
            "exit",
        )
        for prompts, each in enumerate(lines, 1):
            while told.count(b"ready> ") < prompts:
                told += os.read(master, 4096)
            os.write(master, f"{each}\n".encode())
        assert running.wait(10) == 0
    os.close(master)
    return told.decode()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    "line", ["poller {}", "poller list {}", *(f"poller {flag} {{}}" for flag in PATHS)]
)
@pytest.mark.parametrize(
    "name", ["y$(touch ran)", "y`touch ran`", "y;touch ran", "y|touch ran", "y&touch ran"]
)
@pytest.mark.parametrize("folder", [".", "account"])
def test_a_name_that_is_completed_is_quoted(folder: str, name: str, line: str, here: Path) -> None:
    path = here / folder / f"{name}.auth.json"
    path.mkdir() if "-dir" in line else path.touch()
    told = typed(line.format("y"), cwd=here)
    assert not (here / "ran").exists()
    if folder == ".":
        assert f"got <{name}.auth.json" in told


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_an_account_with_a_blank_in_its_name_is_one_word(here: Path) -> None:
    assert "got <ali baba>" in typed("poller ali\\ ", cwd=here)


def test_zsh_takes_the_script(here: Path) -> None:
    program = (
        'autoload -U compinit; compinit -u -d dump; eval "$(<poller.zsh)"; print $_comps[poller]'
    )
    assert said_by("zsh", program, cwd=here) == ["_shtab_poller"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("poller bo", ["bob"]),
        ("poller alice bo", ["alice", "bob"]),
        ("poller --color nev", ["--color", "never"]),
        ("poller sche", ["schema"]),
        ("poller next bo", ["next", "bob"]),
        ("poller next --stra", ["next", "--strategy"]),
        ("poller next --strategy head", ["next", "--strategy", "headroom"]),
        ("poller completion fi", ["completion", "fish"]),
        ("poller help guar", ["help", "guard"]),
        ("poller next sche", ["next", "sche"]),
        ("poller history pru", ["history", "prune"]),
        ("poller history export bo", ["history", "export", "bob"]),
    ],
)
def test_zsh_completes_what_can_stand_there(line: str, made: list[str], here: Path) -> None:
    told = typed(line, cwd=here, shell="zsh")
    assert re.findall(r"(?m)^got <(.*)>", told) == made


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("poller --acc", {"--account-dir", "--account-deadline"}),
        ("poller --format ", FORMATS),
        ("poller list --acc", {"--account-dir"}),
        ("poller completion ", {"bash", "zsh", "fish"}),
        ("poller sche", {"schema"}),
        ("poller history pr", {"prune"}),
        ("poller history bo", {"bob"}),
        ("poller bo", {"bob"}),
        ("poller alice bo", {"bob"}),
    ],
)
def test_fish_offers_what_can_stand_there(here: Path, line: str, offered: set[str]) -> None:
    told = said_by("fish", f"source poller.fish; complete -C '{line}'", cwd=here)
    assert {entry.partition("\t")[0] for entry in told} == offered
