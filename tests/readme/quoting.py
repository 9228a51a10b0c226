"""Put what the program says into the READMEs that quote it: ``make readme`` calls this."""

from __future__ import annotations

import re
from pathlib import Path

from poller.commands.help import text as help_text

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")

_HELP = re.compile(r"(?<=^```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def quoted(readme: str) -> str:
    """Return the text of a README with today's help in it."""
    return _HELP.sub(lambda _: help_text(), readme, count=1)


if __name__ == "__main__":
    for name in READMES:
        path = ROOT / name
        path.write_text(quoted(path.read_text(encoding="utf-8")), encoding="utf-8")
