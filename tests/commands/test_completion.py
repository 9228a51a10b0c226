"""``--print-completion``: what each shell makes of it, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from poller.cli import main, parser
from poller.commands.completion import script
from poller.settings.options import OTHERS, every_option

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = {flag for option in (*every_option(), *OTHERS) for flag in option.flags}

_BASH = """
source poller.bash
words=({words})
COMP_WORDS=("${{words[@]}}") COMP_CWORD=$((${{#words[@]}} - 1))
_shtab_poller 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


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
        (tmp_path / f"poller.{shell}").write_text(script(parser(), shell=shell))
    return tmp_path


def completed(words: str, *, cwd: Path) -> set[str]:
    """Return what bash offers for the last of these words."""
    return set(said_by("bash", _BASH.format(words=words), cwd=cwd)) - {""}


def test_the_flag_prints_the_script(capfd: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main(["--print-completion", shell]) == 0
        assert capfd.readouterr().out == script(parser(), shell=shell)


def test_another_shell_is_refused_with_those_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", "bsh"]) == 64
    assert capfd.readouterr().err == (
        "poller: --print-completion: expected 'bash', 'zsh' or 'fish', got \"bsh\"; "
        "did you mean 'bash'?\n"
    )


def test_bash_knows_how_to_complete_poller(here: Path) -> None:
    told = said_by("bash", "source poller.bash; complete -p poller", cwd=here)
    assert told == ["complete -o bashdefault -F _shtab_poller poller"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("poller --", {flag for flag in FLAGS if flag.startswith("--")}),
        ("poller --acc", {"--account-dir", "--account-deadline"}),
        ("poller --list --fo", {"--format"}),
        ("poller --format ''", {"auto", "table", "jsonl"}),
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


def test_zsh_takes_the_script(here: Path) -> None:
    program = (
        'autoload -U compinit; compinit -u -d dump; eval "$(<poller.zsh)"; print $_comps[poller]'
    )
    assert said_by("zsh", program, cwd=here) == ["_shtab_poller"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("poller --acc", {"--account-dir", "--account-deadline"}),
        ("poller --format ", {"auto", "table", "jsonl"}),
        ("poller bo", {"bob"}),
    ],
)
def test_fish_offers_what_can_stand_there(here: Path, line: str, offered: set[str]) -> None:
    told = said_by("fish", f"source poller.fish; complete -C '{line}'", cwd=here)
    assert {entry.partition("\t")[0] for entry in told} == offered
