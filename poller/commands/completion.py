"""Completions for shells, made by shtab from the same table of options as all the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shtab

from poller.settings import value_types as kinds
from poller.settings.options import OTHERS, every_option

if TYPE_CHECKING:
    from argparse import ArgumentParser

_BASH = """
_poller_accounts() {
  compgen -f -- "$1"
  (cd account 2>/dev/null && compgen -f -X '!*.auth.json' -- "$1") | sed 's/\\.auth\\.json$//'
}
"""
_ZSH = """
_poller_accounts() {
  local -a names=(account/*.auth.json(N:t))
  compadd -- ${names%.auth.json}
  _files
}
"""
_FISH = """
function _poller_accounts
  for file in account/*.auth.json
    string replace -r '^account/(.*)\\.auth\\.json$' '$1' -- $file
  end
  __fish_complete_path (commandline -ct)
end
"""
_ACCOUNTS = {
    "bash": "_poller_accounts",
    "zsh": "_poller_accounts",
    "fish": "(_poller_accounts)",
    "preamble": {"bash": _BASH, "zsh": _ZSH, "fish": _FISH},
}
"""Names of the files in ./account, besides files of any name."""


def script(parser: ArgumentParser, *, shell: str) -> str:
    """Return what ``shell`` (bash, zsh or fish) is to read; completes into ``parser``."""
    options = {option.field: option for option in (*every_option(), *OTHERS)}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to them
        kind = options[action.dest].kind
        action.choices = kind.names or None
        if kind in (kinds.PATH, kinds.FILE):
            vars(action)["complete"] = shtab.FILE
        elif kind is kinds.FOLDERS:
            vars(action)["complete"] = shtab.DIRECTORY
    vars(parser.add_argument("accounts", nargs="*", help="account"))["complete"] = _ACCOUNTS
    return f"{shtab.complete(parser, shell)}\n"
