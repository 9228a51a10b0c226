"""Draw the READMEs' pictures: the demo's table, at a moment that never passes.

``python -m tests.readme.picture FOLDER`` writes them; ``make picture`` calls that.
"""

from __future__ import annotations

import html
import re
import sys
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
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

if TYPE_CHECKING:
    from poller.values import Report

NOW = 1_795_341_845.0
"""2026-11-22 10:04:05 UTC, a Sunday; no five-hour window of the demo lasts beyond the day."""
_WIDTH = 100
"""Cells; the failures and the plans fit, and a README shows it in readable letters."""
_LANGUAGES = MappingProxyType({"": ("en", "UTC"), "-zh": ("zh", "Asia/Shanghai")})
"""Language and time zone of the tables, by what follows ``table`` in the file's name."""
_LINE, _CHARACTER = 20, 12.04
"""Height of a line in rich's drawings, and what most fonts for terminals make of it."""
_TEXT = re.compile(
    r'<text class="(?P<style>[^"]+)" x="(?P<x>[^"]+)" y="(?P<y>[^"]+)" textLength="[^"]+"'
    r' clip-path="[^"]+">(?P<text>[^<]*)</text>'
)
# Fonts from elsewhere are not loaded where a README is read.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def _theme(*rgb: str) -> TerminalTheme:
    """Return a terminal's colors: its paper and ink, red, green and yellow; the rest is ink."""
    paper, ink, red, green, yellow = (
        (int(each[:2], 16), int(each[2:4], 16), int(each[4:], 16)) for each in rgb
    )
    colors = [ink, red, green, yellow, ink, ink, ink, ink]
    return TerminalTheme(paper, ink, colors, colors)


# Those of the pages that GitHub shows them on.
_THEMES = MappingProxyType(
    {
        "light": _theme("ffffff", "24292f", "cf222e", "1a7f37", "9a6700"),
        "dark": _theme("0d1117", "e6edf3", "ff7b72", "3fb950", "d29922"),
    }
)


async def _reports() -> list[Report]:
    files = made_up(demo_accounts(12, now=NOW))
    async with serve(now=NOW) as simulator:
        settings = Settings(chatgpt_url=simulator.url)
        async with one_round(files, settings, clock=lambda: NOW) as reports:
            return [report async for report in reports]


def svgs() -> dict[str, str]:
    """Poll the demo's accounts; return their table as SVGs, by the names of their files."""
    reports = anyio.run(_reports)
    return {
        f"table{ending}-{name}.svg": _drawn(_painted(reports, language, zone), theme)
        for ending, (language, zone) in _LANGUAGES.items()
        for name, theme in _THEMES.items()
    }


def _painted(reports: list[Report], language: str, zone: str) -> str:
    table = UsageTable(ZoneInfo(zone), language=language)
    for report in reports:
        table.add(report)
    return "".join(table.render(width=_WIDTH, color=True, unicode=True, now=NOW))


def _drawn(painted: str, theme: TerminalTheme) -> str:
    screen = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True)
    screen.print(Text("$ poller --demo", style="bold"))
    screen.print(Text.from_ansi(painted.rstrip("\n")))
    drawn = screen.export_svg(
        title="poller",
        theme=theme,
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
    for file_name, svg in svgs().items():
        Path(sys.argv[1], file_name).write_text(svg, encoding="utf-8")
