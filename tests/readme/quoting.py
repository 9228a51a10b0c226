"""Put what the program says into the pages that quote it: ``make readme`` calls this."""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout
from io import StringIO
from unittest import mock

from poller.commands import COMMANDS
from poller.commands.help import text as help_text
from poller.simulator.__main__ import main as simulate
from tests.readme.manpage import PAGE, manpage
from tests.readme.reading import ROOT, text_of

OPTIONS = "docs/options.md"

_QUOTED = re.compile(r"(?<=^## poller\n).*(?=^`--list`, )", re.DOTALL | re.MULTILINE)
"""The sections that quote: poller's own, then one a command."""


def help_of(command: str) -> str:
    """Return what a command's ``--help`` prints; ``command`` as in ``poller list``."""
    if command == "poller simulate":
        return _simulators_help()
    return help_text(command.removeprefix("poller").strip() or None)


def _simulators_help() -> str:
    shown = StringIO()
    with mock.patch.dict(os.environ, {"COLUMNS": "80"}), redirect_stdout(shown):
        simulate(["--help"], prog="poller simulate")
    return shown.getvalue()


def quoted(page: str) -> str:
    """Return the options page with today's help in it, of every command that has options."""
    named = [
        command.name
        for command in COMMANDS.values()
        if command.function != "text" and command.name != "poll"
    ]
    sections = [_quoting("poller"), *(f"## poller {n}\n{_quoting(f'poller {n}')}" for n in named)]
    return _QUOTED.sub(lambda _: "".join(sections), page)


def _quoting(command: str) -> str:
    what = f"<!-- what {command} --help prints; make readme renews it -->"
    return f"\n{what}\n\n```text\n{help_of(command)}```\n\n"


if __name__ == "__main__":
    (ROOT / OPTIONS).write_text(quoted(text_of(OPTIONS)), encoding="utf-8")
    (ROOT / PAGE).write_text(manpage(), encoding="utf-8")
