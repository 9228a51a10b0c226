"""Draw the picture of the README: the demo's table, at a moment that never passes.

``python -m tests.readme.picture FILE`` writes it; ``make picture`` calls that.
"""

from __future__ import annotations

import html
import os
import re
import sys
from io import StringIO
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import anyio
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from poller.present.usage_table import UsageTable
from poller.settings import Settings
from poller.simulator.accounts import demo_accounts
from poller.simulator.server import serve
from tests.running import made_up, one_round

NOW = 1_795_359_845.0
"""2026-11-22 15:04:05 UTC, a Sunday."""
_WIDTH = 100
_INK, _RED, _GREEN, _YELLOW = (36, 41, 47), (207, 34, 46), (26, 127, 55), (154, 103, 0)
_COLORS = [_INK, _RED, _GREEN, _YELLOW, _INK, _INK, _INK, _INK]
_THEME = TerminalTheme((255, 255, 255), _INK, _COLORS, _COLORS)
_LINE, _CHARACTER = 20, 12.04
"""Height of a line in rich's drawings, and what most fonts for terminals make of it."""
_TEXT = re.compile(
    r'<text class="(?P<style>[^"]+)" x="(?P<x>[^"]+)" y="(?P<y>[^"]+)" textLength="[^"]+"'
    r' clip-path="[^"]+">(?P<text>[^<]*)</text>'
)
# Fonts from elsewhere are not loaded where a README is read.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


async def _table() -> UsageTable:
    table = UsageTable(ZoneInfo("UTC"))
    files = made_up(demo_accounts(12, now=NOW))
    async with serve(now=NOW) as simulator:
        settings = Settings(chatgpt_url=simulator.url)
        async with one_round(files, settings, clock=lambda: NOW) as reports:
            async for report in reports:
                table.add(report)
    return table


def svg() -> str:
    """Poll the demo's accounts, and return their table as an SVG."""
    table = anyio.run(_table)
    with mock.patch.dict(os.environ, {"TERM": "xterm-256color", "COLORTERM": ""}):
        painted = "".join(table.render(width=_WIDTH, color=True, unicode=True, now=NOW))
    screen = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True)
    screen.print(Text("$ poller", style="bold"))
    screen.print(Text.from_ansi(painted.rstrip("\n")))
    drawn = screen.export_svg(
        title="poller",
        theme=_THEME,
        code_format=_FORMAT,
        unique_id="table",
        font_aspect_ratio=_CHARACTER / _LINE,
    )
    return _TEXT.sub(_in_words, drawn)


def _in_words(found: re.Match[str]) -> str:
    """Give each word its own place: rich counts a wide character as one, blanks may collapse."""
    start, text = float(found["x"]), html.unescape(found["text"]).replace("\xa0", " ")
    words: list[str] = []
    for word in re.finditer(r"\S+(?: \S+)*", text):
        x = start + cell_len(text[: word.start()]) * _CHARACTER
        length = cell_len(word[0]) * _CHARACTER
        words.append(
            f'<text class="{found["style"]}" x="{x:g}" y="{found["y"]}" textLength="{length:g}">'
            f"{html.escape(word[0])}</text>"
        )
    return "".join(words)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(svg(), encoding="utf-8")
