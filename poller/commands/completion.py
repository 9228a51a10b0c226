"""``poller completion``: what completes poller's words in bash, zsh and fish.

Made by shtab from the tables of commands and options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import shtab

from poller.commands import COMMANDS
from poller.settings import value_types as kinds
from poller.settings.flags import parser, taken_by
from poller.settings.options.accounts import WORDS_OF_HISTORY

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser

    from poller.settings.options import Option

# Bash quotes what is offered only if told that it names files, and shtab tells it so for
# functions with "_files" in their name. A "$" in what is no file here stays unquoted all the
# same, so accounts with one are not offered. The two variables are shtab's for the first
# word: commands can stand there, and accounts as well.
_BASH = """
_poller_account_files() {
  compgen -f -- "$1"
  (cd ./account >/dev/null 2>&1 && compgen -f -X '!*.auth.json' -- "$1") |
    sed -e '/\\$/d' -e 's/\\.auth\\.json$//'
}
_poller_history_files() {
  compgen -W 'show import export prune check' -- "$1"
  _poller_account_files "$1"
}
_shtab_poller_pos_0_COMPGEN=_poller_account_files
_shtab_poller_pos_0_nargs=1
"""
# Shtab's own function for zsh offers either commands or accounts as the first word, and its
# "(*)::" stands for one word where any number can stand.
_ZSH = """
_poller_account_files() {
  local -a names=(account/*.auth.json(N:t))
  (( CURRENT == 2 )) && [[ -z $picked ]] && _shtab_poller_commands
  compadd -- ${names%.auth.json}
  _files
}
_poller_history_files() {
  (( CURRENT == 2 )) && compadd show import export prune check
  _poller_account_files
}
_shtab_poller() {
  local context state line curcontext="$curcontext" picked
  local options=_shtab_poller_${words[2]}_options
  if (( CURRENT > 2 && ${(P)+options} )); then
    picked=$words[2]
    shift words
    (( CURRENT -= 1 ))
  else
    options=_shtab_poller_options
  fi
  _arguments -C -s "${(@P)options}"
}
"""
_ZSH_ONE_WORD, _ZSH_WORDS = '"(*)::', '"*:'
_FISH = """
function _poller_account_files
  for file in account/*.auth.json
    string replace -r '^account/(.*)\\.auth\\.json$' '$1' -- $file
  end
  __fish_complete_path (commandline -ct)
end
function _poller_history_files
  printf '%s\\n' show import export prune check
  _poller_account_files
end
"""
_FISH_FIRST_WORD = (
    "complete -c poller -n '_shtab_poller_using; and test $_shtab_poller_npos -eq 0' "
    '-ka "(_poller_account_files)"\n'
)
_ACCOUNTS = {
    "bash": "_poller_account_files",
    "zsh": "_poller_account_files",
    "fish": "(_poller_account_files)",
    "preamble": {"bash": _BASH, "zsh": _ZSH, "fish": _FISH},
}
"""Names of the files in ./account, besides files of any name."""
_OF_HISTORY = {
    "bash": "_poller_history_files",
    "zsh": "_poller_history_files",
    "fish": "(_poller_history_files)",
    "preamble": _ACCOUNTS["preamble"],
}
"""These, and what ``history`` can do."""


def text(shell: str) -> str:
    """Return what ``shell`` (bash, zsh or fish) is to read."""
    poll = parser("poll")
    commands = poll.add_subparsers()
    for command in COMMANDS.values():
        own = commands.add_parser(
            command.name, help=command.help, parents=[parser(command.name)], add_help=False
        )
        _complete(own, command.name)
    _complete(poll, "poll")
    made = shtab.complete(poll, shell).replace(_ZSH_ONE_WORD, _ZSH_WORDS)
    return f"{made}\n{_FISH_FIRST_WORD if shell == 'fish' else ''}"


def _complete(made: ArgumentParser, command: str) -> None:
    """Say of each flag and word of a command what can stand there."""
    options = {option.field: option for option in taken_by(command)}
    for action in made._actions:  # noqa: SLF001 - argparse has no other way to them
        if action.dest in options:
            _complete_action(action, options[action.dest])
    for option in options.values():
        if option.is_word:
            nargs = "*" if option.kind.action == "append" else None
            _complete_action(made.add_argument(option.field, nargs=nargs), option)


def _complete_action(action: Action, option: Option) -> None:
    action.help = option.help
    if option.kind is kinds.NAMES:
        vars(action)["complete"] = _ACCOUNTS
    elif option.kind is WORDS_OF_HISTORY:
        vars(action)["complete"] = _OF_HISTORY
    elif option.kind in (kinds.PATH, kinds.NEW_FILE, kinds.FILE):
        vars(action)["complete"] = shtab.FILE
    elif option.kind is kinds.FOLDERS:
        vars(action)["complete"] = shtab.DIRECTORY
    elif option.kind is kinds.ZONE:
        action.choices = sorted(available_timezones())
    elif option.field == "command":
        action.choices = list(COMMANDS)
    else:
        action.choices = option.kind.names or None
